//! The monitors as programs, one at a time, with events that no supervisord would send in a minute: whole hours, repeats,
//! kills in the middle of a flood, endpoints that hang.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::receiver::{ClosedPort, Collector, Receiver};
use crate::support::{PATIENCE, wait_for};
use dxr::{FaultResponse, MethodCall, MethodResponse, TryToValue, Value as XmlRpcValue};
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use supervisor_events::ListenerState;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

/// A monitor as a program. Its settings come from the test alone, and alerts have enough time on a busy machine.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(crate::support::program(name));
    command.env_clear().env("ALERT_TIMEOUT", "60");
    command
}

/// A monitor, and a simulated supervisord.
pub struct Driven {
    pub simulator: Simulator,
    log: std::path::PathBuf,
}

impl Driven {
    /// Starts a monitor in a directory, where its log is `NAME.err`.
    pub fn start(name: &str, directory: &Path, settings: &[&str]) -> Self {
        Self::start_with(name, directory, settings, &[])
    }

    pub fn start_with(name: &str, directory: &Path, settings: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(name);
        command.args(settings).current_dir(directory);
        Self::spawn(name, directory, command.envs(environment.iter().copied()))
    }

    pub fn spawn(name: &str, directory: &Path, command: &mut Command) -> Self {
        let log = directory.join(format!("{name}.err"));
        command.stderr(File::options().create(true).append(true).open(&log).unwrap());
        let mut simulator = Simulator::spawn(command).unwrap();
        simulator.pool.buffer_size = 10_000;
        Self { simulator, log }
    }

