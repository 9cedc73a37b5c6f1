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
use serde::Serialize;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::supervisord::{Supervisord, Unknown};

/// Alerts when processes are lost; without the risk manager, stops trading and starts the backup.
#[derive(Parser)]
struct Settings {
    /// Alert when one of these is FATAL
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<String>,
    /// The process without which there is no trading
    #[arg(long, env, default_value = "risk_manager")]
    risk_manager: String,
    /// States in which the risk manager is lost: FATAL, or FATAL,EXITED (unexpectedly)
    #[arg(long, env, default_value = "FATAL")]
    lost_when: List<Lost>,
    /// The group to stop then
    #[arg(long, env, default_value = "trading_system")]
    trading_group: String,
    /// The process to start then, GROUP:NAME; not one of the group that is stopped; none if empty
    #[arg(long, env, default_value = "")]
    backup: Optional<String>,
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
        self.stop_trading_without_risk_manager(event);
        if self.settings.critical_processes.iter().any(|critical| critical == name) {
            let details = json!({
                "message": format!("Critical process {name} failed to start"),
                "from_state": event.from_state,
                "action_required": "immediate_intervention",
            });
            self.alert(context, event, "PROCESS_FATAL", details);
        }
    }

    fn exited_unexpectedly(&self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let pid = event.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
        let message = format!("Process {} (PID {pid}) exited unexpectedly", event.processname);
        log(Level::Warning, message, json!({ "process": event }));
        self.stop_trading_without_risk_manager(event);
        let details = json!({ "pid": event.pid, "from_state": event.from_state, "requires_investigation": true });
        self.alert(context, event, "UNEXPECTED_EXIT", details);
    }

    fn stop_trading_without_risk_manager(&self, event: &ProcessStateEvent<'_>) {
        let Settings { risk_manager, lost_when, trading_group, backup, .. } = &self.settings;
        if event.processname != risk_manager.as_str() || !lost_when.iter().any(|lost| lost.0 == event.state) {
            return;
        }
        log(Level::Emergency, "Risk manager failed - stopping all trading", json!({ "group": trading_group }));
        let group = trading_group.clone();
        let stop = move |supervisord: &Supervisord| supervisord.stop_group(&group);
        self.surely("trading is being stopped", "trading is NOT being stopped", stop);
        if let Some(backup) = (**backup).clone() {
            let start = move |supervisord: &Supervisord| match supervisord.start(&backup) {
                // By the call before this one, or by somebody else.
                Err(error) if error.to_string().contains("ALREADY_STARTED") => Ok(json!(backup)),
                started => started.map(|()| json!(backup)),
            };
            self.surely("backup was started", "backup was NOT started", start);
        }
    }

    /// Has supervisord do something, and tells whether it did. If it does not answer, that is unknown: it is called again
    /// until it does, and later events do not wait for it.
    fn surely<T: Serialize + 'static>(
        &self,
        done: &'static str,
        failed: &'static str,
        call: impl Fn(&Supervisord) -> Result<T, Failure> + Send + 'static,
    ) {
        let tell = move |answer: Result<T, Failure>| match answer {
            Ok(processes) => log(Level::Emergency, done, json!({ "processes": processes })),
            Err(error) => log(Level::Emergency, format!("{failed}: {error}"), json!({})),
        };
        match call(&self.supervisord) {
            Err(error) if error.is::<Unknown>() => {
                log(Level::Emergency, format!("it is UNKNOWN whether {done}: {error}; it is asked again"), json!({}));
                if let Err(error) = self.supervisord.ask_until_known(call, tell) {
                    log(Level::Emergency, format!("it stays unknown whether {done}: {error}"), json!({}));
                }
            }
            answer => tell(answer),
        }
    }

    fn alert(&self, context: &Context<'_>, event: &ProcessStateEvent<'_>, kind: &str, details: Value) {
        let process = Some((event.processname.as_str(), event.groupname.as_str()));
        self.alerts.send(context, [Alert { severity: Severity::Critical, process, event: kind, details }]);
    }
}
