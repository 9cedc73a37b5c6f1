//! Processes that start again and again.

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::settings::number;

#[derive(Clone, Copy, Debug, Args)]
pub struct FlappingSettings {
    /// How many starts of a process within --flapping-seconds raise an alert
    #[arg(long, env, default_value = "5", value_parser = number::<usize>)]
    pub flapping_starts: usize,
    /// The period in seconds over which starts are counted
    #[arg(long, env, default_value = "300", value_parser = number::<i64>)]
    pub flapping_seconds: i64,
}

/// When processes were started of late, in seconds since 1970.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Starts(BTreeMap<String, Vec<i64>>);

impl Starts {
    /// Adds a start of a process, and forgets those of all that are too old. How many there are of this one, if that is
    /// just too many: once, until it has been quiet again.
    pub fn add(&mut self, process: String, now: i64, settings: FlappingSettings) -> Option<usize> {
        self.0.values_mut().for_each(|starts| starts.retain(|at| now - at < settings.flapping_seconds));
        self.0.retain(|_, starts| !starts.is_empty());
        let starts = self.0.entry(process).or_default();
        starts.push(now);
        Some(starts.len()).filter(|starts| *starts == settings.flapping_starts)
    }
}
