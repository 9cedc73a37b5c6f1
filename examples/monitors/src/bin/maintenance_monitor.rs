//! Each hour: a report from the audit trail and of all processes, rotation of the trail, a backup of what monitors know.
//!
//! ```ini
//! [eventlistener:maintenance_monitor]
//! command = /usr/local/bin/maintenance_monitor --audit-file /var/log/trading/audit.jsonl --state-dir /var/lib/trading
//! events = TICK_3600
//! ```
//!
//! The audit trail is the one that `comm_monitor` keeps, the state directory that of the other monitors.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use supervisor_events::Event;
use supervisor_monitors::alerts::{Alert, Alerts, Severity};
use supervisor_monitors::command::{Hook, TickSettings};
use supervisor_monitors::log::{Level, log, now};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, number};
use supervisor_monitors::supervisord::Supervisord;
use supervisor_monitors::trail::Trail;
use supervisor_monitors::{Failure, files};

/// Each hour: a report from the audit trail and of all processes, rotation of the trail, a backup of what monitors know.
#[derive(Parser)]
struct Settings {
    /// The audit trail that comm_monitor writes: the same --audit-file
    #[arg(long, env, default_value = "audit.jsonl")]
    audit_file: PathBuf,
    /// The size in bytes at which the audit trail is rotated
    #[arg(long, env, default_value = "10000000", value_parser = number::<u64>)]
    rotate_at: u64,
    /// Directory for the reports
    #[arg(long, env, default_value = "reports")]
    report_dir: PathBuf,
    /// Directory for copies of the files in --state-dir
    #[arg(long, env, default_value = "backup")]
    backup_dir: PathBuf,
    /// Further files to back up, separated by commas; no two may have the same file name
    #[arg(long, env, default_value = "")]
    backup_files: List<PathBuf>,
    /// How many rotated trails to keep, and how many reports: at least 1
    #[arg(long, env, default_value = "24", value_parser = keep)]
    keep: u32,
    #[command(flatten)]
    commands: TickSettings,
    #[command(flatten)]
    common: Common,
}

fn keep(text: &str) -> Result<u32, String> {
    number::<u32>(text).map(|keep| keep.max(1))
}

fn main() -> ExitCode {
    monitor::<MaintenanceMonitor>(env!("CARGO_BIN_NAME"))
}

struct MaintenanceMonitor {
    settings: Settings,
    trail: Trail,
    hook: Hook,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for MaintenanceMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            trail: Trail::new(&settings.audit_file),
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
        let Event::Tick(tick) = event else { return Ok(()) };
        let to = Timestamp::from_second(tick.when.try_into()?)?;
        let from = to.checked_sub(i64::from(tick.period).seconds())?;
        // One that fails does not keep the others from being done.
        let report = self.report(from, to);
        let done = [
            ("report", self.keep_report(&report, to)),
            ("rotation", self.trail.rotate(self.settings.rotate_at, self.settings.keep).map(|rotated| json!(rotated))),
            ("backup", self.back_up().map(|files| json!(files))),
        ];
        for (what, done) in done {
            match done {
                Ok(done) => log(Level::Info, format!("{what} done"), json!({ what: done })),
                Err(error) => log(Level::Error, format!("{what} NOT done: {error}"), json!({})),
            }
        }
        let alert = Alert::new(Severity::Info, "HOURLY_REPORT", None, report);
        self.alerts.send(context, [alert]);
        // It may read the report.
        self.hook.check(&self.alerts, context);
        Ok(())
    }
}

impl MaintenanceMonitor {
    /// What happened from one moment up to another, and how things stand.
    fn report(&self, from: Timestamp, to: Timestamp) -> Value {
        let mut counts: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        let mut malformed = 0;
        let read = self.trail.read(|record| {
            let at = record["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            if at.is_some_and(|at| from <= at && at < to) {
                malformed += u64::from(!record["malformed"].is_null());
                for key in ["strategy_id", "signal_type", "update_type", "alert_type", "process"] {
                    if let Some(value) = record[key].as_str() {
                        *counts.entry(key).or_default().entry(value.into()).or_default() += 1;
                    }
                }
            }
        });
        let states = self.supervisord.processes().map(|processes| {
            let states = processes.iter().map(|process| (process.full_name(), process.state.clone()));
            states.collect::<BTreeMap<_, _>>()
        });
        let errors = [read.err().map(|error| error.to_string()), states.as_ref().err().map(ToString::to_string)];
        json!({
            "timestamp": now(), "from": from.to_string(), "to": to.to_string(), "messages": counts,
            "malformed": malformed, "states": states.ok(), "errors": errors.iter().flatten().collect::<Vec<_>>(),
        })
    }

    fn keep_report(&self, report: &Value, to: Timestamp) -> io::Result<Value> {
        let Settings { report_dir, keep, .. } = &self.settings;
        let name = format!("report-{}.json", to.strftime("%Y-%m-%dT%H-%M-%SZ"));
        let path = files::keep(report_dir, &name, format!("{report:#}\n").as_bytes())?;
        // The names sort by time.
        files::prune(report_dir, "report-", *keep)?;
        Ok(json!(path))
    }

    /// Copies what the monitors know. The copies.
    fn back_up(&self) -> io::Result<Vec<PathBuf>> {
        let Settings { backup_dir, backup_files, common, .. } = &self.settings;
        let mut sources = backup_files.to_vec();
        if let Some(directory) = &*common.state_dir {
            sources.extend(files::of(directory)?);
        }
        files::copy(&sources, backup_dir)
    }
}