    /// Sends an event, which must be answered with OK. Returns the lines logged in the meantime.
    pub fn send(&mut self, eventname: &str, payload: &str) -> Vec<Value> {
        let before = self.lines().len();
        self.simulator.notify(eventname, payload.as_bytes());
        let reports = self.simulator.run(PATIENCE);
        let answered = reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. }));
        assert!(answered, "{reports:?}, {:?}", self.lines());
        self.lines().split_off(before)
    }

    /// Sends an event with this serial.
    pub fn send_as(&mut self, serial: u64, eventname: &str, payload: &str) -> Vec<Value> {
        self.simulator.pool.next_serial = serial;
        self.send(eventname, payload)
    }

    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// Closes its input, which ends it.
    pub fn end(mut self) {
        self.simulator.close_input();
        let status = self.simulator.wait(PATIENCE).unwrap().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

pub fn levels(lines: &[Value], level: &str) -> Vec<String> {
    let lines = lines.iter().filter(|line| line["level"] == level);
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

pub fn said(process: &str, message: &str) -> String {
    format!("processname:{process} groupname:trading_system pid:2766\n{message}")
}

pub const STDOUT: &str = "PROCESS_COMMUNICATION_STDOUT";
pub const EXITED: &str = "PROCESS_STATE_EXITED";
pub const CRASH: &str = "processname:worker groupname:trading_system from_state:RUNNING expected:0 pid:2766";

/// A crash of a separate process: several of one process would be one incident.
pub fn crash_of(number: u64) -> String {
    CRASH.replace("worker", &format!("worker-{number}"))
}

pub fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "a torn end: {text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

pub fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A monitor's state, from the file with the later turn.
pub fn state_in(path: &Path) -> Value {
    let read = |end: &str| fs::read_to_string(format!("{}.{end}.json", path.display())).unwrap();
    let lines = |text: String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: [Vec<Value>; 2] = ["0", "1"].map(|end| lines(read(end)));
    let newest = files.iter().max_by_key(|lines| lines.first().and_then(|head| head["turn"].as_u64())).unwrap();
    newest[1].clone()
}

// ---- comm_monitor ----

#[test]
fn each_line_that_a_process_sends_is_a_record() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--alert-url", &alerts.url()]);
    monitor
        .send(STDOUT, &said("genetic_engine", "\nSIGNAL:ENTRY:momentum-7:BTC:0.25@97150.5\r\n\nSIGNAL:EXIT:é€:BTC\n"));
    monitor.send("PROCESS_COMMUNICATION_STDERR", &said("risk_manager", "SIGNAL:RISK_ALERT:all:drawdown: 4.8%"));
    monitor.send(
        STDOUT,
        &said("genetic_engine", "SIGNAL:PERFORMANCE_UPDATE:m:sharpe=1.4\nALERT:HIGH:LATENCY:340 ms: slow\nALERT:HIGH_DRAWDOWN:genetic_engine:5.2%"),
    );
    for malformed in ["SIGNAL:HODL:m:x", "SIGNAL:ENTRY:m", "SIGNAL:ENTRY::x", "ALERT:HIGH", "ALERT::T:x", "hello"] {
        monitor.send(STDOUT, &said("talker", malformed));
    }
    monitor.end();

    let mut records = records(&directory.path().join("audit.jsonl"));
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        assert!(record.shift_remove("timestamp").unwrap().as_str().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!(record.shift_remove("server").unwrap(), "supervisor");
        assert_eq!(record.shift_remove("run").unwrap().as_str().unwrap().len(), 16);
        assert_eq!(
            (record.shift_remove("group"), record.shift_remove("pid")),
            (Some("trading_system".into()), Some(2766.into()))
        );
    }
    let record = |serial: u64, process: &str, channel: &str, fields: Value| {
        let mut record = json!({ "serial": serial, "process": process, "channel": channel });
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        record
    };
    let malformed = |serial, text, why| record(serial, "talker", "stdout", json!({ "malformed": text, "why": why }));
    let genetic = |serial, fields| record(serial, "genetic_engine", "stdout", fields);
    let risk = json!({ "strategy_id": "all", "alert_type": "RISK", "data": "drawdown: 4.8%", "requires_action": true });
    let alert = json!({ "alert_level": "HIGH", "alert_type": "LATENCY", "details": "340 ms: slow" });
    let drawdown = json!({ "strategy_id": "genetic_engine", "alert_type": "HIGH_DRAWDOWN", "details": "5.2%" });
    let expected = [
        genetic(0, json!({ "strategy_id": "momentum-7", "signal_type": "ENTRY", "data": "BTC:0.25@97150.5" })),
        genetic(0, json!({ "strategy_id": "é€", "signal_type": "EXIT", "data": "BTC" })),
        record(1, "risk_manager", "stderr", risk.clone()),
        genetic(
            2,
            json!({ "strategy_id": "m", "update_type": "PERFORMANCE", "data": "sharpe=1.4", "figures": { "sharpe": 1.4 } }),
        ),
        genetic(2, alert.clone()),
        genetic(2, drawdown.clone()),
        malformed(
            3,
            "SIGNAL:HODL:m:x",
            "the TYPE of a signal is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE, or one of --signal-types",
        ),
        malformed(4, "SIGNAL:ENTRY:m", "a signal is SIGNAL:TYPE:STRATEGY:data"),
        malformed(5, "SIGNAL:ENTRY::x", "a signal is SIGNAL:TYPE:STRATEGY:data"),
        malformed(6, "ALERT:HIGH", "an alert is ALERT:LEVEL:TYPE:details or ALERT:TYPE:STRATEGY:details"),
        malformed(7, "ALERT::T:x", "an alert is ALERT:LEVEL:TYPE:details or ALERT:TYPE:STRATEGY:details"),
        malformed(8, "hello", "it starts with neither SIGNAL: nor ALERT:"),
    ];
    assert_eq!(records, expected);
    let sent = |event: &str| alerts.wait_for(event, |alert| alert["event"] == event);
    assert_eq!((&sent("RISK_ALERT")["severity"], &sent("RISK_ALERT")["details"]), (&"CRITICAL".into(), &risk));
    assert_eq!((&sent("LATENCY")["severity"], &sent("LATENCY")["details"]), (&"HIGH".into(), &alert));
    let sent_drawdown = sent("HIGH_DRAWDOWN");
    assert_eq!((&sent_drawdown["severity"], &sent_drawdown["details"]), (&"WARNING".into(), &drawdown));
    // Five lines of one process are wrong, which is one alert. The last one was not meant as a signal.
    let wrong = sent("MALFORMED_SIGNAL");
    assert_eq!((&wrong["process"], &wrong["details"]["malformed"]), (&"talker".into(), &"SIGNAL:HODL:m:x".into()));
    assert_eq!(alerts.count(|_| true), 4);
}

#[test]
fn the_audit_trail_survives_kills_in_a_flood() {
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("audit.jsonl");
    let message = |number: usize| {
        said("genetic_engine", &format!("SIGNAL:ENTRY:m:BTC {} {}", number + 1, "é".repeat(number % 300)))
    };
    let mut waiting: std::collections::VecDeque<_> = (0..400).map(message).collect();
    let mut answered = 0;
    let mut kills = 0;
    while !waiting.is_empty() {
        let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
        monitor.simulator.pool.next_serial = answered as u64;
        // Killed by another thread as soon as the trail has grown by a few records: at any moment of an event. Few
        // events remain, so that even a late kill on a busy machine comes before the last one.
        let child = Pid::from_raw(monitor.simulator.pid().unwrap().try_into().unwrap()).unwrap();
        let goal = answered + 20 + 7 * kills;
        let events = waiting.iter().take(goal + 10 - answered);
        events.for_each(|payload| drop(monitor.simulator.notify(STDOUT, payload.as_bytes())));
        let killer = thread::spawn({
            let trail = trail.clone();
            move || {
                let grown =
                    || fs::read(&trail).is_ok_and(|text| text.iter().filter(|byte| **byte == b'\n').count() >= goal);
                wait_for("the trail to grow", || (grown() || goal >= 400).then_some(()));
                if goal < 400 {
                    kill_process(child, Signal::KILL).unwrap();
                }
            }
        });
        for report in monitor.simulator.run(PATIENCE) {
            if let Report::Result { accepted, .. } = report {
                assert!(accepted);
                answered += 1;
                waiting.pop_front();
            }
        }
        killer.join().unwrap();
        drop(monitor);
        kills += 1;
        // A partial line is not read back: the next process cuts it off.
        let mut torn = File::options().append(true).open(&trail).unwrap();
        torn.write_all(&b"{\"timestamp\":\"2026-0".repeat(1 + 400 * (kills % 2))).unwrap();
    }
    assert!(kills > 5, "{kills}");
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.send_as(400, STDOUT, &said("genetic_engine", "SIGNAL:EXIT:m:BTC 1"));
    monitor.end();
    let mut serials: Vec<_> = records(&trail).iter().map(|record| record["serial"].as_u64().unwrap()).collect();
    // An event during which the monitor was killed may appear twice, recognisable by its serial.
    let total = serials.len();
    serials.dedup();
    assert_eq!(serials, (0..=400).collect::<Vec<_>>());
    assert!(total - serials.len() <= kills, "{total}");
}

#[test]
fn records_are_kept_while_a_large_trail_is_reported_and_rotated() {
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("audit.jsonl");
    let line = json!({ "timestamp": Timestamp::UNIX_EPOCH.to_string(), "process": "worker", "serial": -1 });
    fs::write(&trail, format!("{line}\n").repeat(200_000)).unwrap();
    let mut comm = Driven::start("comm_monitor", directory.path(), &[]);
    let mut maintenance = Driven::start("maintenance_monitor", directory.path(), &[]);
    let hour = thread::spawn(move || {
        maintenance.send("TICK_3600", "when:1800");
        let report = maintenance.lines().into_iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap();
        assert_eq!(report["details"]["messages"]["process"]["worker"], 200_000);
        maintenance.end();
    });
    let mut sent = 0;
    while !hour.is_finished() {
        let lines = comm.send(STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
        assert_eq!(levels(&lines, "ERROR"), [] as [&str; 0]);
        sent += 1;
    }
    hour.join().unwrap();
    // It does not continue in the renamed file.
    comm.send(STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:LAST 1"));
    comm.end();
    let (rotated, current) = (records(&directory.path().join("audit.jsonl.1")), records(&trail));
    assert_eq!(rotated.len() + current.len(), 200_000 + sent + 1);
    assert_eq!(current.last().unwrap()["data"], "LAST 1");
}

// ---- Events that come again ----

#[test]
fn the_processes_of_a_pool_act_on_an_event_once() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let settings = ["--state-dir", "state", "--alert-url", &alerts.url()];
    let mut first = Driven::start("failure_monitor", directory.path(), &settings);
    let mut second = Driven::start("failure_monitor", directory.path(), &settings);
    first.send_as(7, EXITED, &crash_of(7));
    second.send_as(7, EXITED, &crash_of(7));
    first.send_as(7, EXITED, &crash_of(7));
    second.send_as(8, EXITED, &crash_of(8));
    first.send_as(9, EXITED, &crash_of(9));
    // Each process delivers in order: once these have arrived, so has everything before them.
    for serial in [8, 9] {
        alerts.wait_for("the alert", |alert| alert["serial"] == serial);
    }
    assert_eq!(alerts.count(|_| true), 3);
    first.end();
    second.end();

    // Another supervisord counts from 0. A shell in between is another parent.
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" \"$@\"; exit $?"])
        .arg(crate::support::program("failure_monitor"))
        .args(settings)
        .env_clear();
    let mut simulator = Simulator::spawn(command.current_dir(directory.path()).stderr(Stdio::null())).unwrap();
    simulator.pool.next_serial = 7;
    simulator.notify(EXITED, CRASH.as_bytes());
    simulator.run(PATIENCE);
    wait_for("the alert", || (alerts.count(|_| true) == 4).then_some(()));
}

#[test]
fn state_that_cannot_be_read_begins_anew_and_is_kept_aside() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join("state").join(name);
    fs::create_dir(path("")).unwrap();
    fs::write(path("heartbeat_monitor.1.json"), "{\"when\":10").unwrap();
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--state-dir", "state"]);
    let lines = monitor.send("TICK_5", "when:20");
    assert!(
        levels(&lines, "WARNING")[0].starts_with("the saved state is unusable, starting without it: "),
        "{lines:?}"
    );
    assert_eq!(fs::read(path("heartbeat_monitor.1.json.unreadable")).unwrap(), b"{\"when\":10");
    assert_eq!(state_in(&path("heartbeat_monitor"))["when"], 20);
    assert_eq!(levels(&monitor.send("TICK_5", "when:25"), "WARNING"), [] as [&str; 0]);
    monitor.end();
}

