//! The words of the protocol: pure functions on slices, which know no turns and do no I/O. Two counters go byte by byte,
//! that of a payload's length ([`length`]) and that of a RESULT's line ([`result_line`]).
//!
//! * [`table`]: every key, state, event type and payload, declared once. [`key`], [`word`], [`event_type`] and
//!   [`payload`] generate code from it.
//! * [`grammar`]: parses lines. [`short_cut`]: parses the usual ones faster.
//! * [`header`]: the line of tokens before every payload. [`fields`]: the result of parsing it. [`framing`]: where it
//!   ends.
//! * [`event`]: typed payloads. [`data`], [`text`], [`token`], [`value`]: their parts.
//! * [`length`]: what `len` counts, and where a payload of that length ends.
//! * [`envelope`]: writes header and payload. [`writer`]: writes their parts.
//! * [`reply`]: READY and RESULT. [`result_line`]: reads the line of a RESULT as supervisord does.
//! * [`communication`]: the tags around data that a process sends as PROCESS_COMMUNICATION.
//! * `serialize`: `Serialize` for text, data and tokens.
//! * `agreement`: checks the readers of a line against each other, for tests and fuzzing.
//! * [`error`]: everything that can be wrong. [`bytes`]: searching, counting, slicing.
//!
//! Nothing here knows whose turn it is; [`Listener`](crate::Listener) does.

#[cfg(any(test, fuzzing))]
pub mod agreement;
pub(crate) mod bytes;
pub mod communication;
pub mod data;
pub mod envelope;
pub mod error;
pub mod event;
pub mod event_type;
pub(crate) mod fields;
pub(crate) mod framing;
mod grammar;
pub mod header;
pub mod key;
pub mod length;
pub mod payload;
pub mod reply;
pub mod result_line;
#[cfg(feature = "serde")]
pub(crate) mod serialize;
mod short_cut;
mod table;
pub mod text;
pub mod token;
mod value;
pub mod word;
mod writer;

const _: () =
    assert!(key::Keys::of(key::Key::ALL).without(fields::KEYS.union(payload::KEYS)).is_empty(), "no line has this key");
