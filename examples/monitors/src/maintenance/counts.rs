//! Counts what processes do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use supervisor_events::{ProcessState, ProcessStateEvent};

/// The counts of each process, by its full name.
pub type Counts = BTreeMap<String, Count>;

/// How often a process did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// It was started.
    pub starts: u64,
    /// It was started again after it ended by itself.
    pub restarts: u64,
    /// It ended unexpectedly.
    pub crashes: u64,
    /// It ended as expected.
    pub exits: u64,
    /// It was stopped.
    pub stops: u64,
    /// supervisord gave up on it.
    pub fatal: u64,
}

/// Counts an event.
pub fn count(counts: &mut Counts, event: &ProcessStateEvent<'_>) {
    let count = counts.entry(format!("{}:{}", event.groupname, event.processname)).or_default();
    match event.state {
        ProcessState::Starting => {
            count.starts += 1;
            let ended = [ProcessState::Exited, ProcessState::Backoff].iter().any(|state| event.from_state == *state);
            count.restarts += u64::from(ended);
        }
        ProcessState::Exited if event.expected == Some(false) => count.crashes += 1,
        ProcessState::Exited => count.exits += 1,
        ProcessState::Stopped => count.stops += 1,
        ProcessState::Fatal => count.fatal += 1,
        _ => {}
    }
}
