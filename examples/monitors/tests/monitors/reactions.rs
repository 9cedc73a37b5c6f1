//! What `startup_monitor` and `failure_monitor` have supervisord do.

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, EXITED, levels, state};
use crate::support::receiver::Collector;
use tempfile::TempDir;

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
