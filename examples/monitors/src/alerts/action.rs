//! What a monitor did about the cause of an alert.

use serde::Serialize;
use serde_json::{Value, json};

use super::follow_up::{Goal, Wanted};
use crate::Failure;
use crate::log::{Level, log};
use crate::names::ProcessName;
use crate::supervisord::{Fault, Supervisord, Unknown, fault_of, log_failure};

/// A request to supervisord and its answer. The result is reported by a separate alert.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    action: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An action, and the result it should have.
pub struct Measure {
    pub action: Action,
    pub goal: Goal,
}

/// How a measure is described: in the log, whether supervisord accepts it or not; in alerts, whether the goal is
/// reached or not.
pub struct Words {
    pub done: &'static str,
    pub failed: &'static str,
    pub reached: &'static str,
    pub missed: &'static str,
}

impl Measure {
    /// Tells supervisord to stop a group.
    pub fn stop_group(supervisord: &Supervisord, group: &str, words: &Words) -> Self {
        let name = group.to_owned();
        let stop = move |supervisord: &Supervisord| supervisord.stop_group(&name);
        let action = Action::surely(supervisord, format!("stop group {group}"), Outcome::Stopping, words, stop);
        Self { action, goal: words.goal(Wanted::GroupStopped(group.into())) }
    }

    /// Tells supervisord to start a process.
    pub fn start(supervisord: &Supervisord, process: &ProcessName, words: &Words) -> Self {
        let name = process.to_string();
        let start = {
            let name = name.clone();
            move |supervisord: &Supervisord| match supervisord.start(&name) {
                // Started by an earlier call, or by somebody else.
                Err(error) if fault_of(&error) == Some(Fault::AlreadyStarted) => Ok(json!(name)),
                started => started.map(|()| json!(name)),
            }
        };
        let action = Action::surely(supervisord, format!("start {name}"), Outcome::Starting, words, start);
        Self { action, goal: words.goal(Wanted::ProcessRuns(name)) }
    }

    /// Tells supervisord to stop a process.
    pub fn stop(supervisord: &Supervisord, process: &ProcessName, words: &Words) -> Self {
        let name = process.to_string();
        let stop = {
            let name = name.clone();
            move |supervisord: &Supervisord| match supervisord.stop(&name) {
                // It has ended by itself, or somebody else has stopped it.
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

/// The outcome of a request to supervisord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Stopping,
    Starting,
    /// supervisord refused.
    Failed,
    /// supervisord accepted the call but did not answer in time.
    Unknown,
}

impl Action {
    /// `doing` is the outcome if supervisord accepts the request.
    pub fn new(action: impl Into<String>, doing: Outcome, answer: &Result<impl Serialize, Failure>) -> Self {
        let (outcome, processes, error) = match answer {
            Ok(processes) => (doing, Some(json!(processes)), None),
            Err(error) if error.is::<Unknown>() => (Outcome::Unknown, None, Some(error.to_string())),
            Err(error) => (Outcome::Failed, None, Some(error.to_string())),
        };
        Self { action: action.into(), outcome, processes, error }
    }

    /// Calls supervisord and logs the answer. If there is none, the outcome is unknown: a thread repeats the call until
    /// supervisord answers, and logs that. Later events do not wait for it.
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
                    log(Level::Emergency, format!("it remains unknown whether {done}: {error}"), json!({}));
                }
            }
            answer => tell(answer),
        }
        this
    }
}
