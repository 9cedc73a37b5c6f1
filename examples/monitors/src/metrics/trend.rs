//! Whether a process's memory grows steadily.

use serde::{Deserialize, Serialize};

/// The memory of a process over the last hour.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Trend {
    /// Its id, and when it was started, which a later process of that id was not.
    process: (u32, u64),
    /// Seconds since 1970, and MB.
    samples: Vec<(u64, f64)>,
}

impl Trend {
    /// Adds what a process holds, by its id and start. Another process begins anew.
    pub fn add(&mut self, process: (u32, u64), when: u64, mb: f64) {
        if self.process != process {
            *self = Self { process, samples: Vec::new() };
        }
        self.samples.push((when, mb));
        self.samples.retain(|(at, _)| *at <= when && when - at <= 3600);
    }

    /// MB an hour, by least squares; none if there are too few samples, or if they do not lie near the line.
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
