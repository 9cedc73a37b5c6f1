//! A listener that cannot continue reports it, once, with what to do about it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::examples::example;
use crate::support::supervisord::Supervisord;
use crate::support::{PATIENCE, events};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_events::LengthUnit;
use supervisor_events::simulator::{Report, Simulator};

fn program(name: &str) -> String {
    example(name).to_str().unwrap().to_owned()
}

// ---- A server that counts bytes. ----

const STATE: &str = "processname:zähler groupname: from_state:Stopped tries:0";

/// Waits until the process ends on its own.
fn end(simulator: &mut Simulator) -> ExitStatus {
    simulator.wait(PATIENCE).unwrap().expect("it ends")
}

#[test]
fn a_server_that_counts_bytes_is_reported_once_and_can_be_stopped() {
    let mut listener = Command::new(example("stop_on_signal"));
    let mut simulator = Simulator::spawn(listener.stderr(Stdio::piped())).unwrap().length_unit(LengthUnit::Bytes);
    let mut said = BufReader::new(simulator.take_stderr().unwrap()).lines();
    simulator.notify("PROCESS_STATE_STARTING", STATE.as_bytes());
    // The first step takes READY, and the second one sends.
    simulator.step(PATIENCE);
    assert!(matches!(simulator.step(Duration::ZERO)[0], Report::Sent(_)));

    let report = said.next().unwrap().unwrap();
    assert!(report.contains("the server counts bytes; set the length unit to 'bytes'"), "{report}");
    simulator.terminate().unwrap();
    assert_eq!(end(&mut simulator).code(), Some(1));
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest[0].contains("stopped while waiting for the rest of an event"), "{rest:?}");
}

#[test]
fn with_the_right_unit_nothing_is_reported() {
    let mut listener = Command::new(example("stop_on_signal"));
    listener.arg("bytes").stderr(Stdio::piped());
    let mut simulator = Simulator::spawn(&mut listener).unwrap().length_unit(LengthUnit::Bytes);
    let mut said = simulator.take_stderr().unwrap();
    simulator.notify("PROCESS_STATE_STARTING", STATE.as_bytes());
    let reports = simulator.run(PATIENCE);
    assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    simulator.close_input();
    assert_eq!(end(&mut simulator).code(), Some(0));
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1, "the handler's line, and no other: {text}");
}

#[test]
fn an_event_that_ends_too_early_is_reported() {
    let mut watchdog = Command::new(example("watchdog"));
    let mut simulator = Simulator::spawn(watchdog.arg("600").stderr(Stdio::piped())).unwrap();
    let mut said = BufReader::new(simulator.take_stderr().unwrap()).lines();
    // The first step takes READY.
    simulator.step(PATIENCE);
    let event = events::event(0, "TICK_5", "when:5");
    simulator.write(&event[..event.len() - 1]);
    let report = said.next().unwrap().unwrap();
    assert!(report.starts_with("an event has arrived in part, and nothing more has come for 2 s"), "{report}");
    simulator.write(&event[event.len() - 1..]);
    simulator.close_input();
    assert_eq!(end(&mut simulator).code(), Some(0));
    assert_eq!(said.count(), 0);
}

// ---- An event that fails again and again. ----

