//! Waiting for a condition, as long as the tests that share this have `PATIENCE`.

use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

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
