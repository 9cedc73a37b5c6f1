//! What the live tests share: examples as programs, a real supervisord, and somebody who takes in alerts.

#![allow(dead_code, reason = "no test needs all of it")]

pub mod events;
pub mod examples;
pub mod ground_truth;
pub mod patience;
pub mod python;
pub mod receiver;
pub mod supervisord;

use std::time::Duration;

pub use patience::{wait_for, within_patience};

/// What takes longer than this does not happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A client for servers on this machine, which are not reached by way of the proxy that its environment may name.
pub fn client() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().new_agent()
}
