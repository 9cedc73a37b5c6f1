//! Measures the system and the trading processes each minute; alerts when a value exceeds its limit, and when memory
//! leaks.
//!
//! ```ini
//! [eventlistener:performance_monitor]
//! command = /usr/local/bin/performance_monitor
//! user = monitors
//! environment = PROCESSES="*",LIMITS=""
//! events = TICK_60
//! priority = 6
//! buffer_size = 50
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! The process ids come from supervisord's own list. Each process is measured together with all its descendants. A leak
//! is a steady rise over up to an hour.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity, Status};
use supervisor_monitors::command::{Hook, TickSettings};
use supervisor_monitors::endpoints::deadline;
use supervisor_monitors::limits::{Figure, Firing, Kind, Limits};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::metrics::{ProcessMetrics, Trend, by_name, measure};
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, number, threshold};
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Process, Supervisord, log_failure};

/// Measures the system and the trading processes each minute; alerts when a value exceeds its limit, and when memory
/// leaks.
#[derive(Parser)]
struct Settings {
    /// Processes to measure: NAME, GROUP:NAME, GROUP:* or *, separated by commas. May be empty
    #[arg(long, env, default_value = "genetic_engine,risk_manager,hyperliquid_feed,order_executor,backtest_worker")]
    processes: List<ProcessPattern>,
    /// Limits for single processes, which are then measured too: NAME=memory:MB+cpu:PERCENT+leak:MB, separated by
    /// commas, such as site:web=memory:500+cpu:150. PERCENT is of one CPU, leak is in MB an hour. The first entry that
    /// matches a process and has the limit applies
    #[arg(long, env, default_value = "")]
    limits: List<Limits>,
    /// Seconds over which CPU use is measured at each tick: at most 4
    #[arg(long, env, default_value = "1", value_parser = deadline)]
    interval: Duration,
    /// Alert when the system uses more than this percentage of all CPUs
    #[arg(long, env, default_value = "80", value_parser = threshold)]
    cpu_threshold: f64,
    /// Alert when the system uses more than this percentage of its memory
    #[arg(long, env, default_value = "85", value_parser = threshold)]
    memory_threshold: f64,
    /// Alert when a process, with its descendants, uses more MB (2^20 bytes) than this, unless --limits has a limit for
    /// it
    #[arg(long, env, default_value = "1000", value_parser = threshold)]
    process_memory_threshold: f64,
    /// Alert when a process grows steadily by more MB an hour than this, unless --limits has a limit for it
    #[arg(long, env, default_value = "100", value_parser = threshold)]
    leak_threshold: f64,
    /// For how many minutes a process must grow for this to count as steady
    #[arg(long, env, default_value = "15", value_parser = number::<usize>)]
    leak_samples: usize,
    #[command(flatten)]
    commands: TickSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<PerformanceMonitor>(env!("CARGO_BIN_NAME"))
}

struct PerformanceMonitor {
    settings: Settings,
    state: State<Known>,
    hook: Hook,
    alerts: Alerts,
    supervisord: Supervisord,
}

/// The state after the last tick.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Known {
    trends: BTreeMap<String, Trend>,
    firing: Firing,
}

impl Monitor for PerformanceMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            state: State::open(&settings.common, "")?,
            hook: Hook::at_ticks(settings.commands.clone(), &settings.common)?,
            alerts: Alerts::new(&settings.common)?,
            supervisord: Supervisord::at_start(|names| {
                names.processes("--processes", &*settings.processes);
                names.processes("--limits", settings.limits.patterns());
            })?,
            settings,
        })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(tick) = event else { return Ok(()) };
        self.hook.check(&self.alerts, context);
        let asked = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let listed = self.supervisord.processes();
        // The system's own values are useful even without the list.
        let all = listed.as_deref().unwrap_or_else(|error| {
            let fields = json!({ "processes": &*self.settings.processes });
            log_failure(Level::Error, error, error.to_string(), fields);
            &[]
        });
        let watched: Vec<_> = all.iter().filter(|process| process.pid != 0 && self.settings.watch(process)).collect();
        let (system, processes) = measure(&watched, asked, self.settings.interval);
        let mut known = self.state.get();
        let (mut figures, changes) = {
            let cpu = Figure::of_system(Kind::HighCpu, system.cpu_percent.into(), self.settings.cpu_threshold);
            let memory = Figure::of_system(Kind::HighMemory, system.memory_percent, self.settings.memory_threshold);
            let mut figures = vec![cpu, memory];
            for (process, metrics) in &processes {
                let trend = known.trends.entry(process.full_name()).or_default();
                trend.add((metrics.pid, metrics.start), tick.when, metrics.memory_mb);
                figures.extend(self.settings.of_process(process, metrics, trend));
            }
            let is_there = |name: &str| processes.iter().any(|(process, _)| process.full_name() == name);
            known.trends.retain(|name, _| listed.is_err() || is_there(name));
            let changes = known.firing.note(&figures, listed.is_ok());
            (figures, changes)
        };
        figures.retain(Figure::exceeds);
        let by_name = by_name(&processes);
        log(Level::Info, "Performance metrics", json!({ "system": system, "processes": by_name, "alerts": figures }));
        let alerts = changes.iter().map(|(figure, status)| {
            let severity = if *status == Status::Firing { Severity::Warning } else { Severity::Info };
            Alert::new(severity, figure.kind.name(), figure.process(), json!(figure)).status(*status)
        });
        self.alerts.send(context, alerts);
        // After the alerts, so that a process killed in between sends them again.
        self.state.set(known);
        Ok(())
    }
}

impl Settings {
    fn watch(&self, process: &Process) -> bool {
        self.processes.matches(&process.group, &process.name) || self.limits.name(process)
    }

    fn of_process(&self, process: &Process, metrics: &ProcessMetrics, trend: &Trend) -> Vec<Figure> {
        let limit = |what| self.limits.first(process, what);
        let figure = |kind, value, threshold| Figure::of_process(kind, process, value, threshold);
        let memory = limit(|limits| limits.memory).unwrap_or(self.process_memory_threshold);
        let leak = limit(|limits| limits.leak).unwrap_or(self.leak_threshold);
        let mut figures = vec![
            figure(Kind::ProcessHighMemory, Some(metrics.memory_mb), memory),
            figure(Kind::MemoryLeak, trend.growth(self.leak_samples), leak),
        ];
        figures
            .extend(limit(|limits| limits.cpu).map(|cpu| figure(Kind::ProcessHighCpu, Some(metrics.cpu_percent), cpu)));
        figures
    }
}
