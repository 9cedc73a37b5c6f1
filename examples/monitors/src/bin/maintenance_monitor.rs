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
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use supervisor_events::{Event, Header};

use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts};
use supervisor_monitors::log::{log, now};
use supervisor_monitors::run::{Monitor, run};
use supervisor_monitors::settings::{Setting, Settings};
use supervisor_monitors::state::replace;
use supervisor_monitors::supervisord::Supervisord;
use supervisor_monitors::trail::Trail;

const ABOUT: &str = "Each hour: a report from the audit trail and of all processes, rotation of the trail, a backup of what monitors know.";

const SETTINGS: [Setting; 6] = [
    ("audit-file", "audit.jsonl", "the audit trail that comm_monitor keeps"),
    ("rotate-at", "10000000", "bytes from which on the audit trail is rotated"),
    ("report-dir", "reports", "directory for the reports"),
    ("backup-dir", "backup", "directory for the backup of the state directory's files"),
    ("backup-files", "", "further files to back up, with commas, each of another name: the states of strategies"),
    ("keep", "24", "how many rotated trails, and how many reports, are kept: 1 at least"),
];

fn main() -> ExitCode {
    run(env!("CARGO_BIN_NAME"), ABOUT, &SETTINGS, MaintenanceMonitor::new)
}

struct MaintenanceMonitor {
    trail: Trail,
    rotate_at: u64,
    keep: u32,
    report_dir: PathBuf,
    backup_dir: PathBuf,
    backup_files: Vec<PathBuf>,
    state_dir: Option<PathBuf>,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for MaintenanceMonitor {
    fn handle(&mut self, _: &Header<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(tick) = event else { return Ok(()) };
        let to = Timestamp::from_second(tick.when.try_into()?)?;
        let from = to.checked_sub(i64::from(tick.period).seconds())?;
        // One that fails does not keep the others from being done.
        let report = self.report(from, to);
        let done = [
            ("report", self.keep_report(&report, to)),
            ("rotation", self.trail.rotate(self.rotate_at, self.keep).map(|rotated| json!(rotated))),
            ("backup", self.back_up().map(|files| json!(files))),
        ];
        for (what, done) in done {
            match done {
                Ok(done) => log("INFO", format!("{what} done"), json!({ what: done })),
                Err(error) => log("ERROR", format!("{what} NOT done: {error}"), json!({})),
            }
        }
        self.alerts.send([Alert { severity: "INFO", process: None, event: "HOURLY_REPORT", details: report }]);
        Ok(())
    }
}

impl MaintenanceMonitor {
    fn new(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            trail: Trail::new(settings.get("audit-file")),
            rotate_at: settings.number("rotate-at")?,
            keep: settings.number::<u32>("keep")?.max(1),
            report_dir: settings.get("report-dir").into(),
            backup_dir: settings.get("backup-dir").into(),
            backup_files: settings.list("backup-files").map(Into::into).collect(),
            state_dir: Some(settings.get("state-dir")).filter(|path| !path.is_empty()).map(Into::into),
            alerts: Alerts::new(settings)?,
            supervisord: Supervisord::from_env(),
        })
    }

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

    /// Writes the report, and removes the oldest of too many.
    fn keep_report(&self, report: &Value, to: Timestamp) -> io::Result<Value> {
        fs::create_dir_all(&self.report_dir)?;
        let path = self.report_dir.join(format!("report-{}.json", to.strftime("%Y-%m-%dT%H-%M-%SZ")));
        replace(&path, format!("{report:#}\n").as_bytes())?;
        let mut reports = files(&self.report_dir)?;
        // Others may be there as well.
        reports.retain(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"report-")));
        // The names sort by time.
        reports.sort();
        for old in reports.iter().rev().skip(self.keep as usize) {
            fs::remove_file(old)?;
        }
        Ok(json!(path))
    }

    /// Copies what the monitors know, each file in one step. The copies.
    fn back_up(&self) -> io::Result<Vec<PathBuf>> {
        fs::create_dir_all(&self.backup_dir)?;
        let mut sources = self.backup_files.clone();
        if let Some(directory) = &self.state_dir {
            sources.extend(files(directory)?);
        }
        let copy = |source: &PathBuf| {
            let target = self.backup_dir.join(source.file_name().unwrap_or_default());
            let copied = fs::read(source).and_then(|text| replace(&target, &text));
            copied.map(|()| target).map_err(|error| format!("{}: {error}", source.display()))
        };
        let (copies, failed): (Vec<_>, Vec<_>) = sources.iter().map(copy).partition(Result::is_ok);
        let failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
        if failed.is_empty() { copies.into_iter().collect() } else { Err(failed.join(", ")) }.map_err(io::Error::other)
    }
}

/// The JSON files of a directory.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect())
}
