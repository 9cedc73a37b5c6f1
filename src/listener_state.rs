//! The states of a listener, at both ends of the protocol.
//!
//! [`turn`](crate::turn) decides what moves the listener's own state, and [`supervisor`](crate::supervisor) the one that
//! supervisord keeps for it.

use core::fmt;

/// A listener's state, by the protocol's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ListenerState {
    /// It has started, or has answered: READY is due, and no input may arrive.
    #[default]
    Acknowledged,
    /// It waits for an event.
    Ready,
    /// It has an event: a reply is due once all of it is there.
    Busy,
    /// It broke the protocol, and is never sent an event again. Only a [`Supervisor`](crate::Supervisor) has this state
    /// for it: nobody tells the listener.
    Unknown,
}

impl ListenerState {
    /// The state's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Ready => "READY",
            Self::Busy => "BUSY",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for ListenerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
