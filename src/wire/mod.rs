//! The words of the protocol: pure functions on slices, with no state and no I/O.
//!
//! * [`key`], [`token`]: `key:value`, what the lines of header and payload are made of.
//! * [`text`]: what is known to be UTF-8.
//! * [`line`]: any such line, read.
//! * [`header`]: the token line in front of every payload, and where it ends.
//! * [`event_type`]: the names of events and their hierarchy.
//! * [`event`]: the payloads, typed.
//! * [`envelope`]: header and payload, written.
//! * [`length`]: what `len` counts.
//! * [`reply`]: READY and RESULT.
//! * [`communication`]: the tags around data that a process sends as PROCESS_COMMUNICATION.
//!
//! Nothing here knows whose turn it is: that is for [`Listener`](crate::Listener).

pub mod communication;
pub mod envelope;
pub mod event;
pub mod event_type;
pub mod header;
pub mod key;
pub mod length;
pub(crate) mod line;
pub mod reply;
pub(crate) mod scan;
pub mod text;
pub mod token;
mod writer;
