//! Commands of a user that need not wait for a real supervisord's ticks.

use std::fs;

use crate::programs::{Driven, levels};
use crate::support::wait_for;
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

#[test]
fn a_check_that_hangs_is_not_started_again_and_does_not_outlive_its_monitor() {
    let directory = TempDir::new().unwrap();
    let command = "sh -c 'echo $$ >> runs; exec sleep 10000'";
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--on-tick", command]);
    monitor.send("TICK_5", "when:5");
    let runs = || fs::read_to_string(directory.path().join("runs")).unwrap_or_default();
    wait_for("its start", || runs().ends_with('\n').then_some(()));
    for when in [10, 15, 20] {
        monitor.send("TICK_5", &format!("when:{when}"));
    }
    assert_eq!(runs().lines().count(), 1);
    let warnings = levels(&monitor.lines(), "WARNING");
    assert_eq!(warnings, ["on-tick is still running: it is skipped until it has ended"]);
    let pid = Pid::from_raw(runs().trim().parse().unwrap()).unwrap();
    let log = directory.path().join("heartbeat_monitor.err");
    monitor.end();
    assert!(test_kill_process(pid).is_err(), "it lives on");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("on-tick has FAILED: it was stopped because the monitor is ending"), "{log}");
    assert!(log.contains("on-tick was still running, and was skipped 3 times"), "{log}");
}

#[test]
fn a_command_that_cannot_be_run_and_one_that_says_too_much_are_told() {
    let directory = TempDir::new().unwrap();
    let commands = "/no/such/program\nsh -c 'seq 1000; printf \"\\033[31m\"; exit 3'";
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--on-tick", commands]);
    monitor.send("TICK_5", "when:5");
    let has = |text: &str| {
        let lines = monitor.lines();
        lines.iter().any(|line| line["message"].as_str().unwrap().contains(text)).then_some(())
    };
    wait_for("the first", || has("on-tick 1 has FAILED: it cannot be run: No such file or directory"));
    wait_for("the second", || has("on-tick 2 has FAILED: it ended with exit code 3"));
    let lines = monitor.lines();
    assert_eq!(lines.iter().filter(|line| line["stream"] == "stdout").count(), 200);
    let failed = lines.iter().find(|line| line["not_logged"].as_u64() > Some(0)).unwrap();
    assert_eq!(failed["not_logged"], 801);
    monitor.end();
}
