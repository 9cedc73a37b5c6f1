//! The states of a listener, at both ends of the protocol.
//!
//! [`turn`](crate::turn) has the transitions at the listener's end, and [`supervisor`](crate::supervisor) those at
//! supervisord's end.

use core::fmt;

/// A listener's state, under the protocol's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ListenerState {
    /// It has started, or has answered: READY is due, and no input may arrive.
    #[default]
    Acknowledged,
    /// It is waiting for an event.
    Ready,
    /// It has an event: a reply is due once all of it has arrived.
    Busy,
    /// It broke the protocol, and never gets another event. Only a [`Supervisor`](crate::Supervisor) has this state:
    /// nobody tells the listener.
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
