//! Carries out an action: calls supervisord, and then asks until it has happened.

use std::thread;
use std::time::{Duration, Instant};

use supervisor_events::ProcessState;

use super::actions::{Action, Outcome, OwnName, Target};
use crate::supervisord::{Fault, Process, Supervisord, Unknown, fault_of, find};

/// After this time, the action is no longer awaited, though it may still happen.
const PATIENCE: Duration = Duration::from_secs(50);

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(250);

/// How many failures an outcome lists.
const NAMED: usize = 5;

/// Refuses to act on the process that serves the page.
const OWN: &str = "this process serves the page, which would end with it: use supervisorctl";

/// Acts on the target's processes, except on this one itself.
///
/// A single process is always started by a restart. Among several, a restart only affects those that are running.
pub fn carry_out(supervisord: &Supervisord, action: Action, target: &Target, own: Option<&OwnName>) -> Outcome {
    let processes = supervisord.processes().map_err(|error| error.to_string())?;
    let (meant, alone): (Vec<_>, _) =
        (processes.into_iter().filter(|process| target.has(process)).collect(), matches!(target, Target::Process(_)));
    if meant.is_empty() {
        return Err("supervisord has no such process or group".into());
    }
    let is_own = |process: &Process| own.is_some_and(|own| own.is(process));
    if alone && action != Action::ClearLog && meant.iter().any(is_own) {
        return Err(OWN.into());
    }
    if action == Action::ClearLog {
        let cleared = meant.iter().try_for_each(|process| supervisord.clear_logs(&process.full_name()));
        return cleared.map(|()| "cleared".into()).map_err(|error| error.to_string());
    }
    let (down, running): (Vec<_>, Vec<_>) =
        meant.into_iter().filter(|process| !is_own(process)).partition(Process::is_down);
    let mut crew = Crew { supervisord, failures: Vec::new(), alone };
    match action {
        Action::Stop => {
            let stopped = crew.stop(&running);
            crew.outcome("stopped", stopped.len(), if running.is_empty() { "nothing is running" } else { "" })
        }
        Action::Start => {
            let started = crew.start(&down);
            crew.outcome("started", started, if down.is_empty() { "everything is already running" } else { "" })
        }
        Action::Restart => {
            let mut again = crew.stop(&running);
            if alone {
                again.extend(down);
            }
            let started = crew.start(&again);
            crew.outcome("restarted", started, if running.is_empty() && !alone { "nothing is running" } else { "" })
        }
        Action::ClearLog => Ok("cleared".into()),
    }
}

/// The processes of an action, one or several.
struct Crew<'a> {
    supervisord: &'a Supervisord,
    failures: Vec<(String, String)>,
    alone: bool,
}

impl Crew<'_> {
    /// Stops processes. Returns those that have stopped.
    fn stop(&mut self, processes: &[Process]) -> Vec<Process> {
        let mut waiting = Vec::new();
        for process in processes {
            match self.supervisord.stop(&process.full_name()) {
                Err(error) if fault_of(&error) != Some(Fault::NotRunning) && !error.is::<Unknown>() => {
                    self.failed(process, error.to_string());
                }
                _ => waiting.push(process.clone()),
            }
        }
        let mut stopped = Vec::new();
        self.watch(&mut waiting, |now| now.is_down().then_some(Ok(())), |process| stopped.push(process.clone()));
        for process in &waiting {
            self.failed(process, format!("is still running after {} s", PATIENCE.as_secs()));
        }
        stopped
    }

    /// Starts processes. Returns how many are running.
    fn start(&mut self, processes: &[Process]) -> usize {
        let mut waiting = Vec::new();
        for process in processes {
            match self.supervisord.start(&process.full_name()) {
                Err(error) if fault_of(&error) != Some(Fault::AlreadyStarted) && !error.is::<Unknown>() => {
                    self.failed(process, error.to_string());
                }
                _ => waiting.push(process.clone()),
            }
        }
        let mut started = 0;
        let settled = |now: &Process| match now.state {
            ProcessState::Running => Some(Ok(())),
            ProcessState::Exited if now.exit_status == 0 => Some(Ok(())),
            ProcessState::Backoff | ProcessState::Fatal | ProcessState::Exited => Some(Err(why(now))),
            _ => None,
        };
        self.watch(&mut waiting, settled, |_| started += 1);
        for process in &waiting {
            self.failed(process, format!("is not running after {} s", PATIENCE.as_secs()));
        }
        started
    }

    /// Asks supervisord until all processes have settled or time is up. The others remain in `waiting`.
    fn watch(
        &mut self,
        waiting: &mut Vec<Process>,
        settled: impl Fn(&Process) -> Option<Result<(), String>>,
        mut done: impl FnMut(&Process),
    ) {
        let deadline = Instant::now() + PATIENCE;
        while !waiting.is_empty() && Instant::now() < deadline {
            let Ok(all) = self.supervisord.processes() else {
                thread::sleep(PAUSE);
                continue;
            };
            let mut failed = Vec::new();
            waiting.retain(|process| {
                let now = find(&all, &process.full_name());
                match now.map_or_else(|| Some(Err("supervisord no longer has it".into())), &settled) {
                    None => return true,
                    Some(Ok(())) => done(process),
                    Some(Err(why)) => failed.push((process.clone(), why)),
                }
                false
            });
            failed.iter().for_each(|(process, why)| self.failed(process, why.clone()));
            if !waiting.is_empty() {
                thread::sleep(PAUSE);
            }
        }
    }

    fn failed(&mut self, process: &Process, why: String) {
        self.failures.push((process.full_name(), why));
    }

    fn outcome(self, done: &str, count: usize, nothing: &str) -> Outcome {
        if !nothing.is_empty() {
            return Ok(nothing.into());
        }
        match (&self.failures[..], self.alone) {
            ([], true) => Ok(done.into()),
            ([], false) => Ok(format!("{count} {done}")),
            ([(_, why), ..], true) => Err(why.clone()),
            (failures, false) => {
                let mut named: Vec<_> =
                    failures.iter().take(NAMED).map(|(name, why)| format!("{name}: {why}")).collect();
                if let Some(more @ 1..) = failures.len().checked_sub(NAMED) {
                    named.push(format!("and {more} more"));
                }
                Err(format!("{count} {done}, {} not: {}", failures.len(), named.join("; ")))
            }
        }
    }
}

/// Why a process is not running, in supervisord's words.
fn why(process: &Process) -> String {
    let Process { state, spawn_error, exit_status, .. } = process;
    if spawn_error.is_empty() {
        format!("it is {state}: exit status {exit_status}")
    } else {
        format!("it is {state}: {spawn_error}")
    }
}
