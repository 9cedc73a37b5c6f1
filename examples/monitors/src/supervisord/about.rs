//! What supervisord says of itself.

use std::fmt;

use dxr::TryFromValue;

use super::call::{Info, field};
use super::{Fault, Supervisord, fault_of};
use crate::Failure;

/// The state of supervisord itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// As it should be.
    Running,
    /// It stops its processes, and starts again with its configuration as it is then.
    Restarting,
    /// It stops its processes, and ends.
    Shutdown,
    /// It cannot go on.
    Fatal,
    /// One that this version does not know.
    Other,
}

impl ServerState {
    fn named(name: String) -> Self {
        let all = [Self::Running, Self::Restarting, Self::Shutdown, Self::Fatal];
        all.into_iter().find(|state| state.name().eq_ignore_ascii_case(&name)).unwrap_or(Self::Other)
    }

    /// As supervisord writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Restarting => "RESTARTING",
            Self::Shutdown => "SHUTDOWN",
            Self::Fatal => "FATAL",
            Self::Other => "OTHER",
        }
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Supervisord {
    /// supervisord's own state. One that is ending refuses even this call, without a word on whether it will start again:
    /// that is [`ServerState::Shutdown`].
    pub fn state(&self) -> Result<ServerState, Failure> {
        match self.call("getState", vec![]) {
            Ok(state) => field(&Info::try_from_value(&state)?, "statename").map(ServerState::named),
            Err(error) if fault_of(&error) == Some(Fault::ShutdownState) => Ok(ServerState::Shutdown),
            Err(error) => Err(error),
        }
    }

    /// supervisord's version.
    pub fn version(&self) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("getSupervisorVersion", vec![])?)?)
    }

    /// The version of the interface: `3.0` since 2010.
    pub fn api_version(&self) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("getAPIVersion", vec![])?)?)
    }

    /// supervisord's identifier, as in the header of each event.
    pub fn identification(&self) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("getIdentification", vec![])?)?)
    }

    /// supervisord's process id.
    pub fn pid(&self) -> Result<u32, Failure> {
        Ok(i32::try_from_value(&self.call("getPID", vec![])?)?.try_into()?)
    }
}
