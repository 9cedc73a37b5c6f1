#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![deny(clippy::panic, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic))]

#[cfg(feature = "std")]
extern crate std;

mod audit;
mod decoder;
#[cfg(feature = "defmt")]
mod defmt;
mod error;
pub mod host;
mod listener;
mod owned;
#[cfg(feature = "serde")]
mod serde;
mod session;
#[cfg(feature = "simulator")]
pub mod simulator;
mod supervisor;
mod wire;

pub use audit::{Delivery, SequenceAudit};
pub use decoder::{Decoder, Step};
pub use error::{EventError, NoRoom, Problem, ProtocolError, ProtocolErrorKind, TokenError, TurnError};
pub use listener::{Listener, State};
pub use owned::OwnedNotification;
pub use session::{Notification, Session};
pub use supervisor::{Heard, ListenerState, NotifyError, Oddity, Stuck, Supervisor, Violation};
pub use wire::communication;
pub use wire::envelope::Envelope;
pub use wire::event::{
    Channel, Data, Event, GroupChange, ProcessCommunicationEvent, ProcessGroupEvent, ProcessLogEvent, ProcessState,
    ProcessStateEvent, RemoteCommunicationEvent, SupervisorState, TickEvent,
};
pub use wire::event_type::EventType;
pub use wire::header::{Header, HeaderTokens};
pub use wire::key::Key;
pub use wire::length::LengthUnit;
pub use wire::reply::{Answer, Head, READY, Reply};
pub use wire::text::Text;
pub use wire::token::Tokens;
