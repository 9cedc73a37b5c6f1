//! Ends supervisord, and with it the container, when an important process is lost.
//!
//! ```ini
//! [eventlistener:critical_exit]
//! command = /usr/local/bin/critical_exit --processes web,jobs:* --grace 5
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,SUPERVISOR_STATE_CHANGE
//! priority = 11
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! ; The container's own log.
//! stderr_logfile = /dev/stderr
//! stderr_logfile_maxbytes = 0
//! ```
//!
//! supervisord always exits with 0. `container-entrypoint` runs it as the container's first process, and exits with the
//! code that this listener writes to EXIT_CODE_FILE. Both read that variable from the environment.

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use supervisor_events::{Event, ProcessState, ProcessStateEvent, SupervisorState};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity, Status};
use supervisor_monitors::ending::{EndBy, Ending, EndingSettings};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::lost::Lost;
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List};
use supervisor_monitors::supervisord::Supervisord;

/// Ends supervisord, and with it the container, when an important process is lost.
#[derive(Parser)]
struct Settings {
    /// The important processes: NAME, GROUP:NAME, GROUP:* or *, separated by commas
    #[arg(long, env, default_value = "*")]
    processes: List<ProcessPattern>,
    /// The states in which a process counts as lost: FATAL, or FATAL,EXITED (an unexpected exit)
    #[arg(long, env, default_value = "FATAL")]
    lost_when: List<Lost>,
    #[command(flatten)]
    ending: EndingSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<CriticalExit>(env!("CARGO_BIN_NAME"))
}

struct CriticalExit {
    processes: List<ProcessPattern>,
    lost_when: List<Lost>,
    ending: Ending,
    alerts: Alerts,
}

impl Monitor for CriticalExit {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let Settings { processes, lost_when, ending, common } = settings;
        // With these, supervisord needs no HTTP server.
        let by_signal_alone = ending.end_by == EndBy::Signal && ending.pidfile.is_some() && ending.grace.is_zero();
        let supervisord = match by_signal_alone {
            true => Supervisord::from_env(),
            false => Supervisord::at_start(|names| names.processes("--processes", &*processes))?,
        };
        let this = Self {
            ending: Ending::new(ending, supervisord.clone())?,
            processes,
            lost_when,
            alerts: Alerts::new(&common)?,
        };
        if !by_signal_alone {
            this.look_back(&supervisord);
        }
        Ok(this)
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::SupervisorStateChange(state) => self.ending.supervisord_ends(*state == SupervisorState::Stopping),
            Event::ProcessState(event) if self.is_lost(event) => self.lost(context, event),
            _ => {}
        }
        Ok(())
    }
}

impl CriticalExit {
    fn is_lost(&self, event: &ProcessStateEvent<'_>) -> bool {
        self.lost_when.has(event)
            && self.processes.matches(&event.groupname, &event.processname)
            && !self.ending.is_near()
    }

    fn lost(&self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let details = json!({ "state": event.state, "from_state": event.from_state });
        let process = Some((event.processname.as_str(), event.groupname.as_str()));
        let alert = Alert::new(Severity::Critical, "CRITICAL_PROCESS_LOST", process, details).status(Status::Firing);
        self.alerts.send(context, [alert.with_evidence()]);
        self.ending.after_loss_of(&format!("{}:{}", event.groupname, event.processname));
    }

    /// A process that became FATAL before this listener started sends no further events.
    fn look_back(&self, supervisord: &Supervisord) {
        // Errors were reported when the names were checked.
        for process in supervisord.processes().unwrap_or_default() {
            if process.state == ProcessState::Fatal && self.processes.matches(&process.group, &process.name) {
                log(Level::Warning, format!("{} is FATAL already", process.full_name()), json!({}));
                self.ending.after_loss_of(&process.full_name());
            }
        }
    }
}
