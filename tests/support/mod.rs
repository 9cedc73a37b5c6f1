//! Shared by the tests that run programs: the examples, events, and a real supervisord.

#![allow(dead_code, reason = "no test needs all of it")]

pub mod events;
pub mod examples;
pub mod ground_truth;
pub mod parallel;
pub mod patience;
pub mod python;
pub mod supervisord;

use std::time::Duration;

pub use patience::{wait_for, within_patience};

/// How long a test waits for a condition before it fails.
pub const PATIENCE: Duration = Duration::from_secs(120);
