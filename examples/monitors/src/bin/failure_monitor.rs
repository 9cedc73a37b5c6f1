//! Alerts when processes are lost; if it is the risk manager, stops trading and starts the backup.
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
//! A process that becomes FATAL or exits unexpectedly raises an alert when that begins. Further failures are counted,
//! and another alert says when the process has recovered, which is checked at each tick. Processes that end because
//! supervisord shuts down raise none.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alerts, Severity, SignOfLife, Url};
use supervisor_monitors::command::{EventSettings, Hook, Job, Queue, WhenBusy};
use supervisor_monitors::incidents::{IncidentSettings, Incidents};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::supervisord::{Supervisord, log_failure};
use supervisor_monitors::trading::{Trading, TradingSettings};

/// Alerts when processes are lost; if it is the risk manager, stops trading and starts the backup.
#[derive(Parser)]
struct Settings {
    /// Processes whose failures are CRITICAL: NAME, GROUP:NAME, GROUP:* or *, separated by commas. May be empty
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<ProcessPattern>,
    #[command(flatten)]
    trading: TradingSettings,
    /// The URL of a dead man's switch: gets a GET request at each tick, and raises an alarm when the requests stop
    #[arg(long, env, default_value = "")]
    sign_of_life_url: Optional<Url>,
    #[command(flatten)]
    incidents: IncidentSettings,
    #[command(flatten)]
    commands: EventSettings,
    #[command(flatten)]
    common: Common,
}

/// How many ended processes may wait for their look-up.
const MOST_QUESTIONS: usize = 50;

fn main() -> ExitCode {
    monitor::<FailureMonitor>(env!("CARGO_BIN_NAME"))
}

struct FailureMonitor {
    settings: Settings,
    hook: Hook,
    trading: Trading,
    /// Asks supervisord why processes ended, without delaying events.
    questions: Queue,
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
            settings.trading.check(names);
        })?;
        let supervisord = supervisord.noting_stops(&settings.common)?;
        let incidents = Incidents::new(settings.incidents, &settings.common)?;
        let hook = Hook::at_events(settings.commands.clone(), &settings.common)?;
        let url = settings.sign_of_life_url.as_ref();
        let sign_of_life = url.map(|url| SignOfLife::new(url, &settings.common.alerts)).transpose()?;
        let trading = Trading::new(settings.trading.clone(), &settings.common)?;
        let questions = Queue::new(1, MOST_QUESTIONS, Duration::ZERO).quiet();
        Ok(Self { hook, trading, questions, incidents, sign_of_life, supervisord, settings })
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
                let after = self.settings.incidents.recovered_after;
                if let Some(measure) = self.trading.stop_backup(&self.supervisord, after)? {
                    self.incidents.alerts().follow(context, &measure.goal);
                }
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
        let measures = self.trading.lost(&self.supervisord, event);
        self.incidents.failed(context, event, kind, details, &measures);
        measures.iter().for_each(|measure| self.incidents.alerts().follow(context, &measure.goal));
        // Trading has been stopped by now.
        self.hook.act(self.incidents.alerts(), context, (&event.processname, &event.groupname));
        // Last, because it is done in a thread of its own.
        self.tell_why(event);
    }

    fn is_critical(&self, event: &ProcessStateEvent<'_>) -> bool {
        self.settings.critical_processes.matches(&event.groupname, &event.processname)
    }

    /// Logs why a process ended, once supervisord has answered.
    fn tell_why(&self, event: &ProcessStateEvent<'_>) {
        // If supervisord does not answer, it is not asked more and more.
        if !self.supervisord.is_known() || self.questions.busy().1 >= MOST_QUESTIONS {
            return;
        }
        let (supervisord, process) = (self.supervisord.clone(), json!(event));
        let (name, pid) = (event.processname.to_string(), event.pid);
        let full_name = format!("{}:{name}", event.groupname);
        let key = format!("why {full_name} ended");
        let act = Box::new(move |_: &_| match why(&supervisord, &full_name, &name, pid) {
            Ok(why) => log(Level::Warning, format!("Process {name} ended: {why}"), json!({ "process": process })),
            Err(error) => log_failure(Level::Warning, &error, format!("unknown why {name} ended: {error}"), process),
        });
        self.questions.add(Job { key, when_busy: WhenBusy::Wait, bytes: 0, act });
    }
}

/// The exit status or signal; or supervisord's own words about a process that it could not start or gave up.
fn why(supervisord: &Supervisord, full_name: &str, name: &str, pid: Option<u32>) -> Result<String, Failure> {
    let spawn_error = supervisord.process(full_name)?.spawn_error;
    let by_log = supervisord.exit_reason(name, pid).ok().flatten();
    Ok(match (by_log, pid) {
        (Some(reason), Some(_)) => reason,
        (Some(reason), None) if spawn_error.starts_with("Exited too quickly") => format!("{spawn_error}: {reason}"),
        _ if spawn_error.is_empty() => "supervisord keeps no reason".into(),
        _ => spawn_error,
    })
}
