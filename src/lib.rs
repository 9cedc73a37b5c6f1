// The README's program needs `std`: without it, the README is documentation and no test.
#![cfg_attr(any(not(doctest), feature = "std"), doc = include_str!("../README.md"))]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
// Slices are cut by functions that cannot panic, and what cannot happen is asserted in debug builds. Arithmetic is
// plain where it cannot overflow, checked or saturating where it can, and wrapping where that is meant.
#![deny(missing_docs, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

/// Compiles and runs the programs in `docs/porting.md`.
#[cfg(all(doctest, unix, feature = "std"))]
#[doc = include_str!("../docs/porting.md")]
mod porting {}

// From the ground up: `wire` knows no state, the machines no I/O, `host` no grammar.
mod wire;

mod audit;
mod decoder;
mod frame;
mod listener;
mod listener_state;
mod notification;
mod owned;
mod session;
#[cfg(feature = "simulator")]
pub mod simulator;
mod supervisor;
mod turn;

pub mod host;

#[cfg(feature = "defmt")]
mod format;
#[cfg(feature = "serde")]
mod serialize;

pub use audit::{Delivery, Lost, Position, SequenceAudit};
pub use decoder::{Decoder, Step};
pub use listener::Listener;
pub use listener_state::ListenerState;
pub use notification::Notification;
pub use owned::OwnedNotification;
pub use session::Session;
pub use supervisor::{EndlessResult, ListenerOutput, NotifyError, Supervisor, Violation};
pub use turn::TurnError;
// For the fuzz target `readers`.
#[cfg(fuzzing)]
#[doc(hidden)]
pub use wire::agreement;
pub use wire::communication;
pub use wire::data::Data;
pub use wire::envelope::Envelope;
pub use wire::error::{
    BufferTooSmall, EventError, ProtocolError, ProtocolErrorKind, TokenError, TokenErrorKind, UnknownName,
};
pub use wire::event::Event;
pub use wire::event_type::EventType;
pub use wire::header::{Header, HeaderTokens};
pub use wire::key::Key;
pub use wire::length::LengthUnit;
pub use wire::payload::{
    ProcessCommunicationEvent, ProcessGroupEvent, ProcessLogEvent, ProcessStateEvent, RemoteCommunicationEvent,
    TickEvent,
};
pub use wire::reply::{EncodedReply, READY, Reply, ResultLine};
pub use wire::result_line::Quirk;
pub use wire::text::Text;
pub use wire::token::{Tokens, TokensIter};
pub use wire::word::{Channel, GroupChange, ProcessState, StateName, SupervisorState};
