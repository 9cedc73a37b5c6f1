//! Processes that start again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// When processes were started of late, in seconds since 1970.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Starts(BTreeMap<String, Vec<i64>>);

impl Starts {
    /// Adds a start of a process, and forgets those of all that are `seconds` old. How many there are of this one.
    pub fn add(&mut self, process: String, now: i64, seconds: i64) -> usize {
        self.0.values_mut().for_each(|starts| starts.retain(|at| now - at < seconds));
        self.0.retain(|_, starts| !starts.is_empty());
        let starts = self.0.entry(process).or_default();
        starts.push(now);
        starts.len()
    }
}
