//! A listener that cannot continue reports it, once, with what to do about it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::support::examples::example;
use crate::support::supervisord::Supervisord;
use crate::support::{PATIENCE, events};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_events::host::std_io::{ServeError, serve_stdio, take_stdio};
use supervisor_events::simulator::{Report, Simulator};
use supervisor_events::{LengthUnit, Reply};
use tempfile::TempDir;

fn program(name: &str) -> String {
    example(name).to_str().unwrap().to_owned()
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
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

#[test]
fn output_that_came_before_is_refused() {
    let script = "echo hello; exec \"$0\"";
    let mut listener = Command::new("sh");
    listener.args(["-c", script, &program("watchdog")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut listener = listener.stderr(Stdio::piped()).spawn().unwrap();
    // The pipe is not read before the listener has ended.
    listener.wait().unwrap();
    let said = failed(&listener.wait_with_output().unwrap());
    assert!(said.contains("6 bytes were printed to standard output before the listener started"), "{said}");
}

#[test]
fn an_output_that_nobody_reads_is_refused() {
    for redirection in [">/dev/null", ">&-"] {
        let mut listener = Command::new("sh");
        listener.args(["-c", &format!("exec \"$0\" {redirection}"), &program("watchdog")]);
        let said = failed(&listener.stdin(Stdio::piped()).output().unwrap());
        assert!(said.contains("standard output is closed, or '/dev/null': nobody would see READY"), "{said}");
    }
}

#[test]
fn an_input_that_never_comes_is_refused() {
    for redirection in ["</dev/null", "<&-"] {
        let mut listener = Command::new("sh");
        listener.args(["-c", &format!("exec \"$0\" {redirection}"), &program("watchdog")]);
        let output = listener.stdin(Stdio::piped()).output().unwrap();
        let said = failed(&output);
        assert!(said.contains("standard input is closed, or '/dev/null': no event would come"), "{said}");
        assert_eq!(output.stdout, b"", "no READY that no event follows");
    }
}

#[test]
fn a_terminal_is_refused() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let leader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&leader).unwrap();
    unlockpt(&leader).unwrap();
    let name = ptsname(&leader, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut listener = Command::new(program("watchdog"));
    listener.stdin(terminal).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = listener.output().unwrap();
    let said = failed(&output);
    assert!(said.contains("its standard input is a terminal: supervisord has to start it"), "{said}");
    assert_eq!(output.stdout, b"", "no READY for nobody to read");
}

#[test]
fn a_recording_needs_a_replay() {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth/streams/all_states__rec-1.bin");
    let mut listener = Command::new(program("watchdog"));
    listener.stdin(File::open(recording).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = failed(&listener.output().unwrap());
    assert!(said.contains("recording"), "{said}");
}

#[test]
fn input_that_was_read_before_is_refused() {
    let file = tempfile::tempfile().unwrap();
    let Some(output) = in_another_process("silence::input_that_was_read_before_is_refused", file.into(), || {
        std::io::stdin().read_line(&mut String::new()).unwrap();
        take_stdio().map(drop)
    }) else {
        return;
    };
    let said = failed(&output);
    assert!(said.contains("4 bytes of standard input were read into a buffer before the listener started"), "{said}");
}

#[test]
fn standard_streams_are_taken_once() {
    let file = tempfile::tempfile().unwrap();
    let Some(output) = in_another_process("silence::standard_streams_are_taken_once", file.into(), || {
        take_stdio()?;
        take_stdio().map(drop)
    }) else {
        return;
    };
    let said = failed(&output);
    assert!(said.contains("have been taken before"), "{said}");
}

#[test]
fn a_loop_on_standard_streams_that_were_taken_is_refused() {
    let file = tempfile::tempfile().unwrap();
    let name = "silence::a_loop_on_standard_streams_that_were_taken_is_refused";
    let Some(output) = in_another_process(name, file.into(), || {
        take_stdio()?;
        serve_stdio(|_| Ok(Reply::OK))
    }) else {
        return;
    };
    let said = failed(&output);
    assert!(said.contains("have been taken before"), "{said}");
}

#[test]
fn output_in_a_buffer_goes_to_standard_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("output");
    let file = File::create(&path).unwrap();
    let name = "silence::output_in_a_buffer_goes_to_standard_error";
    let Some(output) = in_another_process(name, file.into(), || {
        print!("no newline");
        let (_, mut output) = take_stdio()?;
        Ok(output.write_all(b"READY\n")?)
    }) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no newline"));
    let written = fs::read_to_string(path).unwrap();
    assert!(written.ends_with("READY\n") && !written.contains("no newline"), "{written}");
}

/// Runs `program` in a process of its own: the same test again, with two lines as its input. `None` in that process.
fn in_another_process(name: &str, stdout: Stdio, program: impl FnOnce() -> Result<(), ServeError>) -> Option<Output> {
    const MARK: &str = "IN_ANOTHER_PROCESS";
    if std::env::var_os(MARK).is_some() {
        std::process::exit(program().map_or_else(
            |error| {
                eprintln!("{error}");
                1
            },
            |()| 0,
        ));
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env(MARK, "");
    let mut child = again.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended by then: not every program reads.
    let _ = child.stdin.take().unwrap().write_all(b"one\ntwo\n");
    Some(child.wait_with_output().unwrap())
}
