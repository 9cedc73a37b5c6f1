//! Detects steady growth of a process's memory.

use serde::{Deserialize, Serialize};

/// The memory of a process over the last hour.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Trend {
    /// Process id and start time: a later process with the same id has another start time.
    process: (u32, u64),
    /// Seconds since 1970, and MB.
    samples: Vec<(u64, f64)>,
}

impl Trend {
    /// Adds a measurement. A new process starts over.
    pub fn add(&mut self, process: (u32, u64), when: u64, mb: f64) {
        if self.process != process {
            *self = Self { process, samples: Vec::new() };
        }
        self.samples.push((when, mb));
        self.samples.retain(|(at, _)| *at <= when && when - at <= 3600);
    }

    /// The growth in MB an hour, by least squares; `None` if there are too few samples, or if they do not lie close to
    /// the line.
    pub fn growth(&self, least: usize) -> Option<f64> {
        let mean = |of: fn(&(u64, f64)) -> f64| self.samples.iter().map(of).sum::<f64>() / self.samples.len() as f64;
        let (mean_at, mean_mb) = (mean(|sample| sample.0 as f64), mean(|sample| sample.1));
        let [mut xx, mut xy, mut yy] = [0.0; 3];
        for (at, mb) in &self.samples {
            let (x, y) = (*at as f64 - mean_at, mb - mean_mb);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        let is_steady = self.samples.len() >= least && xy > 0.0 && xy * xy > 0.8 * xx * yy;
        is_steady.then(|| xy / xx * 3600.0)
    }
}
