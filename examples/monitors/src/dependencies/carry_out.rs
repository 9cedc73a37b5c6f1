//! Carries out a plan, and logs it.

use serde_json::json;

use super::Plan;
use crate::Failure;
use crate::log::{Level, log};
use crate::supervisord::{Fault, Process, Supervisord, fault_of, leave, log_failure};

impl Plan<'_> {
    /// Starts and stops the planned processes. Does not wait until they have started or stopped.
    pub fn carry_out(&self, supervisord: &Supervisord) {
        for process in &self.stop {
            let stopped = supervisord.stop(&process.full_name());
            say(process, "stopped", "what it needs has ended", stopped);
        }
        self.leave.iter().for_each(|process| leave(process));
        for (process, news) in &self.start {
            let why = match news {
                Some(needed) if needed.runs() => format!("{} runs", needed.name),
                Some(job) => format!("{} has ended", job.name),
                None => "what it needs runs again".into(),
            };
            say(process, "started", &why, supervisord.start(&process.full_name()));
        }
    }
}

fn say(process: &Process, done: &str, why: &str, answer: Result<(), Failure>) {
    let name = &process.name;
    match answer {
        // Another process of the pool was faster.
        Err(error) if matches!(fault_of(&error), Some(Fault::AlreadyStarted | Fault::NotRunning)) => {}
        Ok(()) => log(Level::Info, format!("{name} is {done} because {why}"), json!({})),
        Err(error) => log_failure(Level::Error, &error, format!("{name} is NOT {done}: {error}"), json!({})),
    }
}
