//! What the live tests share: examples as programs, a real supervisord, and somebody who takes in alerts.

#![allow(dead_code, reason = "no test needs all of it")]

pub mod examples;
pub mod python;
pub mod receiver;
pub mod supervisord;

use std::thread;
use std::time::{Duration, Instant};

/// What takes longer than this does not happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within_patience(ask).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Asks until there is an answer, or no patience left.
pub fn within_patience<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}
