//! Every acknowledged event was acted on, and every action is recorded: each tested by a real cause.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

use crate::fake_supervisord::list;
use crate::programs::{
    CRASH, Driven, EXITED, STDOUT, levels, program, records, request, said, server, state, state_in,
};
use crate::support::receiver::Collector;
use crate::support::{PATIENCE, wait_for};

/// Starts a monitor with a file system of 64 KiB at `small` in its directory, visible only to the monitor and
/// [`SmallDisk::path`]. `None` if this user may not mount one.
pub struct SmallDisk {
    pub monitor: Driven,
    disk: PathBuf,
}

impl SmallDisk {
    pub fn start(name: &str, directory: &Path, settings: &[&str]) -> Option<Self> {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.disk.join(name)
    }

    /// Fills the remaining space.
    pub fn fill(&self) {
        let mut filler = File::create(self.path("filler")).unwrap();
        while filler.write(&[0; 4096]).is_ok() {}
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
    // Does not fit beside the filler, but fits without it.
    let event = said("genetic_engine", &format!("SIGNAL:ENTRY:m:BTC 1 {}\nSIGNAL:EXIT:m:BTC 1", "x".repeat(1000)));
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
        // Two lines per event.
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
        monitor.simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1").as_bytes());
        // READY, and the event.
        monitor.simulator.step(PATIENCE);
        thread::scope(|scope| {
            let pid = monitor.simulator.pid().unwrap();
            let log = directory.path().join("comm_monitor.err");
            scope.spawn(move || {
                let held = || fs::read_to_string(&log).ok().filter(|text| text.contains("is held until"));
                assert!(wait_for("the event to be held", held).contains(why));
                let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
                kill_process(pid, Signal::TERM).unwrap();
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
    let lock = File::create(directory.path().join("audit.jsonl.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut monitor = Driven::start("comm_monitor", directory.path(), &[]);
    monitor.simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1").as_bytes());
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

/// A library that slows down every sync to disk. `None` without a compiler.
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
        (0..3).for_each(|_| drop(simulator.notify(STDOUT, said("genetic_engine", "SIGNAL:EXIT:m:BTC 1").as_bytes())));
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

/// Starts a monitor whose parent is process 1 of a process namespace, with a `/proc` of another one, so that the run of
/// supervisord cannot be identified. `None` if this user may not create a namespace.
fn contained(name: &str, directory: &Path, settings: &[&str]) -> Option<Driven> {
    let in_container = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Upf", "sh", "-c", script]).current_dir(directory);
        command
    };
    if !in_container("exit 0").status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no process namespace can be made here");
        return None;
    }
    let mut command = in_container("\"$0\" \"$@\"; exit $?");
    command
        .env_remove("SUPERVISOR_SERVER_URL")
        .env_remove("SUPERVISOR_ENABLED")
        .arg(crate::support::program(name))
        .args(settings);
    Some(Driven::spawn(name, directory, &mut command))
}

#[test]
fn new_events_in_a_container_are_not_taken_for_old_ones() {
    let directory = TempDir::new().unwrap();
    for _ in 0..2 {
        let Some(mut monitor) = contained("comm_monitor", directory.path(), &["--state-dir", "state"]) else { return };
        for _ in 0..10 {
            monitor.send(STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
        }
        monitor.end();
    }
    // The same supervisord with another process of the pool: its numbers continue.
    let Some(mut monitor) = contained("comm_monitor", directory.path(), &["--state-dir", "state"]) else { return };
    monitor.send_as(10, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
    monitor.send_as(10, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
    monitor.end();
    let records = records(&directory.path().join("audit.jsonl"));
    assert_eq!(serials(&records), (0..10).chain(0..=10).collect::<Vec<_>>());
    assert_ne!(records[0]["run"], records[10]["run"]);
    assert!(records[..10].iter().all(|record| record["run"] == records[0]["run"]));
    assert!(records[10..].iter().all(|record| record["run"] == records[10]["run"]));
}

#[test]
fn the_processes_of_a_pool_in_a_container_agree_which_run_it_is() {
    let directory = TempDir::new().unwrap();
    let settings = ["--state-dir", "state"];
    let signal = said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1");
    let Some(mut earlier) = contained("comm_monitor", directory.path(), &settings) else { return };
    (0..10).for_each(|_| drop(earlier.send(STDOUT, &signal)));
    earlier.end();

    let path = |name: &str| directory.path().join(name);
    let pipes = ["a.in", "a.out", "b.in", "b.out"].map(path);
    assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
    let script = "\"$0\" \"$@\" < a.in > a.out & \"$0\" \"$@\" < b.in > b.out & wait";
    let mut command = Command::new("unshare");
    command.args(["-Upf", "sh", "-c", script]).arg(crate::support::program("comm_monitor")).args(settings);
    command
        .current_dir(directory.path())
        .env_remove("SUPERVISOR_SERVER_URL")
        .env_remove("SUPERVISOR_ENABLED")
        .stderr(File::create(path("err")).unwrap());
    let mut container = command.spawn().unwrap();
    let [mut a, mut b] = [[0, 1], [2, 3]].map(|[input, output]| {
        let input = File::options().write(true).open(&pipes[input]).unwrap();
        Simulator::new(File::open(&pipes[output]).unwrap(), input)
    });
    // Both are READY before the first of them gets an event.
    a.step(PATIENCE);
    b.step(PATIENCE);
    let send = |simulator: &mut Simulator, serial: u64| {
        simulator.pool.next_serial = serial;
        simulator.notify(STDOUT, signal.as_bytes());
        assert_eq!(results(&simulator.run(PATIENCE)), [serial]);
    };
    send(&mut b, 0);
    send(&mut a, 1);
    send(&mut b, 2);
    // It comes again.
    send(&mut a, 0);
    a.close_input();
    b.close_input();
    assert!(container.wait().unwrap().success());
    let records = records(&path("audit.jsonl"));
    assert_eq!(serials(&records), (0..10).chain(0..3).collect::<Vec<_>>());
    assert!(records[10..].iter().all(|record| record["run"] == records[10]["run"]));
    assert_ne!(records[0]["run"], records[10]["run"]);
}

#[test]
fn an_event_that_returns_after_many_others_is_known() {
    let directory = TempDir::new().unwrap();
    // With and without a file.
    for settings in [&["--state-dir", "state"][..], &[]] {
        let mut monitor = Driven::start("comm_monitor", directory.path(), settings);
        for serial in 0..200 {
            monitor.send_as(serial, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
        }
        assert_eq!(
            levels(&monitor.send_as(0, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1")), "INFO"),
            ["event came again: nothing more to do"]
        );
        monitor.end();
        let trail = directory.path().join("audit.jsonl");
        assert_eq!(serials(&records(&trail)), (0..200).collect::<Vec<_>>());
        fs::remove_file(trail).unwrap();
    }
}

#[test]
fn state_leads_in_memory_while_the_disk_is_full() {
    let directory = TempDir::new().unwrap();
    let settings = ["--state-dir", "small/state", "--endpoints", "closed=tcp://127.0.0.1:1", "--vpn-interface", "lo"];
    let Some(small) = SmallDisk::start("heartbeat_monitor", directory.path(), &settings) else { return };
    let (state, filler) = (small.path("state/heartbeat_monitor"), small.path("filler"));
    small.fill();
    let mut monitor = small.monitor;
    for when in [5, 10, 15, 20] {
        monitor.send("TICK_5", &format!("when:{when}"));
    }
    let lines = monitor.lines();
    let times = |what: &str| lines.iter().filter(|line| line["message"].as_str().unwrap().contains(what)).count();
    assert_eq!((times("alert: ENDPOINT_DOWN"), times("cannot keep state")), (1, 1), "{lines:?}");
    fs::remove_file(filler).unwrap();
    let lines = monitor.send("TICK_5", "when:25");
    assert!(lines.iter().any(|line| line["message"] == "state can be saved again"), "{lines:?}");
    assert_eq!(state_in(&state)["when"], 25);
    monitor.end();
}

#[test]
fn two_pools_of_a_program_know_their_own_in_one_directory() {
    let directory = TempDir::new().unwrap();
    let mut pools = ["tcp://127.0.0.1:1", "interface:lo"].map(|url| {
        let endpoint = format!("link={url}");
        let settings = ["--state-dir", "state", "--endpoints", &endpoint];
        Driven::start_with("heartbeat_monitor", directory.path(), &settings, &[("SUPERVISOR_GROUP_NAME", &url[..3])])
    });
    let mut alerts = Vec::new();
    for when in [5, 5, 10, 10] {
        let lines = pools[alerts.len() % 2].send("TICK_5", &format!("when:{when}"));
        alerts.push(lines.iter().filter(|line| line["message"].as_str().unwrap().starts_with("alert: ")).count());
    }
    assert_eq!(alerts, [1, 0, 0, 0]);
    pools.into_iter().for_each(Driven::end);
}

#[test]
fn events_that_were_lost_between_two_processes_are_reported() {
    let directory = TempDir::new().unwrap();
    let environment = [("SUPERVISOR_PROCESS_NAME", "failure_monitor"), ("SUPERVISOR_GROUP_NAME", "failure_monitor")];
    let settings = ["--state-dir", "state"];
    let start = || Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
    let mut first = start();
    (0..3).for_each(|serial| drop(first.send_as(serial, EXITED, CRASH)));
    first.end();
    let mut second = start();
    // Skipped events may still arrive, until 16 others have.
    (8..25).for_each(|serial| drop(second.send_as(serial, EXITED, CRASH)));
    let errors = levels(&second.lines(), "ERROR");
    assert!(errors.len() == 1 && errors[0].starts_with("5 events were lost: poolserial 3 to 7"), "{errors:?}");
    second.end();
}

#[test]
fn a_record_of_an_event_that_was_too_large_says_so() {
    let directory = TempDir::new().unwrap();
    let mut monitor = Driven::start("comm_monitor", directory.path(), &[]);
    let text = format!("BTC 1 {}", "x".repeat(17 * 1024 * 1024));
    let lines = monitor.send(STDOUT, &said("genetic_engine", &format!("SIGNAL:ENTRY:m:{text}")));
    assert_eq!(levels(&lines, "ERROR").len(), 1, "one says that it is too large");
    monitor.end();
    let records = records(&directory.path().join("audit.jsonl"));
    let omitted = records[0]["omitted"].as_u64().unwrap() as usize;
    assert_eq!(records[0]["data"].as_str().unwrap().len() + omitted, text.len());
}

/// Kills a monitor in the middle of its first event, which it cannot finish while `lock` is held.
fn killed_over_an_event(directory: &Path, payload: &str) {
    let log = directory.join("comm_monitor.err");
    let held = || fs::read_to_string(&log).unwrap_or_default().matches("is held until").count();
    let before = held();
    let mut monitor = Driven::start("comm_monitor", directory, &["--state-dir", "state"]);
    monitor.simulator.notify(STDOUT, payload.as_bytes());
    let pid = Pid::from_raw(monitor.simulator.pid().unwrap().try_into().unwrap()).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| monitor.simulator.run(PATIENCE));
        wait_for("the event to be held", || (held() > before).then_some(()));
        kill_process(pid, Signal::KILL).unwrap();
        assert_eq!(results(&running.join().unwrap()), [] as [u64; 0]);
    });
}

#[test]
fn an_event_over_which_a_monitor_was_killed_is_acted_on_again() {
    let directory = TempDir::new().unwrap();
    let lock = File::create(directory.path().join("audit.jsonl.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let payload = said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1");
    killed_over_an_event(directory.path(), &payload);
    drop(lock);
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.send(STDOUT, &payload);
    assert_eq!(records(&directory.path().join("audit.jsonl")).len(), 1);
    monitor.end();
}

#[test]
fn an_event_that_kills_its_handlers_is_set_aside() {
    let directory = TempDir::new().unwrap();
    let lock = File::create(directory.path().join("audit.jsonl.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let payload = said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1");
    for _ in 0..3 {
        killed_over_an_event(directory.path(), &payload);
    }
    drop(lock);
    let alerts = Collector::start();
    let settings = ["--state-dir", "state", "--alert-url", &alerts.url()];
    let mut monitor = Driven::start("comm_monitor", directory.path(), &settings);
    let lines = monitor.send(STDOUT, &payload);
    let set_aside = "an event is set aside, and NOT acted on: 3 processes died over it";
    assert_eq!(levels(&lines, "CRITICAL"), ["alert: EVENT_SET_ASIDE", set_aside]);
    let alert = alerts.wait_for("the alert", |alert| alert["event"] == "EVENT_SET_ASIDE");
    assert_eq!(alert["details"]["why"], "3 processes died over it");
    let letters = records(&directory.path().join("state/comm_monitor.dead-letters.jsonl"));
    assert_eq!((letters.len(), &letters[0]["payload"], &letters[0]["serial"]), (1, &payload.into(), &0.into()));
    // Later events are handled.
    monitor.send(STDOUT, &said("genetic_engine", "SIGNAL:EXIT:m:BTC 1"));
    assert_eq!(records(&directory.path().join("audit.jsonl")).len(), 1);
    monitor.end();
}

#[test]
fn an_event_that_cannot_be_parsed_is_set_aside() {
    let directory = TempDir::new().unwrap();
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    let lines = monitor.send(STDOUT, "pid:x");
    let critical = levels(&lines, "CRITICAL");
    assert_eq!(critical.len(), 2, "{lines:?}");
    assert!(
        critical[1].starts_with("an event is set aside, and NOT acted on: its payload cannot be parsed: "),
        "{lines:?}"
    );
    let letters = records(&directory.path().join("state/comm_monitor.dead-letters.jsonl"));
    assert_eq!((letters.len(), &letters[0]["payload"]), (1, &"pid:x".into()));
    monitor.send(STDOUT, &said("genetic_engine", "SIGNAL:EXIT:m:BTC 1"));
    assert_eq!(records(&directory.path().join("audit.jsonl")).len(), 1);
    monitor.end();
}

#[test]
fn what_is_kept_is_for_this_user_alone_and_no_symlink_is_followed() {
    use std::os::unix::fs::MetadataExt;
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.send("TICK_5", "when:5");
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&state).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    monitor.end();
    let victim = directory.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for name in ["heartbeat_monitor.events", "heartbeat_monitor.0.json", "heartbeat_monitor.1.json"] {
        let _ = fs::remove_file(state.join(name));
        std::os::unix::fs::symlink(&victim, state.join(name)).unwrap();
        let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--state-dir", "state"]);
        assert_eq!(monitor.simulator.wait(PATIENCE).unwrap().unwrap().code(), Some(1));
        fs::remove_file(state.join(name)).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    }
}

#[test]
fn what_could_move_a_terminals_cursor_is_escaped_in_the_trail_and_in_the_log() {
    let directory = TempDir::new().unwrap();
    let mut monitor = Driven::start("comm_monitor", directory.path(), &[]);
    let data = "BTC 1 a\u{9b}2J\u{7f}\u{202e}\u{2066}\u{2028}é€";
    monitor.send(STDOUT, &said("genetic_engine", &format!("SIGNAL:ENTRY:m:{data}")));
    monitor.end();
    let trail = directory.path().join("audit.jsonl");
    for file in [&trail, &directory.path().join("comm_monitor.err")] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(r"a\u009b2J\u007f\u202e\u2066\u2028é€"), "{text}");
        assert!(!text.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\u{2066}', '\u{2028}']), "{text}");
    }
    assert_eq!(records(&trail)[0]["data"], data);
}

#[test]
fn a_stop_that_supervisord_does_not_answer_is_unknown_until_it_does() {
    let (directory, alerts, calls) = (TempDir::new().unwrap(), Collector::start(), AtomicUsize::new(0));
    let port = server(move |mut stream| {
        let (_, call) = request(&mut stream);
        let all = [("t", "executor", "STOPPED", 0), ("t", "r", "FATAL", 0)];
        let processes = if call.contains("getAllProcessInfo") { &all[..] } else { &[] };
        if call.contains("stopProcessGroup") && calls.fetch_add(1, Ordering::Relaxed) < 2 {
            // The caller closes it after its deadline.
            let _ = stream.read_to_end(&mut Vec::new());
        } else {
            let body = list(processes);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    let (url, alert_url) = (format!("http://127.0.0.1:{port}"), alerts.url());
    let settings =
        ["--risk-manager=r", "--critical-processes=r", "--trading-group=t", "--alert-url", alert_url.as_str()];
    let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
    let lines = monitor.send("PROCESS_STATE_FATAL", &state("r", "BACKOFF", ""));
    let said = levels(&lines, "EMERGENCY");
    assert!(said[1].starts_with("it is UNKNOWN whether trading is being stopped: "), "{said:?}");
    // Later events do not wait.
    monitor.send(EXITED, CRASH);
    let known = || levels(&monitor.lines(), "EMERGENCY").into_iter().nth(2);
    assert_eq!(wait_for("an answer", known), "trading is being stopped");
    let alert = alerts.wait_for("the alert", |alert| alert["event"] == "PROCESS_FATAL");
    let action = &alert["actions"][0];
    assert_eq!((&action["action"], &action["outcome"]), (&"stop group t".into(), &"unknown".into()), "{action}");
    alerts.wait_for("what came of it", |alert| alert["event"] == "TRADING_STOPPED");
    monitor.end();
}
