//! Processes that start again and again.

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::settings::{number, whole_seconds};

#[derive(Clone, Copy, Debug, Args)]
pub struct FlappingSettings {
    /// Alert when a process is started this many times within --flapping-seconds
    #[arg(long, env, default_value = "5", value_parser = number::<usize>)]
    pub flapping_starts: usize,
    /// The seconds over which starts are counted
    #[arg(long, env, default_value = "300", value_parser = whole_seconds)]
    pub flapping_seconds: i64,
}

/// When processes were started of late, in seconds since 1970.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Starts(BTreeMap<String, Vec<i64>>);

impl Starts {
    /// Adds a start of a process, and forgets those that are too old, with the processes of which all are. How many there
    /// are of this one, if that is just too many: once, until it has been quiet again.
    pub fn add(&mut self, process: String, now: i64, settings: FlappingSettings) -> Option<usize> {
        let FlappingSettings { flapping_starts: most, flapping_seconds: seconds } = settings;
        // One of the future was before the clock was set back.
        let is_recent = |at: &i64| (0..seconds).contains(&(now - at));
        self.0.retain(|_, starts| starts.last().is_some_and(is_recent));
        let starts = self.0.entry(process).or_default();
        // As many as there were when it was started last: was it told then?
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
            // Others that start do not make it news again.
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
