//! Who stopped a process: a monitor, which notes it here, or a person.
//!
//! The monitors of a `STATE_DIR` share their notes: what `failure_monitor` stopped, `startup_monitor` may start again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Fault, Process, Supervisord, Unknown, fault_of};
use crate::Failure;
use crate::log::{Level, log, monitor};
use crate::settings::Common;
use crate::state::State;

/// What monitors stopped: `GROUP:NAME`; or `GROUP:*` if supervisord did not answer which processes it stopped.
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
    /// Notes that a monitor stopped a process at this second.
    pub fn note(&mut self, name: String, at: i64, by: &str) {
        self.0.insert(name, Stop { at, by: by.into() });
    }

    /// The monitor that stopped a process which is STOPPED. None if it was never started, or no monitor stopped it.
    pub fn monitor(&self, process: &Process) -> Option<&str> {
        // A later start is the end of a note.
        let holds = |stop: &&Stop| process.is_stopped() && i64::from(process.start) <= stop.at;
        let of_process = self.0.get(&process.full_name()).filter(holds);
        let of_group = self.0.get(&format!("{}:*", process.group)).filter(holds);
        // What had ended before was not stopped with its group.
        let of_group = of_group.filter(|stop| stop.at <= i64::from(process.stop));
        of_process.into_iter().chain(of_group).max_by_key(|stop| stop.at).map(|stop| stop.by.as_str())
    }

    /// Whether a process is STOPPED because a person wanted that.
    pub fn by_person(&self, process: &Process) -> bool {
        process.is_stopped() && process.start != 0 && self.monitor(process).is_none()
    }
}

impl Supervisord {
    /// Notes what is stopped through this, for all monitors of the state directory.
    pub fn noting_stops(self, settings: &Common) -> Result<Self, Failure> {
        Ok(Self { stops: Some(Arc::new(Mutex::new(State::shared(settings, "stopped")?))), ..self })
    }

    /// What monitors stopped.
    pub fn stops(&self) -> Stops {
        self.update_stops(|stops| stops.clone())
    }

    /// Stops a process, and does not wait until it has stopped.
    pub fn stop(&self, full_name: &str) -> Result<(), Failure> {
        let at = now();
        let answer = self.call_to_stop(full_name);
        if answer.as_ref().map_or_else(|error| error.is::<Unknown>(), |()| true) {
            self.update_stops(|stops| stops.note(full_name.into(), at, monitor()));
        }
        answer
    }

    /// Starts those processes of a group that do not run, but for those that a person stopped, and does not wait until they
    /// run. What became of each: its name, and `OK` or why not. `stops` are those from when the processes were as given.
    pub fn resume_group(
        &self,
        group: &str,
        processes: &[Process],
        stops: &Stops,
    ) -> Result<Vec<(String, String)>, Failure> {
        let members = processes.iter().filter(|process| process.group == group);
        let (left, members): (Vec<_>, Vec<_>) = members.partition(|process| stops.by_person(process));
        if left.is_empty() {
            return self.start_group(group);
        }
        let mut started = Vec::new();
        for process in members.into_iter().filter(|process| process.is_down()) {
            match self.start(&process.full_name()) {
                Ok(()) => started.push((process.name.clone(), "OK".into())),
                Err(error) => match fault_of(&error) {
                    Some(Fault::AlreadyStarted) => {}
                    Some(_) => started.push((process.name.clone(), error.to_string())),
                    None => return Err(error),
                },
            }
        }
        left.iter().for_each(|process| leave(process));
        Ok(started)
    }

    pub(super) fn note_group(&self, group: &str, at: i64, answer: &Result<Vec<(String, String)>, Failure>) {
        self.update_stops(|stops| match answer {
            Ok(processes) => {
                for (name, _) in processes.iter().filter(|(_, outcome)| outcome == "OK") {
                    stops.note(format!("{group}:{name}"), at, monitor());
                }
            }
            Err(error) if error.is::<Unknown>() => stops.note(format!("{group}:*"), at, monitor()),
            Err(_) => {}
        });
    }

    /// What was started again is not stopped, however soon that was.
    pub(super) fn forget_stop(&self, full_name: &str) {
        if self.stops().0.contains_key(full_name) {
            self.update_stops(|stops| drop(stops.0.remove(full_name)));
        }
    }

    fn update_stops<R>(&self, change: impl FnOnce(&mut Stops) -> R) -> R {
        match &self.stops {
            Some(stops) => stops.lock().unwrap_or_else(PoisonError::into_inner).update(change),
            None => change(&mut Stops::default()),
        }
    }
}

/// Says that a process is not started.
pub fn leave(process: &Process) {
    let message = format!("{} is left alone: it was stopped, but not by a monitor", process.name);
    log(Level::Info, message, json!({ "process": process.name, "group": process.group }));
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
