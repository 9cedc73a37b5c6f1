//! Tells whether a process was stopped by a monitor, which records it here, or by a person.
//!
//! All monitors with the same `STATE_DIR` share these records: `startup_monitor` may start what `failure_monitor`
//! stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Fault, Process, ProcessOutcome, Supervisord, Unknown};
use crate::Failure;
use crate::log::{Level, log, monitor};
use crate::settings::Common;
use crate::state::State;
use crate::sync::lock;

/// What monitors stopped: `GROUP:NAME`; or `GROUP:*` or `*:*` if supervisord did not say which processes it stopped.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stops(BTreeMap<String, Stop>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stop {
    /// In seconds since 1970.
    at: i64,
    by: String,
}

pub(super) type Kept = Arc<Mutex<State<Stops>>>;

impl Stops {
    /// Records that a monitor stopped a process at this time.
    pub fn note(&mut self, name: String, at: i64, by: &str) {
        self.0.insert(name, Stop { at, by: by.into() });
    }

    /// The monitor that stopped a STOPPED process. `None` if it was never started, or no monitor stopped it.
    pub fn monitor(&self, process: &Process) -> Option<&str> {
        // A later start invalidates a record.
        let holds = |stop: &&Stop| process.is_stopped() && i64::from(process.start) <= stop.at;
        let of_process = self.0.get(&process.full_name()).filter(holds);
        let of_groups = [&process.group, "*"].map(|group| self.0.get(&format!("{group}:*")).filter(holds));
        // Processes that had ended before were not stopped with their group.
        let of_groups = of_groups.into_iter().flatten().filter(|stop| stop.at <= i64::from(process.stop));
        of_process.into_iter().chain(of_groups).max_by_key(|stop| stop.at).map(|stop| stop.by.as_str())
    }

    /// Whether a process is STOPPED because a person stopped it.
    pub fn by_person(&self, process: &Process) -> bool {
        process.is_stopped() && process.start != 0 && self.monitor(process).is_none()
    }
}

impl Supervisord {
    /// Records all stops made through this value, for all monitors that use the state directory.
    pub fn noting_stops(self, settings: &Common) -> Result<Self, Failure> {
        Ok(Self { stops: Some(Arc::new(Mutex::new(State::shared(settings, "stopped")?))), ..self })
    }

    /// What monitors stopped.
    pub fn stops(&self) -> Stops {
        self.update_stops(|stops| stops.clone())
    }

    /// Starts the processes of a group that are not running, except those that a person stopped, without waiting for
    /// them. Returns the outcome for each of them. `stops` must be as old as `processes`.
    pub fn resume_group(
        &self,
        group: &str,
        processes: &[Process],
        stops: &Stops,
    ) -> Result<Vec<ProcessOutcome>, Failure> {
        let members = processes.iter().filter(|process| process.group == group);
        let (left, members): (Vec<_>, Vec<_>) = members.partition(|process| stops.by_person(process));
        if left.is_empty() {
            return self.start_group(group);
        }
        let mut started = Vec::new();
        for process in members.into_iter().filter(|process| process.is_down()) {
            let outcome = ProcessOutcome::of(process.clone(), self.start(&process.full_name()))?;
            if outcome.fault != Some(Fault::AlreadyStarted) {
                started.push(outcome);
            }
        }
        left.iter().for_each(|process| leave(process));
        Ok(started)
    }

    pub(super) fn note_stop(&self, full_name: &str, at: i64, answer: &Result<(), Failure>) {
        if answer.as_ref().map_or_else(|error| error.is::<Unknown>(), |()| true) {
            self.update_stops(|stops| stops.note(full_name.into(), at, monitor()));
        }
    }

    /// For a group, or with `*` for all groups.
    pub(super) fn note_stops(&self, group: &str, at: i64, answer: &Result<Vec<ProcessOutcome>, Failure>) {
        self.update_stops(|stops| match answer {
            Ok(processes) => {
                for process in processes.iter().filter(|process| process.is_done()) {
                    stops.note(format!("{}:{}", process.group, process.name), at, monitor());
                }
            }
            Err(error) if error.is::<Unknown>() => stops.note(format!("{group}:*"), at, monitor()),
            Err(_) => {}
        });
    }

    /// A process that was started again is no longer stopped, however soon that was.
    pub(super) fn forget_stop(&self, full_name: &str) {
        if self.stops().0.contains_key(full_name) {
            self.update_stops(|stops| drop(stops.0.remove(full_name)));
        }
    }

    fn update_stops<R>(&self, change: impl FnOnce(&mut Stops) -> R) -> R {
        match &self.stops {
            Some(stops) => lock(stops).update(change),
            None => change(&mut Stops::default()),
        }
    }
}

/// Logs that a process is not started.
pub fn leave(process: &Process) {
    let message = format!("{} is left alone: it was stopped, but not by a monitor", process.name);
    log(Level::Info, message, json!({ "process": process.name, "group": process.group }));
}

#[cfg(test)]
mod tests {
    use supervisor_events::ProcessState;

    use super::*;

    #[test]
    fn what_was_stopped_with_all_groups_was_stopped_by_a_monitor() {
        let mut stops = Stops::default();
        stops.note("*:*".into(), 30, "a_monitor");
        let process = |start, stop| Process { state: ProcessState::Stopped, start, stop, ..Process::default() };
        assert_eq!(stops.monitor(&process(10, 31)), Some("a_monitor"));
        // Before it, and started since.
        assert!(stops.by_person(&process(10, 29)) && stops.by_person(&process(40, 45)));
    }
}
