//! Every hour: a report, a backup, and rotation of the audit trail and of logs. Every day: a summary.
//!
//! ```ini
//! [eventlistener:maintenance_monitor]
//! command = /usr/local/bin/maintenance_monitor
//! user = monitors
//! events = PROCESS_STATE,TICK_3600
//! priority = 7
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! Share `comm_monitor`'s audit trail and the state directory of the other monitors with it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supervisor_events::{Event, TickEvent};
use supervisor_monitors::alerts::{Alert, Alerts, Journal, Severity};
use supervisor_monitors::command::{Hook, Job, Queue, TickSettings, WhenBusy};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::maintenance::{
    Counts, KeepSettings, Sources, SummarySettings, back_up, count, due, rotate, summary,
};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::Supervisord;
use supervisor_monitors::trail::Trail;
use supervisor_monitors::{Failure, files};

/// Every hour: a report, a backup, and rotation of the audit trail and of logs. Every day: a summary.
#[derive(Parser)]
struct Settings {
    /// The audit trail that comm_monitor writes: the same --audit-file
    #[arg(long, env, default_value = "audit.jsonl")]
    audit_file: PathBuf,
    #[command(flatten)]
    keep: KeepSettings,
    /// Whether to send each report as an alert too, HOURLY_REPORT
    #[arg(long, env, default_value = "true", action = ArgAction::Set)]
    send_reports: bool,
    #[command(flatten)]
    summary: SummarySettings,
    #[command(flatten)]
    commands: TickSettings,
    #[command(flatten)]
    common: Common,
}

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

fn main() -> ExitCode {
    monitor::<MaintenanceMonitor>(env!("CARGO_BIN_NAME"))
}

struct MaintenanceMonitor {
    settings: Settings,
    trail: Trail,
    state: State<Known>,
    /// Runs slow work without delaying events.
    chores: Queue,
    hook: Hook,
    alerts: Alerts,
    supervisord: Supervisord,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// What processes did since the last report; `None` before the first event.
    counts: Option<Counts>,
    /// When the last summary was due, in seconds since 1970.
    summed_up: Option<i64>,
}

impl Monitor for MaintenanceMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let mut state = State::<Known>::open(&settings.common, "")?;
        // The first summary is made on the next day.
        let due = due(&settings.summary, Timestamp::now());
        state.update(|known| known.summed_up = known.summed_up.or(due));
        Ok(Self {
            trail: Trail::new(&settings.audit_file),
            state,
            chores: Queue::new(1, 1, Duration::from_secs(2)),
            hook: Hook::at_ticks(settings.commands.clone(), &settings.common)?,
            alerts: Alerts::new(&settings.common)?,
            supervisord: Supervisord::at_start(|_| {})?,
            settings,
        })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) => {
                self.state.update(|known| count(known.counts.get_or_insert_default(), event));
                Ok(())
            }
            Event::Tick(tick) => self.hour(context, tick),
            _ => Ok(()),
        }
    }
}

impl MaintenanceMonitor {
    fn hour(&mut self, context: &Context<'_>, tick: &TickEvent<'_>) -> Result<(), Failure> {
        let to = Timestamp::from_second(tick.when.try_into()?)?;
        let from = to.checked_sub(i64::from(tick.period).seconds())?;
        let known = self.state.get();
        let journal = Journal::of(self.settings.common.state_dir.as_deref());
        let (trail, supervisord) = (&self.trail, &self.supervisord);
        let sources = Sources { trail, journal: &journal, counts: known.counts.as_ref(), supervisord };
        let report = sources.report(from, to);
        // If one of them fails, the others are still done.
        let KeepSettings { rotate_at, keep, .. } = self.settings.keep;
        tell("report", self.keep("report", &report, to));
        tell("rotation", self.trail.rotate(rotate_at, keep).map(|rotated| json!(rotated)));
        self.do_chores(to);
        let mut alerts = Vec::new();
        if self.settings.send_reports {
            alerts.push(Alert::new(Severity::Info, "HOURLY_REPORT", None, report));
        }
        // A time more than a day in the future dates from before the clock was set back.
        let is_new = |due: i64| known.summed_up.is_none_or(|last| last < due || last > to.as_second() + DAY);
        let due = due(&self.settings.summary, to).filter(|due| is_new(*due));
        if let Some(due) = due {
            match summary(&self.settings.keep.report_dir, due) {
                Ok(summary) => {
                    tell("summary", self.keep("summary", &summary, to));
                    alerts.push(Alert::new(Severity::Info, "DAILY_SUMMARY", None, summary));
                }
                Err(error) => log(Level::Error, format!("summary NOT done: {error}"), json!({})),
            }
        }
        self.alerts.send(context, alerts);
        // The command may read the report.
        self.hook.check(&self.alerts, context);
        // After the alerts, so that a process killed in between sends them again.
        self.state.update(|known| {
            known.counts = known.counts.take().map(|_| Counts::default());
            known.summed_up = due.or(known.summed_up);
        });
        Ok(())
    }

    fn keep(&self, what: &str, text: &Value, to: Timestamp) -> io::Result<Value> {
        let KeepSettings { report_dir, keep, .. } = &self.settings.keep;
        let name = format!("{what}-{}.json", to.strftime("%Y-%m-%dT%H-%M-%SZ"));
        let path = files::keep(report_dir, &name, format!("{text:#}\n").as_bytes())?;
        files::prune(&path, &format!("{what}-"), *keep)?;
        Ok(json!(path))
    }

    /// Backs up the state of monitors and strategies, and rotates logs, without delaying events.
    fn do_chores(&self, to: Timestamp) {
        let (keep, state) = (self.settings.keep.clone(), self.settings.common.state_dir.clone());
        let act = move |_: &_| {
            let KeepSettings { backup_files, backup_dir, keep_backups, rotate_logs, rotate_at, keep, .. } = keep;
            let backup = back_up(&backup_files, state.as_deref(), &backup_dir, keep_backups, to);
            tell("backup", backup.map(|path| json!(path)));
            if !rotate_logs.is_empty() {
                tell("rotation of logs", rotate(&rotate_logs, rotate_at, keep).map(|rotated| json!(rotated)));
            }
        };
        let (key, when_busy) = ("backup".into(), WhenBusy::Skip);
        self.chores.add(Job { key, when_busy, bytes: 0, act: Box::new(act) });
    }
}

fn tell(what: &str, done: io::Result<Value>) {
    match done {
        Ok(done) => log(Level::Info, format!("{what} done"), json!({ what: done })),
        Err(error) => log(Level::Error, format!("{what} NOT done: {error}"), json!({})),
    }
}
