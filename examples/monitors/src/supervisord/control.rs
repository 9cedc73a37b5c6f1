//! Starts, stops and signals processes: one, a group, or all.
//!
//! None of these calls waits for a process. supervisord would answer a waiting `start` only after `startsecs`, and a
//! waiting `stop` after up to `stopwaitsecs`, and no event would be handled in the meantime. Events and
//! [`Supervisord::process`] tell what came of a call.

use std::thread;
use std::time::{Duration, Instant};

use dxr::{TryToValue, Value};

use super::outcome::outcomes;
use super::{Fault, ProcessOutcome, Signal, Supervisord, Unknown, fault_of};
use crate::Failure;
use crate::log::seconds_now;

/// How often to check whether a process has stopped.
const INTERVAL: Duration = Duration::from_millis(200);

/// supervisord need not wait for the process.
const AT_ONCE: Value = Value::Boolean(false);

impl Supervisord {
    /// Starts a process, by its full name.
    pub fn start(&self, full_name: &str) -> Result<(), Failure> {
        let answer = self.call("startProcess", vec![one(full_name)?, AT_ONCE]);
        self.forget_stop(full_name);
        answer.map(drop)
    }

    /// Starts the processes of a group that are not running. Returns the outcome for each of them.
    pub fn start_group(&self, group: &str) -> Result<Vec<ProcessOutcome>, Failure> {
        outcomes(&self.call("startProcessGroup", vec![group.try_to_value()?, AT_ONCE])?)
    }

    /// Starts all processes that are not running. Returns the outcome for each of them.
    pub fn start_all(&self) -> Result<Vec<ProcessOutcome>, Failure> {
        outcomes(&self.call("startAllProcesses", vec![AT_ONCE])?)
    }

    /// Tells a process to stop, by its full name.
    pub fn stop(&self, full_name: &str) -> Result<(), Failure> {
        let at = seconds_now();
        let answer = self.call("stopProcess", vec![one(full_name)?, AT_ONCE]).map(drop);
        self.note_stop(full_name, at, &answer);
        answer
    }

    /// Tells the running processes of a group to stop. Returns the outcome for each of them.
    pub fn stop_group(&self, group: &str) -> Result<Vec<ProcessOutcome>, Failure> {
        self.stop_many("stopProcessGroup", vec![group.try_to_value()?, AT_ONCE], group)
    }

    /// Tells all processes to stop, including this one if supervisord started it. Returns the outcome for each of them.
    pub fn stop_all(&self) -> Result<Vec<ProcessOutcome>, Failure> {
        self.stop_many("stopAllProcesses", vec![AT_ONCE], "*")
    }

    fn stop_many(&self, method: &str, params: Vec<Value>, group: &str) -> Result<Vec<ProcessOutcome>, Failure> {
        let at = seconds_now();
        let answer = self.call(method, params).and_then(|answer| outcomes(&answer));
        self.note_stops(group, at, &answer);
        answer
    }

    /// Sends a signal to a process, by its full name.
    pub fn signal(&self, full_name: &str, signal: Signal) -> Result<(), Failure> {
        self.call("signalProcess", vec![one(full_name)?, signal.name().try_to_value()?]).map(drop)
    }

    /// Sends a signal to the running processes of a group. Returns the outcome for each of them.
    pub fn signal_group(&self, group: &str, signal: Signal) -> Result<Vec<ProcessOutcome>, Failure> {
        outcomes(&self.call("signalProcessGroup", vec![group.try_to_value()?, signal.name().try_to_value()?])?)
    }

    /// Sends a signal to all running processes, including this one if supervisord started it. Returns the outcome for
    /// each of them.
    pub fn signal_all(&self, signal: Signal) -> Result<Vec<ProcessOutcome>, Failure> {
        outcomes(&self.call("signalAllProcesses", vec![signal.name().try_to_value()?])?)
    }

    /// Stops a process, and starts it again once it has stopped. This takes as long as stopping does, or until
    /// `patience` is over, so call it in a thread of its own. `pid` is the process to stop; `None` if it has already
    /// been told to.
    ///
    /// If the process ended by itself, or somebody else has started it again, it is left alone.
    pub fn restart(&self, full_name: &str, pid: Option<u32>, patience: Duration) -> Result<(), Failure> {
        let end = Instant::now() + patience;
        if pid.is_some() {
            match self.stop(full_name) {
                Err(error) if fault_of(&error) == Some(Fault::NotRunning) => return Ok(()),
                Err(error) if !error.is::<Unknown>() => return Err(error),
                _ => {}
            }
        }
        loop {
            let process = match self.process(full_name) {
                Err(error) if error.is::<Unknown>() && Instant::now() < end => continue,
                answer => answer?,
            };
            if process.is_down() {
                match self.start(full_name) {
                    Err(error) if fault_of(&error) == Some(Fault::AlreadyStarted) => return Ok(()),
                    Err(error) if error.is::<Unknown>() && Instant::now() < end => {}
                    answer => return answer,
                }
            } else if process.runs() && pid != Some(process.pid) {
                return Ok(());
            } else if Instant::now() >= end {
                return Err(format!("it is still {}", process.state).into());
            }
            thread::sleep(INTERVAL);
        }
    }
}

/// The name of one process. supervisord would accept a whole group as well, but answer in another form.
fn one(full_name: &str) -> Result<Value, Failure> {
    match full_name.split_once(':') {
        Some((group, "" | "*")) => {
            Err(format!("{full_name:?} is not a process: use the call for groups with {group:?}").into())
        }
        _ => Ok(full_name.try_to_value()?),
    }
}
