//! Nothing acknowledged that was not done, nothing done that is not known: each by its real cause.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

use crate::programs::{Driven, STDOUT, levels, program, records, said};
use crate::support::{PATIENCE, wait_for};

/// Starts a monitor with a file system of 64 KiB at `small` in its directory, which only the monitor and
/// [`SmallDisk::path`] can see. None where this user may not mount one.
struct SmallDisk {
    monitor: Driven,
    disk: PathBuf,
}

impl SmallDisk {
    fn start(name: &str, directory: &Path, settings: &[&str]) -> Option<Self> {
        const MOUNT: &str = "mount -t tmpfs -o size=64k none small";
        fs::create_dir_all(directory.join("small")).unwrap();
        let alone = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["-Urm", "sh", "-c", script]).current_dir(directory);
            command
        };
        if !alone(MOUNT).status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        let mut command = alone(&format!("{MOUNT} && exec \"$0\" \"$@\""));
        command.arg(crate::support::program(name)).args(settings).env("ALERT_TIMEOUT", "60");
        let mut monitor = Driven::spawn(name, directory, &mut command);
        // READY: it is mounted.
        monitor.simulator.step(PATIENCE);
        let pid = monitor.simulator.pid().unwrap();
        let disk = PathBuf::from(format!("/proc/{pid}/root{}/small", directory.display()));
        Some(Self { monitor, disk })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.join(name)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = File::create(self.path("filler")).unwrap();
        while std::io::Write::write(&mut filler, &[0; 4096]).is_ok() {}
    }
}

fn results(reports: &[Report]) -> Vec<u64> {
    let accepted = reports.iter().filter_map(|report| match report {
        Report::Result { serial, accepted: true, .. } => Some(*serial),
        _ => None,
    });
    accepted.collect()
}

fn serials(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["serial"].as_u64().unwrap()).collect()
}

#[test]
fn an_event_waits_for_a_full_disk_and_is_then_recorded() {
    let directory = TempDir::new().unwrap();
    let Some(mut small) = SmallDisk::start("comm_monitor", directory.path(), &["--audit-file", "small/audit.jsonl"])
    else {
        return;
    };
    let trail = small.path("audit.jsonl");
    let filler = small.path("filler");
    small.fill();
    // More than fits beside the filler, and less than fits without it.
    let event = said("genetic_engine", &format!("SIGNAL:ENTRY:m:{}\nSIGNAL:EXIT:m:1", "x".repeat(1000)));
    for _ in 0..20 {
        small.monitor.simulator.notify(STDOUT, event.as_bytes());
    }
    let mut monitor = small.monitor;
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let reports = monitor.simulator.run(PATIENCE);
            (monitor, reports)
        });
        let log = directory.path().join("comm_monitor.err");
        wait_for("the event to be held", || {
            fs::read_to_string(&log).ok().filter(|text| text.contains("is held until"))
        });
        assert_eq!(records(&trail).len(), 0);
        fs::remove_file(&filler).unwrap();
        let (monitor, reports) = running.join().unwrap();
        assert_eq!(results(&reports), (0..20).collect::<Vec<_>>());
        // Two lines an event.
        assert_eq!(serials(&records(&trail)), (0..40).map(|line| line / 2).collect::<Vec<_>>());
        assert_eq!(levels(&monitor.lines(), "ERROR").len(), 1);
        monitor.end();
    });
}

#[test]
fn an_event_that_cannot_be_recorded_is_left_unanswered_at_sigterm() {
    let directory = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/dev/full", directory.path().join("full.jsonl")).unwrap();
    let full = cfg!(target_os = "linux").then_some(("full.jsonl", "No space left"));
    for (path, why) in [("nowhere/audit.jsonl", "No such file")].into_iter().chain(full) {
        let mut monitor = Driven::start("comm_monitor", directory.path(), &["--audit-file", path]);
        monitor.simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:ENTRY:m:x").as_bytes());
        // READY, and the event.
        monitor.simulator.step(PATIENCE);
        thread::scope(|scope| {
            let pid = monitor.simulator.pid().unwrap();
            let log = directory.path().join("comm_monitor.err");
            scope.spawn(move || {
                let held = || fs::read_to_string(&log).ok().filter(|text| text.contains("is held until"));
                assert!(wait_for("the event to be held", held).contains(why));
                let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            });
            let reports = monitor.simulator.run(PATIENCE);
            assert_eq!(results(&reports), [] as [u64; 0]);
        });
        let status = monitor.simulator.wait(PATIENCE).unwrap().expect("it ends");
        assert_eq!(status.code(), Some(1));
        assert!(levels(&monitor.lines(), "ERROR")[1].contains("is left unanswered"));
        fs::remove_file(directory.path().join("comm_monitor.err")).unwrap();
    }
}

#[test]
fn an_event_waits_for_a_trail_that_another_process_holds() {
    let directory = TempDir::new().unwrap();
    let lock = File::create(directory.path().join("audit.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut monitor = Driven::start("comm_monitor", directory.path(), &[]);
    monitor.simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:ENTRY:m:x").as_bytes());
    thread::scope(|scope| {
        let log = directory.path().join("comm_monitor.err");
        scope.spawn(move || {
            wait_for("the event to be held", || {
                fs::read_to_string(&log).ok().filter(|text| text.contains("is held until"))
            });
            drop(lock);
        });
        assert_eq!(results(&monitor.simulator.run(PATIENCE)), [0]);
    });
    assert_eq!(records(&directory.path().join("audit.jsonl")).len(), 1);
    monitor.end();
}

/// A library that makes each flush to the disk slow. None without a compiler.
fn slow_disk(directory: &Path) -> Option<PathBuf> {
    let (source, library) = (directory.join("slow.c"), directory.join("slow.so"));
    let text = "#include <unistd.h>\n#include <sys/syscall.h>\n\
                int fdatasync(int fd) { usleep(600000); return syscall(SYS_fdatasync, fd); }\n";
    fs::write(&source, text).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    built.is_ok_and(|status| status.success()).then_some(library)
}

#[test]
fn four_processes_on_a_slow_disk_record_what_they_acknowledge() {
    let directory = TempDir::new().unwrap();
    let Some(library) = slow_disk(directory.path()) else {
        eprintln!("skipped: there is no C compiler");
        return;
    };
    let one = |number: u64| {
        let mut command = program("comm_monitor");
        command.current_dir(directory.path()).env("LD_PRELOAD", &library).args(["--state-dir", "state"]);
        command.stderr(File::create(directory.path().join(format!("{number}.err"))).unwrap());
        let mut simulator = Simulator::spawn(&mut command).unwrap();
        simulator.pool.next_serial = number * 100;
        (0..3).for_each(|_| drop(simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:EXIT:m:1").as_bytes())));
        let reports = simulator.run(PATIENCE);
        simulator.close_input();
        assert!(simulator.wait(PATIENCE).unwrap().unwrap().success());
        results(&reports)
    };
    let mut acknowledged: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|number| scope.spawn(move || one(number))).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let mut recorded = serials(&records(&directory.path().join("audit.jsonl")));
    acknowledged.sort_unstable();
    recorded.sort_unstable();
    assert_eq!((acknowledged.len(), &acknowledged), (12, &recorded));
}
