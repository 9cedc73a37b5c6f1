//! The outcome for each process after a call for several.

use dxr::{TryFromValue, Value};
use serde::{Serialize, Serializer};

use super::call::{Info, field};
use super::{Fault, Process, fault_of};
use crate::Failure;

/// The outcome for one of several processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessOutcome {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub name: String,
    /// Why it was not done; `None` if it was.
    pub fault: Option<Fault>,
    /// `OK`, or why it was not done, in supervisord's words.
    pub description: String,
}

impl ProcessOutcome {
    /// Built from the answer to a call for this process alone. Any error but a fault would also affect the others, and
    /// is returned.
    pub(super) fn of(process: Process, answer: Result<(), Failure>) -> Result<Self, Failure> {
        let (fault, description) = match answer {
            Ok(()) => (None, "OK".into()),
            Err(error) => match fault_of(&error) {
                Some(fault) => (Some(fault), error.to_string()),
                None => return Err(error),
            },
        };
        Ok(Self { group: process.group, name: process.name, fault, description })
    }

    /// Whether supervisord did what it was asked to do.
    pub fn is_done(&self) -> bool {
        self.fault.is_none()
    }
}

/// As in alerts: the name, and `OK` or the reason.
impl Serialize for ProcessOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.name, &self.description).serialize(serializer)
    }
}

pub(super) fn outcomes(answer: &Value) -> Result<Vec<ProcessOutcome>, Failure> {
    Vec::<Info>::try_from_value(answer)?.iter().map(outcome).collect()
}

fn outcome(info: &Info) -> Result<ProcessOutcome, Failure> {
    // The Go server lists only the processes that it acted on, and without a status.
    let status: Option<i32> = info.contains_key("status").then(|| field(info, "status")).transpose()?;
    let fault = status.map(Fault::from).filter(|fault| *fault != Fault::Success);
    let description = if status.is_some() { field(info, "description")? } else { "OK".into() };
    Ok(ProcessOutcome { group: field(info, "group")?, name: field(info, "name")?, fault, description })
}
