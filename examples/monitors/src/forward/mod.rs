//! Forwards supervisord's events to NATS JetStream or to an HTTP server, and shows from there what runs where. README.md says how to use it.
//!
//! ```text
//! supervisord ─▶ main (Serve) ─▶ queue ─▶ sink ─▶ JetStream ─▶ fleet
//!                  │              │
//!                message        spool (a file)
//! ```
//!
//! The main thread takes events and answers them. A second one publishes them, one after the other. Between them is a
//! queue that lives in a file, so that it outlives both.

pub mod account;
pub mod broker;
pub mod fleet;
pub mod http;
pub mod jetstream;
pub mod message;
pub mod queue;
pub mod reader;
pub mod settings;
pub mod show;
pub mod sink;
pub mod spool;
pub mod streams;
