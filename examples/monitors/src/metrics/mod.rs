//! Measures the system and its processes.

mod tree;
mod trend;

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sysinfo::{Disks, NetworkData, Networks, ProcessRefreshKind, ProcessesToUpdate, System};

use super::log::now;
use super::supervisord::Process;
pub use tree::{Member, Scan};
pub use trend::Trend;

/// The resources in use on the whole system.
#[derive(Serialize)]
pub struct SystemMetrics {
    pub timestamp: String,
    pub cpu_percent: f32,
    /// Memory that is not available to new processes, in percent.
    pub memory_percent: f64,
    /// Memory available without swapping, in MiB.
    pub memory_available_mb: f64,
    /// Usage of the disk at `/`, in percent.
    pub disk_usage: Option<f64>,
    pub network_io: NetworkIo,
    pub load_average: [f64; 3],
}

/// Counters for all interfaces together.
#[derive(Serialize)]
pub struct NetworkIo {
    pub bytes_sent: u64,
    pub bytes_recv: u64,
    pub packets_sent: u64,
    pub packets_recv: u64,
    pub errin: u64,
    pub errout: u64,
    /// Dropped packets; `None` if the system does not report them.
    pub dropin: Option<u64>,
    pub dropout: Option<u64>,
}

/// The resources used by a process and all its descendants.
#[derive(Serialize)]
pub struct ProcessMetrics {
    pub pid: u32,
    /// When it was started, in seconds since 1970.
    #[serde(skip)]
    pub start: u64,
    /// How many processes were measured.
    pub processes: usize,
    /// In percent of one CPU: 200 means that two are busy.
    pub cpu_percent: f64,
    /// In MiB.
    pub memory_mb: f64,
    /// The status of the process itself.
    pub status: String,
}

/// Measures the system, and those of the processes that exist. Takes little longer than the interval. `asked` is when
/// supervisord reported the process ids, in seconds since 1970: a process started later is another one.
pub fn measure<'p>(
    watched: &[&'p Process],
    asked: u64,
    interval: Duration,
) -> (SystemMetrics, Vec<(&'p Process, ProcessMetrics)>) {
    let mut system = System::new();
    system.refresh_cpu_usage();
    let begin = Instant::now();
    let before = scan(&mut system);
    thread::sleep(interval);
    system.refresh_cpu_usage();
    // Scanning many processes takes time as well.
    let elapsed = begin.elapsed();
    let after = scan(&mut system);
    system.refresh_memory();

    let metrics = system_metrics(&system);
    let processes = watched.iter().filter_map(|process| {
        let members = after.tree(process.pid, asked);
        let (root, status) = (members.first()?, system.process(sysinfo::Pid::from_u32(process.pid))?.status());
        let metrics = ProcessMetrics {
            pid: process.pid,
            start: root.start,
            processes: members.len(),
            cpu_percent: before.cpu_ms_until(&members) as f64 / (elapsed.as_secs_f64() * 10.0),
            memory_mb: members.iter().map(memory).sum::<u64>() as f64 / (1024.0 * 1024.0),
            status: status.to_string().to_lowercase(),
        };
        Some((*process, metrics))
    });
    (metrics, processes.collect())
}

/// The memory of a process.
pub struct Held<'p> {
    pub process: &'p Process,
    /// In MiB.
    pub mb: f64,
}

/// Measures the memory of the processes that exist, with or without their descendants. `asked` is as for [`measure`].
pub fn memory_held<'p>(watched: &[&'p Process], asked: u64, with_descendants: bool) -> Vec<Held<'p>> {
    let all = scan(&mut System::new());
    let held = watched.iter().filter_map(|process| {
        let members = all.tree(process.pid, asked);
        let counted = if with_descendants { &members[..] } else { members.get(..1)? };
        let bytes: u64 = counted.iter().map(memory).sum();
        (!members.is_empty()).then_some(Held { process, mb: bytes as f64 / (1024.0 * 1024.0) })
    });
    held.collect()
}

