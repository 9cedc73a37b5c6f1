//! Waits for a condition, for at most the `PATIENCE` of the tests that include this.

use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within_patience(ask).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Asks until there is an answer; `None` once the patience has run out.
pub fn within_patience<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}