#[test]
fn an_event_that_is_rejected_for_good_is_accepted_and_reported() {
    let sections = format!(
        "[eventlistener:restart_fatal]\ncommand = \"{}\" %(here)s/missing/fatal.log\nevents = PROCESS_STATE_FATAL\n\
         stderr_logfile = %(here)s/said\nstartsecs = 0\n\
         [program:one]\ncommand = false\nstartsecs = 60\nstartretries = 0\n\
         [program:two]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = false\n",
        program("restart_fatal")
    );
    let Some(supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.wait_for("said", "could not be handled, and is rejected: No such file or directory", 3);
    supervisord.wait_for("said", "(PROCESS_STATE_FATAL) was rejected 3 times, and is accepted now", 1);
    // The next event still comes, and now it can be handled.
    fs::create_dir(supervisord.directory().join("missing")).unwrap();
    supervisord.ctl(&["start", "two"]);
    supervisord.wait_for("missing/fatal.log", "two:two", 1);
}

#[test]
fn a_fatal_process_is_noted_and_started_again() {
    let sections = format!(
        "[eventlistener:restart_fatal]\ncommand = \"{}\" %(here)s/fatal.log\nevents = PROCESS_STATE_FATAL\n\
         stderr_logfile = %(here)s/said\nstartsecs = 0\n\
         [program:odd]\ncommand = sh -c 'echo x >> %(here)s/tries; test $(wc -l < %(here)s/tries) -ge 3 && exec cat'\n\
         startsecs = 60\nstartretries = 0\n",
        program("restart_fatal"),
    );
    let Some(supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.wait_for("tries", "x\n", 3);
    assert_eq!(supervisord.file("fatal.log"), "odd:odd\n".repeat(2));
}

#[test]
fn a_fatal_process_that_matters_ends_supervisord() {
    let failing = "startsecs = 60\nstartretries = 0\nautostart = false\ncommand = false\n";
    let sections = format!(
        "[eventlistener:exit_on_fatal]\ncommand = \"{}\" worker web\nevents = PROCESS_STATE_FATAL\n\
         stderr_logfile = %(here)s/said\nstartsecs = 0\n[program:web]\n{failing}[program:other]\n{failing}",
        program("exit_on_fatal"),
    );
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.ctl(&["start", "other"]);
    // That one has no effect; otherwise nobody would answer the next call.
    supervisord.wait_for("supervisord.log", "exit_on_fatal: event was processed", 1);
    assert_eq!(supervisord.status("other"), "FATAL");
    supervisord.ctl(&["start", "web"]);
    assert_eq!(supervisord.ends().code(), Some(0));
    // The output of supervisorctl may come too late for supervisord to read it.
    assert_eq!(supervisord.file("said").lines().next(), Some("web is FATAL: shutting supervisord down"));
}

// ---- A listener that ends, behind `tee`. ----

/// The guide's recipe for a capture.
#[test]
fn the_end_of_a_listener_whose_input_is_captured_is_noticed() {
    let recipes = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/recipes.rs")).unwrap();
    let command = recipes.lines().find_map(|line| line.strip_prefix("//! command = bash -c ")).unwrap();
    let command =
        command.replace("/usr/local/bin/my-listener", "sh crashes").replace("/tmp/capture.bin", "capture.bin");
    let sections = format!(
        "[eventlistener:crashes]\ncommand = bash -c {command}\ndirectory = %(here)s\nautorestart = true\nstartsecs = 0\n\
         events = PROCESS_STATE_STOPPED\n[program:web]\ncommand = cat\nstartsecs = 0\n"
    );
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.write("crashes", "echo READY\nread -r header && exit 3\n");
    supervisord.ctl(&["stop", "web"]);
    // The next process is sent it again.
    supervisord.wait_for("supervisord.log", "exited: crashes (exit status 3; not expected)", 2);
    supervisord.wait_for("capture.bin", "processname:web groupname:web from_state:STOPPING", 2);
    assert!(supervisord.stop().success());
}

// ---- Events that are lost. ----

/// A listener that is alone in its pool, with a small buffer.
fn small_buffer() -> String {
    format!(
        "[eventlistener:small]\ncommand = \"{}\"\nevents = PROCESS_STATE,SUPERVISOR_STATE_CHANGE\nbuffer_size = 2\n\
         stderr_logfile = %(here)s/said\n\
         [program:cat]\ncommand = cat\nautostart = false\nstartsecs = 0\n",
        program("stop_on_signal")
    )
}

fn number(digits: &str) -> u64 {
    digits.parse().unwrap()
}

#[test]
fn lost_events_are_counted() {
    let Some(supervisord) = Supervisord::start("s", &small_buffer()) else { return };
    supervisord.wait_for("supervisord.log", "small entered RUNNING state", 1);
    // While it is stopped, the listener is BUSY with the first event, and others queue up.
    let pid = Pid::from_raw(supervisord.pid("small") as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    for _ in 0..3 {
        supervisord.ctl(&["start", "cat"]);
        supervisord.ctl(&["stop", "cat"]);
    }
    kill_process(pid, Signal::CONT).unwrap();
    // Nothing else happens: only the time limit can trigger the report.
    supervisord.wait_for("said", "lost: poolserial", 1);
    let said = supervisord.file("said");
    // The listener cannot know of events that were discarded before it started.
    let first = said.split_once(" serial:").unwrap().1.split(' ').next().unwrap();
    let log = supervisord.log();
    let discarded = log.split("event buffer overflowed, discarding event ").skip(1);
    let discarded = discarded.filter(|rest| number(rest.lines().next().unwrap()) > number(first)).count();
    let report = said.lines().find(|line| line.contains("lost: poolserial")).unwrap();
    assert!(discarded > 2 && report.starts_with(&format!("{discarded} events were lost: ")), "{discarded}: {said}");
    assert!(report.ends_with("raise 'buffer_size' in its section (10 unless it is set)"), "{report}");
}

#[test]
fn a_reload_and_a_shutdown_lose_nothing() {
    let sections = small_buffer().replace("buffer_size = 2", "buffer_size = 100").replace("autostart = false\n", "");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    // Each time, the listener has had an event, and others may be under way.
    for times in 1..=3 {
        supervisord.wait_for("said", "eventname:PROCESS_STATE_RUNNING", times);
        supervisord.ctl(&["reload"]);
        supervisord.wait_for("supervisord.log", "success: cat entered RUNNING state", times + 1);
    }
    supervisord.wait_for("said", "eventname:PROCESS_STATE_RUNNING", 4);
    supervisord.stop();
    let said = supervisord.file("said");
    assert!(!said.contains("lost"), "{said}");
}

// ---- Standard streams that are not supervisord's. ----

#[test]
fn one_pipe_for_output_and_errors_is_refused() {
    let listener = program("watchdog");
    let sections = format!(
        "[eventlistener:one_pipe]\ncommand = sh -c 'exec \"$0\" 2>&1' \"{listener}\"\nevents = PROCESS_STATE\n\
         startretries = 0\nstdout_logfile = %(here)s/said\n"
    );
    let Some(supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.wait_for("said", "standard output and standard error are the same pipe or file", 1);
    supervisord.wait_for("supervisord.log", "one_pipe entered FATAL state", 1);
}
