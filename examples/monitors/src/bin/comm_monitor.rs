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
//! ALERT:LEVEL:TYPE:details
//! ```
//!
//! Each line is a record, and on the disk before the event is answered. What is neither is recorded as it came.

use std::process::ExitCode;

use serde_json::{Value, json};
use supervisor_events::{Event, Header};

use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts};
use supervisor_monitors::log::{log, now};
use supervisor_monitors::run::{Monitor, run};
use supervisor_monitors::settings::Setting;
use supervisor_monitors::trail::Trail;

const ABOUT: &str = "Keeps an audit trail of what strategies signal, and passes on what needs somebody's attention.";

const SETTINGS: [Setting; 1] = [("audit-file", "audit.jsonl", "the audit trail: JSON lines, only ever added to")];

fn main() -> ExitCode {
    run(env!("CARGO_BIN_NAME"), ABOUT, &SETTINGS, |settings| {
        Ok(CommMonitor { trail: Trail::new(settings.get("audit-file")), alerts: Alerts::new(settings)? })
    })
}

struct CommMonitor {
    trail: Trail,
    alerts: Alerts,
}

impl Monitor for CommMonitor {
    fn handle(&mut self, header: &Header<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::ProcessCommunication(event) = event else { return Ok(()) };
        let data = String::from_utf8_lossy(event.data.as_bytes());
        let mut alerts = Vec::new();
        for line in data.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let message = Message::parse(line);
            let mut record = json!({
                "timestamp": now(), "server": header.server(), "serial": header.serial(),
                "process": event.processname, "group": event.groupname, "pid": event.pid, "channel": event.channel,
            });
            for (key, value) in message.fields().as_object().into_iter().flatten() {
                record[key] = value.clone();
            }
            if let Err(error) = self.trail.append(&record) {
                let message = format!("the audit trail {} lacks a record: {error}", self.trail.path().display());
                log("ERROR", message, json!({ "record": record }));
            }
            log(message.level(), message.summary(&event.processname), record.clone());
            if let Some((severity, kind)) = message.alert() {
                let process = Some((event.processname.as_str(), event.groupname.as_str()));
                alerts.push(Alert { severity, process, event: kind, details: message.fields() });
            }
        }
        self.alerts.send(alerts);
        Ok(())
    }
}

/// A line that a process sent.
enum Message<'a> {
    Signal { kind: &'a str, strategy: &'a str, data: &'a str },
    Alert { level: &'a str, kind: &'a str, details: &'a str },
    Malformed { text: &'a str, why: &'static str },
}

impl<'a> Message<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(4, ':');
        let why = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("SIGNAL"), Some(kind), Some(strategy), Some(data)) if !strategy.is_empty() => match kind {
                "ENTRY" | "EXIT" | "RISK_ALERT" | "PERFORMANCE_UPDATE" => return Self::Signal { kind, strategy, data },
                _ => "not a type of signal",
            },
            (Some("ALERT"), Some(level), Some(kind), Some(details)) if !level.is_empty() && !kind.is_empty() => {
                return Self::Alert { level, kind, details };
            }
            (Some("SIGNAL"), ..) => "a signal is SIGNAL:TYPE:STRATEGY:data",
            (Some("ALERT"), ..) => "an alert is ALERT:LEVEL:TYPE:details",
            _ => "neither SIGNAL nor ALERT",
        };
        Self::Malformed { text, why }
    }

    fn fields(&self) -> Value {
        match *self {
            Self::Signal { kind: "RISK_ALERT", strategy, data } => {
                json!({ "strategy_id": strategy, "alert_type": "RISK", "data": data, "requires_action": true })
            }
            Self::Signal { kind: "PERFORMANCE_UPDATE", strategy, data } => {
                json!({ "strategy_id": strategy, "update_type": "PERFORMANCE", "data": data })
            }
            Self::Signal { kind, strategy, data } => {
                json!({ "strategy_id": strategy, "signal_type": kind, "data": data })
            }
            Self::Alert { level, kind, details } => {
                json!({ "alert_level": level, "alert_type": kind, "details": details })
            }
            Self::Malformed { text, why } => json!({ "malformed": text, "why": why }),
        }
    }

    fn level(&self) -> &'static str {
        match self {
            Self::Signal { kind: "RISK_ALERT", .. } | Self::Alert { .. } | Self::Malformed { .. } => "WARNING",
            Self::Signal { .. } => "INFO",
        }
    }

    fn summary(&self, process: &str) -> String {
        match self {
            Self::Signal { kind, strategy, .. } => format!("Strategy signal from {process}: {kind} on {strategy}"),
            Self::Alert { level, kind, details } => {
                format!("Process alert from {process}: {level} - {kind}: {details}")
            }
            Self::Malformed { why, .. } => format!("Malformed message from {process}: {why}"),
        }
    }

    /// Severity and kind, where somebody has to know at once.
    fn alert(&self) -> Option<(&'a str, &'a str)> {
        match *self {
            Self::Signal { kind: kind @ "RISK_ALERT", .. } => Some(("CRITICAL", kind)),
            Self::Alert { level, kind, .. } => Some((level, kind)),
            _ => None,
        }
    }
}
