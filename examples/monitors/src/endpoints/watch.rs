//! What becomes of an endpoint from tick to tick: what somebody should know is what has changed.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use supervisor_events::ProcessState;

use super::{Endpoint, Finding};
use crate::supervisord::Process;

/// How long after its start a process need not serve its endpoint yet, if somebody had stopped it. In seconds.
const GRACE: u64 = 30;

/// Whether an endpoint answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It does. What is up when it is first checked is as it should be.
    #[default]
    Up,
    /// It does not, for somebody has stopped its process.
    Stopped,
    /// It does not.
    Down,
}

/// What has changed, and somebody should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Down,
    Stopped,
    Up,
    Slow,
    Fast,
}

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    pub condition: Condition,
    /// Slow answers in a row.
    slow_ticks: u32,
    slow: bool,
}

impl Watched {
    /// Notes what a check has found. An endpoint that does not answer is `excused` if somebody has stopped its process.
    pub fn note(&mut self, found: &Finding, excused: bool, is_slow: bool, slow_ticks: u32) -> Vec<Change> {
        let condition = match (found, excused, self.condition) {
            (Ok(_), ..) => Condition::Up,
            // It was told already that it is down.
            (Err(_), _, Condition::Down) | (Err(_), false, _) => Condition::Down,
            (Err(_), true, _) => Condition::Stopped,
        };
        let mut changes = Vec::new();
        if condition != self.condition {
            changes.push(match condition {
                Condition::Up => Change::Up,
                Condition::Stopped => Change::Stopped,
                Condition::Down => Change::Down,
            });
        }
        self.condition = condition;
        // Without an answer nobody knows: what was slow may still be.
        self.slow_ticks = if is_slow { self.slow_ticks.saturating_add(1) } else { 0 };
        if !self.slow && is_slow && self.slow_ticks >= slow_ticks {
            self.slow = true;
            changes.push(Change::Slow);
        } else if self.slow && !is_slow && found.is_ok() {
            self.slow = false;
            changes.push(Change::Fast);
        }
        changes
    }
}

/// Which endpoints do not answer because somebody has stopped what serves them: all processes of that name. `ask` is how
/// supervisord is asked about all processes: only if an endpoint has just gone down, or if it was stopped, for then it has
/// to answer once its process runs again. None: supervisord is shutting down, and stops all of them. `when` is in seconds
/// since 1970.
pub fn excused(
    all: &[(&Endpoint, &Finding)],
    known: &BTreeMap<String, Watched>,
    when: u64,
    ask: impl FnOnce() -> Option<Vec<Process>>,
) -> Vec<bool> {
    let processes = LazyCell::new(ask);
    let is_excused = |(endpoint, found): &(&Endpoint, &Finding)| {
        let condition = known.get(&endpoint.name).map_or(Condition::Up, |watched| watched.condition);
        let (Some(pattern), Err(_), Condition::Up | Condition::Stopped) = (&endpoint.process, found, condition) else {
            return false;
        };
        let Some(processes) = &*processes else { return true };
        let mut named = processes.iter().filter(|process| pattern.matches(&process.group, &process.name)).peekable();
        named.peek().is_some() && named.all(|process| excuses(process, condition, when))
    };
    all.iter().map(is_excused).collect()
}

/// Whether somebody has stopped the process, or starts it again after that.
fn excuses(process: &Process, condition: Condition, when: u64) -> bool {
    let starts = || {
        let start = u64::try_from(process.start).unwrap_or_default();
        process.state == ProcessState::Starting || process.runs() && when.saturating_sub(start) < GRACE
    };
    matches!(process.state, ProcessState::Stopped | ProcessState::Stopping)
        || condition == Condition::Stopped && starts()
}
