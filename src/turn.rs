//! Whose turn it is at the listener's end. This file has all transitions of that end.
//!
//! ```text
//!                    ready()                     a header
//!   ACKNOWLEDGED ───────────────▶ READY ──────────────────────────────▶ BUSY, payload arriving
//!    ▲        ▲                     ▲                                          │
//!    │ start  │ reply()             │ reply_and_ready()                        │ the payload's last byte
//!    ·        └─────────────────────┴─────────────────────────────── BUSY, reply due ◀┘
//! ```
//!
//! supervisord keeps the same three states for the listener, and a fourth, UNKNOWN, for one that broke the protocol: it
//! never gets another event, but is still shown as RUNNING. Three mistakes lead there, or even stop supervisord: a
//! RESULT before the payload's last byte, a second READY, and a READY with input unread. This module allows none of
//! them.
//!
//! [`Listener`](crate::Listener) and [`Session`](crate::Session) are built on it.

use core::fmt;

use crate::frame::Frame;
use crate::listener_state::ListenerState;
use crate::wire::error::ProtocolError;
use crate::wire::reply::READY;

/// The caller's fault: a call that the protocol does not allow in this state. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TurnError {
    /// READY may be sent only when ACKNOWLEDGED; the state is this one.
    NotAcknowledged(ListenerState),
    /// RESULT may be sent once per event, after the payload's last byte; the state is this one.
    NoEvent(ListenerState),
    /// READY may not be sent while input is unread. To learn what is wrong with that input, pass it to
    /// `Listener::advance`, or call `Session::received(0)`.
    UnreadInput,
    /// The stream is broken, and stays broken.
    Broken(ProtocolError),
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAcknowledged(state) => write!(f, "READY is not due: the listener is {}", state),
            Self::NoEvent(state) => {
                write!(f, "RESULT is not due: the listener is {} and has no complete event", state)
            }
            Self::UnreadInput => f.write_str("READY is not due: input is unread"),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TurnError {}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Turn {
    phase: Phase,
    /// More input follows the last event.
    unread: bool,
}

/// The states; BUSY is split in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    Acknowledged,
    Ready,
    /// BUSY: the payload is arriving.
    Arriving,
    /// BUSY: the payload's last byte has been read.
    Due,
}

impl Turn {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Acknowledged, unread: false }
    }

    pub(crate) const fn state(&self) -> ListenerState {
        match self.phase {
            Phase::Acknowledged => ListenerState::Acknowledged,
            Phase::Ready => ListenerState::Ready,
            Phase::Arriving | Phase::Due => ListenerState::Busy,
        }
    }

    /// Whether the peer may send anything now.
    pub(crate) const fn may_receive(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Arriving)
    }

    /// Whether a complete event is waiting for its answer.
    pub(crate) const fn is_due(&self) -> bool {
        matches!(self.phase, Phase::Due)
    }

    /// Whether more input follows the last event.
    pub(crate) const fn unread(&self) -> bool {
        self.unread
    }

    /// A header was read: READY → BUSY.
    pub(crate) fn begin(&mut self) {
        self.phase = Phase::Arriving;
    }

    /// The payload's last byte was read; `unread` tells whether more input follows it.
    pub(crate) fn complete(&mut self, unread: bool) {
        self.phase = Phase::Due;
        self.unread = unread;
    }

    /// ACKNOWLEDGED → READY.
    pub(crate) fn ready(&mut self, frame: &Frame) -> Result<&'static [u8], TurnError> {
        frame.check().map_err(TurnError::Broken)?;
        if self.phase != Phase::Acknowledged {
            return Err(TurnError::NotAcknowledged(self.state()));
        }
        self.enter_ready()?;
        Ok(READY)
    }

    /// BUSY → ACKNOWLEDGED.
    pub(crate) fn reply(&mut self, frame: &Frame) -> Result<(), TurnError> {
        self.check_due(frame)?;
        self.phase = Phase::Acknowledged;
        Ok(())
    }

    /// BUSY → READY, by way of ACKNOWLEDGED.
    pub(crate) fn reply_and_ready(&mut self, frame: &Frame) -> Result<(), TurnError> {
        self.check_due(frame)?;
        self.enter_ready()
    }

    /// Fails if no reply is due.
    fn check_due(&self, frame: &Frame) -> Result<(), TurnError> {
        frame.check().map_err(TurnError::Broken)?;
        if self.is_due() { Ok(()) } else { Err(TurnError::NoEvent(self.state())) }
    }

    /// → READY, unless input is unread.
    fn enter_ready(&mut self) -> Result<(), TurnError> {
        if self.unread {
            return Err(TurnError::UnreadInput);
        }
        self.phase = Phase::Ready;
        Ok(())
    }
}
