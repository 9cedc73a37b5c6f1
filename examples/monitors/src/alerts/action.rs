//! What a monitor did about what an alert tells.

use serde::Serialize;
use serde_json::{Value, json};

use crate::Failure;
use crate::log::{Level, log};
use crate::supervisord::{Supervisord, Unknown, log_failure};

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

    /// Has supervisord do something, and logs whether it did: in the first words if it did, in the others if not. If it
    /// does not answer, that is unknown: it is called again until it does, which is logged. Later events do not wait.
    pub fn surely<T: Serialize + 'static>(
        supervisord: &Supervisord,
        action: impl Into<String>,
        doing: Outcome,
        [done, failed]: [&'static str; 2],
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
                log(Level::Emergency, format!("it is UNKNOWN whether {done}: {error}; it is asked again"), json!({}));
                if let Err(error) = supervisord.ask_until_known(call, tell) {
                    log(Level::Emergency, format!("it stays unknown whether {done}: {error}"), json!({}));
                }
            }
            answer => tell(answer),
        }
        this
    }
}
