//! Alerts and receivers: what happens to events and alerts if a receiver misbehaves.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use supervisor_events::simulator::Simulator;
use tempfile::TempDir;

use super::fake_supervisord::{FakeSupervisord, THERE};
use super::programs::{CRASH, Driven, EXITED, STDOUT, crash_of, levels, program, request, said, server, state};
use crate::support::receiver::{ClosedPort, Collector};
use crate::support::{PATIENCE, wait_for};

/// A receiver that accepts alerts while it is alive, and hangs up on all other requests.
struct Mortal {
    alive: Arc<AtomicBool>,
    bodies: Arc<Mutex<Vec<Value>>>,
    port: u16,
}

impl Mortal {
    fn start() -> Self {
        let (alive, bodies): (Arc<AtomicBool>, Arc<Mutex<Vec<Value>>>) = Default::default();
        let port = server({
            let (alive, bodies) = (Arc::clone(&alive), Arc::clone(&bodies));
            move |mut stream| {
                if alive.load(Ordering::SeqCst) {
                    let (_, body) = request(&mut stream);
                    let Ok(body) = serde_json::from_str(&body) else { return };
                    bodies.lock().unwrap().push(body);
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                }
            }
        });
        Self { alive, bodies, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/alerts", self.port)
    }

    /// The alerts by key, once there are this many. Duplicates must be identical.
    fn wait_for_keys(&self, count: usize) -> BTreeMap<String, Value> {
        wait_for("all alerts", || {
            let bodies = self.bodies.lock().unwrap();
            let mut by_key = BTreeMap::new();
            for mut body in bodies.iter().cloned() {
                // Each process requests it.
                body.as_object_mut().unwrap().shift_remove("process_info");
                let first = by_key.entry(body["key"].as_str().unwrap().to_owned()).or_insert_with(|| body.clone());
                assert_eq!(*first, body);
            }
            (by_key.len() >= count).then_some(by_key)
        })
    }
}

/// Kills the monitor: dropping its simulator does that.
fn kill(monitor: Driven) {
    drop(monitor);
}

fn error_with(path: &Path, text: &str) -> Value {
    wait_for(text, || {
        let log = fs::read_to_string(path).unwrap();
        let line = log.lines().find(|line| line.contains(r#""level":"ERROR""#) && line.contains(text))?;
        serde_json::from_str(line).ok()
    })
}

#[test]
fn trading_is_stopped_whatever_the_receiver_does() {
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let dripping = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nx: ");
        while stream.write_all(b"y").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let (closed, supervisord) = (ClosedPort::new(), FakeSupervisord::start());
    supervisord.set(&[&THERE[..3], &[("t", "executor", "STOPPED", 0), ("t", "r", "FATAL", 0)]].concat());
    let addresses = [
        format!("127.0.0.1:{silent}"),
        format!("127.0.0.1:{dripping}"),
        closed.address().to_string(),
        "a.invalid".into(),
    ];
    for address in addresses {
        let directory = TempDir::new().unwrap();
        let url = format!("http://{address}/alerts");
        let settings = ["--state-dir", "state", "--risk-manager", "r", "--trading-group", "t", "--alert-url", &url];
        let environment = supervisord.environment();
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        // No alert is ever answered. If events waited for that, each would take a minute.
        for serial in 0..200 {
            monitor.send_as(serial, EXITED, &crash_of(serial));
        }
        assert_eq!(supervisord.calls(), [] as [&str; 0]);
        monitor.send_as(200, "PROCESS_STATE_FATAL", &state("r", "BACKOFF", ""));
        assert_eq!(supervisord.calls(), ["stopProcessGroup t"], "{address}");
        // Nor does the end wait.
        monitor.end();

        // A working receiver gets all of them, in order.
        let alerts = Collector::start();
        let settings = ["--state-dir", "state", "--alert-url", &alerts.url()];
        let monitor = Driven::start("failure_monitor", directory.path(), &settings);
        alerts.wait_for("the last alert", |alert| alert["serial"] == 199);
        assert_eq!(alerts.count(|alert| alert["event"] == "UNEXPECTED_EXIT"), 200, "{address}");
        monitor.end();
    }
}

#[test]
fn a_receiver_that_is_away_is_an_error_in_the_log_and_tried_again() {
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let refusing = server(|mut stream| {
        // Reads everything: unread data would reset the connection.
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    });
    let closed = ClosedPort::new();
    for (address, timeout, why) in [
        (closed.address().to_string(), "60", "refused"),
        (format!("127.0.0.1:{silent}"), "0.2", "timeout"),
        (format!("127.0.0.1:{refusing}"), "60", "503"),
    ] {
        let directory = TempDir::new().unwrap();
        let url = format!("http://{address}/alerts");
        let settings = ["--alert-url", &url, "--alert-timeout", timeout];
        let mut monitor = Driven::start("failure_monitor", directory.path(), &settings);
        monitor.send(EXITED, CRASH);
        let log = directory.path().join("failure_monitor.err");
        let error = error_with(&log, "Failed to send alert: ");
        assert!(error["message"].as_str().unwrap().contains(why), "{why}: {error}");
        assert_eq!(error["alert"]["event"], "UNEXPECTED_EXIT");
        // Nothing else keeps it, so the log says that it is lost.
        monitor.end();
        let error = error_with(&log, "Failed to send alert before the end");
        assert_eq!(error["alert"]["event"], "UNEXPECTED_EXIT");
    }
}

#[test]
fn no_alert_is_lost_over_kills_and_a_dead_receiver() {
    let (directory, receiver) = (TempDir::new().unwrap(), Mortal::start());
    let url = receiver.url();
    let settings = ["--state-dir", "state", "--alert-url", &url];
    let mut serial = 0;
    for round in 0..8 {
        receiver.alive.store(round % 3 == 2, Ordering::SeqCst);
        let mut pool: Vec<_> =
            (0..=round % 2).map(|_| Driven::start("failure_monitor", directory.path(), &settings)).collect();
        for _ in 0..10 {
            for monitor in &mut pool {
                monitor.send_as(serial, EXITED, &crash_of(serial));
                serial += 1;
            }
        }
        pool.into_iter().for_each(kill);
    }
    receiver.alive.store(true, Ordering::SeqCst);
    let monitor = Driven::start("failure_monitor", directory.path(), &settings);
    let alerts = receiver.wait_for_keys(serial as usize);
    let mut serials: Vec<_> = alerts.values().map(|alert| alert["serial"].as_u64().unwrap()).collect();
    serials.sort_unstable();
    assert_eq!(serials, (0..serial).collect::<Vec<_>>());
    monitor.end();
}

/// Kills a monitor during an event, at the first line of its log for which `room` bytes are not enough.
#[cfg(target_os = "linux")]
fn killed_at_a_line(name: &str, directory: &Path, settings: &[&str], (eventname, payload): (&str, &str), room: usize) {
    const PIPE: usize = 1 << 16;
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let mut command = program(name);
    command.args(settings).current_dir(directory).stderr(writer.try_clone().unwrap());
    let mut simulator = Simulator::spawn(&mut command).unwrap();
    drop(command);
    simulator.step(PATIENCE);
    // Its messages at the start.
    writer.write_all(b"!").unwrap();
    while reader.read(&mut [0; 1 << 12]).unwrap() == 1 << 12 {}
    writer.write_all(&vec![b' '; PIPE - room]).unwrap();
    simulator.notify(eventname, payload.as_bytes());
    let pid = simulator.pid().unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| simulator.run(PATIENCE));
        wait_for("the log to be full", || {
            fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap().contains("pipe_write").then_some(())
        });
        kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
        running.join().unwrap();
    });
}

