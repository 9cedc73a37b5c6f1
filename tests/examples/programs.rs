//! The small examples as programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::examples::example;

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_message_is_one_event() {
    let output = run(Command::new(example("send_message")).args(["SIGNAL:ENTRY:", "é"]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "<!--XSUPERVISOR:BEGIN-->SIGNAL:ENTRY: é<!--XSUPERVISOR:END-->");
}

#[test]
fn an_own_supervisor_has_a_listener_reply() {
    let output = run(Command::new(example("own_supervisor")).arg(example("restart_fatal")));
    assert_eq!(text(&output.stdout), "replied OK\nreplied OK\nreplied OK\n", "{output:?}");

    let output = run(Command::new(example("own_supervisor")).arg("true"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), "Error: \"the listener has ended\"\n"));
}

#[test]
fn a_watchdog_waits_for_events_and_for_a_deadline() {
    let mut listener = Command::new(example("watchdog"))
        .arg("0.02")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = listener.stdin.take().unwrap();
    let mut output = listener.stdout.take().unwrap();
    let log = BufReader::new(listener.stderr.take().unwrap());
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let expect_warning = || {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("a warning");
        assert!(line.starts_with("WARNING: no TICK_5 for "), "{line}");
    };

    let mut expect = |answer: &str| {
        let mut bytes = vec![0; answer.len()];
        output.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), answer);
    };
    expect("READY\n");
    expect_warning();
    expect_warning();
    // The deadline passes within an event, and the event is answered all the same.
    let tick = "ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";
    let (start, rest) = tick.split_at(30);
    input.write_all(start.as_bytes()).unwrap();
    expect_warning();
    input.write_all(rest.as_bytes()).unwrap();
    expect("RESULT 2\nOKREADY\n");
    expect_warning();
    drop(input);
    assert!(listener.wait().unwrap().success());
    // The test may have ended before the last warnings were read.
    drop(lines);
    let _ = reader.join().unwrap();
}

#[test]
fn a_capture_is_read_to_its_end() {
    let streams = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth/streams");
    let output = run(Command::new(example("read_capture")).arg(streams.join("all_states__rec-1.bin")));
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("PROCESS_STATE_FATAL: Ok(ProcessState(")), "{lines:?}");

    // One event of this recording has a wrong length.
    let output = run(Command::new(example("read_capture")).arg(streams.join("custom_events__rec-1.bin")));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: "), "{output:?}");
    assert!(text(&output.stderr).contains("byte 728"), "{output:?}");
}

#[test]
fn an_event_whose_call_fails_is_rejected() {
    use std::os::unix::fs::PermissionsExt;

    // A supervisorctl that cannot reach supervisord.
    let directory = tempfile::tempdir().unwrap();
    let supervisorctl = directory.path().join("supervisorctl");
    std::fs::write(&supervisorctl, "#!/bin/sh\nexit 2\n").unwrap();
    std::fs::set_permissions(&supervisorctl, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut listener = Command::new(example("exit_on_fatal"))
        .env("PATH", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let event = "ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:PROCESS_STATE_FATAL len:49\n\
                 processname:web groupname:web from_state:BACKOFF ";
    let mut input = listener.stdin.take().unwrap();
    input.write_all(event.as_bytes()).unwrap();
    drop(input);
    let output = listener.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "READY\nRESULT 4\nFAILREADY\n", "{output:?}");
    assert!(text(&output.stderr).contains("could not be handled, and is rejected: supervisorctl: exit status: 2"));
}
