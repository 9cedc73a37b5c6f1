//! The words of the protocol: pure functions on slices, with no state and no I/O.
//!
//! * [`table`]: every key, state, event type and payload, declared once. [`key`], [`word`], [`event_type`] and [`payload`]
//!   make code of it.
//! * [`grammar`]: what is read of a line. [`short_cut`]: some of it sooner.
//! * [`header`]: the line of tokens before every payload. [`places`]: what is read of it. [`framing`]: where it ends.
//! * [`event`]: payloads by the types of their events. [`data`], [`text`], [`token`], [`value`]: what they are made of.
//! * [`length`]: what `len` counts, and how far a payload of that length goes.
//! * [`envelope`]: header and payload, written. [`writer`]: writes them.
//! * [`reply`]: READY and RESULT.
//! * [`communication`]: the tags around data that a process sends as PROCESS_COMMUNICATION.
//! * `agreement`: the readers of a line, held against each other by tests and fuzzing.
//! * [`error`]: what can be wrong with all of it. [`bytes`]: the leaves.
//!
//! Nothing here knows whose turn it is: that is for [`Listener`](crate::Listener).

#[cfg(any(test, fuzzing))]
pub mod agreement;
pub(crate) mod bytes;
pub mod communication;
pub mod data;
pub mod envelope;
pub mod error;
pub mod event;
pub mod event_type;
pub(crate) mod framing;
mod grammar;
pub mod header;
pub mod key;
pub mod length;
pub mod payload;
pub(crate) mod places;
pub mod reply;
mod short_cut;
mod table;
pub mod text;
pub mod token;
mod value;
pub mod word;
mod writer;

const _: () =
    assert!(key::Keys::of(key::Key::ALL).without(places::KEYS.union(payload::KEYS)).is_empty(), "a key is in no line");
