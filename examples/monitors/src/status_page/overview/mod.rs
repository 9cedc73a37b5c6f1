//! What is known about all processes, from events, supervisord's list and its answers. A sequence of changes without
//! I/O: [`Journaled`](crate::state::Journaled) stores them.

mod status;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use supervisor_events::ProcessState;

use crate::state::Apply;
use crate::supervisord::Process;
pub use status::{Exit, Exits, Status};

/// How many events are remembered.
const EVENTS: usize = 200;

/// Between two lists, no more processes than this are recorded.
const PROCESSES: usize = 10_000;

/// Everything that is known.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Overview {
    /// By `GROUP:NAME`.
    pub processes: BTreeMap<String, Status>,
    /// The newest is last.
    pub events: VecDeque<StateChange>,
    pub last_event: Option<Sighting>,
    /// supervisord's identifier.
    pub server: String,
    /// Identifies this run of supervisord.
    pub run: String,
    /// The state that supervisord last reported of itself: RUNNING, or SHUTDOWN.
    pub supervisord: Option<String>,
    pub state_changes: u64,
    pub reconciliations: u64,
    /// How often supervisord's list differed from its events.
    pub differences: u64,
}

/// A process changed its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChange {
    pub at: i64,
    pub serial: u64,
    pub group: String,
    pub process: String,
    pub from: String,
    pub to: ProcessStateName,
    pub expected: Option<bool>,
    #[serde(default)]
    pub pid: u32,
}

/// When an event arrived, and its serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub at: i64,
    pub serial: u64,
}

/// The state of a process, by supervisord's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStateName(pub ProcessState);

/// What changes the overview.
#[derive(Serialize, Deserialize)]
pub enum Change {
    /// A new run of supervisord, with this identifier.
    Run { run: String, server: String },
    /// An event.
    State(StateChange),
    /// An event that is not about a process.
    Seen(Sighting),
    /// An event: supervisord has entered this state.
    Supervisord { state: String, seen: Sighting },
    /// An event: the group was removed.
    Removed { group: String, seen: Sighting },
    /// supervisord's list of all processes.
    Listed { at: i64, processes: Vec<Process>, differences: u64 },
    /// supervisord's answer about some processes.
    Told(Vec<Process>),
    /// How a process ended at this time.
    Ended { name: String, at: i64, status: Option<i32>, why: String },
}

/// A difference between supervisord's list and the events.
pub struct Difference {
    pub name: String,
    pub known: String,
    pub state: String,
}

impl Overview {
    /// Compares supervisord's list with the known states. Processes that no event was about do not count.
    pub fn differences(&self, listed: &[Process]) -> Vec<Difference> {
        let difference = |process: &Process| {
            let name = process.full_name();
            let known = self.processes.get(&name).filter(|known| known.state != process.state.name())?;
            Some(Difference { name, known: known.state.clone(), state: process.state.name().into() })
        };
        listed.iter().filter_map(difference).collect()
    }

    /// How many processes are in each state.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for status in self.processes.values() {
            *counts.entry(status.state.as_str()).or_default() += 1;
        }
        counts
    }

    /// Whether this event is one of those remembered: a monitor that was killed during an event may get it again.
    pub fn has_seen(&self, run: &str, serial: u64) -> bool {
        self.run == run && self.events.iter().rev().any(|event| event.serial == serial)
    }

    fn changed(&mut self, change: StateChange) {
        self.last_event = Some(Sighting { at: change.at, serial: change.serial });
        self.state_changes += 1;
        let name = format!("{}:{}", change.group, change.process);
        if self.processes.len() < PROCESSES || self.processes.contains_key(&name) {
            let status = self.processes.entry(name).or_default();
            (status.group, status.name) = (change.group.clone(), change.process.clone());
            status.changed(&change);
        }
        self.events.push_back(change);
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    fn listed(&mut self, at: i64, processes: Vec<Process>) {
        let mut known = std::mem::take(&mut self.processes);
        for process in processes {
            let name = process.full_name();
            let mut status = known.remove(&name).unwrap_or_default();
            if status.state != process.state.name() {
                let since = match process.state {
                    ProcessState::Running | ProcessState::Starting => process.start,
                    ProcessState::Exited | ProcessState::Stopped => process.stop,
                    _ => 0,
                };
                status.since = if since > 0 { i64::from(since) * 1000 } else { at };
                status.state = process.state.name().into();
                status.pid = 0;
            }
            status.told(process);
            self.processes.insert(name, status);
        }
        self.reconciliations += 1;
    }
}

impl Apply for Overview {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Run { run, server } => {
                (self.run, self.server, self.supervisord) = (run, server, None);
                self.processes.values_mut().for_each(|status| status.has_run = false);
            }
            Change::State(change) => self.changed(change),
            Change::Seen(seen) => self.last_event = Some(seen),
            Change::Supervisord { state, seen } => {
                (self.supervisord, self.last_event) = (Some(state), Some(seen));
            }
            Change::Removed { group, seen } => {
                self.processes.retain(|_, status| status.group != group);
                self.last_event = Some(seen);
            }
            Change::Listed { at, processes, differences } => {
                self.differences += differences;
                self.listed(at, processes);
            }
            Change::Told(processes) => {
                for process in processes {
                    if let Some(status) = self.processes.get_mut(&process.full_name())
                        && status.state == process.state.name()
                    {
                        status.told(process);
                    }
                }
            }
            Change::Ended { name, at, status, why } => {
                let exit = self.processes.get_mut(&name).and_then(|process| process.last_exit.as_mut());
                if let Some(exit) = exit.filter(|exit| exit.at == at) {
                    exit.tell(status.or(exit.status), &why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

impl ProcessStateName {
    /// As supervisord writes it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl Serialize for ProcessStateName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ProcessStateName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let state = ProcessState::from_name(&name).ok_or_else(|| serde::de::Error::custom("no state of a process"))?;
        Ok(Self(state))
    }
}