/// Some systems hide it, or show it only to root.
#[cfg(target_os = "linux")]
fn it_shows_where_a_process_waits() -> bool {
    let mut cat = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let about = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", cat.id())).unwrap_or_default();
    wait_for("cat to wait", || about("stat").contains("(cat) S ").then_some(()));
    let is_shown = about("wchan").contains("pipe");
    drop(cat.stdin.take());
    cat.wait().unwrap();
    is_shown
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_not_yet_told_when_its_monitor_was_killed_is_told_by_the_next() {
    const FATAL: (&str, &str) = ("PROCESS_STATE_FATAL", "processname:w groupname:g from_state:BACKOFF");
    if !it_shows_where_a_process_waits() {
        eprintln!("skipped: this system does not show where a process waits");
        return;
    }
    let endpoints = ["--endpoints", "closed=tcp://127.0.0.1:1", "--vpn-interface", "lo"];
    // The first line comes before the state changes, the second one after it.
    let monitors =
        [("failure_monitor", &[][..], FATAL, true), ("heartbeat_monitor", &endpoints[..], ("TICK_5", "when:5"), false)];
    for (name, settings, event, first_fits) in monitors {
        let directory = TempDir::new().unwrap();
        let mut alone = Driven::start(name, directory.path(), settings);
        let lines = alone.send(event.0, event.1);
        alone.end();
        // The numbers in it may be longer next time.
        let room = if first_fits { lines[0].to_string().len() + 20 } else { 0 };
        let settings = [&["--state-dir", "state"], settings].concat();
        killed_at_a_line(name, directory.path(), &settings, event, room);
        let mut monitor = Driven::start(name, directory.path(), &settings);
        let mut alerts = |_| {
            let lines = monitor.send(event.0, event.1);
            lines.iter().filter(|line| line["message"].as_str().unwrap().starts_with("alert: ")).count()
        };
        assert_eq!([0, 1].map(&mut alerts), [1, 0], "{name}");
        monitor.end();
    }
}

#[test]
fn refusals_are_set_aside_and_redirects_are_not_followed() {
    const ANSWERS: [&str; 4] =
        ["302 Found\r\nlocation: /elsewhere", "429 Too Many Requests", "404 Not Found", "204 No Content"];
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let port = server({
        let seen = Arc::clone(&seen);
        move |mut stream| {
            let (head, body) = request(&mut stream);
            let mut seen = seen.lock().unwrap();
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            let answer = ANSWERS.get(seen.len()).unwrap_or(&"500 Too Many");
            seen.push(format!("{} {}", head.lines().next().unwrap_or_default(), body["serial"]));
            let _ = write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let directory = TempDir::new().unwrap();
    let url = format!("http://127.0.0.1:{port}/alerts");
    let mut monitor = Driven::start("failure_monitor", directory.path(), &["--alert-url", &url]);
    monitor.send_as(1, EXITED, &crash_of(1));
    monitor.send_as(2, EXITED, &crash_of(2));
    wait_for("all answers", || (seen.lock().unwrap().len() >= ANSWERS.len()).then_some(()));
    monitor.end();
    let expected = [1, 1, 1, 2].map(|serial| format!("POST /alerts HTTP/1.1 {serial}"));
    assert_eq!(*seen.lock().unwrap(), expected);
    let log = directory.path().join("failure_monitor.err");
    error_with(&log, "http status: 302: redirects are not followed");
    assert_eq!(error_with(&log, "not sent again: http status: 404")["alert"]["serial"], 1);
}

#[test]
fn the_oldest_alerts_make_room_and_are_counted() {
    const SENT: u64 = 20;
    for state in [&["--state-dir", "state"][..], &[]] {
        let (directory, receiver) = (TempDir::new().unwrap(), Mortal::start());
        let url = receiver.url();
        let settings = [state, &["--alert-url", &url]].concat();
        let mut monitor = Driven::start("comm_monitor", directory.path(), &settings);
        for serial in 0..SENT {
            let details = "x".repeat(100_000);
            monitor.send_as(serial, STDOUT, &said("worker", &format!("ALERT:HIGH:NOISE:{details}")));
        }
        if !state.is_empty() {
            // The next process knows what was dropped.
            kill(monitor);
            for entry in fs::read_dir(directory.path().join("state")).unwrap() {
                let entry = entry.unwrap();
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            }
            monitor = Driven::start("comm_monitor", directory.path(), &settings);
        }
        receiver.alive.store(true, Ordering::SeqCst);
        let dropped = wait_for("the number of dropped alerts", || {
            let bodies = receiver.bodies.lock().unwrap();
            bodies.iter().find(|alert| alert["event"] == "ALERTS_DROPPED").cloned()
        });
        let dropped = dropped["details"]["dropped"].as_u64().unwrap();
        let alerts = receiver.wait_for_keys((SENT - dropped) as usize + 1);
        let last = alerts.values().filter_map(|alert| alert["serial"].as_u64()).max();
        assert_eq!((alerts.len() as u64, last), (SENT - dropped + 1, Some(SENT - 1)));
        assert!((5..15).contains(&dropped), "{dropped}");
        monitor.end();
    }
}

/// A file to which nothing can be written at an offset.
fn unwritable(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn alerts_that_cannot_be_written_stay_in_memory() {
    let (directory, receiver) = (TempDir::new().unwrap(), Mortal::start());
    fs::create_dir(directory.path().join("state")).unwrap();
    unwritable(&directory.path().join("state/failure_monitor.alerts-0.spool"));
    let url = receiver.url();
    let settings = ["--state-dir", "state", "--alert-url", &url];
    let mut monitor = Driven::start("failure_monitor", directory.path(), &settings);
    for serial in 0..10 {
        monitor.send_as(serial, EXITED, &crash_of(serial));
    }
    receiver.alive.store(true, Ordering::SeqCst);
    receiver.wait_for_keys(10);
    let errors = levels(&monitor.lines(), "ERROR");
    assert_eq!(errors.iter().filter(|error| error.contains("cannot be written to disk")).count(), 1, "{errors:?}");
    monitor.end();
}

#[cfg(target_os = "linux")]
#[test]
fn alerts_of_a_process_that_is_gone_stay_where_they_are_until_they_can_be_written() {
    let (directory, receiver) = (TempDir::new().unwrap(), Mortal::start());
    let url = receiver.url();
    let settings = ["--state-dir", "state", "--alert-url", &url];
    let start = || Driven::start("failure_monitor", directory.path(), &settings);
    let mut pool = [start(), start()];
    for (monitor, serial) in pool.iter_mut().zip(0..) {
        monitor.send_as(serial, EXITED, &crash_of(serial));
    }
    pool.into_iter().for_each(kill);
    let spool = directory.path().join("state/failure_monitor.alerts-0.spool");
    let aside = directory.path().join("aside");
    fs::rename(&spool, &aside).unwrap();
    unwritable(&spool);
    let mut monitor = start();
    monitor.send_as(2, EXITED, &crash_of(2));
    let errors = levels(&monitor.lines(), "ERROR");
    assert!(errors.iter().any(|error| error.contains("wait until there is room")), "{errors:?}");
    // Its own alert is in memory, and gets one more attempt at the end.
    receiver.alive.store(true, Ordering::SeqCst);
    monitor.end();
    fs::rename(aside, spool).unwrap();
    let monitor = start();
    receiver.wait_for_keys(3);
    monitor.end();
}

#[test]
fn an_alert_says_how_the_process_ended_and_what_was_done_about_it() {
    let (directory, alerts, supervisord) = (TempDir::new().unwrap(), Collector::start(), FakeSupervisord::start());
    let others = [("t", "r", "FATAL", 0), ("other", "x", "RUNNING", 7), ("nowhere", "b", "FATAL", 0)];
    supervisord.set(&[&[("t", "executor", "STOPPING", 9)], &others[..]].concat());
    let url = alerts.url();
    let settings = ["--risk-manager=r", "--critical-processes=r", "--trading-group=t", "--backup=nowhere:b"];
    let settings = [&settings[..], &["--alert-url", &url]].concat();
    let environment = supervisord.environment();
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
    monitor.send_as(7, "PROCESS_STATE_FATAL", &state("r", "BACKOFF", ""));
    let mut alert = alerts.wait_for("the alert", |alert| alert["event"] == "PROCESS_FATAL");
    assert!(alert["process_info"].as_object_mut().unwrap().shift_remove("at").is_some());
    let stderr = "panic: no limits\n";
    let mut info = json!({ "state": "EXITED", "exit_status": 3, "spawn_error": "Bad exit code 3", "stderr": stderr });
    info["reason"] = "exit status 3".into();
    assert_eq!(alert["process_info"], info);
    assert_eq!((&alert["serial"], &alert["status"]), (&7.into(), &"firing".into()));
    let host = alert["host"].as_str().unwrap();
    assert_eq!(alert["incident"], format!("{host}/supervisor/t:r/PROCESS_FATAL"));
    let error = "supervisord: startProcess: BAD_NAME: nowhere";
    let actions = json!([
        { "action": "stop group t", "outcome": "stopping", "processes": [] },
        { "action": "start nowhere:b", "outcome": "failed", "error": error },
    ]);
    assert_eq!(alert["actions"], actions);
    let backup = alerts.wait_for("what came of the backup", |alert| alert["event"] == "BACKUP_NOT_RUNNING");
    assert_eq!((&backup["status"], &backup["severity"]), (&"firing".into(), &"CRITICAL".into()));
    assert_eq!(alerts.count(|alert| alert["event"] == "TRADING_STOPPED"), 0);
    supervisord.set(&[&[("t", "executor", "STOPPED", 0)], &others[..]].concat());
    let stopped = alerts.wait_for("what came of the stop", |alert| alert["event"] == "TRADING_STOPPED");
    assert_eq!(stopped["details"]["processes"], json!([["executor", "STOPPED", 0], ["r", "FATAL", 0]]));
    assert_eq!((&stopped["status"], &stopped["severity"]), (&"resolved".into(), &"INFO".into()));
    assert_eq!(alerts.count(|alert| alert.get("look_up").is_some()), 0);
    monitor.end();
}

#[test]
fn a_supervisord_that_does_not_answer_delays_few_alerts_and_loses_none() {
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let (url, server_url) = (alerts.url(), format!("http://127.0.0.1:{silent}"));
    let environment = [("SUPERVISOR_SERVER_URL", server_url.as_str())];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &["--alert-url", &url], &environment);
    for serial in 0..50 {
        monitor.send_as(serial, EXITED, &crash_of(serial));
    }
    let last = alerts.wait_for("the last alert", |alert| alert["serial"] == 49);
    assert_eq!(last["process_info"]["error"], "supervisord did not answer a moment ago");
    let first = alerts.wait_for("the first alert", |alert| alert["serial"] == 0);
    assert_eq!(first["process_info"]["error"], "supervisord: getProcessInfo: timed out");
    monitor.end();
}

#[test]
fn signs_of_life_come_with_ticks_as_long_as_alerts_are_delivered() {
    let (directory, closed) = (TempDir::new().unwrap(), ClosedPort::new());
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let next = || server.recv_timeout(PATIENCE).unwrap().expect("a sign of life was due");
    let (life, alerts) = (format!("http://{}/ping", server.server_addr()), format!("http://{}/", closed.address()));
    let settings = ["--sign-of-life-url", &life, "--alert-url", &alerts];
    let mut monitor = Driven::start("failure_monitor", directory.path(), &settings);
    monitor.send("TICK_60", "when:60");
    let first = next();
    assert_eq!((first.method(), first.url()), (&tiny_http::Method::Get, "/ping"));
    // No event waits for its answer.
    monitor.send("TICK_60", "when:120");
    first.respond(tiny_http::Response::empty(200)).unwrap();
    next().respond(tiny_http::Response::empty(200)).unwrap();
    monitor.send(EXITED, CRASH);
    error_with(&directory.path().join("failure_monitor.err"), "Failed to send alert: ");
    monitor.send("TICK_60", "when:180");
    monitor.end();
    assert!(server.try_recv().unwrap().is_none(), "somebody is told that all is well");
}

#[test]
fn a_symbolic_link_in_place_of_the_spool_is_not_followed() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let target = directory.path().join("precious");
    std::os::unix::fs::symlink(&target, directory.path().join("state/failure_monitor.alerts-0.spool")).unwrap();
    let mut command = program("failure_monitor");
    command.args(["--state-dir", "state", "--alert-url", "http://127.0.0.1:9/"]).current_dir(directory.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("must be a writable directory: alerts: "), "{said}");
    assert!(!target.exists());
}
