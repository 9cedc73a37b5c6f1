//! Lines assembled from pieces, files of lines, and what remains of both after kills and full disks.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use super::programs::{Driven, levels, program, records};
use crate::support::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use supervisor_events::simulator::Report;
use tempfile::TempDir;

/// A piece of output as supervisord sends it.
pub fn piece(process: &str, channel: &str, bytes: &[u8]) -> (String, String) {
    let head = format!("processname:{process} groupname:g pid:42 channel:{channel}\n");
    let data = str::from_utf8(bytes).map_or_else(|_| undecodable(bytes), Into::into);
    (format!("PROCESS_LOG_{}", channel.to_uppercase()), head + &data)
}

/// Python's representation of bytes.
fn undecodable(bytes: &[u8]) -> String {
    let mut text = String::from("Undecodable: b'");
    for byte in bytes {
        match byte {
            b'\n' => text += "\\n",
            b'\\' => text += "\\\\",
            b'\'' => text += "\\'",
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text + "'"
}

fn send(collector: &mut Driven, piece: (String, String)) {
    collector.send(&piece.0, &piece.1);
}

/// Each line, with its channel and its marks.
fn shown(records: &[Value]) -> Vec<String> {
    let shown = |record: &Value| {
        let marks = ["cut", "unfinished", "undecodable"].into_iter().filter(|mark| record[mark] == true);
        let marks: String = marks.map(|mark| format!("[{mark}]")).collect();
        let text = |field: &str| record[field].as_str().unwrap().to_owned();
        format!("{} {}{marks} {}", text("process"), text("channel"), text("line"))
    };
    records.iter().map(shown).collect()
}

#[test]
fn lines_are_whole_however_they_are_cut_into_pieces() {
    let directory = TempDir::new().unwrap();
    let mut collector = Driven::start("log_collector", directory.path(), &["--log-to", "json:all.jsonl"]);
    let text = "prix: 12 €\n\n\u{1f980} crab's \\ tail\nlast\r\n".as_bytes();
    for split in 0..=text.len() {
        let (first, second) = text.split_at(split);
        for (process, channel, bytes) in
            [("a", "stdout", first), ("b", "stdout", second), ("a", "stderr", second), ("a", "stdout", second)]
        {
            send(&mut collector, piece(process, channel, bytes));
        }
        // The beginning of a line elsewhere must not affect the next round.
        send(&mut collector, piece("b", "stdout", b"\n"));
        send(&mut collector, piece("a", "stderr", b"\n"));
    }
    collector.end();
    let records = records(&directory.path().join("all.jsonl"));
    let whole: Vec<_> = shown(&records).into_iter().filter(|line| line.starts_with("a stdout")).collect();
    let expected = ["prix: 12 €", "", "\u{1f980} crab's \\ tail", "last"].map(|line| format!("a stdout {line}"));
    assert_eq!(whole, vec![expected; text.len() + 1].concat());
    let is_last =
        |record: &&Value| record["line"] == "last" && record["process"] == "a" && record["channel"] == "stdout";
    let last = records.iter().rfind(is_last).unwrap();
    let last = last.as_object().unwrap().iter().filter(|(field, _)| *field != "timestamp");
    let last: serde_json::Map<_, _> = last.map(|(field, value)| (field.clone(), value.clone())).collect();
    assert_eq!(
        Value::Object(last),
        json!({ "server": "supervisor", "serial": 6 * text.len(), "group": "g", "process": "a", "pid": 42,
                "channel": "stdout", "source": "log", "line": "last" })
    );
}

#[test]
fn what_is_not_a_whole_line_is_marked() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:all.jsonl,text:all.log", "--max-line", "64", "--strip-ansi", "true"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    // Cut before a character, not inside it.
    let long = format!("{}\u{20ac}{}\n", "x".repeat(62), "y".repeat(70));
    send(&mut collector, piece("a", "stdout", &long.as_bytes()[..50]));
    send(&mut collector, piece("a", "stdout", &long.as_bytes()[50..]));
    send(&mut collector, piece("a", "stdout", b"never \xff UTF-8\n"));
    send(&mut collector, piece("a", "stdout", b"\x1b[31mred\x1b[0m\nprompt> "));
    send(&mut collector, piece("a", "stderr", b"dying wor"));
    // The state of another process, and of this one while it is stopping.
    collector.send("PROCESS_STATE_EXITED", "processname:b groupname:g from_state:RUNNING expected:0 pid:43");
    collector.send("PROCESS_STATE_STOPPING", "processname:a groupname:g from_state:RUNNING pid:42");
    assert_eq!(records(&directory.path().join("all.jsonl")).len(), 5);
    collector.send("PROCESS_STATE_EXITED", "processname:a groupname:g from_state:RUNNING expected:0 pid:42");
    // Another process of that name, whose start was missed.
    send(&mut collector, piece("a", "stdout", b"one"));
    let (event, payload) = piece("a", "stdout", b"two\nthree");
    collector.send(&event, &payload.replace("pid:42", "pid:44"));
    collector.send("PROCESS_COMMUNICATION_STDOUT", "processname:a groupname:g pid:44\nfirst\nsecond");
    collector.end();
    let records = records(&directory.path().join("all.jsonl"));
    let y = "y".repeat(64);
    let expected = [
        &format!("a stdout[cut] {}", "x".repeat(62)),
        &format!("a stdout[cut] \u{20ac}{}", &y[..61]),
        "a stdout yyyyyyyyy",
        "a stdout[undecodable] never \u{fffd} UTF-8",
        "a stdout red",
        "a stdout[unfinished] prompt> ",
        "a stderr[unfinished] dying wor",
        "a stdout[unfinished] one",
        "a stdout two",
        "a stdout first",
        "a stdout second",
        "a stdout[unfinished] three",
    ];
    assert_eq!(shown(&records), expected);
    let sources: Vec<_> = records.iter().filter(|record| record["source"] == "communication").collect();
    assert_eq!(sources.len(), 2);
    let plain = fs::read_to_string(directory.path().join("all.log")).unwrap();
    let plain: Vec<_> = plain.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        (plain.len(), plain[3], plain[6]),
        (12, "g:a stdout undecodable: never \u{fffd} UTF-8", "g:a stderr unfinished: dying wor")
    );
}

