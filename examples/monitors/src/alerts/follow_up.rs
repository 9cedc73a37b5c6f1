//! Reports the result of an action in an alert of its own, once it is known.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use supervisor_events::ProcessState;

use super::{Alert, Alerts, Severity, Status};
use crate::log::{Level, log};
use crate::run::Context;
use crate::supervisord::{Process, Supervisord, find};
use crate::sync::lock;

/// When to report that the goal was missed. supervisord kills a process that ignores its stop signal after 10 s by
/// default.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to keep watching in total.
const END: Duration = Duration::from_secs(3600);
/// How often to ask supervisord, before and after `PATIENCE`.
const INTERVAL: Duration = Duration::from_millis(500);
const LONG_INTERVAL: Duration = Duration::from_secs(5);

/// The wanted result, and the names of the alerts for reaching and for missing it.
#[derive(Clone, Debug)]
pub struct Goal {
    pub wanted: Wanted,
    pub reached: &'static str,
    pub missed: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// No process of this group is running or about to run.
    GroupStopped(String),
    /// This process is running: `GROUP:NAME`.
    ProcessRuns(String),
    /// This process is neither running nor about to run: `GROUP:NAME`.
    ProcessStopped(String),
}

/// The goals being watched. A second loss during that time needs no second watcher.
pub type Followed = Arc<Mutex<HashSet<Wanted>>>;

/// The current state, according to supervisord.
enum Seen {
    Reached(Value),
    /// Not yet, or unknown.
    NotYet(Value),
    /// It cannot be reached any more.
    Never(Value),
}

impl Alerts {
    /// Watches for the result in a thread, and sends an alert once it is known. After a minute without it, an alert
    /// says so; the alert for reaching the goal may still follow.
    pub fn follow(&self, context: &Context<'_>, goal: &Goal) {
        let goal = goal.clone();
        if !lock(&self.followed).insert(goal.wanted.clone()) {
            return;
        }
        let (reporter, followed, wanted) =
            (self.reporter(context, ""), Arc::clone(&self.followed), goal.wanted.clone());
        let tell = move |reached: bool, details: Value| {
            let (severity, event, status) = match reached {
                true => (Severity::Info, goal.reached, Status::Resolved),
                false => (Severity::Critical, goal.missed, Status::Firing),
            };
            let alert = Alert::new(severity, event, None, details).status(status);
            reporter.send([alert.incident(format!("{}/{}", goal.wanted.name(), goal.missed))]);
        };
        let watch = move || {
            watch(&wanted, tell);
            lock(&followed).remove(&wanted);
        };
        if let Err(error) = thread::Builder::new().name("follow-up".into()).stack_size(256 << 10).spawn(watch) {
            let message = format!("the result will not be reported, because no thread could be started: {error}");
            log(Level::Error, message, json!({ "wanted": goal.reached }));
        }
    }
}

fn watch(wanted: &Wanted, tell: impl Fn(bool, Value)) {
    let (supervisord, start, mut told) = (Supervisord::from_env(), Instant::now(), false);
    while start.elapsed() < END {
        match wanted.look(&supervisord) {
            Seen::Reached(details) => return tell(true, details),
            Seen::Never(_) if told => return,
            Seen::Never(details) => return tell(false, details),
            Seen::NotYet(details) if !told && start.elapsed() >= PATIENCE => {
                told = true;
                tell(false, details);
            }
            Seen::NotYet(_) => {}
        }
        thread::sleep(if told { LONG_INTERVAL } else { INTERVAL });
    }
}

impl Wanted {
    fn name(&self) -> &str {
        match self {
            Self::GroupStopped(name) | Self::ProcessRuns(name) | Self::ProcessStopped(name) => name,
        }
    }

    fn look(&self, supervisord: &Supervisord) -> Seen {
        let processes = match supervisord.processes() {
            Ok(processes) => processes,
            Err(error) => return Seen::NotYet(json!({ "name": self.name(), "error": error.to_string() })),
        };
        match self {
            Self::GroupStopped(group) => has_stopped(group, &processes),
            Self::ProcessRuns(name) => with(name, &processes, |process| match process.state {
                ProcessState::Running => Seen::Reached,
                ProcessState::Fatal => Seen::Never,
                _ => Seen::NotYet,
            }),
            Self::ProcessStopped(name) => with(name, &processes, |process| match process.is_down() {
                true => Seen::Reached,
                false => Seen::NotYet,
            }),
        }
    }
}

fn has_stopped(group: &str, processes: &[Process]) -> Seen {
    let members: Vec<_> = processes.iter().filter(|process| process.group == group).collect();
    if members.is_empty() {
        return Seen::Never(json!({ "group": group, "error": "supervisord does not have this group" }));
    }
    let running: Vec<_> = members.iter().copied().filter(|process| !process.is_down()).collect();
    if running.is_empty() {
        return Seen::Reached(json!({ "group": group, "processes": states(&members) }));
    }
    Seen::NotYet(json!({ "group": group, "still_running": states(&running) }))
}

/// Judges the state of one process.
fn with(name: &str, processes: &[Process], seen: impl Fn(&Process) -> fn(Value) -> Seen) -> Seen {
    let Some(process) = find(processes, name) else {
        return Seen::Never(json!({ "process": name, "error": "supervisord does not have this process" }));
    };
    seen(process)(json!({ "process": name, "state": process.state, "pid": process.pid }))
}

fn states(processes: &[&Process]) -> Vec<Value> {
    processes.iter().map(|process| json!([process.name, process.state, process.pid])).collect()
}
