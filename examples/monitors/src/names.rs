//! How settings name processes, in all programs: `NAME` (in any group), `GROUP:NAME`, `GROUP:*`, and `*`.
//!
//! A group's name contains no colon and no space. A process's name may contain both, so the group ends at the first
//! colon.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};
use supervisor_events::Event;

use crate::settings::List;
use crate::supervisord::Process;

/// A pattern that names any number of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessPattern {
    /// `None` matches any group.
    group: Option<String>,
    /// `None` matches any name.
    name: Option<String>,
}

/// The name of exactly one process, as supervisord reads it: `GROUP:NAME`, or `NAME` for the process in the group of
/// the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessName {
    pub group: String,
    pub name: String,
}

impl ProcessPattern {
    pub fn matches(&self, group: &str, name: &str) -> bool {
        let fits = |pattern: &Option<String>, text| pattern.as_ref().is_none_or(|pattern| pattern == text);
        fits(&self.group, group) && fits(&self.name, name)
    }

    /// Whether the pattern matches all that the other one matches.
    pub fn covers(&self, other: &Self) -> bool {
        let wider = |this: &Option<String>, other| this.is_none() || this == other;
        wider(&self.group, &other.group) && wider(&self.name, &other.name)
    }

    /// Whether the pattern matches this process.
    pub fn names(&self, process: &Process) -> bool {
        self.matches(&process.group, &process.name)
    }
}

impl List<ProcessPattern> {
    /// Whether any of the patterns matches.
    pub fn matches(&self, group: &str, name: &str) -> bool {
        self.iter().any(|pattern| pattern.matches(group, name))
    }
}

impl FromStr for ProcessPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (group, name) = match text.split_once(':') {
            Some((group, name)) if is_group(group) && !name.is_empty() => (Some(group), name),
            None if !text.is_empty() => (None, text),
            _ => return Err(format!("names processes by NAME, GROUP:NAME, GROUP:* or *, not by {text:?}")),
        };
        Ok(Self { group: group.map(Into::into), name: Some(name).filter(|name| *name != "*").map(Into::into) })
    }
}

impl FromStr for ProcessName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (group, name) = text.split_once(':').unwrap_or((text, text));
        if is_group(group) && !matches!(name, "" | "*") {
            Ok(Self { group: group.into(), name: name.into() })
        } else {
            Err(format!("names exactly one process, by GROUP:NAME or NAME, not {text:?}"))
        }
    }
}

/// The name and group of the process that an event is about, if it is about one.
pub fn process_of<'e>(event: &'e Event<'_>) -> Option<(&'e str, &'e str)> {
    match event {
        Event::ProcessState(event) => Some((&event.processname, &event.groupname)),
        Event::ProcessLog(event) => Some((&event.processname, &event.groupname)),
        Event::ProcessCommunication(event) => Some((&event.processname, &event.groupname)),
        _ => None,
    }
}

/// Whether a group is this listener's own pool. Its log may come back as events, which must not make it log again.
pub fn is_own_pool(group: &str) -> bool {
    static OWN: LazyLock<Option<String>> = LazyLock::new(|| env::var("SUPERVISOR_GROUP_NAME").ok());
    OWN.as_deref() == Some(group)
}

fn is_group(text: &str) -> bool {
    !matches!(text, "" | "*") && !text.contains(' ')
}

impl fmt::Display for ProcessPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            write!(f, "{group}:")?;
        }
        f.write_str(self.name.as_deref().unwrap_or("*"))
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group, self.name)
    }
}

impl Serialize for ProcessPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_name() {
        let processes = [("g", "a"), ("g", "b"), ("h", "a"), ("a", "a"), ("g", "a b:0"), ("g", "b:0")];
        let named = |text: &str| {
            let pattern: ProcessPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            let full_name = |(group, name): &(&str, &str)| format!("{group}:{name}");
            processes.iter().filter(|(group, name)| pattern.matches(group, name)).map(full_name).collect::<Vec<_>>()
        };
        assert_eq!(named("a"), ["g:a", "h:a", "a:a"]);
        assert_eq!(named("g:a"), ["g:a"]);
        assert_eq!(named("g:*"), ["g:a", "g:b", "g:a b:0", "g:b:0"]);
        assert_eq!(named("*").len(), processes.len());
        assert_eq!(named("g:a b:0"), ["g:a b:0"]);
        // The group ends at the first colon, so `b:0` is not a name on its own.
        assert_eq!(named("b:0"), [""; 0]);
        assert_eq!(named("x:*"), [""; 0]);

        let list: List<ProcessPattern> = "h:*, b".parse().unwrap();
        assert!(list.matches("h", "a") && list.matches("g", "b") && !list.matches("g", "a"));
        for text in ["", ":a", "g:", "*:a", "two words:a"] {
            assert!(text.parse::<ProcessPattern>().unwrap_err().contains("GROUP:NAME"), "{text:?}");
        }
    }

    #[test]
    fn one_process_is_named_as_supervisord_reads_it() {
        let named = |text: &str| text.parse::<ProcessName>().unwrap().to_string();
        assert_eq!(["a", "g:a", "g:a b:0"].map(named), ["a:a", "g:a", "g:a b:0"]);
        for text in ["", "*", "g:*", "g:", ":a", "*:a", "two words"] {
            assert!(text.parse::<ProcessName>().unwrap_err().contains("exactly one process"), "{text:?}");
        }
    }
}