/// Measurements by process name; if two processes have the same name, the second is listed by its full name.
pub fn by_name(processes: &[(&Process, ProcessMetrics)]) -> Map<String, Value> {
    let mut by_name = Map::new();
    for (process, metrics) in processes {
        let taken = by_name.contains_key(&process.name);
        by_name.insert(if taken { process.full_name() } else { process.name.clone() }, json!(metrics));
    }
    by_name
}

/// All processes of the system at this moment.
pub fn scan_once() -> Scan {
    // Otherwise, sysinfo keeps a file open for each process.
    sysinfo::set_open_files_limit(0);
    scan(&mut System::new())
}

/// All processes, in one pass.
fn scan(system: &mut System) -> Scan {
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let members = system.processes().values().map(|process| Member {
        pid: process.pid().as_u32(),
        parent: process.parent().map_or(0, sysinfo::Pid::as_u32),
        start: process.start_time(),
        cpu_ms: process.accumulated_cpu_time(),
        resident: process.memory(),
    });
    Scan::new(members)
}

/// The memory of a process in bytes. Forked workers share most of their pages, and each has them in its resident set.
/// The proportional set size divides a shared page among the processes that share it, so that the sum over a tree is
/// what the tree really uses. The kernel reports it for processes of the same user, and to root.
pub fn memory(member: &Member) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", member.pid));
    rollup.ok().and_then(|text| proportional(&text)).unwrap_or(member.resident)
}

/// The proportional set size in bytes, from the text of a `smaps_rollup`.
fn proportional(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn system_metrics(system: &System) -> SystemMetrics {
    let disks = Disks::new_with_refreshed_list();
    let root = disks.iter().find(|disk| disk.mount_point() == Path::new("/"));
    let networks = Networks::new_with_refreshed_list();
    let sum = |counter: fn(&NetworkData) -> u64| networks.values().map(counter).sum();
    let (dropin, dropout) = dropped().unzip();
    let load = System::load_average();
    SystemMetrics {
        timestamp: now(),
        cpu_percent: system.global_cpu_usage(),
        memory_percent: used(system.available_memory(), system.total_memory()),
        memory_available_mb: system.available_memory() as f64 / (1024.0 * 1024.0),
        disk_usage: root.map(|disk| used(disk.available_space(), disk.total_space())),
        network_io: NetworkIo {
            bytes_sent: sum(NetworkData::total_transmitted),
            bytes_recv: sum(NetworkData::total_received),
            packets_sent: sum(NetworkData::total_packets_transmitted),
            packets_recv: sum(NetworkData::total_packets_received),
            errin: sum(NetworkData::total_errors_on_received),
            errout: sum(NetworkData::total_errors_on_transmitted),
            dropin,
            dropout,
        },
        load_average: [load.one, load.five, load.fifteen],
    }
}

/// How many incoming and outgoing packets all interfaces have dropped.
#[cfg(target_os = "linux")]
fn dropped() -> Option<(u64, u64)> {
    let interfaces = procfs::net::dev_status().ok()?;
    let sum = |counter: fn(&procfs::net::DeviceStatus) -> u64| interfaces.values().map(counter).sum();
    Some((sum(|interface| interface.recv_drop), sum(|interface| interface.sent_drop)))
}

#[cfg(not(target_os = "linux"))]
fn dropped() -> Option<(u64, u64)> {
    None
}

/// In percent.
fn used(available: u64, total: u64) -> f64 {
    total.saturating_sub(available) as f64 * 100.0 / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_size_is_read_from_what_the_kernel_tells() {
        let text = "5581c6a4e000-7ffd1a7fe000 ---p 00000000 00:00 0    [rollup]\nRss:                1716 kB\n\
                    Pss:                 123 kB\nPss_Dirty:           104 kB\n";
        assert_eq!(proportional(text), Some(123 * 1024));
        assert_eq!(proportional("Rss: 5 kB\n"), None);
        assert_eq!(proportional("Pss: many kB\n"), None);
    }
}