#[test]
fn a_process_starts_while_another_one_of_its_pool_holds_the_state() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let lock = File::create(directory.path().join("state/startup_monitor.0.json")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut monitor = Driven::start("startup_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.simulator.step(PATIENCE);
    assert_eq!(monitor.simulator.state(), ListenerState::Ready, "{:?}", monitor.lines());
    drop(lock);
    monitor.send("TICK_5", "when:20");
    monitor.end();
}

#[test]
fn a_process_that_is_alone_in_its_pool_tells_how_many_events_were_lost() {
    const LOST: &str = "2 events were lost: poolserial 5 to 6; the pool's buffer was full: raise 'buffer_size' in its \
                        section (10 unless it is set)";
    let directory = TempDir::new().unwrap();
    for (name, lost) in [("listener", vec![LOST]), ("l_0", vec![])] {
        let environment = [("SUPERVISOR_PROCESS_NAME", name), ("SUPERVISOR_GROUP_NAME", "listener")];
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &[], &environment);
        monitor.send_as(4, EXITED, CRASH);
        // Skipped events may still arrive, until 16 others have.
        for serial in 7..23 {
            assert_eq!(levels(&monitor.send_as(serial, EXITED, CRASH), "ERROR"), [] as [&str; 0], "{name}");
        }
        assert_eq!(levels(&monitor.send_as(23, EXITED, CRASH), "ERROR"), lost, "{name}");
        monitor.end();
    }
}

#[test]
fn sigterm_ends_a_monitor_after_the_event_at_hand() {
    let (directory, receiver) = (TempDir::new().unwrap(), Receiver::start());
    let settings = ["--alert-url", &receiver.url(), "--alert-timeout", "60"];
    let mut monitor = Driven::start("failure_monitor", directory.path(), &settings);
    let child = Pid::from_raw(monitor.simulator.pid().unwrap().try_into().unwrap()).unwrap();
    let terminator = thread::spawn(move || {
        let request = receiver.next();
        kill_process(child, Signal::TERM).unwrap();
        request.answer(204);
    });
    monitor.simulator.notify(EXITED, CRASH.as_bytes());
    let reports = monitor.simulator.run(PATIENCE);
    assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    terminator.join().unwrap();
    // Its input is still open.
    let status = monitor.simulator.wait(PATIENCE).unwrap().expect("it ends");
    assert!(status.success(), "{status}");
}

// ---- maintenance_monitor ----

#[test]
fn an_hour_is_reported_rotated_and_backed_up() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let path = |name: &str| directory.path().join(name);
    let mut comm = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    for message in [
        "SIGNAL:ENTRY:a:BTC 1",
        "SIGNAL:ENTRY:b:BTC 2\nSIGNAL:EXIT:a:BTC 3",
        "SIGNAL:RISK_ALERT:a:4",
        "SIGNAL:?",
        "ALERT:LOW:DISK:5",
    ] {
        comm.send(STDOUT, &said("genetic_engine", message));
    }
    comm.end();
    fs::write(path("strategy.json"), "{\"position\": 1}").unwrap();
    fs::write(path("state/startup_monitor.json"), "{}").unwrap();
    let settings = [
        "--state-dir",
        "state",
        "--rotate-at",
        "1",
        "--keep",
        "2",
        "--alert-url",
        &alerts.url(),
        "--backup-files",
        "strategy.json",
        "--summary-at",
        "",
    ];
    let now = Timestamp::now().as_second();
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    // Everything happened before the end of the hour.
    let hour = now + 60;
    let lines = monitor.send("TICK_3600", &format!("when:{hour}"));
    assert_eq!(levels(&lines, "ERROR"), [] as [&str; 0]);
    let report = alerts.wait_for("the report", |alert| alert["event"] == "HOURLY_REPORT")["details"].clone();
    let expected = json!({
        "alert_type": { "DISK": 1, "RISK": 1 },
        "process": { "genetic_engine": 6 },
        "signal_type": { "ENTRY": 2, "EXIT": 1 },
        "strategy_id": { "a": 3, "b": 1 },
    });
    assert_eq!((&report["messages"], &report["malformed"]), (&expected, &1.into()));
    assert_eq!(report["to"], Timestamp::from_second(hour).unwrap().to_string());
    assert_eq!(report["errors"].as_array().unwrap().len(), 1, "there is no supervisord to be asked: {report}");
    let reports = || {
        let mut names: Vec<_> = fs::read_dir(path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    assert_eq!(json_file(&reports()[0]), report);
    assert_eq!(records(&path("audit.jsonl.1")).len(), 6);
    assert!(!path("audit.jsonl").exists());
    wait_for("the backup", || monitor.lines().iter().any(|line| line["message"] == "backup done").then_some(()));
    let backup = fs::read_dir(path("backup")).unwrap().next().unwrap().unwrap().path();
    let copies = backup.join(directory.path().strip_prefix("/").unwrap());
    for file in ["state/startup_monitor.json", "strategy.json"] {
        assert_eq!(fs::read(path(file)).unwrap(), fs::read(copies.join(file)).unwrap(), "{file}");
    }

    // What happened before the hour is not counted; of two hours' trails and reports, the oldest are removed.
    for (number, hour) in [hour + 3600, hour + 7200].into_iter().enumerate() {
        let mut comm = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
        comm.send_as(100 + number as u64, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:c:BTC 6"));
        comm.end();
        monitor.send("TICK_3600", &format!("when:{hour}"));
    }
    assert_eq!(reports().len(), 2);
    assert_eq!(json_file(&reports()[1])["messages"], json!({}));
    assert_eq!(records(&path("audit.jsonl.2"))[0]["serial"], 100);
    assert_eq!(records(&path("audit.jsonl.1"))[0]["serial"], 101);
    assert!(!path("audit.jsonl.3").exists());
    monitor.end();

    // A failure does not prevent the other chores.
    fs::write(path("in-the-way"), "").unwrap();
    let settings = ["--report-dir", "in-the-way", "--backup-dir", "elsewhere", "--backup-files", "strategy.json"];
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    let lines = monitor.send("TICK_3600", &format!("when:{hour}"));
    assert_eq!(levels(&lines, "ERROR").len(), 1, "{lines:?}");
    assert!(levels(&lines, "ERROR")[0].starts_with("report NOT done: "), "{lines:?}");
    monitor.end();
    assert_eq!(fs::read_dir(path("elsewhere")).unwrap().count(), 1);
}

#[test]
fn an_hour_begins_with_its_first_moment_and_ends_before_the_next() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    supervisord.set(&[("t", "a", "RUNNING", 1), ("t", "b", "FATAL", 0)]);
    let record = |second: i64, process: &str| {
        let at = Timestamp::from_second(second).unwrap().to_string();
        json!({ "timestamp": at, "process": process }).to_string() + "\n"
    };
    let rotated = record(3599, "before") + &record(3600, "first");
    // A partial line after a crash is ignored.
    let current = record(7199, "last") + "what is this\n" + &record(7200, "after") + record(7199, "torn").trim_end();
    fs::write(directory.path().join("audit.jsonl.1"), &rotated).unwrap();
    fs::write(directory.path().join("audit.jsonl"), &current).unwrap();
    let mut monitor = Driven::start_with("maintenance_monitor", directory.path(), &[], &supervisord.environment());
    let mut report = |when: u64| {
        let lines = monitor.send("TICK_3600", &format!("when:{when}"));
        lines.into_iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap()["details"].clone()
    };
    let hour = report(7200);
    assert_eq!(hour["messages"], json!({ "process": { "first": 1, "last": 1 } }));
    assert_eq!((&hour["from"], &hour["to"]), (&"1970-01-01T01:00:00Z".into(), &"1970-01-01T02:00:00Z".into()));
    assert_eq!((&hour["states"], &hour["errors"]), (&json!({ "t:a": "RUNNING", "t:b": "FATAL" }), &json!([])));
    assert_eq!(report(10_800)["messages"], json!({ "process": { "after": 1 } }));
    monitor.end();
    // It is too small to be rotated.
    assert_eq!(fs::read_to_string(directory.path().join("audit.jsonl.1")).unwrap(), rotated);
    assert_eq!(fs::read_to_string(directory.path().join("audit.jsonl")).unwrap(), current);
}

#[test]
fn nothing_but_reports_is_removed_from_the_directory_of_reports() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("reports")).unwrap();
    fs::write(path("reports/accounts.json"), "{}").unwrap();
    let settings = ["--keep", "1", "--summary-at", ""];
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    monitor.send("TICK_3600", "when:3600");
    monitor.send("TICK_3600", "when:7200");
    let mut names: Vec<_> = fs::read_dir(path("reports")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["accounts.json", "report-1970-01-01T02-00-00Z.json"]);
    monitor.end();
}

