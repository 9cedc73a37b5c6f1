//! Runs cases in parallel that wait more than they compute.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Checks all cases, four at a time, in order: put those that take longest first.
pub fn four_at_a_time<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(case);
                }
            });
        }
    });
}
