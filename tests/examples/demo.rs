//! The example `demo` as a program: what a newcomer sees first.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::examples;

fn demo(arguments: &[&str]) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(|| examples::example("demo")));
    command.args(arguments);
    command
}

#[test]
fn each_event_is_followed_by_what_the_monitor_says_and_replies() {
    let output = demo(&[]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{text}");
    assert!(text.starts_with("A simulated supervisord sends a monitor "), "{text}");
    let parts: Vec<Vec<_>> = text.split("\n\n").map(|part| part.lines().collect()).collect();
    let [_, events @ .., end] = &parts[..] else { panic!("{text}") };
    assert_eq!(events.len(), 5, "{text}");
    let said = ["backtest exited", "engine exited", "prijs één: a b exited", "feed cannot", "there is no risk manager"];
    for (serial, (event, said)) in events.iter().zip(said).enumerate() {
        let [header, payload, monitor, reply] = event[..] else { panic!("{event:?}") };
        assert!(header.starts_with(&format!("   sent  ver:3.0 server:host:9001 serial:{serial} ")), "{header}");
        assert!(payload.starts_with("         processname:"), "{payload}");
        assert!(monitor.starts_with("monitor  ") && monitor.contains(said), "{monitor}");
        assert_eq!(reply, r"  reply  RESULT 2\nOK  (processed)");
    }
    assert_eq!(end[..], ["supervisord closes the monitor's standard input, and the monitor ends."]);
}

#[test]
fn options() {
    for (option, begin) in [
        ("--help", "Shows a monitor at work"),
        ("-h", "Shows a monitor at work"),
        ("--version", concat!("demo ", env!("CARGO_PKG_VERSION"), "\n")),
        ("-V", concat!("demo ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        let output = demo(&[option]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{option}");
        assert!(text.starts_with(begin), "{option}: {text}");
    }
    for wrong in ["--what", "failure_monitor", "--help=x"] {
        let output = demo(&[wrong]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()), "{wrong}");
        assert!(output.stderr.starts_with(b"error: "), "{wrong}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for arguments in [&[][..], &["--help"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = demo(arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{arguments:?}");
    }
}
