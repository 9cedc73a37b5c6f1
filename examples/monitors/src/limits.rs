//! Limits on measured values: which are exceeded, and which of those have been reported.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::alerts::Status;
use crate::names::ProcessPattern;
use crate::settings::{List, threshold};
use crate::supervisord::Process;

/// A value is back within its limit once it is at or below this fraction of it, so that a value near the limit does not
/// cause an alert every minute.
const KEPT: f64 = 0.95;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Percent of all CPUs.
    HighCpu,
    /// Percent of the system's memory.
    HighMemory,
    /// Percent of one CPU.
    ProcessHighCpu,
    /// MB.
    ProcessHighMemory,
    /// MB an hour.
    MemoryLeak,
}

impl Kind {
    /// The name used in alerts.
    pub fn name(self) -> &'static str {
        match self {
            Self::HighCpu => "HIGH_CPU",
            Self::HighMemory => "HIGH_MEMORY",
            Self::ProcessHighCpu => "PROCESS_HIGH_CPU",
            Self::ProcessHighMemory => "PROCESS_HIGH_MEMORY",
            Self::MemoryLeak => "MEMORY_LEAK",
        }
    }
}

/// A measured value and its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(flatten)]
    process: Option<Whose>,
    /// `None` if there is nothing to measure.
    pub value: Option<f64>,
    pub threshold: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Whose {
    process: String,
    group: String,
}

impl Figure {
    /// A value of the whole system.
    pub fn of_system(kind: Kind, value: f64, threshold: f64) -> Self {
        Self { kind, process: None, value: Some(value), threshold }
    }

    /// A value of one process.
    pub fn of_process(kind: Kind, process: &Process, value: Option<f64>, threshold: f64) -> Self {
        let whose = Whose { process: process.name.clone(), group: process.group.clone() };
        Self { kind, process: Some(whose), value, threshold }
    }

    /// The process's name and group.
    pub fn process(&self) -> Option<(&str, &str)> {
        self.process.as_ref().map(|whose| (whose.process.as_str(), whose.group.as_str()))
    }

    /// Whether the value is above its limit.
    pub fn exceeds(&self) -> bool {
        self.value.is_some_and(|value| value > self.threshold)
    }

    fn is_kept(&self) -> bool {
        self.value.is_none_or(|value| value <= self.threshold * KEPT)
    }

    fn is_of(&self, other: &Self) -> bool {
        self.kind == other.kind && self.process == other.process
    }
}

/// The exceeded limits that have been reported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Firing(Vec<Figure>);

impl Firing {
    /// Records measured values, and returns the limits that are newly exceeded or kept again. With `all_known`, a
    /// process without a value is gone, and its limits are kept again.
    pub fn note(&mut self, figures: &[Figure], all_known: bool) -> Vec<(Figure, Status)> {
        let mut changes = Vec::new();
        for figure in figures {
            match self.0.iter().position(|firing| firing.is_of(figure)) {
                None if figure.exceeds() => {
                    self.0.push(figure.clone());
                    changes.push((figure.clone(), Status::Firing));
                }
                Some(at) if figure.is_kept() => {
                    self.0.remove(at);
                    changes.push((figure.clone(), Status::Resolved));
                }
                _ => {}
            }
        }
        let is_gone = |firing: &mut Figure| {
            all_known && firing.process.is_some() && !figures.iter().any(|figure| figure.is_of(firing))
        };
        let gone = self.0.extract_if(.., is_gone).map(|figure| (Figure { value: None, ..figure }, Status::Resolved));
        changes.extend(gone);
        changes
    }
}

/// `NAME=memory:MB+cpu:PERCENT+leak:MB`: the limits of some processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pattern: ProcessPattern,
    /// MB.
    pub memory: Option<f64>,
    /// Percent of one CPU.
    pub cpu: Option<f64>,
    /// MB an hour.
    pub leak: Option<f64>,
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let explain =
            || format!("is a list of NAME=memory:MB+cpu:PERCENT+leak:MB, separated by commas, but has {text:?}");
        let (pattern, limits) = text.rsplit_once('=').ok_or_else(explain)?;
        let mut this = Self { pattern: pattern.trim().parse()?, memory: None, cpu: None, leak: None };
        for limit in limits.split('+') {
            let (what, value) = limit.split_once(':').ok_or_else(explain)?;
            let place = match what.trim() {
                "memory" => &mut this.memory,
                "cpu" => &mut this.cpu,
                "leak" => &mut this.leak,
                _ => return Err(explain()),
            };
            let value = threshold(value.trim()).map_err(|error| format!("has {text:?}: a limit {error}"))?;
            if place.replace(value).is_some() {
                return Err(format!("has {text:?}: {what} is set twice"));
            }
        }
        Ok(this)
    }
}

impl List<Limits> {
    /// The patterns of all entries.
    pub fn patterns(&self) -> impl Iterator<Item = &ProcessPattern> {
        self.iter().map(|limits| &limits.pattern)
    }

