//! Alerts when processes are lost; without the risk manager, stops trading and starts the backup.
//!
//! ```ini
//! [eventlistener:failure_monitor]
//! command = /usr/local/bin/failure_monitor --alert-url http://monitoring.internal/alerts
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED
//! buffer_size = 100
//! ```
//!
//! Critical processes that became FATAL, and all that exited unexpectedly, are alerts.

use std::process::ExitCode;

use serde_json::{Value, json};
use supervisor_events::{Event, Header, ProcessState, ProcessStateEvent};

use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts};
use supervisor_monitors::log::log;
use supervisor_monitors::run::{Monitor, run};
use supervisor_monitors::settings::{Setting, Settings};
use supervisor_monitors::supervisord::Supervisord;

const ABOUT: &str = "Alerts when processes are lost; without the risk manager, stops trading and starts the backup.";

const SETTINGS: [Setting; 5] = [
    ("critical-processes", "risk_manager,hyperliquid_feed,order_executor", "alert when one of these is FATAL"),
    ("risk-manager", "risk_manager", "the process without which there is no trading"),
    ("lost-when", "FATAL", "states in which the risk manager is lost: FATAL, or FATAL,EXITED (unexpectedly)"),
    ("trading-group", "trading_system", "the group to stop then"),
    ("backup", "", "the process to start then, GROUP:NAME; not one of the group that is stopped"),
];

fn main() -> ExitCode {
    run(env!("CARGO_BIN_NAME"), ABOUT, &SETTINGS, FailureMonitor::new)
}

struct FailureMonitor {
    critical: Vec<String>,
    risk_manager: String,
    lost_when: Vec<String>,
    trading_group: String,
    backup: String,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for FailureMonitor {
    fn handle(&mut self, _: &Header<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) if event.state == ProcessState::Fatal => self.fatal(event),
            Event::ProcessState(event) if event.expected == Some(false) => self.exited_unexpectedly(event),
            _ => {}
        }
        Ok(())
    }
}

impl FailureMonitor {
    fn new(settings: &Settings) -> Result<Self, Failure> {
        let lost_when = settings.names("lost-when");
        if let Some(state) = lost_when.iter().find(|state| !matches!(state.as_str(), "FATAL" | "EXITED")) {
            return Err(format!("--lost-when is FATAL or FATAL,EXITED, not {state:?}").into());
        }
        Ok(Self {
            critical: settings.names("critical-processes"),
            risk_manager: settings.get("risk-manager").into(),
            lost_when,
            trading_group: settings.get("trading-group").into(),
            backup: settings.get("backup").into(),
            alerts: Alerts::new(settings)?,
            supervisord: Supervisord::from_env(),
        })
    }

    fn fatal(&self, event: &ProcessStateEvent<'_>) {
        let name = event.processname.as_str();
        log("CRITICAL", format!("Process {name} entered FATAL state"), json!({ "process": event }));
        // Before the alert, which may take its time.
        self.stop_trading_without_risk_manager(event);
        if self.critical.iter().any(|critical| critical == name) {
            let details = json!({
                "message": format!("Critical process {name} failed to start"),
                "from_state": event.from_state,
                "action_required": "immediate_intervention",
            });
            self.alert(event, "PROCESS_FATAL", details);
        }
    }

    fn exited_unexpectedly(&self, event: &ProcessStateEvent<'_>) {
        let pid = event.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
        let message = format!("Process {} (PID {pid}) exited unexpectedly", event.processname);
        log("WARNING", message, json!({ "process": event }));
        self.stop_trading_without_risk_manager(event);
        let details = json!({ "pid": event.pid, "from_state": event.from_state, "requires_investigation": true });
        self.alert(event, "UNEXPECTED_EXIT", details);
    }

    fn stop_trading_without_risk_manager(&self, event: &ProcessStateEvent<'_>) {
        if event.processname.as_str() != self.risk_manager
            || !self.lost_when.iter().any(|state| state == event.state.name())
        {
            return;
        }
        log("EMERGENCY", "Risk manager failed - stopping all trading", json!({ "group": self.trading_group }));
        match self.supervisord.stop_group(&self.trading_group) {
            Ok(stopping) => log("EMERGENCY", "trading is being stopped", json!({ "processes": stopping })),
            Err(error) => log("EMERGENCY", format!("trading is NOT being stopped: {error}"), json!({})),
        }
        if !self.backup.is_empty() {
            match self.supervisord.start(&self.backup) {
                Ok(()) => log("EMERGENCY", "backup was started", json!({ "process": self.backup })),
                Err(error) => log("EMERGENCY", format!("backup was NOT started: {error}"), json!({})),
            }
        }
    }

    fn alert(&self, event: &ProcessStateEvent<'_>, kind: &str, details: Value) {
        let process = Some((event.processname.as_str(), event.groupname.as_str()));
        self.alerts.send([Alert { severity: "CRITICAL", process, event: kind, details }]);
    }
}
