//! Reports failures of processes: all failures of a minute, or another period, in one alert or mail.
//!
//! ```ini
//! [eventlistener:crash_report]
//! command = /usr/local/bin/crash_report --batch-seconds 300
//! environment =
//!     ALERT_MAIL_TO="ops@example.org",ALERT_MAIL_FROM="supervisor@example.org",
//!     ALERT_SENDMAIL="/usr/sbin/sendmail"
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,SUPERVISOR_STATE_CHANGE,TICK_60
//! priority = 15
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/crash_report.err
//! ```
//!
//! For an alert at once for each failure, and one for each recovery, see `failure_monitor`.

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use supervisor_events::{Event, SupervisorState};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alerts, Evidence, Reporter};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::report::{Batch, ReportSettings};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::Supervisord;

/// Reports failures of processes: all failures of a minute, or another period, in one alert or mail.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    report: ReportSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<CrashReport>(env!("CARGO_BIN_NAME"))
}

struct CrashReport {
    settings: ReportSettings,
    batch: State<Batch>,
    /// Whether pending failures survive this process.
    is_kept: bool,
    evidence: Evidence,
    is_ending: bool,
    /// Sends the last report.
    reporter: Option<Reporter>,
    alerts: Alerts,
}

impl Monitor for CrashReport {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(Settings { report: settings, common }: Settings) -> Result<Self, Failure> {
        Supervisord::at_start(|names| names.processes("--processes", &*settings.processes))?;
        let (batch, is_kept) = (State::open(&common, "")?, common.state_dir.is_some());
        let (evidence, alerts) = (Evidence::new(), Alerts::new(&common)?);
        Ok(Self { settings, batch, is_kept, evidence, is_ending: false, reporter: None, alerts })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            // Processes that end from now on are meant to.
            Event::SupervisorStateChange(state) => self.is_ending = *state == SupervisorState::Stopping,
            Event::ProcessState(event) if self.settings.has(event) && !self.is_ending => {
                let full_name = format!("{}:{}", event.groupname, event.processname);
                log(Level::Warning, format!("{full_name} is {}", event.state), json!({ "process": event }));
                let mut batch = self.batch.get();
                batch.add(event, || self.evidence.of(&full_name, event.pid));
                self.batch.set(batch);
                self.reporter = Some(self.alerts.reporter(context, "report/"));
            }
            Event::Tick(_) => {
                let batch = self.batch.get();
                if batch.is_due(self.settings.batch_seconds) {
                    self.alerts.send(context, [batch.report()]);
                    // After the report, so that a process killed in between sends it again.
                    self.batch.set(Batch::default());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Drop for CrashReport {
    /// Reports pending failures that the next process would not know about.
    fn drop(&mut self) {
        let batch = self.batch.get();
        if let (false, Some(reporter)) = (self.is_kept || batch.is_empty(), &self.reporter) {
            reporter.send([batch.report()]);
        }
    }
}
