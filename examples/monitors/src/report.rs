//! Collects failures over a period into one report.

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supervisor_events::{ProcessState, ProcessStateEvent};

use crate::alerts::{Alert, Severity};
use crate::log::{now, seconds_now};
use crate::names::ProcessPattern;
use crate::settings::{List, whole_seconds};

/// How many failures a report describes in detail. The rest are counted.
const LISTED: usize = 50;
/// How much of a process's last output a report contains, in bytes.
const SAID: usize = 500;

/// What is reported, and how often.
#[derive(Clone, Debug, Args)]
pub struct ReportSettings {
    /// Processes whose failures are reported: NAME, GROUP:NAME, GROUP:* or *, separated by commas
    #[arg(long, env, default_value = "*")]
    pub processes: List<ProcessPattern>,
    /// Whether expected exits are reported as well: true or false
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    pub expected_exits: bool,
    /// The period in seconds that one report covers. It is sent at the first tick after that
    #[arg(long, env, default_value = "60", value_parser = whole_seconds)]
    pub batch_seconds: i64,
}

impl ReportSettings {
    /// Whether an event belongs in a report.
    pub fn has(&self, event: &ProcessStateEvent<'_>) -> bool {
        let is_failure = match event.state {
            ProcessState::Fatal => true,
            ProcessState::Exited => self.expected_exits || event.expected != Some(true),
            _ => false,
        };
        is_failure && self.processes.matches(&event.groupname, &event.processname)
    }
}

/// Failures waiting to be reported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Batch {
    /// When the first failure occurred, in seconds since 1970.
    since: i64,
    failures: Vec<Failed>,
    /// How many more there are.
    not_listed: u64,
    severity: Option<Severity>,
}

/// A failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Failed {
    timestamp: String,
    group: String,
    process: String,
    /// FATAL or EXITED.
    state: String,
    expected: Option<bool>,
    pid: Option<u32>,
    exit_status: Value,
    /// Its last output.
    stderr: String,
}

impl Batch {
    /// Adds a failure, with what supervisord knows about the process.
    pub fn add(&mut self, event: &ProcessStateEvent<'_>, evidence: impl FnOnce() -> Value) {
        let at = seconds_now();
        if self.is_empty() {
            self.since = at;
        }
        let severity = match (event.state, event.expected) {
            (ProcessState::Fatal, _) => Severity::High,
            (_, Some(true)) => Severity::Info,
            _ => Severity::Warning,
        };
        // The variants are in order of severity.
        let worse = |known: &Severity| *known as u8 >= severity as u8;
        self.severity = Some(self.severity.filter(worse).unwrap_or(severity));
        if self.failures.len() >= LISTED {
            self.not_listed += 1;
            return;
        }
        let evidence = evidence();
        self.failures.push(Failed {
            timestamp: now(),
            group: event.groupname.as_str().into(),
            process: event.processname.as_str().into(),
            state: event.state.name().into(),
            expected: event.expected,
            pid: event.pid,
            exit_status: evidence["exit_status"].clone(),
            stderr: last(evidence["stderr"].as_str().unwrap_or_default()),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// Whether the report is due. A clock that was set back does not delay it.
    pub fn is_due(&self, seconds: i64) -> bool {
        let age = seconds_now() - self.since;
        !self.is_empty() && !(0..seconds).contains(&age)
    }

    /// The report. It covers several processes, so it is about none in particular.
    pub fn report(&self) -> Alert<'static> {
        let text: Vec<_> = self.failures.iter().map(Failed::text).collect();
        let processes: Vec<_> = self.failures.iter().map(|failed| json!({
            "group": failed.group, "process": failed.process, "state": failed.state, "expected": failed.expected,
            "pid": failed.pid, "exit_status": failed.exit_status, "timestamp": failed.timestamp,
        })).collect();
        let details = json!({
            "failures": self.failures.len() as u64 + self.not_listed, "not_listed": self.not_listed,
            "report": text.join("\n"), "processes": processes,
        });
        Alert::new(self.severity.unwrap_or(Severity::Warning), "CRASH_REPORT", None, details)
    }
}

impl Failed {
    fn text(&self) -> String {
        let Self { timestamp, group, process, .. } = self;
        let what = match (self.state.as_str(), self.expected) {
            ("FATAL", _) => "could not be started: supervisord gave up on it",
            (_, Some(true)) => "exited as expected",
            _ => "exited unexpectedly",
        };
        let mut text = format!("{timestamp} {group}:{process} {what}");
        if let Some(pid) = self.pid {
            text += &format!(", pid {pid}");
        }
        match self.exit_status.as_i64() {
            Some(-1) => text += ", by a signal",
            Some(status) => text += &format!(", exit status {status}"),
            None => {}
        }
        self.stderr.lines().for_each(|line| text += &format!("\n    {line}"));
        text
    }
}

/// The last whole lines that fit.
fn last(text: &str) -> String {
    let start = text.ceil_char_boundary(text.len().saturating_sub(SAID));
    match text[start..].split_once('\n') {
        Some((_, lines)) if start > 0 && !lines.is_empty() => lines.into(),
        _ => text[start..].into(),
    }
}
