//! `heartbeat_monitor`: endpoints that go down, come up, or hang.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, levels, server};
use crate::support::receiver::{ClosedPort, Collector};
use serde_json::Value;
use tempfile::TempDir;

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

/// A process that another endpoint finds healthy is not.
#[test]
fn a_process_with_two_endpoints_is_told_about_once() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let open = server(|mut stream| drop(stream.read(&mut [0])));
    let closed = ClosedPort::new();
    let endpoints = format!(
        "good=tcp://127.0.0.1:{open}#process=t:web,bad=tcp://{}#process=t:web,well=tcp://127.0.0.1:{open}#process=t:web",
        closed.address()
    );
    let settings = ["--endpoints", &endpoints, "--deadline", "4", "--start-grace", "0", "--dry-run", "true"];
    supervisord.set(&[("t", "web", "RUNNING", 1)]);
    let mut monitor = Driven::start_with("http_guard", directory.path(), &settings, &supervisord.environment());
    for tick in 1..4 {
        monitor.send("TICK_5", &format!("when:{tick}"));
    }
    let lines = monitor.lines();
    assert_eq!(levels(&lines, "WARNING").iter().filter(|line| *line == "alert: CHECK_RESTART").count(), 1, "{lines:?}");
    assert_eq!(levels(&lines, "INFO").iter().filter(|line| line.starts_with("alert: ")).count(), 0, "{lines:?}");
    monitor.end();
}
