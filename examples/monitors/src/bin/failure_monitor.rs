//! Alerts when processes are lost; without the risk manager, stops trading and starts the backup.
//!
//! ```ini
//! [eventlistener:failure_monitor]
//! command = /usr/local/bin/failure_monitor
//! process_name = %(program_name)s_%(process_num)d
//! numprocs = 2
//! user = monitors
//! environment = CRITICAL_PROCESSES="",RISK_MANAGER=""
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,SUPERVISOR_STATE_CHANGE,TICK_60
//! priority = 1
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s_%(process_num)d.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! Every process that became FATAL or exited unexpectedly is an alert: one when that begins, counts while it goes on, one
//! when the process has recovered, which is looked at with each tick. What ends because supervisord shuts down is no alert.

use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alerts, Measure, Severity, SignOfLife, Url, Words};
use supervisor_monitors::command::{EventSettings, Hook};
use supervisor_monitors::incidents::{IncidentSettings, Incidents};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::lost::Lost;
use supervisor_monitors::names::{ProcessName, ProcessPattern};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::supervisord::Supervisord;

/// Alerts when processes are lost; without the risk manager, stops trading and starts the backup.
#[derive(Parser)]
struct Settings {
    /// Processes whose failures are CRITICAL: NAME, GROUP:NAME, GROUP:* or *, separated by commas. May be empty
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<ProcessPattern>,
    /// The process without which --trading-group must not run: NAME or GROUP:NAME. If empty, nothing is ever stopped
    #[arg(long, env, default_value = "risk_manager")]
    risk_manager: Optional<ProcessPattern>,
    /// When the risk manager counts as lost: FATAL (supervisord has given up), or FATAL,EXITED (also at each unexpected exit)
    #[arg(long, env, default_value = "FATAL")]
    lost_when: List<Lost>,
    /// The group to stop when the risk manager is lost
    #[arg(long, env, default_value = "trading_system")]
    trading_group: String,
    /// The process to start when the risk manager is lost: GROUP:NAME, or NAME if it is in no group. It must not be in
    /// --trading-group. Without it, nothing is started
    #[arg(long, env, default_value = "")]
    backup: Optional<ProcessName>,
    /// The URL of a dead man's switch, which gets a GET request at each tick, and raises an alarm when they stop
    #[arg(long, env, default_value = "")]
    sign_of_life_url: Optional<Url>,
    #[command(flatten)]
    incidents: IncidentSettings,
    #[command(flatten)]
    commands: EventSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<FailureMonitor>(env!("CARGO_BIN_NAME"))
}

struct FailureMonitor {
    settings: Settings,
    hook: Hook,
    incidents: Incidents,
    sign_of_life: Option<SignOfLife>,
    supervisord: Supervisord,
}

impl Monitor for FailureMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let supervisord = Supervisord::at_start(|names| {
            names.processes("--critical-processes", &*settings.critical_processes);
            if let Some(risk_manager) = &*settings.risk_manager {
                names.processes("--risk-manager", [risk_manager]);
                names.group("--trading-group", &settings.trading_group);
                settings.backup.iter().for_each(|backup| names.process("--backup", backup));
            }
        })?;
        let supervisord = supervisord.noting_stops(&settings.common)?;
        let incidents = Incidents::new(settings.incidents, &settings.common)?;
        let hook = Hook::at_events(settings.commands.clone(), &settings.common)?;
        let url = settings.sign_of_life_url.as_ref();
        let sign_of_life = url.map(|url| SignOfLife::new(url, &settings.common.alerts)).transpose()?;
        Ok(Self { hook, incidents, sign_of_life, supervisord, settings })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(self.incidents.alerts())
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) if event.state == ProcessState::Fatal => self.fatal(context, event),
            Event::ProcessState(event) if event.expected == Some(false) => self.exited_unexpectedly(context, event),
            Event::SupervisorStateChange(state) => self.incidents.supervisord_is(context, *state),
            Event::Tick(_) => {
                self.sign_of_life.iter_mut().for_each(|sign| sign.give(self.incidents.alerts()));
                self.incidents.tell_recovered(context, &self.supervisord)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl FailureMonitor {
    fn fatal(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let (name, is_critical) = (&event.processname, self.is_critical(event));
        log(Level::Critical, format!("Process {name} entered FATAL state"), json!({ "process": event }));
        let what = if is_critical { "Critical process" } else { "Process" };
        let details = json!({
            "message": format!("{what} {name} failed to start"),
            "from_state": event.from_state,
            "action_required": "immediate_intervention",
        });
        let severity = if is_critical { Severity::Critical } else { Severity::High };
        self.lost(context, event, ("PROCESS_FATAL", severity), details);
    }

    fn exited_unexpectedly(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let pid = event.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
        let message = format!("Process {} (PID {pid}) exited unexpectedly", event.processname);
        log(Level::Warning, message, json!({ "process": event }));
        let details = json!({ "pid": event.pid, "from_state": event.from_state, "requires_investigation": true });
        let severity = if self.is_critical(event) { Severity::Critical } else { Severity::Warning };
        self.lost(context, event, ("UNEXPECTED_EXIT", severity), details);
    }

    fn lost(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>, kind: (&str, Severity), details: Value) {
        let measures = self.stop_trading_without_risk_manager(event);
        self.incidents.failed(context, event, kind, details, &measures);
        measures.iter().for_each(|measure| self.incidents.alerts().follow(context, &measure.goal));
        // What stops trading has been done by now.
        self.hook.act(self.incidents.alerts(), context, (&event.processname, &event.groupname));
    }

    fn is_critical(&self, event: &ProcessStateEvent<'_>) -> bool {
        self.settings.critical_processes.matches(&event.groupname, &event.processname)
    }

    fn stop_trading_without_risk_manager(&self, event: &ProcessStateEvent<'_>) -> Vec<Measure> {
        let Settings { risk_manager, lost_when, trading_group, backup, .. } = &self.settings;
        let is_lost = |risk_manager: &ProcessPattern| risk_manager.matches(&event.groupname, &event.processname);
        if !risk_manager.as_ref().is_some_and(is_lost) || !lost_when.has(event) {
            return Vec::new();
        }
        log(Level::Emergency, "Risk manager failed - stopping all trading", json!({ "group": trading_group }));
        let mut measures = vec![Measure::stop_group(&self.supervisord, trading_group, &STOP)];
        measures.extend(backup.iter().map(|backup| Measure::start(&self.supervisord, backup, &START)));
        measures
    }
}

const STOP: Words = Words {
    done: "trading is being stopped",
    failed: "trading is NOT being stopped",
    reached: "TRADING_STOPPED",
    missed: "TRADING_NOT_STOPPED",
};

const START: Words = Words {
    done: "backup was started",
    failed: "backup was NOT started",
    reached: "BACKUP_RUNNING",
    missed: "BACKUP_NOT_RUNNING",
};
