//! Processes that are started again and again.

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::settings::{number, whole_seconds};

#[derive(Clone, Copy, Debug, Args)]
pub struct FlappingSettings {
    /// Alert when a process is started this many times within --flapping-seconds
    #[arg(long, env, default_value = "5", value_parser = number::<usize>)]
    pub flapping_starts: usize,
    /// The number of seconds over which starts are counted
    #[arg(long, env, default_value = "300", value_parser = whole_seconds)]
    pub flapping_seconds: i64,
}

/// When processes were recently started, in seconds since 1970.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Starts(BTreeMap<String, Vec<i64>>);

impl Starts {
    /// Records a start of a process, and forgets old starts. Returns the number of recent starts when it reaches the
    /// limit: once, until the process has been quiet again.
    pub fn add(&mut self, process: String, now: i64, settings: FlappingSettings) -> Option<usize> {
        let FlappingSettings { flapping_starts: most, flapping_seconds: seconds } = settings;
        // A time in the future dates from before the clock was set back.
        let is_recent = |at: &i64| (0..seconds).contains(&(now - at));
        self.0.retain(|_, starts| starts.last().is_some_and(is_recent));
        let starts = self.0.entry(process).or_default();
        // If the limit had already been reached at the last start, it has been reported.
        let was_told = starts.len() >= most;
        starts.retain(is_recent);
        starts.push(now);
        Some(starts.len()).filter(|starts| *starts >= most && !was_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: FlappingSettings = FlappingSettings { flapping_starts: 5, flapping_seconds: 300 };

    fn told(starts: &mut Starts, times: impl IntoIterator<Item = i64>) -> Vec<i64> {
        times.into_iter().filter(|now| starts.add("g:a".into(), *now, SETTINGS).is_some()).collect()
    }

    #[test]
    fn it_is_told_once_until_it_has_been_quiet() {
        for pause in [1, 60, 65, 74] {
            let mut starts = Starts::default();
            let times = (0..50).map(|start| start * pause);
            assert_eq!(told(&mut starts, times), [4 * pause]);
            // Starts of other processes do not cause another report.
            starts.add("g:b".into(), 49 * pause + 70, SETTINGS);
            assert_eq!(told(&mut starts, [49 * pause + 74]), [0; 0]);
            assert_eq!(told(&mut starts, (0..10).map(|start| 10_000 + start)), [10_004]);
        }
        assert_eq!(told(&mut Starts::default(), (0..50).map(|start| start * 75)), [0; 0]);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut starts = Starts::default();
        assert_eq!(told(&mut starts, 90_000..90_010), [90_004]);
        assert_eq!(told(&mut starts, 1000..1010), [1004]);
    }
}
