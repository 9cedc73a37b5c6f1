//! When a process counts as lost: FATAL, or an unexpected exit.

use std::str::FromStr;

use supervisor_events::{ProcessState, ProcessStateEvent};

use crate::settings::List;

/// A state in which a process is lost.
#[derive(Clone, Debug)]
pub struct Lost(ProcessState);

impl FromStr for Lost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "FATAL" => Ok(Self(ProcessState::Fatal)),
            "EXITED" => Ok(Self(ProcessState::Exited)),
            _ => Err(format!("is FATAL or FATAL,EXITED, not {text:?}")),
        }
    }
}

impl List<Lost> {
    /// Whether the event says that its process is lost. An expected exit does not count.
    pub fn has(&self, event: &ProcessStateEvent<'_>) -> bool {
        event.expected != Some(true) && self.iter().any(|lost| lost.0 == event.state)
    }
}
