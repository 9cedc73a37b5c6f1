//! The status of one process, from events and supervisord's answers.

use serde::{Deserialize, Serialize};
use supervisor_events::ProcessState;

use super::{ProcessStateName, StateChange};
use crate::supervisord::Process;

/// The status of a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub group: String,
    pub name: String,
    pub state: String,
    /// 0 where there is none.
    pub pid: u32,
    /// Since when it has been in this state, in milliseconds since 1970, like all times here.
    pub since: i64,
    /// When it was last started; 0 if never.
    pub start: i64,
    /// How often it was started again, by supervisord or by somebody, including retries of failed starts.
    pub restarts: u64,
    pub exits: Exits,
    /// How often it ended before `startsecs`, or could not be started.
    pub failed_starts: u64,
    pub last_exit: Option<Exit>,
    pub spawn_error: String,
    pub description: String,
    pub has_stdout: bool,
    pub has_stderr: bool,
    /// Whether it has been started in this run of supervisord, so that the next start is a restart.
    pub(super) has_run: bool,
}

/// How often a process has exited, with and without an exit code from `exitcodes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exits {
    pub expected: u64,
    pub unexpected: u64,
}

/// The last end of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    pub at: i64,
    /// -1 for a signal. `None` if unknown.
    pub status: Option<i32>,
    /// `None` if it was stopped.
    pub expected: Option<bool>,
    pub why: String,
    /// The state that followed.
    state: ProcessStateName,
}

impl Status {
    /// Handles an event about the process.
    pub(super) fn changed(&mut self, change: &StateChange) {
        use ProcessState::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping};
        let StateChange { at, expected, to: ProcessStateName(to), .. } = *change;
        let from = ProcessState::from_name(&change.from);
        match to {
            Starting => {
                // A process that was stopped before our first event has run, unless it was never started.
                let is_again = matches!(from, Some(Exited | Backoff | Fatal)) || self.has_run;
                self.restarts += u64::from(is_again);
                self.start = at;
                self.spawn_error.clear();
            }
            Backoff => {
                self.failed_starts += 1;
                self.ended(at, Some(false), Backoff, "ended before startsecs, or could not be started");
            }
            Exited => {
                let is_expected = expected.unwrap_or_default();
                let (count, why) = match is_expected {
                    true => (&mut self.exits.expected, "exited as expected"),
                    false => (&mut self.exits.unexpected, "exited unexpectedly"),
                };
                *count += 1;
                self.ended(at, Some(is_expected), Exited, why);
            }
            // If it was waiting for its next start, nothing ended.
            Stopped if from != Some(Backoff) => self.ended(at, None, Stopped, "stopped"),
            _ => {}
        }
        self.has_run |= matches!(to, Starting | Running | Backoff | Stopping | Exited);
        self.state = to.name().into();
        self.since = at;
        self.description.clear();
        // The event of an ended process contains the id that it had.
        self.pid = if matches!(to, Running | Stopping) { change.pid } else { 0 };
    }

    fn ended(&mut self, at: i64, expected: Option<bool>, state: ProcessState, why: &str) {
        let state = ProcessStateName(state);
        self.last_exit = Some(Exit { at, status: None, expected, why: why.into(), state });
    }

    /// Handles supervisord's answer, which must be about the same state.
    pub(super) fn told(&mut self, process: Process) {
        let start = i64::from(process.start) * 1000;
        let has_ended = matches!(
            process.state,
            ProcessState::Stopped | ProcessState::Exited | ProcessState::Fatal | ProcessState::Backoff
        );
        self.has_run |= has_ended && start > 0;
        // supervisord reports whole seconds.
        if start.abs_diff(self.start) >= 1000 {
            self.start = start;
        }
        if has_ended && start > 0 {
            self.told_of_end(&process);
        }
        (self.group, self.name, self.pid) = (process.group, process.name, process.pid);
        (self.has_stdout, self.has_stderr) = (process.has_stdout, process.has_stderr);
        self.spawn_error = process.spawn_error;
        // The description of a running process is its age, which would become outdated.
        self.description = if process.state == ProcessState::Running { String::new() } else { process.description };
    }

    fn told_of_end(&mut self, process: &Process) {
        use ProcessState::{Backoff, Exited, Stopped};
        let (state, expected) = match process.state {
            Stopped => (Stopped, None),
            Exited => (Exited, Some(!process.spawn_error.starts_with("Bad exit code"))),
            _ => (Backoff, Some(false)),
        };
        if self.last_exit.is_none() {
            let at = i64::from(if process.stop > 0 { process.stop } else { process.start }) * 1000;
            self.ended(at, expected, state, if state == Stopped { "stopped" } else { "exited" });
        }
        let Some(exit) = self.last_exit.as_mut().filter(|exit| exit.state.0 == state) else { return };
        // supervisord also reports 0 if it does not know the status.
        if matches!(state, Stopped | Exited) {
            exit.status = Some(process.exit_status);
        }
        match exit.status {
            Some(-1) if exit.why.contains("SIG") => {}
            Some(-1) => exit.tell(Some(-1), "killed by a signal"),
            Some(code) => exit.tell(Some(code), &format!("exit code {code}")),
            None if !process.spawn_error.is_empty() => exit.tell(None, &process.spawn_error),
            None => {}
        }
    }
}

impl Exit {
    /// Whether supervisord's log has more details.
    pub fn is_wanting(&self) -> bool {
        match self.state.0 {
            ProcessState::Exited => self.status.is_none() || self.status == Some(-1) && !self.why.contains("SIG"),
            // A process that could not be started did not exit.
            ProcessState::Backoff => self.why.starts_with("Exited too quickly"),
            _ => false,
        }
    }

    pub(super) fn tell(&mut self, status: Option<i32>, why: &str) {
        self.status = status;
        self.why = match self.state.0 {
            ProcessState::Stopped => format!("stopped, {why}"),
            _ => why.into(),
        };
    }
}