#[test]
fn an_unfinished_line_does_not_wait_for_long() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:{group}/{process}.{channel}", "--unfinished-after", "0.001"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    send(&mut collector, piece("../a", "stdout", b"Password: "));
    let path = directory.path().join("g/-.-a.stdout");
    wait_for("the line", || {
        collector.send("TICK_5", "when:5");
        path.exists().then_some(())
    });
    assert_eq!(shown(&records(&path)), ["../a stdout[unfinished] Password: "]);
    collector.end();
}

#[test]
fn memory_is_bounded_whatever_is_not_finished() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:all.jsonl", "--max-line", "131072", "--unfinished-after", "3600"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    for number in 0..20 {
        send(&mut collector, piece(&format!("p{number}"), "stdout", &[b'x'; 131_000]));
    }
    // 8 of them are waiting.
    let early = records(&directory.path().join("all.jsonl"));
    assert_eq!(early.len(), 12);
    assert!(early.iter().enumerate().all(|(at, record)| record["process"] == format!("p{at}")));
    collector.end();
    assert_eq!(records(&directory.path().join("all.jsonl")).len(), 20);
}

#[test]
fn files_are_rotated_and_no_line_is_lost() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:all.jsonl", "--rotate-bytes", "2048", "--rotate-keep", "3"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    let path = |number: u32| match number {
        0 => directory.path().join("all.jsonl"),
        number => directory.path().join(format!("all.jsonl.{number}")),
    };
    // A partial line after a crash of the machine does not spoil the next line.
    fs::write(path(0), "{\"timestamp\":\"2026-").unwrap();
    let mut sent = 0;
    while !path(3).exists() {
        send(&mut collector, piece("a", "stdout", format!("line {sent}\n").as_bytes()));
        sent += 1;
    }
    let mut lines = Vec::new();
    for number in (0..=3).rev() {
        let text = fs::read_to_string(path(number)).unwrap();
        assert!(text.len() <= 2048 && text.ends_with('\n'));
        lines.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    assert_eq!(
        lines.iter().map(|line| line["line"].clone()).collect::<Vec<_>>(),
        (0..sent).map(|at| json!(format!("line {at}"))).collect::<Vec<_>>()
    );
    for _ in 0..100 {
        send(&mut collector, piece("a", "stdout", b"more\n"));
    }
    assert!(!path(4).exists());
    collector.end();
}