// ---- heartbeat_monitor ----

/// A server that passes each connection to `serve`.
pub fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

/// The line of a heartbeat.
pub fn heartbeat(lines: Vec<Value>) -> Value {
    lines.into_iter().find(|line| line["message"] == "Heartbeat").unwrap()
}

#[test]
fn endpoints_are_reported_when_they_go_down_and_come_up() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let echo = server(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        // Reading answers the ping.
        while socket.read().is_ok() {}
    });
    let tcp = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let healthy = Arc::new(AtomicBool::new(true));
    let http = server({
        let healthy = Arc::clone(&healthy);
        move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let status = if healthy.load(Ordering::SeqCst) { "200 OK" } else { "500 Trouble" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let endpoints =
        format!("ws=ws://127.0.0.1:{echo}/feed?a=b,tcp=tcp://127.0.0.1:{tcp},http=http://127.0.0.1:{http}/health");
    let url = alerts.url();
    // All of them answer at once, or a little later on a busy machine.
    let settings = ["--endpoints", &endpoints, "--alert-url", &url, "--state-dir", "state", "--deadline", "4"];
    let settings = [&settings[..], &["--vpn-interface", "lo"]].concat();
    let mut monitors = [0, 1].map(|_| Driven::start("heartbeat_monitor", directory.path(), &settings));
    let mut serial = 0;
    let mut tick = |when: u64| {
        serial += 1;
        // The two processes of the pool get ticks alternately.
        heartbeat(monitors[serial as usize % 2].send_as(serial, "TICK_5", &format!("when:{when}")))
    };
    let beat = tick(1000);
    for up in ["ws", "tcp", "http", "vpn"] {
        assert!(beat["endpoints"][up]["latency_ms"].as_f64().is_some_and(|latency| latency >= 0.0), "{up}: {beat}");
    }
    assert_eq!(tick(1005)["missed"], 0);
    healthy.store(false, Ordering::SeqCst);
    assert!(tick(1010)["endpoints"]["http"]["error"].as_str().unwrap().contains("500"));
    tick(1015);
    healthy.store(true, Ordering::SeqCst);
    tick(1020);
    assert_eq!(tick(1040)["missed"], 3);
    // The clock was set back.
    assert_eq!(tick(900)["missed"], 0);
    for event in ["ENDPOINT_DOWN", "ENDPOINT_UP"] {
        let is = |alert: &Value| alert["event"] == event && alert["details"]["endpoint"] == "http";
        alerts.wait_for(event, is);
        assert_eq!(alerts.count(is), 1);
    }
    assert_eq!(alerts.count(|_| true), 2);
    monitors.into_iter().for_each(Driven::end);
}

#[test]
fn endpoints_that_do_not_answer_in_time_are_down_and_reported_once() {
    let (directory, alerts, closed) = (TempDir::new().unwrap(), Collector::start(), ClosedPort::new());
    // Accepts, and never answers.
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    // Endless single bytes: no single read takes long.
    let slow = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nx: ");
        while stream.write_all(b"y").is_ok() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let endpoints =
        format!("closed=tcp://{},silent=ws://127.0.0.1:{silent}/,slow=ws://127.0.0.1:{slow}/", closed.address());
    let url = alerts.url();
    let settings = ["--endpoints", &endpoints, "--alert-url", &url, "--deadline", "0.5"];
    let settings = [&settings[..], &["--vpn-interface", "nonesuch0"]].concat();
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    for when in [5, 10, 15] {
        let beat = heartbeat(monitor.send("TICK_5", &format!("when:{when}")));
        for (down, why) in [("closed", "refused"), ("silent", "imed out"), ("slow", "imed out"), ("vpn", "nonesuch0")] {
            let error = beat["endpoints"][down]["error"].as_str().unwrap();
            // A busy machine may not get that far within the deadline.
            assert!([why, "imed out", "deadline"].iter().any(|why| error.contains(why)), "{down}: {error}");
        }
    }
    for name in ["closed", "silent", "slow", "vpn"] {
        let is_down = |alert: &Value| alert["event"] == "ENDPOINT_DOWN" && alert["details"]["endpoint"] == name;
        alerts.wait_for(name, is_down);
        assert_eq!(alerts.count(is_down), 1, "{name}");
    }
    monitor.end();
    assert_eq!(alerts.count(|_| true), 4);
}

// ---- Monitors that call supervisord ----

/// Group, name, state, process id.
pub type Process = (&'static str, &'static str, &'static str, u32);

/// What settings name, in their defaults and in the tests.
pub const THERE: [Process; 12] = [
    ("trading_system", "risk_manager", "RUNNING", 1),
    ("trading_system", "hyperliquid_feed", "RUNNING", 1),
    ("trading_system", "order_executor", "RUNNING", 1),
    ("t", "r", "RUNNING", 1),
    ("t", "risk", "STOPPED", 0),
    ("t", "feed", "STOPPED", 0),
    ("t", "exec", "STOPPED", 0),
    ("t", "growing", "STOPPED", 0),
    ("s", "stats", "STOPPED", 0),
    ("b", "b", "STOPPED", 0),
    ("nowhere", "nowhere", "STOPPED", 0),
    ("nowhere", "b", "STOPPED", 0),
];

/// Has some processes, initially those of [`THERE`], and records calls. After a call about `nowhere`, the answer is
/// lost.
pub struct FakeSupervisord {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
    processes: Arc<Mutex<Vec<Process>>>,
    /// How often it was asked for them.
    asked: Arc<AtomicUsize>,
    /// Whether it answers every call with an error.
    broken: Arc<AtomicBool>,
    shutting_down: Arc<AtomicBool>,
}

impl FakeSupervisord {
    pub fn start() -> Self {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr());
        let this = Self {
            url,
            calls: Arc::default(),
            processes: Arc::default(),
            asked: Arc::default(),
            broken: Arc::default(),
            shutting_down: Arc::default(),
        };
        this.set(&THERE);
        let (calls, processes) = (Arc::clone(&this.calls), Arc::clone(&this.processes));
        let (asked, broken) = (Arc::clone(&this.asked), Arc::clone(&this.broken));
        let shutting_down = Arc::clone(&this.shutting_down);
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                if broken.load(Ordering::SeqCst) {
                    request.respond(tiny_http::Response::empty(500)).unwrap();
                    continue;
                }
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let call = MethodCall::from_xml(&body).unwrap();
                let method = call.name.strip_prefix("supervisor.").unwrap();
                let xml = match (method, call.params.first()) {
                    _ if shutting_down.load(Ordering::SeqCst) => {
                        FaultResponse { fault: dxr::Fault::new(6, "SHUTDOWN_STATE".into()) }.to_xml().unwrap()
                    }
                    ("getAllProcessInfo", _) => {
                        asked.fetch_add(1, Ordering::SeqCst);
                        list(&processes.lock().unwrap())
                    }
                    ("getProcessInfo", Some(XmlRpcValue::String(name))) => {
                        MethodResponse { value: ended(name) }.to_xml().unwrap()
                    }
                    ("readLog", _) => {
                        let log = "2026-11-27 23:06:03,000 WARN exited: r (exit status 3; not expected)
";
                        MethodResponse { value: log.try_to_value().unwrap() }.to_xml().unwrap()
                    }
                    (method, None) => MethodResponse { value: about(method) }.to_xml().unwrap(),
                    ("tailProcessStderrLog", _) => {
                        let tail = ["panic: no limits\n".try_to_value().unwrap(), XmlRpcValue::Integer(17)];
                        MethodResponse { value: XmlRpcValue::Array(tail.into()) }.to_xml().unwrap()
                    }
                    (_, Some(XmlRpcValue::String(name))) => {
                        calls.lock().unwrap().push(format!("{method} {name}"));
                        if name.contains("nowhere") {
                            FaultResponse { fault: dxr::Fault::new(10, "BAD_NAME: nowhere".into()) }.to_xml().unwrap()
                        } else if method == "startProcess" {
                            MethodResponse { value: XmlRpcValue::Boolean(true) }.to_xml().unwrap()
                        } else {
                            list(&[])
                        }
                    }
                    other => panic!("{other:?}"),
                };
                request.respond(tiny_http::Response::from_string(xml)).unwrap();
            }
        });
        this
    }

    pub fn environment(&self) -> [(&str, &str); 1] {
        [("SUPERVISOR_SERVER_URL", &self.url)]
    }

    pub fn set(&self, processes: &[Process]) {
        *self.processes.lock().unwrap() = processes.to_vec();
    }

    /// From now on it answers every call with an error, or normally again.
    pub fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// From now on it refuses every call, as during a shutdown.
    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

