//! What the system and its processes use.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysinfo::{Disks, NetworkData, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::log::now;
use super::supervisord::Process;

#[derive(Serialize)]
pub struct SystemMetrics {
    pub timestamp: String,
    pub cpu_percent: f32,
    pub memory_percent: f64,
    /// Percent of the disk at `/`.
    pub disk_usage: Option<f64>,
    pub network_io: NetworkIo,
    pub load_average: [f64; 3],
}

/// Counters of all interfaces together.
#[derive(Serialize)]
pub struct NetworkIo {
    pub bytes_sent: u64,
    pub bytes_recv: u64,
    pub packets_sent: u64,
    pub packets_recv: u64,
    pub errin: u64,
    pub errout: u64,
}

#[derive(Serialize)]
pub struct ProcessMetrics {
    pub pid: u32,
    /// Of one CPU: 200 where two are busy.
    pub cpu_percent: f32,
    /// Resident, in units of 2^20 bytes.
    pub memory_mb: f64,
    pub status: String,
}

/// Measures the system, and those of the processes that are there. Takes as long as the interval.
pub fn measure<'p>(watched: &[&'p Process], interval: Duration) -> (SystemMetrics, Vec<(&'p Process, ProcessMetrics)>) {
    let pids: Vec<_> = watched.iter().map(|process| Pid::from_u32(process.pid)).collect();
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
    let mut system = System::new();
    system.refresh_cpu_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    thread::sleep(interval);
    system.refresh_cpu_usage();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    system.refresh_memory();

    let disks = Disks::new_with_refreshed_list();
    let root = disks.iter().find(|disk| disk.mount_point() == Path::new("/"));
    let networks = Networks::new_with_refreshed_list();
    let sum = |counter: fn(&NetworkData) -> u64| networks.values().map(counter).sum();
    let load = System::load_average();
    let metrics = SystemMetrics {
        timestamp: now(),
        cpu_percent: system.global_cpu_usage(),
        memory_percent: used(system.available_memory(), system.total_memory()),
        disk_usage: root.map(|disk| used(disk.available_space(), disk.total_space())),
        network_io: NetworkIo {
            bytes_sent: sum(NetworkData::total_transmitted),
            bytes_recv: sum(NetworkData::total_received),
            packets_sent: sum(NetworkData::total_packets_transmitted),
            packets_recv: sum(NetworkData::total_packets_received),
            errin: sum(NetworkData::total_errors_on_received),
            errout: sum(NetworkData::total_errors_on_transmitted),
        },
        load_average: [load.one, load.five, load.fifteen],
    };
    let processes = watched.iter().filter_map(|process| {
        let measured = system.process(Pid::from_u32(process.pid))?;
        let metrics = ProcessMetrics {
            pid: process.pid,
            cpu_percent: measured.cpu_usage(),
            memory_mb: measured.memory() as f64 / (1024.0 * 1024.0),
            status: measured.status().to_string().to_lowercase(),
        };
        Some((*process, metrics))
    });
    (metrics, processes.collect())
}

/// In percent.
fn used(available: u64, total: u64) -> f64 {
    total.saturating_sub(available) as f64 * 100.0 / total.max(1) as f64
}

/// The memory of a process over the last hour.
#[derive(Default, Serialize, Deserialize)]
pub struct Trend {
    pid: u32,
    /// Seconds since 1970, and MB.
    samples: Vec<(u64, f64)>,
}

impl Trend {
    pub fn add(&mut self, pid: u32, when: u64, mb: f64) {
        if self.pid != pid {
            *self = Self { pid, samples: Vec::new() };
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