/// Kills at any moment: answered events are in the files, including lines in several pieces.
#[test]
fn what_was_acknowledged_survives_kills() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("all.jsonl");
    let settings = ["--log-to", "json:all.jsonl", "--state-dir", "state", "--unfinished-after", "3600"];
    // Each line comes in three pieces. The second contains half of a character.
    let pieces = |line: usize| {
        let bytes = format!("begin {line} \u{20ac} end\n").into_bytes();
        let cut = bytes.len() - 6;
        [bytes[..cut - 2].to_vec(), bytes[cut - 2..cut].to_vec(), bytes[cut..].to_vec()]
    };
    let mut waiting: std::collections::VecDeque<_> = (0..100).flat_map(pieces).collect();
    let (mut answered, mut kills) = (0, 0);
    while !waiting.is_empty() {
        let mut collector = Driven::start("log_collector", directory.path(), &settings);
        collector.simulator.pool.next_serial = answered;
        for bytes in &waiting {
            let (event, payload) = piece("a", "stdout", bytes);
            collector.simulator.notify(&event, payload.as_bytes());
        }
        let child = Pid::from_raw(collector.simulator.pid().unwrap().try_into().unwrap()).unwrap();
        let before = fs::read(&file).map_or(0, |text| text.len());
        let is_last = kills == 8;
        let killer = thread::spawn({
            let file = file.clone();
            move || {
                if !is_last {
                    wait_for("the file to grow", || {
                        fs::read(&file).is_ok_and(|text| text.len() > before).then_some(())
                    });
                    kill_process(child, Signal::KILL).unwrap();
                }
            }
        });
        for report in collector.simulator.run(PATIENCE) {
            if let Report::Result { accepted, .. } = report {
                assert!(accepted);
                answered += 1;
                waiting.pop_front();
            }
        }
        killer.join().unwrap();
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    let mut lines = shown(&records(&file));
    let written = lines.len();
    // A line may be duplicated if the collector was killed between writing it and answering.
    lines.dedup();
    assert_eq!(lines, (0..100).map(|line| format!("a stdout begin {line} \u{20ac} end")).collect::<Vec<_>>());
    assert!(written - lines.len() <= kills, "{written}");
}

#[test]
fn an_event_is_held_while_the_disk_is_full() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("all.jsonl");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let settings = ["--log-to", "json:all.jsonl,text:all.log"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    let log = directory.path().join("log_collector.err");
    thread::scope(|scope| {
        let (file, log) = (&file, &log);
        scope.spawn(move || {
            wait_for("the event to be held", || {
                fs::read_to_string(log).ok().filter(|text| text.contains("is held until"))
            });
            fs::remove_file(file).unwrap();
        });
        send(&mut collector, piece("a", "stdout", b"one\ntwo\n"));
    });
    assert_eq!(shown(&records(&file)), ["a stdout one", "a stdout two"]);
    assert_eq!(fs::read_to_string(directory.path().join("all.log")).unwrap().lines().count(), 2);
    let errors = levels(&collector.lines(), "ERROR");
    assert!(errors.len() == 1 && errors[0].starts_with("json:all.jsonl lacks lines: No space left"), "{errors:?}");
    collector.end();
}

