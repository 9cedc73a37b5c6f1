//! CPU and memory of each process with its children: now, and per minute over the last hour.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many minutes are kept.
pub const MINUTES: usize = 60;

/// What a process uses.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The last sample; `None` if the process was not running.
    now: Option<Sample>,
    /// The CPU time it was seen to use since this program started, in milliseconds.
    pub cpu_ms: u64,
    pub history: History,
}

/// What a process uses at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub pid: u32,
    /// In percent of one CPU since the previous sample. `None` for the first.
    pub cpu: Option<f32>,
    /// In bytes.
    pub memory: u64,
    /// How many processes were measured.
    pub processes: usize,
}

/// Averages per minute. The last minute may not be over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The number of the last minute, counted from 1970.
    last: i64,
    minutes: VecDeque<Minute>,
}

/// The sums of the samples in a minute, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Minute(f32, u16, u64, u16);

impl From<History> for Usage {
    fn from(history: History) -> Self {
        Self { now: None, cpu_ms: 0, history }
    }
}

impl Usage {
    /// What the process with this id uses.
    pub fn of(&self, pid: u32) -> Option<Sample> {
        self.now.filter(|sample| sample.pid == pid)
    }

    /// Adds a sample, or the fact that there is none.
    pub fn add(&mut self, seconds: i64, sample: Option<Sample>, cpu_ms: u64) {
        self.now = sample;
        self.cpu_ms += cpu_ms;
        self.history.add(seconds.div_euclid(60), sample);
    }
}

impl History {
    fn add(&mut self, minute: i64, sample: Option<Sample>) {
        // If the clock was set back, continues with the existing minutes.
        let passed = if self.minutes.is_empty() { 1 } else { (minute - self.last).clamp(0, MINUTES as i64) };
        for _ in 0..passed {
            self.minutes.push_back(Minute::default());
        }
        let excess = self.minutes.len().saturating_sub(MINUTES);
        self.minutes.drain(..excess);
        self.last = minute;
        let (Some(sample), Some(Minute(cpu, cpus, memory, memories))) = (sample, self.minutes.back_mut()) else {
            return;
        };
        if let Some(percent) = sample.cpu {
            *cpu += percent;
            *cpus = cpus.saturating_add(1);
        }
        *memory = memory.saturating_add(sample.memory);
        *memories = memories.saturating_add(1);
    }

    /// In percent of one CPU, for each of the last 60 minutes, if known.
    pub fn cpu(&self) -> impl Iterator<Item = Option<f32>> {
        let average = |Minute(cpu, cpus, ..): &Minute| (*cpus > 0).then(|| cpu / f32::from(*cpus));
        self.padding().chain(self.minutes.iter().map(average))
    }

    /// In bytes, for each of the last 60 minutes, if known.
    pub fn memory(&self) -> impl Iterator<Item = Option<u64>> {
        let average = |Minute(_, _, memory, memories): &Minute| memory.checked_div(u64::from(*memories));
        self.padding().chain(self.minutes.iter().map(average))
    }

    fn padding<T>(&self) -> impl Iterator<Item = Option<T>> + use<T> {
        (self.minutes.len()..MINUTES).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu: Option<f32>, memory: u64) -> Option<Sample> {
        Some(Sample { pid: 7, cpu, memory, processes: 1 })
    }

    fn known<T>(history: impl Iterator<Item = Option<T>>) -> Vec<Option<T>> {
        let all: Vec<_> = history.collect();
        assert_eq!(all.len(), MINUTES);
        all.into_iter().skip_while(Option::is_none).collect()
    }

    #[test]
    fn minutes_are_averages_of_what_was_sampled() {
        let mut usage = Usage::default();
        assert_eq!(known(usage.history.cpu()), []);
        usage.add(600, sample(None, 100), 0);
        usage.add(630, sample(Some(10.0), 300), 700);
        usage.add(659, sample(Some(20.0), 200), 300);
        usage.add(660, sample(Some(5.0), 50), 0);
        // Nothing in the minute after the next.
        usage.add(780, None, 0);
        usage.add(840, sample(Some(1.0), 7), 0);
        assert_eq!(known(usage.history.cpu()), [Some(15.0), Some(5.0), None, None, Some(1.0)]);
        assert_eq!(known(usage.history.memory()), [Some(200), Some(50), None, None, Some(7)]);
        assert_eq!((usage.cpu_ms, usage.of(7), usage.of(8)), (1000, sample(Some(1.0), 7), None));
    }

    #[test]
    fn an_hour_is_kept_whatever_the_clock_does() {
        let mut usage = Usage::default();
        for minute in 0..1000 {
            usage.add(minute * 60, sample(Some(minute as f32), 1), 0);
        }
        assert_eq!(known(usage.history.cpu()), (940..1000).map(|minute| Some(minute as f32)).collect::<Vec<_>>());
        // Set back by half a day, and forward by a year.
        usage.add(60, sample(Some(1.0), 1), 0);
        assert_eq!(known(usage.history.cpu()).len(), MINUTES);
        usage.add(31_536_000, sample(Some(2.0), 1), 0);
        assert_eq!(known(usage.history.cpu()), [Some(2.0)]);
    }
}
