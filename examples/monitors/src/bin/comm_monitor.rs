//! Keeps an audit trail of the signals of strategies, and sends alerts about what needs attention.
//!
//! ```ini
//! [eventlistener:comm_monitor]
//! command = /usr/local/bin/comm_monitor
//! user = monitors
//! events = PROCESS_COMMUNICATION
//! priority = 3
//! buffer_size = 10000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! A process writes lines between `<!--XSUPERVISOR:BEGIN-->` and `<!--XSUPERVISOR:END-->`:
//!
//! ```text
//! SIGNAL:TYPE:STRATEGY:data      TYPE is ENTRY, EXIT, RISK_ALERT, PERFORMANCE_UPDATE, or one of --signal-types
//! ALERT:LEVEL:TYPE:details       LEVEL is a severity
//! ALERT:TYPE:STRATEGY:details
//! ```
//!
//! Each line becomes a record, which is on disk before the event is answered. Other lines are recorded unchanged; a
//! malformed signal or alert raises an alert.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessCommunicationEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity};
use supervisor_monitors::incidents::{IncidentSettings, Storms};
use supervisor_monitors::log::{log, now};
use supervisor_monitors::message::{Message, Performance};
use supervisor_monitors::run::{Context, Monitor, hold, monitor};
use supervisor_monitors::settings::{Common, List};
use supervisor_monitors::trail::Trail;

/// Keeps an audit trail of the signals of strategies, and sends alerts about what needs attention.
#[derive(Parser)]
struct Settings {
    /// The file of the audit trail (JSON lines), such as /var/lib/monitors/audit.jsonl. A relative path starts at
    /// supervisord's working directory
    #[arg(long, env, default_value = "audit.jsonl")]
    audit_file: PathBuf,
    /// Types of signals besides ENTRY, EXIT, RISK_ALERT and PERFORMANCE_UPDATE, separated by commas. Their data is not
    /// checked
    #[arg(long, env, default_value = "")]
    signal_types: List<String>,
    #[command(flatten)]
    incidents: IncidentSettings,
    #[command(flatten)]
    common: Common,
}

/// The event of alerts about malformed signals and alerts.
const MALFORMED: &str = "MALFORMED_SIGNAL";
/// How many characters of the line such an alert contains.
const LONGEST: usize = 500;

fn main() -> ExitCode {
    monitor::<CommMonitor>(env!("CARGO_BIN_NAME"))
}

struct CommMonitor {
    trail: Trail,
    types: List<String>,
    storms: Storms,
    /// The figures that strategies have reported since this process started.
    performance: Performance,
    alerts: Alerts,
}

impl Monitor for CommMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            trail: Trail::new(settings.audit_file),
            types: settings.signal_types,
            storms: Storms::new(settings.incidents, &settings.common)?,
            performance: Performance::default(),
            alerts: Alerts::new(&settings.common)?,
        })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::ProcessCommunication(event) = event else { return Ok(()) };
        let data = String::from_utf8_lossy(event.data.as_bytes());
        let lines = data.lines().map(str::trim).filter(|line| !line.is_empty());
        let messages: Vec<_> = lines.map(|line| Message::with_types(line, &self.types)).collect();
        let records: Vec<_> = messages.iter().map(|message| record(context, event, message)).collect();
        if records.is_empty() {
            return Ok(());
        }
        let recorded = self.trail.append(&records);
        let mut alerts = Vec::new();
        for (number, (message, record)) in messages.iter().zip(&records).enumerate() {
            log(message.level(), message.summary(&event.processname), self.with_performance(record));
            let process = (event.processname.as_str(), event.groupname.as_str());
            if let Some((severity, kind)) = message.alert() {
                alerts.push(Alert::new(severity, kind, Some(process), message.fields()));
            }
            let (name, group) = process;
            if message.is_broken()
                && let Some(mut details) = self.storms.note(context, number, (group, name), MALFORMED)
            {
                let text: String = record["malformed"].as_str().unwrap_or_default().chars().take(LONGEST).collect();
                (details["malformed"], details["why"]) = (text.into(), record["why"].clone());
                alerts.push(Alert::new(Severity::Warning, MALFORMED, Some(process), details));
            }
        }
        // Before the event is held: an alert does not wait for a disk.
        self.alerts.send(context, alerts);
        if let Err(error) = recorded {
            let failed = format!("the audit trail {} lacks records", self.trail.path().display());
            hold(&failed, error, || self.trail.append(&records))?;
        }
        Ok(())
    }
}

impl CommMonitor {
    /// A record for the log. A performance update also gets the statistics so far.
    fn with_performance(&mut self, record: &Value) -> Value {
        let mut record = record.clone();
        if let (Some(strategy), Value::Object(figures)) = (record["strategy_id"].as_str(), &record["figures"]) {
            for (name, value) in figures {
                self.performance.add(strategy, name, value.as_f64().unwrap_or_default());
            }
            record["performance"] = json!(self.performance.of(strategy));
        }
        record
    }
}

fn record(context: &Context<'_>, event: &ProcessCommunicationEvent<'_>, message: &Message<'_>) -> Value {
    let mut record = json!({
        "timestamp": now(), "server": context.header.server(), "run": context.run, "serial": context.header.serial(),
        "process": event.processname, "group": event.groupname, "pid": event.pid, "channel": event.channel,
    });
    for (key, value) in message.fields().as_object().into_iter().flatten() {
        record[key] = value.clone();
    }
    if context.omitted > 0 {
        // The last line is incomplete, and any lines after it are missing.
        record["omitted"] = context.omitted.into();
    }
    record
}