#[test]
fn a_file_that_cannot_be_rotated_goes_on_and_holds_nothing() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(directory.path().join("all.jsonl.1/in-the-way")).unwrap();
    let settings = ["--log-to", "json:all.jsonl", "--rotate-bytes", "1024", "--rotate-keep", "1"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    for number in 0..4 {
        send(&mut collector, piece("a", "stdout", format!("{number:0500}\n").as_bytes()));
    }
    assert_eq!(records(&directory.path().join("all.jsonl")).len(), 4);
    let errors = levels(&collector.lines(), "ERROR");
    assert!(
        errors.len() == 1 && errors[0].starts_with("all.jsonl: cannot be rotated, so it keeps growing: "),
        "{errors:?}"
    );
    collector.end();
}

#[test]
fn its_own_log_does_not_feed_it() {
    let directory = TempDir::new().unwrap();
    let group = [("SUPERVISOR_GROUP_NAME", "g")];
    let settings = ["--log-to", "json:all.jsonl"];
    let mut collector = Driven::start_with("log_collector", directory.path(), &settings, &group);
    for _ in 0..3 {
        send(&mut collector, piece("log_collector", "stderr", b"something\n"));
    }
    let (event, payload) = piece("a", "stdout", b"other\n");
    collector.send(&event, &payload.replace("groupname:g", "groupname:h"));
    assert_eq!(shown(&records(&directory.path().join("all.jsonl"))), ["a stdout other"]);
    let warnings = levels(&collector.lines(), "WARNING");
    assert!(warnings.len() == 1 && warnings[0].contains("stderr_events_enabled = false"), "{warnings:?}");
    collector.end();
}

#[test]
fn only_the_processes_that_are_named_are_collected() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:all.jsonl", "--processes", "g:b, c"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    for process in ["a", "b", "c"] {
        send(&mut collector, piece(process, "stdout", b"x\n"));
    }
    collector.end();
    assert_eq!(shown(&records(&directory.path().join("all.jsonl"))), ["b stdout x", "c stdout x"]);
}

fn refusal(directory: &Path, settings: &[&str]) -> String {
    let output = program("log_collector").args(settings).current_dir(directory).stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    let line: Value = serde_json::from_slice(&output.stderr).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn wrong_settings_are_named() {
    let directory = TempDir::new().unwrap();
    for (settings, why) in [
        (&[][..], "--log-to is empty"),
        (&["--log-to", "file:/x"], "--log-to is a list of json:PATH, text:PATH, syslog, "),
        (&["--log-to", "json:/proc/nowhere/x"], "--log-to json:/proc/nowhere/x: cannot write there: "),
        (&["--log-to", "syslog+tcp://host"], "--log-to is a list of "),
        (&["--max-line", "9"], "--max-line 9 is not in 64..=131072"),
        (&["--syslog-facility", "mail"], "--syslog-facility is user, daemon or local0 to local7"),
        (&["--rotate-keep", "0"], "--rotate-keep 0 is not in 1.."),
        (&["--strip-ansi", "perhaps"], "--strip-ansi"),
    ] {
        let said = refusal(directory.path(), settings);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_second_process_with_the_same_state_directory_is_refused() {
    let directory = TempDir::new().unwrap();
    let settings = ["--log-to", "json:all.jsonl", "--state-dir", "state"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    send(&mut collector, piece("a", "stdout", b"first\n"));
    let said = refusal(directory.path(), &settings);
    let expected = "--state-dir \"state\": another process holds its lock: set numprocs = 1";
    assert!(said.starts_with(expected), "{said}");
    // Another pool has its own state.
    let other = [("SUPERVISOR_GROUP_NAME", "other")];
    let mut beside = Driven::start_with("log_collector", directory.path(), &settings, &other);
    send(&mut beside, piece("b", "stdout", b"second\n"));
    beside.end();
    collector.end();
    // The lock ends with its process.
    let mut next = Driven::start("log_collector", directory.path(), &settings);
    send(&mut next, piece("a", "stdout", b"third\n"));
    next.end();
}
