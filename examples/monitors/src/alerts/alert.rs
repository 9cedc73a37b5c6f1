//! An alert: its content, its line in the log, and its form in the queue.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Action;
use super::evidence::LOOK_UP;
use crate::log::{Level, log, now};

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Info,
    Warning,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::High, Self::Critical];

    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Maps the words of other programs to a severity. `None` if the word is not a severity.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "DEBUG" | "INFO" | "NOTICE" | "LOW" => Some(Self::Info),
            "WARN" | "WARNING" | "MEDIUM" => Some(Self::Warning),
            "ERROR" | "HIGH" => Some(Self::High),
            "CRIT" | "CRITICAL" | "ALERT" | "FATAL" | "EMERG" | "EMERGENCY" => Some(Self::Critical),
            _ => None,
        }
    }

    /// The level of the alert in the log.
    fn level(self) -> Level {
        match self {
            Self::Info => Level::Info,
            Self::Warning | Self::High => Level::Warning,
            Self::Critical => Level::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message that somebody should see.
pub struct Alert<'a> {
    pub severity: Severity,
    /// Name and group, if the alert is about a process.
    pub process: Option<(&'a str, &'a str)>,
    /// The kind of alert, in capitals.
    pub event: &'a str,
    pub details: Value,
    pub(super) status: Option<Status>,
    /// The same for all alerts of one incident. Sent with the host and the server.
    incident: String,
    /// What was done about it.
    actions: Vec<Action>,
    /// Whether to ask supervisord about the process.
    evidence: bool,
}

/// Whether the cause of an alert persists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Firing,
    Resolved,
}

impl<'a> Alert<'a> {
    /// An alert about a process, by its name and group, or about none.
    pub fn new(severity: Severity, event: &'a str, process: Option<(&'a str, &'a str)>, details: Value) -> Self {
        let incident = process.map_or_else(|| event.to_owned(), |(name, group)| format!("{group}:{name}/{event}"));
        Self { severity, process, event, details, status: None, incident, actions: Vec::new(), evidence: false }
    }

    /// Says whether the cause persists. Both alerts of an incident need the same incident name and the same process.
    pub fn status(self, status: Status) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Names the incident, on this host and under this supervisord. The default is `GROUP:NAME/EVENT`, or `EVENT` if
    /// the alert is not about a process.
    pub fn incident(self, incident: impl Into<String>) -> Self {
        Self { incident: incident.into(), ..self }
    }

    /// Says what was done about it.
    pub fn actions(self, actions: Vec<Action>) -> Self {
        Self { actions, ..self }
    }

    /// Adds how the process ended and its last output, which the sender asks supervisord for.
    pub fn with_evidence(self) -> Self {
        Self { evidence: true, ..self }
    }

    pub(super) fn log(&self) {
        // A resolved alert keeps its severity, because it goes to the same people.
        let level = if self.status == Some(Status::Resolved) { Level::Info } else { self.severity.level() };
        let (process, group) = self.process.unzip();
        let about = json!({
            "severity": self.severity, "process": process, "group": group, "details": self.details,
            "status": self.status, "actions": self.actions,
        });
        log(level, format!("alert: {}", self.event), about);
    }
}

/// The event that an alert is about.
pub(super) struct Origin {
    pub system: String,
    pub host: String,
    pub server: String,
    pub run: String,
    pub serial: u64,
}

impl Origin {
    /// An alert as it is queued. That is also how it is sent, apart from what supervisord is asked.
    pub fn render(&self, index: &str, alert: &Alert<'_>) -> Vec<u8> {
        let Self { system, host, server, run, serial } = self;
        let (process, group) = alert.process.unzip();
        let mut value = json!({
            "timestamp": now(), "severity": alert.severity, "process": process, "group": group, "event": alert.event,
            "details": alert.details, "system": system, "host": host, "server": server, "serial": serial,
            // The same for repeated deliveries of one alert, and different for all other alerts. Serials begin at 0
            // with each supervisord, and most hosts use the same identifier: so the host and the run of supervisord are
            // part of the key.
            "key": format!("{host}/{server}/{run}/{serial}/{}/{index}", alert.event),
            "incident": format!("{host}/{server}/{}", alert.incident),
            "status": alert.status, "actions": alert.actions,
        });
        if let (true, Some((process, group))) = (alert.evidence, alert.process) {
            value[LOOK_UP] = format!("{group}:{process}").into();
        }
        value.to_string().into_bytes()
    }
}
