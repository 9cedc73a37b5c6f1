//! `forward_monitor` and `fleet`, with brokers, listeners and supervisords that come and go.

#![cfg(unix)]

mod accounts;
mod delivery;
mod figures;
mod fleet;
mod http;
mod live;
mod messages;
mod nats;
mod spool;
mod streams;

#[path = "../support/mod.rs"]
mod support;
