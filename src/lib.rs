//! The event listener protocol of Supervisor (supervisord): bytes in, events and replies out.
//!
//! supervisord tells its listeners what happens to its processes: one has exited, another cannot be started, a third has
//! written a line. This crate reads these events and answers them. The core is `no_std`, never allocates, never panics
//! and has no `unsafe`; memory and I/O are the caller's. [`host::std_io`], which is on by default, does the I/O.
//!
//! # A listener
//!
#![cfg_attr(any(not(doctest), feature = "std"), doc = "```no_run")]
#![cfg_attr(all(doctest, not(feature = "std")), doc = "```ignore")]
//! use std::io::{Write, stderr};
//!
//! use supervisor_events::host::std_io::{ServeError, serve_stdio};
//! use supervisor_events::{Event, ProcessState, Reply};
//!
//! fn main() -> Result<(), ServeError> {
//!     serve_stdio(|notification| {
//!         if let Ok(Event::ProcessState(event)) = notification.event()
//!             && event.state == ProcessState::Fatal
//!         {
//!             writeln!(stderr(), "{}:{} is lost", event.groupname, event.processname)?;
//!         }
//!         Ok(Reply::OK)
//!     })
//! }
//! ```
//!
//! In supervisord's configuration:
//!
//! ```ini
//! [eventlistener:fatal-watch]
//! command = /usr/local/bin/fatal-watch
//! events = PROCESS_STATE_FATAL
//! ; Events wait here while the listener is busy. The default of 10 is soon full.
//! buffer_size = 100
//! ; The default does not restart a listener that has ended with exit code 0.
//! autorestart = true
//! ; Standard output belongs to the protocol.
//! stderr_logfile = /var/log/fatal-watch.log
//! ```
//!
//! The [`guide`] has the rest: the [protocol](guide::protocol) in one page, what a [handler](guide::handler) should not
//! do, [`buffer_size` and its neighbours](guide::configuration), [recipes](guide::recipes), and
//! [what is wrong](guide::troubleshooting) when no events come.
//!
//! # What to use
//!
//! * Handle events in a program under supervisord: [`serve_stdio`](host::std_io::serve_stdio).
//! * Wait for an event or a deadline, without threads: [`Events`](host::std_io::Events).
//! * Handle events from any reader and writer: [`Serve::run`](host::std_io::Serve::run).
//! * … on an executor: [`embedded_async::Host`](host::embedded_async::Host), with [tokio](guide::recipes#tokio), too.
//! * … on a UART or a socket, without an operating system: [`embedded::serve`](host::embedded::serve).
//! * … in an I/O loop of your own: [`Driver`](host::driver::Driver) says what to do next.
//! * Parse bytes from anywhere: whole events with [`Session`], or in pieces, nothing copied, with [`Listener`].
//! * Handle an event in another task: [`OwnedNotification`].
//! * Read a captured stream: [`Notifications`](host::capture::Notifications), or [`Decoder`], without an allocator.
//! * Read one header or one payload: [`Header::parse`], [`Event::parse`].
//! * Find redeliveries, losses and restarts: [`SequenceAudit`].
//! * Send PROCESS_COMMUNICATION events from a program: [`communication::write`], or [`communication::encode`] without
//!   `std`.
//! * Test a handler or a whole listener without supervisord: [`simulator`].
//! * Judge a listener's output as supervisord does: [`Supervisor`].
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default; with `alloc`) | [`host::std_io`], [`host::capture`], [`communication::write`] |
//! | `alloc` | replies that own their data: `Reply::from(String)` |
//! | `embedded-io` | [`host::embedded`]: a loop over the traits of embedded-io 0.7 |
//! | `embedded-io-async` | [`host::embedded_async`]: the same for any executor; its futures can be dropped |
//! | `simulator` (with `std`) | [`simulator`]: a supervisord with one listener, for tests |
//! | `serde` | `Serialize` for headers and events, in the protocol's own names |
//! | `defmt` | `defmt::Format` for the public types |
//! | `optimize-for-size` | smaller code in place of faster code, for firmware; the same behaviour |
//!
//! Features only add. Firmware turns `std` off: `default-features = false`. The minimum Rust version is 1.88.
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

// Compiled for the documentation only. Its programs are tests where they can run.
#[cfg(doc)]
#[cfg_attr(doctest, cfg(all(unix, feature = "std")))]
pub mod guide;

/// Compiles the README's program.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// Compiles and runs the programs in `docs/porting.md`.
#[cfg(all(doctest, unix, feature = "std"))]
#[doc = include_str!("../docs/porting.md")]
mod porting {}

// From the ground up: `wire` knows no turns, the machines no I/O, `host` no grammar.
mod wire;

mod audit;
mod decoder;
mod frame;
mod listener;
mod listener_state;
mod notification;
mod owned;
mod session;
mod supervisor;
mod turn;

pub mod host;
#[cfg(feature = "simulator")]
pub mod simulator;

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