/// Its answer about any process.
fn ended(full_name: &str) -> XmlRpcValue {
    let (group, name) = full_name.split_once(':').unwrap();
    let fields = [("group", group), ("name", name), ("statename", "EXITED"), ("spawnerr", "Bad exit code 3")];
    let fields = fields.map(|(key, text)| (key.to_owned(), text.try_to_value().unwrap()));
    let numbers = [("exitstatus", 3), ("pid", 0), ("start", 1_000_000_000), ("stop", 1_000_000_001)];
    let numbers = numbers.map(|(key, number)| (key.to_owned(), XmlRpcValue::Integer(number)));
    XmlRpcValue::Struct(fields.into_iter().chain(numbers).collect())
}

/// Its answers about itself.
fn about(method: &str) -> XmlRpcValue {
    match method {
        "getState" => XmlRpcValue::Struct([("statename".to_owned(), "RUNNING".try_to_value().unwrap())].into()),
        "getPID" => XmlRpcValue::Integer(1),
        "getIdentification" => "fake".try_to_value().unwrap(),
        "getSupervisorVersion" => "4.3.0".try_to_value().unwrap(),
        other => panic!("{other}"),
    }
}

pub fn list(processes: &[Process]) -> String {
    let info = |(group, name, state, pid): &Process| {
        let fields = [("group", *group), ("name", *name), ("statename", *state)]
            .map(|(key, text)| (key.to_owned(), text.try_to_value().unwrap()));
        let start = if *state == "STOPPED" { 0 } else { 1_000_000_000 };
        let numbers = [("pid", *pid as i32), ("start", start), ("stop", 0), ("exitstatus", 0)]
            .map(|(key, number)| (key.to_owned(), XmlRpcValue::Integer(number)));
        XmlRpcValue::Struct(fields.into_iter().chain(numbers).collect())
    };
    MethodResponse { value: XmlRpcValue::Array(processes.iter().map(info).collect()) }.to_xml().unwrap()
}

pub fn state(name: &str, from: &str, rest: &str) -> String {
    format!("processname:{name} groupname:t from_state:{from} {rest}")
}

#[test]
fn dependents_start_and_trading_resumes_once() {
    let (directory, alerts, supervisord) = (TempDir::new().unwrap(), Collector::start(), FakeSupervisord::start());
    let settings = [
        "--critical-processes",
        "t:risk,feed",
        "--dependents",
        "exec=t:risk+feed,s:*=t:feed,lost=nowhere",
        "--trading-group",
        "t",
        "--flapping-starts",
        "3",
        "--alert-url",
        &alerts.url(),
    ];
    let (starting, running) = ("PROCESS_STATE_STARTING", "PROCESS_STATE_RUNNING");
    supervisord.set(&[
        ("t", "risk", "STARTING", 0),
        ("t", "feed", "RUNNING", 2),
        ("t", "exec", "STOPPED", 0),
        ("s", "stats", "FATAL", 0),
        // Of another group, so it is not the needed one.
        ("u", "risk", "RUNNING", 9),
        ("u", "lost", "STOPPED", 0),
        ("u", "nowhere", "STOPPED", 0),
    ]);
    let mut monitor = Driven::start_with("startup_monitor", directory.path(), &settings, &supervisord.environment());
    monitor.send(running, &state("feed", "STARTING", "pid:2"));
    assert_eq!(supervisord.calls(), ["startProcess s:stats"]);
    supervisord.set(&[
        ("t", "risk", "RUNNING", 1),
        ("t", "feed", "RUNNING", 2),
        ("t", "exec", "STOPPED", 0),
        ("s", "stats", "STARTING", 3),
    ]);
    monitor.send(running, &state("risk", "STARTING", "pid:1"));
    assert_eq!(supervisord.calls(), ["startProcess t:exec", "startProcessGroup t"]);
    // It is running, and nothing depends on it; its dependent is running by now.
    monitor.send(running, &state("stats", "STARTING", "pid:3"));
    supervisord.set(&[
        ("t", "risk", "RUNNING", 1),
        ("t", "feed", "RUNNING", 2),
        ("t", "exec", "RUNNING", 4),
        ("s", "stats", "RUNNING", 3),
    ]);
    monitor.send(running, &state("feed", "STARTING", "pid:2"));
    assert_eq!(supervisord.calls(), [] as [&str; 0]);
    // Only after one of the critical processes was down.
    supervisord.set(&[
        ("t", "risk", "RUNNING", 1),
        ("t", "feed", "RUNNING", 2),
        ("t", "exec", "RUNNING", 6),
        ("s", "stats", "RUNNING", 3),
    ]);
    monitor.send(starting, &state("exec", "EXITED", "tries:0"));
    monitor.send(running, &state("feed", "STARTING", "pid:2"));
    assert_eq!(supervisord.calls(), [] as [&str; 0]);
    supervisord.set(&[
        ("t", "risk", "RUNNING", 5),
        ("t", "feed", "RUNNING", 2),
        ("t", "exec", "RUNNING", 6),
        ("s", "stats", "RUNNING", 3),
    ]);
    monitor.send(starting, &state("risk", "EXITED", "tries:0"));
    monitor.send(running, &state("risk", "STARTING", "pid:5"));
    assert_eq!(supervisord.calls(), ["startProcessGroup t"]);

    for tries in 1..5 {
        monitor.send(starting, &state("risk", "BACKOFF", &format!("tries:{tries}")));
    }
    let flapping = alerts.wait_for("flapping", |alert| alert["event"] == "FLAPPING");
    assert_eq!((&flapping["process"], &flapping["details"]["starts"]), (&"risk".into(), &3.into()));
    monitor.end();
    assert_eq!(alerts.count(|alert| alert["event"] == "FLAPPING"), 1);
    assert_eq!(alerts.count(|alert| alert["event"] == "TRADING_RESUMED"), 2);
}

