//! Forwards supervisord's events to NATS JetStream or an HTTP server, and shows from there what runs where. README.md
//! explains its use.
//!
//! ```text
//! supervisord ─▶ main (Serve) ─▶ queue ─▶ sink ─▶ JetStream ─▶ fleet
//!                  │              │
//!                message        spool (a file)
//! ```
//!
//! The main thread receives events and answers them. A second thread publishes them in order. The queue between them is
//! stored in a file, so it survives both.

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
