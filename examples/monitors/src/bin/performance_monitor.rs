//! Measures the system and the trading processes each minute; alerts above thresholds, and when memory leaks.
//!
//! ```ini
//! [eventlistener:performance_monitor]
//! command = /usr/local/bin/performance_monitor --processes trading_system:*
//! events = TICK_60
//! buffer_size = 50
//! ```
//!
//! The processes are found by their ids in supervisord's own list. A leak is a steady rise over up to an hour.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::metrics::{ProcessMetrics, SystemMetrics, Trend, measure};
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, number, seconds};
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Process, Supervisord, log_failure};

/// Measures the system and the trading processes each minute; alerts above thresholds, and when memory leaks.
#[derive(Parser)]
struct Settings {
    /// Processes to measure: NAME, GROUP:NAME, GROUP:* or *, with commas
    #[arg(long, env, default_value = "genetic_engine,risk_manager,hyperliquid_feed,order_executor,backtest_worker")]
    processes: List<ProcessPattern>,
    /// Seconds over which use of the CPU is measured
    #[arg(long, env, default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Percent of all CPUs
    #[arg(long, env, default_value = "80", value_parser = number::<f64>)]
    cpu_threshold: f64,
    /// Percent of the system's memory
    #[arg(long, env, default_value = "85", value_parser = number::<f64>)]
    memory_threshold: f64,
    /// MB (2^20 bytes) that one process may hold
    #[arg(long, env, default_value = "1000", value_parser = number::<f64>)]
    process_memory_threshold: f64,
    /// MB an hour by which a process may grow steadily
    #[arg(long, env, default_value = "100", value_parser = number::<f64>)]
    leak_threshold: f64,
    /// Ticks that it takes to call a rise steady
    #[arg(long, env, default_value = "15", value_parser = number::<usize>)]
    leak_samples: usize,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<PerformanceMonitor>(env!("CARGO_BIN_NAME"))
}

struct PerformanceMonitor {
    settings: Settings,
    trends: State<BTreeMap<String, Trend>>,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for PerformanceMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            trends: State::open(&settings.common, "")?,
            alerts: Alerts::new(&settings.common)?,
            supervisord: Supervisord::at_start(|names| names.processes("--processes", &*settings.processes))?,
            settings,
        })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(tick) = event else { return Ok(()) };
        // Without the list, the system's own figures are still worth having.
        let all = self.supervisord.processes().unwrap_or_else(|error| {
            let fields = json!({ "processes": &*self.settings.processes });
            log_failure(Level::Error, &error, error.to_string(), fields);
            Vec::new()
        });
        let is_watched = |process: &&Process| self.settings.processes.matches(&process.group, &process.name);
        let watched: Vec<_> = all.iter().filter(|process| process.pid != 0).filter(is_watched).collect();
        let (system, processes) = measure(&watched, self.settings.interval);
        let mut exceeded = self.exceeded(&system, &processes);
        exceeded.extend(self.leaks(&processes, tick.when));

        let mut by_name = serde_json::Map::new();
        for (process, metrics) in &processes {
            let taken = by_name.contains_key(&process.name);
            by_name.insert(if taken { process.full_name() } else { process.name.clone() }, json!(metrics));
        }
        log(Level::Info, "Performance metrics", json!({ "system": system, "processes": by_name, "alerts": exceeded }));
        let alerts = exceeded.iter().map(|details| {
            let process = details["process"].as_str().zip(details["group"].as_str());
            let event = details["type"].as_str().unwrap_or_default();
            Alert::new(Severity::Warning, event, process, details.clone())
        });
        self.alerts.send(context, alerts);
        Ok(())
    }
}

impl PerformanceMonitor {
    fn exceeded(&self, system: &SystemMetrics, processes: &[(&Process, ProcessMetrics)]) -> Vec<Value> {
        let mut exceeded = Vec::new();
        let of_system = [
            ("HIGH_CPU", f64::from(system.cpu_percent), self.settings.cpu_threshold),
            ("HIGH_MEMORY", system.memory_percent, self.settings.memory_threshold),
        ];
        for (kind, value, threshold) in of_system.into_iter().filter(|(_, value, threshold)| value > threshold) {
            exceeded.push(json!({ "type": kind, "value": value, "threshold": threshold }));
        }
        for (process, metrics) in processes {
            if metrics.memory_mb > self.settings.process_memory_threshold {
                let threshold = self.settings.process_memory_threshold;
                exceeded.push(of_process("PROCESS_HIGH_MEMORY", process, metrics.memory_mb, threshold));
            }
        }
        exceeded
    }

    /// Adds these figures to the trends, and tells which processes grow.
    fn leaks(&mut self, processes: &[(&Process, ProcessMetrics)], when: u64) -> Vec<Value> {
        let (threshold, least) = (self.settings.leak_threshold, self.settings.leak_samples);
        let leak = |trends: &mut BTreeMap<_, Trend>, process: &Process, metrics: &ProcessMetrics| {
            let trend = trends.entry(process.full_name()).or_default();
            trend.add(metrics.pid, when, metrics.memory_mb);
            let growth = trend.growth(least).filter(|growth| *growth > threshold)?;
            Some(of_process("MEMORY_LEAK", process, growth, threshold))
        };
        self.trends.update(|trends| {
            trends.retain(|name, _| processes.iter().any(|(process, _)| process.full_name() == *name));
            processes.iter().filter_map(|(process, metrics)| leak(trends, process, metrics)).collect()
        })
    }
}

fn of_process(kind: &str, Process { name, group, .. }: &Process, value: f64, threshold: f64) -> Value {
    json!({ "type": kind, "process": name, "group": group, "value": value, "threshold": threshold })
}