#[test]
fn without_its_risk_manager_trading_is_stopped_and_the_backup_started() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let settings = ["--risk-manager", "t:r", "--lost-when", "FATAL,EXITED", "--trading-group", "t", "--backup", "b"];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &supervisord.environment());
    monitor.send(EXITED, &state("r", "RUNNING", "expected:1 pid:5"));
    monitor.send(EXITED, &state("x", "RUNNING", "expected:0 pid:5"));
    monitor.send(EXITED, "processname:r groupname:u from_state:RUNNING expected:0 pid:5");
    assert_eq!(supervisord.calls(), [] as [&str; 0]);
    monitor.send(EXITED, &state("r", "RUNNING", "expected:0 pid:5"));
    assert_eq!(supervisord.calls(), ["stopProcessGroup t", "startProcess b:b"]);
    monitor.send("PROCESS_STATE_FATAL", &state("r", "BACKOFF", ""));
    assert_eq!(supervisord.calls(), ["stopProcessGroup t", "startProcess b:b"]);
    monitor.end();
}

#[test]
fn the_backup_is_started_even_if_trading_cannot_be_stopped() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let fatal = |settings: &[&str]| {
        let settings = [settings, &["--risk-manager", "r"]].concat();
        let mut monitor =
            Driven::start_with("failure_monitor", directory.path(), &settings, &supervisord.environment());
        // If only FATAL counts as lost, supervisord restarts it itself.
        monitor.send(EXITED, &state("r", "RUNNING", "expected:0 pid:5"));
        assert_eq!(supervisord.calls(), [] as [&str; 0]);
        let lines = monitor.send("PROCESS_STATE_FATAL", &state("r", "BACKOFF", ""));
        monitor.end();
        levels(&lines, "EMERGENCY")
    };
    let said = fatal(&["--trading-group", "nowhere", "--backup", "b"]);
    assert_eq!(supervisord.calls(), ["stopProcessGroup nowhere", "startProcess b:b"]);
    let failed = "trading is NOT being stopped: supervisord: stopProcessGroup: BAD_NAME: nowhere";
    assert_eq!(said[1..], [failed, "backup was started"]);
    let said = fatal(&["--trading-group", "t", "--backup", "nowhere:b"]);
    let failed = "backup was NOT started: supervisord: startProcess: BAD_NAME: nowhere";
    assert_eq!(said[1..], ["trading is being stopped", failed]);
}

/// Header and body of an HTTP request.
pub fn request(stream: &mut impl Read) -> (String, String) {
    let mut stream = io::BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).unwrap();
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn calls_go_over_tcp_and_unix_sockets_with_the_account() {
    let directory = TempDir::new().unwrap();
    fn answer(mut stream: impl Read + Write) {
        let (head, body) = request(&mut stream);
        assert!(body.contains("supervisor.getAllProcessInfo"), "{body}");
        // "user" and "pass:é"
        let status = if head.contains("\r\nAuthorization: Basic dXNlcjpwYXNzOsOp\r\n") { "200 OK" } else { "401 No" };
        let xml = list(&[("t", "<b>&\"é", "RUNNING", 5)]);
        assert!(xml.contains("&lt;b"), "{xml}");
        write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{xml}", xml.len()).unwrap();
    }
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
    for url in [format!("http://127.0.0.1:{}", server(answer)), format!("unix://{}", path.display())] {
        let environment =
            [("SUPERVISOR_SERVER_URL", &*url), ("SUPERVISOR_USERNAME", "user"), ("SUPERVISOR_PASSWORD", "pass:é")];
        let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
        assert_eq!(levels(&monitor.send("TICK_60", "when:60"), "INFO"), ["1 processes: 1 RUNNING"], "{url}");
        monitor.end();
    }
}

#[test]
fn an_answer_that_never_ends_is_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let port = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let url = format!("http://127.0.0.1:{port}");
    let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
    // The system's own values are available without it.
    let settings = ["--interval", "0.01", "--memory-threshold=0", "--cpu-threshold", "1000"];
    let mut monitor = Driven::start_with("performance_monitor", directory.path(), &settings, &environment);
    let lines = monitor.send("TICK_60", "when:60");
    assert_eq!(levels(&lines, "ERROR"), ["supervisord: getAllProcessInfo: timed out"]);
    let metrics = lines.iter().find(|line| line["message"] == "Performance metrics").unwrap();
    let alerts: Vec<_> = metrics["alerts"].as_array().unwrap().iter().map(|alert| &alert["type"]).collect();
    assert_eq!(alerts, ["HIGH_MEMORY"], "{metrics}");
    monitor.end();
}

