//! supervisord's information about itself.

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
    /// It is stopping its processes, and will start again with its current configuration.
    Restarting,
    /// It is stopping its processes, and will end.
    Shutdown,
    /// It cannot continue.
    Fatal,
    /// A state that this version does not know.
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
    /// supervisord's own state. While it is ending, it refuses even this call, and does not say whether it will start
    /// again. That is reported as [`ServerState::Shutdown`].
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
