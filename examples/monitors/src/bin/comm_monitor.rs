//! Keeps an audit trail of what strategies signal, and passes on what needs somebody's attention.
//!
//! ```ini
//! [eventlistener:comm_monitor]
//! command = /usr/local/bin/comm_monitor --audit-file /var/log/trading/audit.jsonl
//! events = PROCESS_COMMUNICATION
//! buffer_size = 100
//! ```
//!
//! A process writes lines between `<!--XSUPERVISOR:BEGIN-->` and `<!--XSUPERVISOR:END-->`:
//!
//! ```text
//! SIGNAL:TYPE:STRATEGY:data      TYPE is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE
//! ALERT:LEVEL:TYPE:details       LEVEL is a severity
//! ALERT:TYPE:STRATEGY:details
//! ```
//!
//! Each line is a record, and on the disk before the event is answered. Any other line is recorded as it came.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};
use supervisor_events::{Event, ProcessCommunicationEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts};
use supervisor_monitors::log::{log, now};
use supervisor_monitors::message::Message;
use supervisor_monitors::run::{Context, Monitor, hold, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::trail::Trail;

/// Keeps an audit trail of what strategies signal, and passes on what needs somebody's attention.
#[derive(Parser)]
struct Settings {
    /// The file for the audit trail, JSON lines; a relative path begins at supervisord's working directory
    #[arg(long, env, default_value = "audit.jsonl")]
    audit_file: PathBuf,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<CommMonitor>(env!("CARGO_BIN_NAME"))
}

struct CommMonitor {
    trail: Trail,
    alerts: Alerts,
}

impl Monitor for CommMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let alerts = Alerts::new(&settings.common)?;
        Ok(Self { trail: Trail::new(settings.audit_file), alerts })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::ProcessCommunication(event) = event else { return Ok(()) };
        let data = String::from_utf8_lossy(event.data.as_bytes());
        let lines = data.lines().map(str::trim).filter(|line| !line.is_empty());
        let messages: Vec<_> = lines.map(Message::parse).collect();
        let records: Vec<_> = messages.iter().map(|message| record(context, event, message)).collect();
        if records.is_empty() {
            return Ok(());
        }
        let recorded = self.trail.append(&records);
        let mut alerts = Vec::new();
        for (message, record) in messages.iter().zip(&records) {
            log(message.level(), message.summary(&event.processname), record.clone());
            if let Some((severity, kind)) = message.alert() {
                let process = Some((event.processname.as_str(), event.groupname.as_str()));
                alerts.push(Alert::new(severity, kind, process, message.fields()));
            }
        }
        // Before anything is held: an alert does not wait for a disk.
        self.alerts.send(context, alerts);
        if let Err(error) = recorded {
            let failed = format!("the audit trail {} lacks records", self.trail.path().display());
            hold(&failed, error, || self.trail.append(&records))?;
        }
        Ok(())
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
        // The last line is not whole, and those after it are missing.
        record["omitted"] = context.omitted.into();
    }
    record
}
