//! Sends messages to processes and listeners through supervisord.

use dxr::TryToValue;

use super::Supervisord;
use crate::Failure;

impl Supervisord {
    /// Writes text to the standard input of a process, by its full name.
    ///
    /// Never use it with a listener: its standard input carries the protocol, which foreign text breaks.
    pub fn send_stdin(&self, full_name: &str, text: &str) -> Result<(), Failure> {
        self.call("sendProcessStdin", vec![full_name.try_to_value()?, text.try_to_value()?]).map(drop)
    }

    /// Sends a REMOTE_COMMUNICATION event to all listeners that subscribe to it, including this one.
    pub fn send_remote_event(&self, kind: &str, data: &str) -> Result<(), Failure> {
        self.call("sendRemoteCommEvent", vec![kind.try_to_value()?, data.try_to_value()?]).map(drop)
    }
}
