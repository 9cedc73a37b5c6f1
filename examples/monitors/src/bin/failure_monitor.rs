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
use std::str::FromStr;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Action, Alert, Alerts, Goal, Outcome, Severity, Status, Wanted};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::names::{ProcessName, ProcessPattern};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::supervisord::Supervisord;

/// Alerts when processes are lost; without the risk manager, stops trading and starts the backup.
#[derive(Parser)]
struct Settings {
    /// Alert when one of these is FATAL: NAME, GROUP:NAME, GROUP:* or *, with commas
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<ProcessPattern>,
    /// The process without which there is no trading: NAME or GROUP:NAME
    #[arg(long, env, default_value = "risk_manager")]
    risk_manager: ProcessPattern,
    /// States in which the risk manager is lost: FATAL, or FATAL,EXITED (unexpectedly)
    #[arg(long, env, default_value = "FATAL")]
    lost_when: List<Lost>,
    /// The group to stop then
    #[arg(long, env, default_value = "trading_system")]
    trading_group: String,
    /// The process to start then: GROUP:NAME, or NAME for NAME:NAME; not one of the group that is stopped; none if empty
    #[arg(long, env, default_value = "")]
    backup: Optional<ProcessName>,
    #[command(flatten)]
    common: Common,
}

/// A state in which a process is lost.
#[derive(Clone)]
struct Lost(ProcessState);

impl FromStr for Lost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "FATAL" => Ok(Self(ProcessState::Fatal)),
            "EXITED" => Ok(Self(ProcessState::Exited)),
            _ => Err(format!("is FATAL or FATAL,EXITED, not {text:?}")),
        }
    }
}

fn main() -> ExitCode {
    monitor::<FailureMonitor>(env!("CARGO_BIN_NAME"))
}

struct FailureMonitor {
    settings: Settings,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for FailureMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let alerts = Alerts::new(&settings.common)?;
        Ok(Self { alerts, supervisord: Supervisord::from_env(), settings })
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) if event.state == ProcessState::Fatal => self.fatal(context, event),
            Event::ProcessState(event) if event.expected == Some(false) => self.exited_unexpectedly(context, event),
            _ => {}
        }
        Ok(())
    }
}

impl FailureMonitor {
    fn fatal(&self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let name = event.processname.as_str();
        log(Level::Critical, format!("Process {name} entered FATAL state"), json!({ "process": event }));
        let actions = self.stop_trading_without_risk_manager(event);
        if self.settings.critical_processes.matches(&event.groupname, name) {
            let details = json!({
                "message": format!("Critical process {name} failed to start"),
                "from_state": event.from_state,
                "action_required": "immediate_intervention",
            });
            self.alert(context, event, "PROCESS_FATAL", details, &actions);
        }
        self.follow(context, &actions);
    }

    fn exited_unexpectedly(&self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let pid = event.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
        let message = format!("Process {} (PID {pid}) exited unexpectedly", event.processname);
        log(Level::Warning, message, json!({ "process": event }));
        let actions = self.stop_trading_without_risk_manager(event);
        let details = json!({ "pid": event.pid, "from_state": event.from_state, "requires_investigation": true });
        self.alert(context, event, "UNEXPECTED_EXIT", details, &actions);
        self.follow(context, &actions);
    }

    /// What was done.
    fn stop_trading_without_risk_manager(&self, event: &ProcessStateEvent<'_>) -> Vec<Action> {
        let Settings { risk_manager, lost_when, trading_group, backup, .. } = &self.settings;
        if !risk_manager.matches(&event.groupname, &event.processname)
            || !lost_when.iter().any(|lost| lost.0 == event.state)
        {
            return Vec::new();
        }
        log(Level::Emergency, "Risk manager failed - stopping all trading", json!({ "group": trading_group }));
        let group = trading_group.clone();
        let stop = move |supervisord: &Supervisord| supervisord.stop_group(&group);
        let words = ["trading is being stopped", "trading is NOT being stopped"];
        let action = format!("stop group {trading_group}");
        let mut actions = vec![Action::surely(&self.supervisord, action, Outcome::Stopping, words, stop)];
        if let Some(backup) = backup.as_ref().map(ToString::to_string) {
            let action = format!("start {backup}");
            let start = move |supervisord: &Supervisord| match supervisord.start(&backup) {
                // By the call before this one, or by somebody else.
                Err(error) if error.to_string().contains("ALREADY_STARTED") => Ok(json!(backup)),
                started => started.map(|()| json!(backup)),
            };
            let words = ["backup was started", "backup was NOT started"];
            actions.push(Action::surely(&self.supervisord, action, Outcome::Starting, words, start));
        }
        actions
    }

    /// Has alerts tell what came of what was done, after that of the loss.
    fn follow(&self, context: &Context<'_>, actions: &[Action]) {
        if actions.is_empty() {
            return;
        }
        let wanted = Wanted::GroupStopped(self.settings.trading_group.clone());
        self.alerts.follow(context, &Goal { wanted, reached: "TRADING_STOPPED", missed: "TRADING_NOT_STOPPED" });
        if let Some(backup) = (*self.settings.backup).clone() {
            let wanted = Wanted::ProcessRuns(backup.to_string());
            self.alerts.follow(context, &Goal { wanted, reached: "BACKUP_RUNNING", missed: "BACKUP_NOT_RUNNING" });
        }
    }

    fn alert(
        &self,
        context: &Context<'_>,
        event: &ProcessStateEvent<'_>,
        kind: &str,
        details: Value,
        actions: &[Action],
    ) {
        let process = Some((event.processname.as_str(), event.groupname.as_str()));
        let alert = Alert::new(Severity::Critical, kind, process, details).status(Status::Firing);
        self.alerts.send(context, [alert.actions(actions.to_vec()).with_evidence()]);
    }
}