#[test]
fn a_supervisord_that_does_not_answer_as_it_should_is_an_error_in_the_log() {
    let directory = TempDir::new().unwrap();
    let answers: [(&'static [u8], &str); 5] = [
        (b"HTTP/1.0 500 Trouble\r\n\r\n", "HTTP status 500"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n<?xml", "cut off"),
        (b"HTTP/1.0 200", "cut off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "invalid HTTP version"),
        (b"", "cut off"),
    ];
    for (answer, why) in answers {
        let port = server(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        });
        let url = format!("http://127.0.0.1:{port}");
        let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
        let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
        let lines = monitor.send("TICK_60", "when:60");
        assert!(levels(&lines, "ERROR")[0].contains(why), "{why}: {lines:?}");
        monitor.end();
    }
    // One that hangs is waited for, but not endlessly; here over a unix socket.
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let url = format!("unix://{}", path.display());
    let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
    let lines = monitor.send("TICK_60", "when:60");
    assert!(levels(&lines, "ERROR")[0].contains("timed out"), "{lines:?}");
    drop(listener);
    // It is gone.
    fs::remove_file(path).unwrap();
    let lines = monitor.send("TICK_60", "when:120");
    assert!(levels(&lines, "ERROR")[0].contains("No such file"), "{lines:?}");
    monitor.end();
}

#[test]
fn the_status_page_shows_what_events_and_supervisord_tell() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let settings = ["--listen", "127.0.0.1:0"];
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), &settings, &supervisord.environment());
    monitor.send("PROCESS_STATE_RUNNING", &state("<b>\"é\"&\\", "STARTING", "pid:77"));
    let url = monitor.lines()[0]["url"].as_str().unwrap().to_owned();
    let client = crate::support::client();
    let get = |path: &str| client.get(format!("{url}{path}")).call().unwrap().body_mut().read_to_string().unwrap();
    let shown = |name: &str| get("").contains(&format!("<bdi class=\"name\">{name}</bdi>"));
    assert!(shown("t:&lt;b&gt;&quot;é&quot;&amp;\\"), "{}", get(""));
    let of = r#"{server="fake",group="t",process="<b>\"é\"&\\"}"#;
    let up = format!("supervisor_process_up{of} ");
    let is_told = |line: &str| get("metrics").lines().any(|there| there == line);
    wait_for("the figures", || is_told(&format!("{up}1")).then_some(()));

    supervisord.set(&[("t", "<b>\"é\"&\\", "EXITED", 0), ("t", "other", "RUNNING", 5)]);
    let lines = monitor.send("TICK_60", "when:60");
    let differs = levels(&lines, "WARNING");
    assert!(differs.contains(&"t:<b>\"é\"&\\ is EXITED; events said RUNNING".into()), "{differs:?}");
    assert_eq!(levels(&lines, "INFO"), ["2 processes: 1 EXITED, 1 RUNNING"]);
    for line in [
        &format!("{up}0"),
        r#"supervisor_differences_total{server="fake"} 1"#,
        r#"supervisor_state_changes_total{server="fake"} 1"#,
        &format!("supervisor_process_restarts_total{of} 0"),
    ] {
        assert!(is_told(line), "{line}: {}", get("metrics"));
    }
    assert!(shown("t:other"), "{}", get(""));
    supervisord.set(&[("t", "other", "RUNNING", 5)]);
    assert_eq!(levels(&monitor.send("TICK_60", "when:120"), "WARNING"), [] as [&str; 0]);
    assert!(!shown("t:&lt;b&gt;&quot;é&quot;&amp;\\"), "{}", get(""));
    let status = |response: Result<ureq::http::Response<ureq::Body>, ureq::Error>| match response {
        Err(ureq::Error::StatusCode(status)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(client.get(format!("{url}nothing")).call()), 404);
    assert_eq!(status(client.post(&url).send_empty()), 405);
    monitor.end();
}

/// A process that allocates another MB for each byte that it reads, and reports when it has.
struct Growing(Child);

impl Growing {
    fn start() -> Option<Self> {
        let program = "import sys\nheld = []\nprint('.', end='', flush=True)\nwhile sys.stdin.read(1):\n \
                       held.append(bytearray(b'x' * 2**20))\n print('.', end='', flush=True)";
        let mut command = Command::new(crate::support::python::python()?);
        let child = command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut this = Self(child);
        this.wait();
        Some(this)
    }

    fn grow(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b".").unwrap();
        self.wait();
    }

    fn wait(&mut self) {
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn memory_that_grows_steadily_is_a_leak() {
    let (directory, alerts, supervisord) = (TempDir::new().unwrap(), Collector::start(), FakeSupervisord::start());
    let (Some(mut growing), Some(mut steady)) = (Growing::start(), Growing::start()) else { return };
    let pids = [growing.0.id(), steady.0.id()];
    supervisord.set(&[
        ("t", "growing", "RUNNING", pids[0]),
        ("t", "steady", "RUNNING", pids[1]),
        ("t", "gone", "EXITED", 0),
    ]);
    let settings = [
        "--processes",
        "t:*",
        "--interval",
        "0.01",
        "--leak-threshold",
        "30",
        "--leak-samples",
        "8",
        "--process-memory-threshold",
        "0.5",
        "--alert-url",
        &alerts.url(),
    ];
    let mut monitor =
        Driven::start_with("performance_monitor", directory.path(), &settings, &supervisord.environment());
    let is_leak = |alert: &Value| alert["event"] == "MEMORY_LEAK";
    for minute in 0..7 {
        growing.grow();
        if minute == 4 {
            // As much, but at once: that is how a process loads its data.
            (0..8).for_each(|_| steady.grow());
        }
        monitor.send("TICK_60", &format!("when:{}", 60 * minute));
    }
    assert_eq!(alerts.count(is_leak), 0, "too few samples");
    growing.grow();
    let lines = monitor.send("TICK_60", "when:420");
    let leak = alerts.wait_for("the leak", is_leak);
    assert_eq!(
        (&leak["process"], &leak["group"], &leak["details"]["threshold"]),
        (&"growing".into(), &"t".into(), &30.0.into())
    );
    // A MB per minute.
    let growth = leak["details"]["value"].as_f64().unwrap();
    assert!((50.0..75.0).contains(&growth), "{growth}");
    assert_eq!(alerts.count(is_leak), 1);
    let high =
        alerts.wait_for("much memory", |alert| alert["event"] == "PROCESS_HIGH_MEMORY" && alert["process"] == "steady");
    assert_eq!(high["details"]["type"], "PROCESS_HIGH_MEMORY");

    let metrics = lines.iter().find(|line| line["message"] == "Performance metrics").unwrap();
    let processes = metrics["processes"].as_object().unwrap();
    assert_eq!(processes.keys().collect::<Vec<_>>(), ["growing", "steady"]);
    assert_eq!(processes["growing"]["pid"], pids[0]);
    assert!(processes["growing"]["memory_mb"].as_f64() > Some(8.0), "{metrics}");
    assert!(processes["steady"]["status"].is_string() && processes["steady"]["cpu_percent"].is_number(), "{metrics}");
    let system = metrics["system"].as_object().unwrap();
    let keys = [
        "timestamp",
        "cpu_percent",
        "memory_percent",
        "memory_available_mb",
        "disk_usage",
        "network_io",
        "load_average",
    ];
    assert_eq!(system.keys().collect::<Vec<_>>(), keys);
    let percent = |key: &str| system[key].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent));
    for key in ["cpu_percent", "memory_percent"] {
        assert!(percent(key), "{key}: {metrics}");
    }
    // Not every machine has a separate disk for its root.
    assert!(percent("disk_usage") || system["disk_usage"].is_null(), "{metrics}");
    monitor.end();
}

// ---- What holds for all ----

const MONITORS: [&str; 7] = [
    "comm_monitor",
    "failure_monitor",
    "heartbeat_monitor",
    "maintenance_monitor",
    "performance_monitor",
    "startup_monitor",
    "trading_monitor",
];

