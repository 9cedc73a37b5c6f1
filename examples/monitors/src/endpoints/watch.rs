//! Follows an endpoint from tick to tick, and reports changes.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use supervisor_events::ProcessState;

use super::{Endpoint, Finding};
use crate::supervisord::Process;

/// A process that somebody stopped and started again need not serve its endpoint before this age, in seconds.
const GRACE: u64 = 30;

/// The condition of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It answers. This is also assumed before the first check.
    #[default]
    Up,
    /// It does not answer because somebody stopped its process.
    Stopped,
    /// It does not answer.
    Down,
}

/// A change that should be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Down,
    Stopped,
    Up,
    Slow,
    Fast,
}

/// What is known about an endpoint.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    pub condition: Condition,
    /// Slow answers in a row.
    slow_ticks: u32,
    slow: bool,
}

impl Watched {
    /// Records a result. A failure is `excused` if somebody stopped the endpoint's process.
    pub fn note(&mut self, found: &Finding, excused: bool, is_slow: bool, slow_ticks: u32) -> Vec<Change> {
        let condition = match (found, excused, self.condition) {
            (Ok(_), ..) => Condition::Up,
            // It has already been reported as down.
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
        // A failure says nothing about slowness: a slow endpoint may still be slow.
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

/// Which endpoints are down because somebody stopped all the processes that serve them. `ask` asks supervisord for all
/// processes; it is called only if an endpoint has just gone down, or was stopped and must answer again once its
/// process is running. `ask` returns `None` if supervisord is shutting down, which stops all of them. `when` is in
/// seconds since 1970.
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
        let mut named = processes.iter().filter(|process| pattern.names(process)).peekable();
        named.peek().is_some() && named.all(|process| excuses(process, condition, when))
    };
    all.iter().map(is_excused).collect()
}

/// Whether somebody stopped the process, or has only just started it again.
fn excuses(process: &Process, condition: Condition, when: u64) -> bool {
    let starts = || {
        let start = u64::try_from(process.start).unwrap_or_default();
        process.state == ProcessState::Starting || process.runs() && when.saturating_sub(start) < GRACE
    };
    matches!(process.state, ProcessState::Stopped | ProcessState::Stopping)
        || condition == Condition::Stopped && starts()
}
