//! Remembers earlier runs of commands: which are failing, and what each check last reported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::alerts::Severity;

/// What is known, by the command's name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(BTreeMap<String, Known>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    failing: Option<Failing>,
    /// The problems that it reported, by kind.
    conditions: BTreeMap<String, Severity>,
    /// Its last one-off messages.
    news: Vec<String>,
}

/// How long a command has been failing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub since: String,
    pub failures: u64,
}

/// An alert that a command printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The same as long as the problem lasts.
    pub kind: String,
    pub severity: Severity,
    /// The line.
    pub line: String,
}

/// What to report after a run.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Problems that are new, or worse than before.
    pub firing: Vec<Said>,
    /// Kinds of problems that are over, and their severities.
    pub over: Vec<(String, Severity)>,
    /// One-off messages.
    pub news: Vec<Said>,
}

impl Memory {
    /// Records a success. Returns the failure that it ends, if any.
    pub fn works(&mut self, key: &str) -> Option<Failing> {
        let failing = self.0.get_mut(key).and_then(|known| known.failing.take());
        self.forget(key);
        failing
    }

    /// Records a failure at this time. Returns whether it is the first in a row.
    pub fn fails(&mut self, key: &str, now: String) -> (bool, Value) {
        let known = self.0.entry(key.to_owned()).or_default();
        let is_new = known.failing.is_none();
        let failing = known.failing.get_or_insert(Failing { since: now, failures: 0 });
        failing.failures += 1;
        (is_new, json!(failing))
    }

    /// Records the problems found, and returns the changes. After an incomplete run, problems that were not reported
    /// may still exist.
    pub fn found(&mut self, key: &str, said: Vec<Said>, is_whole: bool) -> Changes {
        let known = self.0.entry(key.to_owned()).or_default();
        let (news, conditions): (Vec<_>, Vec<_>) = said.into_iter().partition(|said| said.severity == Severity::Info);
        let mut changes = Changes::default();
        let mut now = BTreeMap::new();
        for said in conditions {
            let worst = now.entry(said.kind.clone()).or_insert(said.severity);
            *worst = (*worst).max(said.severity);
            if known.conditions.get(&said.kind).is_none_or(|before| *before < said.severity) {
                changes.firing.push(said);
            }
        }
        for (kind, severity) in std::mem::take(&mut known.conditions) {
            if now.contains_key(&kind) {
                continue;
            }
            if is_whole {
                changes.over.push((kind, severity));
            } else {
                now.insert(kind, severity);
            }
        }
        known.conditions = now;
        let lines: Vec<_> = news.iter().map(|said| said.line.clone()).collect();
        changes.news = news.into_iter().filter(|said| !known.news.contains(&said.line)).collect();
        if is_whole || !lines.is_empty() {
            known.news = lines;
        }
        self.forget(key);
        changes
    }

    /// Removes an entry without content.
    fn forget(&mut self, key: &str) {
        if self.0.get(key).is_some_and(|known| *known == Known::default()) {
            self.0.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, severity: Severity) -> Said {
        Said { kind: kind.into(), severity, line: format!("{kind} {severity}") }
    }

    fn kinds(said: &[Said]) -> Vec<&str> {
        said.iter().map(|said| said.kind.as_str()).collect()
    }

    #[test]
    fn a_failure_is_new_once_and_over_once() {
        let mut memory = Memory::default();
        assert_eq!(memory.works("a"), None);
        assert_eq!(memory.fails("a", "1".into()), (true, json!({ "since": "1", "failures": 1 })));
        assert_eq!(memory.fails("a", "2".into()), (false, json!({ "since": "1", "failures": 2 })));
        assert!(memory.fails("b", "3".into()).0);
        assert_eq!(memory.works("a"), Some(Failing { since: "1".into(), failures: 2 }));
        assert_eq!(memory.works("a"), None);
        memory.works("b");
        assert!(memory.0.is_empty());
    }

    #[test]
    fn what_goes_on_is_told_when_it_begins_gets_worse_and_is_over() {
        let mut memory = Memory::default();
        let high = |kind| said(kind, Severity::High);
        assert_eq!(kinds(&memory.found("a", vec![high("x"), high("y")], true).firing), ["x", "y"]);
        assert_eq!(memory.found("a", vec![high("x"), high("y")], true), Changes::default());
        let worse = memory.found("a", vec![said("x", Severity::Critical)], true);
        assert_eq!((kinds(&worse.firing), worse.over), (vec!["x"], vec![("y".into(), Severity::High)]));
        // A lower severity is not worth an alert.
        assert_eq!(memory.found("a", vec![high("x")], true), Changes::default());
        // A failed check does not mean that all is well.
        assert_eq!(memory.found("a", vec![], false), Changes::default());
        assert_eq!(memory.found("a", vec![], true).over, [("x".into(), Severity::High)]);
        assert!(memory.0.is_empty());
    }

    #[test]
    fn news_are_told_once_as_long_as_they_are_the_same() {
        let mut memory = Memory::default();
        let calm = || vec![said("calm", Severity::Info)];
        let told = [calm(), calm(), vec![said("wild", Severity::Info)], calm()];
        let told = told.map(|said| kinds(&memory.found("a", said, true).news).join(""));
        assert_eq!(told, ["calm", "", "wild", "calm"]);
    }
}