#[test]
fn help_tells_all_settings() {
    let own = [
        ("comm_monitor", "audit-file", "audit.jsonl"),
        ("failure_monitor", "risk-manager", "risk_manager"),
        ("forward_monitor", "spool-bytes", "67108864"),
        ("heartbeat_monitor", "deadline", "2"),
        ("maintenance_monitor", "keep", "24"),
        ("performance_monitor", "cpu-threshold", "80"),
        ("startup_monitor", "flapping-starts", "5"),
        ("trading_monitor", "listen", "127.0.0.1:9180"),
    ];
    for (monitor, name, default) in own {
        // Values from the environment are not shown: they may be secret.
        let output = program(monitor)
            .env("NATS_URL", "nats://u:secret@h")
            .env("ALERT_TOKEN", "secret")
            .arg("--help")
            .output()
            .unwrap();
        // However its lines are wrapped.
        let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.success());
        let capitals = name.to_uppercase().replace('-', "_");
        let prefix = if monitor == "forward_monitor" { "FORWARD_" } else { "" };
        for setting in [
            format!("--{name} <{capitals}>"),
            format!("[env: {prefix}{capitals}] [default: {default}]"),
            "[env: LENGTH_UNIT] [default: code-points]".into(),
        ] {
            assert!(help.contains(&setting), "{monitor}: {setting}: {help}");
        }
        assert!(!help.contains("secret"), "{help}");
        let output = program(monitor).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{monitor} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn arguments_come_before_the_environment_and_that_before_defaults() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let (url, host) = (alerts.url(), supervisor_monitors::machine::host_name());
    for (argument, environment, system) in [
        (Some("--system=argument"), Some("environment"), "argument"),
        (None, Some("environment"), "environment"),
        (None, None, host.as_str()),
    ] {
        let environment: Vec<_> =
            [("ALERT_URL", url.as_str())].into_iter().chain(environment.map(|system| ("SYSTEM", system))).collect();
        let settings: Vec<_> = argument.into_iter().collect();
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        monitor.send(EXITED, CRASH);
        monitor.end();
        assert_eq!(alerts.count(|alert| alert["system"] == system), 1, "{system}");
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let (directory, (reader, writer)) = (TempDir::new().unwrap(), io::pipe().unwrap());
    let mut command = program("failure_monitor");
    let mut simulator = Simulator::spawn(command.current_dir(directory.path()).stderr(writer)).unwrap();
    drop((command, reader));
    for _ in 0..2 {
        simulator.notify(EXITED, CRASH.as_bytes());
        let reports = simulator.run(PATIENCE);
        assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    }
    simulator.close_input();
    assert!(simulator.wait(PATIENCE).unwrap().expect("it ends").success());
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let wrong = [
        ("failure_monitor", "--alert-url=ftp://x", "--alert-url begins with http:// or https://"),
        ("failure_monitor", "--alert-url=https://", "--alert-url begins with http:// or https://"),
        ("failure_monitor", "--alert-format=xml", "--alert-format is json, slack, alertmanager or pagerduty"),
        ("failure_monitor", "--alert-timeout=0", "--alert-timeout is a number of seconds above 0"),
        ("failure_monitor", "--lost-when=STOPPED", "--lost-when is FATAL or FATAL,EXITED"),
        ("failure_monitor", "--length-unit=words", "--length-unit is code-points or bytes"),
        ("failure_monitor", "--nonsense=1", "--nonsense"),
        ("failure_monitor", "--alert-url", "--alert-url"),
        ("forward_monitor", "--length-unit=words", "--length-unit is code-points or bytes"),
        ("forward_monitor", "--spool-bytes=much", "--spool-bytes is a number"),
        ("forward_monitor", "--nats-url=a b", "--nats-url"),
        ("forward_monitor", "--nats-url=", "--nats-url names no broker"),
        ("comm_monitor", "--state-dir=/dev/null", "--state-dir \"/dev/null\" must be a writable directory"),
        ("heartbeat_monitor", "--deadline=5", "--deadline leaves no time before the next tick"),
        ("heartbeat_monitor", "--endpoints=x=udp://y", "--endpoints has \"udp://y\""),
        ("heartbeat_monitor", "--endpoints=x", "--endpoints is a list of NAME=VALUE"),
        ("maintenance_monitor", "--keep=-1", "--keep is a number"),
        ("performance_monitor", "--cpu-threshold=much", "--cpu-threshold is a number"),
        ("performance_monitor", "--cpu-threshold=NaN", "--cpu-threshold is a number"),
        ("performance_monitor", "--cpu-threshold=-1", "--cpu-threshold is 0 or more"),
        ("performance_monitor", "--limits=a=cpu:-1", "--limits has \"a=cpu:-1\": a limit is 0 or more"),
        ("performance_monitor", "--interval=1e19", "--interval is at most 3153600000 seconds"),
        ("startup_monitor", "--flapping-seconds=-1", "--flapping-seconds is a whole number of seconds"),
        ("startup_monitor", "--dependents=a", "--dependents is a list of NAME=VALUE"),
        ("startup_monitor", "--dependents=a=:b", "--dependents names processes by NAME, GROUP:NAME"),
        ("performance_monitor", "--processes=g:", "--processes names processes by NAME, GROUP:NAME"),
        ("failure_monitor", "--critical-processes=a,:b", "--critical-processes names processes by NAME, GROUP:NAME"),
        ("failure_monitor", "--backup=g:*", "--backup names exactly one process, by GROUP:NAME"),
        ("trading_monitor", "--peers=box2", "--peers is a list of NAME=VALUE"),
        ("trading_monitor", "--peers=box2=http://:secret@h/", "--peers can be seen by everybody on the machine"),
        ("trading_monitor", "--listen=0.0.0.0:80", "--listen 0.0.0.0:80 is not an address of the loopback interface"),
        ("trading_monitor", "--listen=nowhere", "--listen"),
    ];
    for (monitor, setting, why) in wrong {
        let output = program(monitor).arg(setting).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{setting}");
        assert_eq!(output.stdout, b"", "{setting}");
        let line: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(line["message"].as_str().unwrap().contains(why), "{setting}: {line}");
    }
}

#[test]
fn what_no_monitor_knows_is_accepted() -> io::Result<()> {
    for monitor in MONITORS {
        let directory = TempDir::new()?;
        let settings: &[&str] = if monitor == "trading_monitor" { &["--listen", ""] } else { &[] };
        let mut monitor = Driven::start(monitor, directory.path(), settings);
        for (eventname, payload) in [
            ("EVENT", ""),
            ("None", "x"),
            ("PROCESS_LOG_STDOUT", "processname:p groupname:g pid:1 channel:stdout\n\u{1f980}"),
            ("REMOTE_COMMUNICATION", "type:any thing\n"),
            ("SUPERVISOR_STATE_CHANGE_RUNNING", ""),
            ("PROCESS_GROUP_ADDED", "groupname:g\n"),
        ] {
            assert_eq!(levels(&monitor.send(eventname, payload), "ERROR"), [] as [&str; 0]);
        }
        // An event of a known type with a payload that does not fit.
        assert!(levels(&monitor.send("TICK_60", "when:soon"), "CRITICAL").last().unwrap().contains("set aside"));
        monitor.end();
    }
    Ok(())
}
