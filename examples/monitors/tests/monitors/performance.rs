//! What `performance_monitor` counts as a process's usage, and when it sends alerts.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, levels, program};
use crate::support::{python, wait_for};

/// A shell that waits for its children, which end with its input.
struct Shell(Child);

impl Shell {
    /// A shell with a child in Python that reports when it is ready.
    fn start(program: &str) -> Option<Self> {
        let mut command = Command::new("sh");
        // A shell with a single command would replace itself by it.
        command.args(["-c", "\"$0\" -c \"$1\"; exit 0"]).arg(python::python()?).arg(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Some(Self(child))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Uses 40 MB.
const HOLDER: &str = "import sys\nheld = bytearray(b'x' * (40 << 20))\nprint('ready', flush=True)\nsys.stdin.read()";

fn start(directory: &Path, supervisord: &FakeSupervisord, settings: &[&str]) -> Driven {
    let settings = [&["--interval", "0.05", "--cpu-threshold", "101", "--memory-threshold", "101"], settings].concat();
    Driven::start_with("performance_monitor", directory, &settings, &supervisord.environment())
}

fn metrics(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["message"] == "Performance metrics").unwrap()
}

/// Event, process and status of the alerts.
fn alerts(lines: &[Value]) -> Vec<[&str; 3]> {
    let alerts = lines.iter().filter(|line| line["message"].as_str().unwrap().starts_with("alert: "));
    let texts = alerts.map(|line| [&line["details"]["type"], &line["process"], &line["status"]]);
    texts.map(|texts| texts.map(|text| text.as_str().unwrap_or_default())).collect()
}

#[test]
fn what_the_children_of_a_shell_use_is_its_own() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let busy = "import sys, threading\nheld = bytearray(b'x' * (40 << 20))\n\
                threading.Thread(target=sys.stdin.read).start()\nprint('ready', flush=True)\n\
                while threading.active_count() > 1: pass";
    let Some(shell) = Shell::start(busy) else { return };
    supervisord.set(&[("t", "shell", "RUNNING", shell.pid())]);
    let mut monitor = start(directory.path(), &supervisord, &["--processes", "", "--limits", "t:*=memory:30+cpu:1"]);
    // On a busy machine it may not get scheduled within the interval.
    let found = wait_for("the busy child", || {
        let found = metrics(&monitor.send("TICK_60", "when:60")).clone();
        (found["alerts"].as_array().unwrap().len() == 2).then_some(found)
    });
    let shell_metrics = &found["processes"]["shell"];
    assert_eq!((&shell_metrics["pid"], &shell_metrics["processes"]), (&shell.pid().into(), &2.into()));
    assert!(shell_metrics["memory_mb"].as_f64().unwrap() > 40.0, "{found}");
    assert!(shell_metrics["cpu_percent"].as_f64().unwrap() > 1.0, "{found}");
    monitor.end();
}

#[test]
fn pages_that_workers_share_count_once() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    // They wait for the end of their parent's input, through a pipe whose other end it holds.
    let workers = "import os, sys\nheld = bytearray(b'x' * (40 << 20))\nreader, writer = os.pipe()\n\
                   for _ in range(4):\n if os.fork() == 0:\n  os.close(writer); os.read(reader, 1); os._exit(0)\n\
                   print('ready', flush=True)\nsys.stdin.read()\nos.close(writer)\n\
                   for _ in range(4): os.wait()";
    let Some(shell) = Shell::start(workers) else { return };
    supervisord.set(&[("t", "shell", "RUNNING", shell.pid())]);
    let mut monitor = start(directory.path(), &supervisord, &["--processes", "t:shell"]);
    let lines = monitor.send("TICK_60", "when:60");
    let found = &metrics(&lines)["processes"]["shell"];
    assert_eq!(found["processes"], 6);
    let memory = found["memory_mb"].as_f64().unwrap();
    // The sum of the resident sizes would be 200.
    assert!((40.0..100.0).contains(&memory), "{found}");
    monitor.end();
}

#[test]
fn a_limit_is_one_alert_when_it_is_passed_and_one_when_it_is_kept_again() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let Some(shell) = Shell::start(HOLDER) else { return };
    let set = |state: &'static str, pid| {
        supervisord.set(&[("t", "held", state, pid), ("t", "other", "RUNNING", shell.pid())]);
    };
    set("RUNNING", shell.pid());
    let limited = |megabytes: &str| {
        let limits = format!("held=memory:{megabytes}");
        start(directory.path(), &supervisord, &["--limits", &limits, "--processes", "other", "--state-dir", "state"])
    };
    let mut minute = 0;
    let mut tick = |monitor: &mut Driven| {
        minute += 1;
        monitor.send_as(minute, "TICK_60", &format!("when:{}", 60 * minute))
    };
    let passed = ["PROCESS_HIGH_MEMORY", "held", "firing"];
    let kept = ["PROCESS_HIGH_MEMORY", "held", "resolved"];
    let mut monitor = limited("20");
    let lines = tick(&mut monitor);
    assert_eq!(alerts(&lines), [passed]);
    assert_eq!(levels(&lines, "WARNING"), ["alert: PROCESS_HIGH_MEMORY"]);
    // The log has it each minute.
    let lines = tick(&mut monitor);
    assert_eq!(alerts(&lines), [[""; 3]; 0]);
    let exceeded = &metrics(&lines)["alerts"][0];
    assert_eq!((&exceeded["type"], &exceeded["threshold"]), (&"PROCESS_HIGH_MEMORY".into(), &json!(20.0)));
    monitor.end();

    // This survives a restart, and is not forgotten while supervisord cannot be asked.
    let settings =
        ["--limits", "held=memory:20", "--interval", "0.05", "--cpu-threshold", "101", "--state-dir", "state"];
    let mut monitor = Driven::start("performance_monitor", directory.path(), &settings);
    assert_eq!(levels(&tick(&mut monitor), "ERROR").len(), 1);
    monitor.end();
    let mut monitor = limited("20");
    assert_eq!(alerts(&tick(&mut monitor)), [[""; 3]; 0]);
    monitor.end();
    let mut monitor = limited("2000");
    let lines = tick(&mut monitor);
    assert_eq!((alerts(&lines), levels(&lines, "WARNING").len()), (vec![kept], 0));
    assert_eq!(alerts(&tick(&mut monitor)), [[""; 3]; 0]);
    monitor.end();

    // A process that is gone uses nothing.
    let mut monitor = limited("20");
    assert_eq!(alerts(&tick(&mut monitor)), [passed]);
    set("EXITED", 0);
    let lines = tick(&mut monitor);
    assert_eq!(alerts(&lines), [kept]);
    let alert = lines.iter().find(|line| line["message"] == "alert: PROCESS_HIGH_MEMORY").unwrap();
    assert_eq!(alert["details"]["value"], Value::Null);
    monitor.end();
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for (limits, why) in [
        ("risk=500", "--limits is a list of NAME=memory:MB+cpu:PERCENT+leak:MB, separated by commas"),
        ("risk=memory:much", "a limit is a number, not"),
        ("g:=memory:5", "--limits names processes by NAME, GROUP:NAME, GROUP:* or *"),
    ] {
        let output = program("performance_monitor").args(["--limits", limits]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{limits}: {said}");
    }
}