    /// Whether any entry matches this process.
    pub fn name(&self, process: &Process) -> bool {
        self.of(process).next().is_some()
    }

    /// The first limit of this kind that applies to a process.
    pub fn first(&self, process: &Process, what: fn(&Limits) -> Option<f64>) -> Option<f64> {
        self.of(process).find_map(what)
    }

    fn of(&self, process: &Process) -> impl Iterator<Item = &Limits> {
        self.iter().filter(|limits| limits.pattern.names(process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(group: &str, name: &str) -> Process {
        Process {
            group: group.into(),
            name: name.into(),
            state: supervisor_events::ProcessState::Running,
            pid: 1,
            ..Process::default()
        }
    }

    #[test]
    fn the_first_limit_that_names_a_process_counts() {
        let limits: List<Limits> = "t:risk=memory:500, risk=cpu:90+memory:600, t:*=cpu:150+leak:20".parse().unwrap();
        let of = |group, name| {
            let process = process(group, name);
            let first = |what| limits.first(&process, what);
            (first(|limits| limits.memory), first(|limits| limits.cpu), first(|limits| limits.leak))
        };
        assert_eq!(of("t", "risk"), (Some(500.0), Some(90.0), Some(20.0)));
        assert_eq!(of("u", "risk"), (Some(600.0), Some(90.0), None));
        assert_eq!(of("t", "feed"), (None, Some(150.0), Some(20.0)));
        assert_eq!(of("u", "feed"), (None, None, None));
        assert!(limits.name(&process("t", "feed")) && !limits.name(&process("u", "feed")));
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        for text in [
            "risk",
            "risk=",
            "risk=500",
            "risk=disk:5",
            "risk=cpu",
            "=cpu:5",
            "t:=cpu:5",
            "a=cpu:x",
            "a=cpu:NaN",
            "a=cpu:-1",
        ] {
            assert!(text.parse::<Limits>().is_err(), "{text}");
        }
        assert!("a=cpu:1+cpu:2".parse::<Limits>().unwrap_err().contains("cpu is set twice"));
    }

    #[test]
    fn a_limit_is_told_when_it_is_passed_and_when_it_is_kept_again() {
        let mut firing = Firing::default();
        let mut note = |value: Option<f64>| {
            let risk = Figure::of_process(Kind::ProcessHighMemory, &process("t", "risk"), value, 100.0);
            let changes = firing.note(&[Figure::of_system(Kind::HighCpu, 10.0, 80.0), risk], true);
            // Written and read back, as across a restart.
            firing = serde_json::from_str(&serde_json::to_string(&firing).unwrap()).unwrap();
            changes.into_iter().map(|(figure, status)| (figure.value, status)).collect::<Vec<_>>()
        };
        assert_eq!(note(Some(100.0)), []);
        assert_eq!(note(Some(101.0)), [(Some(101.0), Status::Firing)]);
        assert_eq!(note(Some(200.0)), []);
        // Below the limit, but not by enough.
        assert_eq!(note(Some(99.0)), []);
        assert_eq!(note(Some(101.0)), []);
        assert_eq!(note(Some(95.0)), [(Some(95.0), Status::Resolved)]);
        assert_eq!(note(Some(99.0)), []);
        assert_eq!(note(Some(101.0)), [(Some(101.0), Status::Firing)]);
        assert_eq!(note(None), [(None, Status::Resolved)]);
    }

    #[test]
    fn what_is_gone_keeps_its_limits_and_what_is_unknown_does_not() {
        let mut firing = Firing::default();
        let risk = Figure::of_process(Kind::ProcessHighMemory, &process("t", "risk"), Some(101.0), 100.0);
        let cpu = Figure::of_system(Kind::HighCpu, 90.0, 80.0);
        assert_eq!(firing.note(&[cpu.clone(), risk.clone()], true).len(), 2);
        assert_eq!(firing.note(std::slice::from_ref(&cpu), false), []);
        let gone = Figure { value: None, ..risk };
        assert_eq!(firing.note(&[cpu], true), [(gone, Status::Resolved)]);
    }

    #[test]
    fn figures_are_logged_as_they_always_were() {
        let cpu = serde_json::json!({ "type": "HIGH_CPU", "value": 90.0, "threshold": 80.0 });
        assert_eq!(serde_json::to_value(Figure::of_system(Kind::HighCpu, 90.0, 80.0)).unwrap(), cpu);
        let leak = Figure::of_process(Kind::MemoryLeak, &process("t", "risk"), None, 80.0);
        let text = r#"{"type":"MEMORY_LEAK","process":"risk","group":"t","value":null,"threshold":80.0}"#;
        assert_eq!(serde_json::to_string(&leak).unwrap(), text);
        for kind in [Kind::HighCpu, Kind::HighMemory, Kind::ProcessHighCpu, Kind::ProcessHighMemory, Kind::MemoryLeak] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
