//! What a monitor did about what an alert tells.

use serde::Serialize;
use serde_json::{Value, json};

use super::follow_up::{Goal, Wanted};
use crate::Failure;
use crate::log::{Level, log};
use crate::names::ProcessName;
use crate::supervisord::{Fault, Supervisord, Unknown, fault_of, log_failure};

/// Something that supervisord was asked to do, and its answer. What came of it is told by an alert of its own.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    action: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An action, and what should come of it.
pub struct Measure {
    pub action: Action,
    pub goal: Goal,
}

/// What a measure is called: in the log, if supervisord does it and if not; and by alerts, if it comes about and if not.
pub struct Words {
    pub done: &'static str,
    pub failed: &'static str,
    pub reached: &'static str,
    pub missed: &'static str,
}

impl Measure {
    /// Has supervisord stop a group.
    pub fn stop_group(supervisord: &Supervisord, group: &str, words: &Words) -> Self {
        let name = group.to_owned();
        let stop = move |supervisord: &Supervisord| supervisord.stop_group(&name);
        let action = Action::surely(supervisord, format!("stop group {group}"), Outcome::Stopping, words, stop);
        Self { action, goal: words.goal(Wanted::GroupStopped(group.into())) }
    }

    /// Has supervisord start a process.
    pub fn start(supervisord: &Supervisord, process: &ProcessName, words: &Words) -> Self {
        let name = process.to_string();
        let start = {
            let name = name.clone();
            move |supervisord: &Supervisord| match supervisord.start(&name) {
                // By the call before this one, or by somebody else.
                Err(error) if fault_of(&error) == Some(Fault::AlreadyStarted) => Ok(json!(name)),
                started => started.map(|()| json!(name)),
            }
        };
        let action = Action::surely(supervisord, format!("start {name}"), Outcome::Starting, words, start);
        Self { action, goal: words.goal(Wanted::ProcessRuns(name)) }
    }

    /// Has supervisord stop a process.
    pub fn stop(supervisord: &Supervisord, process: &ProcessName, words: &Words) -> Self {
        let name = process.to_string();
        let stop = {
            let name = name.clone();
            move |supervisord: &Supervisord| match supervisord.stop(&name) {
                // It has ended by itself, or somebody was quicker.
                Err(error) if fault_of(&error) == Some(Fault::NotRunning) => Ok(json!(name)),
                stopped => stopped.map(|()| json!(name)),
            }
        };
        let action = Action::surely(supervisord, format!("stop {name}"), Outcome::Stopping, words, stop);
        Self { action, goal: words.goal(Wanted::ProcessStopped(name)) }
    }
}

impl Words {
    fn goal(&self, wanted: Wanted) -> Goal {
        Goal { wanted, reached: self.reached, missed: self.missed }
    }
}

/// What supervisord answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Stopping,
    Starting,
    /// It did not do it.
    Failed,
    /// It took the call, and did not answer in time.
    Unknown,
}

impl Action {
    /// What was asked for, what supervisord does if all is well, and its answer.
    pub fn new(action: impl Into<String>, doing: Outcome, answer: &Result<impl Serialize, Failure>) -> Self {
        let (outcome, processes, error) = match answer {
            Ok(processes) => (doing, Some(json!(processes)), None),
            Err(error) if error.is::<Unknown>() => (Outcome::Unknown, None, Some(error.to_string())),
            Err(error) => (Outcome::Failed, None, Some(error.to_string())),
        };
        Self { action: action.into(), outcome, processes, error }
    }

    /// Has supervisord do something, and logs whether it did. If it does not answer, that is unknown: it is called again
    /// until it does, which is logged. Later events do not wait.
    fn surely<T: Serialize + 'static>(
        supervisord: &Supervisord,
        action: impl Into<String>,
        doing: Outcome,
        &Words { done, failed, .. }: &Words,
        call: impl Fn(&Supervisord) -> Result<T, Failure> + Send + 'static,
    ) -> Self {
        let tell = move |answer: Result<T, Failure>| match answer {
            Ok(processes) => log(Level::Emergency, done, json!({ "processes": processes })),
            Err(error) => log_failure(Level::Emergency, &error, format!("{failed}: {error}"), json!({})),
        };
        let answer = call(supervisord);
        let this = Self::new(action, doing, &answer);
        match answer {
            Err(error) if error.is::<Unknown>() => {
                log(Level::Emergency, format!("it is UNKNOWN whether {done}: {error}; asking again"), json!({}));
                if let Err(error) = supervisord.ask_until_known(call, tell) {
                    log(Level::Emergency, format!("it stays unknown whether {done}: {error}"), json!({}));
                }
            }
            answer => tell(answer),
        }
        this
    }
}
