//! The example `decode` as a program: what it prints for every recorded stream, and how it ends.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;

use crate::support::{events, examples};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

fn streams() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth/streams")
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| examples::example("decode"))
}

fn decode(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command that reads this from standard input.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let child = command.stdin(Stdio::piped()).spawn().unwrap();
    feed(child, input)
}

fn feed(mut child: std::process::Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // A decoder that has seen enough does not read all of it.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// An event whose `len` counts code points.
fn event(eventname: &str, payload: &str) -> String {
    String::from_utf8(events::event(0, eventname, payload)).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    output.stdout.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn every_stream() {
    let mut tested = 0;
    for entry in fs::read_dir(streams()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let description: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let output = Command::new(program()).arg(&path).output().unwrap();
        let printed = lines(&output);
        let events = description["events"].as_array().unwrap();
        // Up to the first event that is incomplete, or whose `len` is not its length.
        let sound = events
            .iter()
            .take_while(|event| event["complete"] == true)
            .take_while(|event| {
                event["payload_chars"].as_u64() == event["header"]["len"].as_str().unwrap().parse().ok()
            })
            .count();
        assert!(printed.len() >= sound, "{path:?}");
        for (line, event) in printed.iter().zip(&events[..sound]) {
            assert_eq!(line["offset"], event["offset"]);
            for (key, value) in event["header"].as_object().unwrap() {
                let text = value.as_str().unwrap();
                let expected = match key.as_str() {
                    "serial" | "poolserial" | "len" => json!(text.parse::<u64>().unwrap()),
                    _ => json!(text),
                };
                assert_eq!(line["header"][key], expected, "{path:?}");
            }
            let payload = BASE64_STANDARD.decode(event["payload_b64"].as_str().unwrap()).unwrap();
            assert_eq!(line["payload"], String::from_utf8(payload).unwrap(), "{path:?}");
            match &line["event"] {
                Value::Null => assert!(line["event_error"].is_string(), "{path:?}"),
                typed => assert_eq!(typed["type"], line["header"]["eventname"], "{path:?}"),
            }
        }
        let clean = sound == events.len() && description["ends_at_event_boundary"] == true;
        assert_eq!(output.status.code(), Some(if clean { 0 } else { 1 }), "{path:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error.is_empty(), clean, "{error}");
        let named = format!("error: {}: ", path.display());
        assert!(clean || error.starts_with(&named) && error.contains(": byte "), "{error}");
        tested += 1;
    }
    assert!(tested >= 34);
}

#[test]
fn the_line_of_the_documentation() {
    let mut decode =
        Command::new(program()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = decode.stdin.take().unwrap();
    let mut output = BufReader::new(decode.stdout.take().unwrap());
    let mut line = String::new();
    let stream = b"ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 eventname:TICK_5 len:15\n";
    input.write_all(stream).unwrap();
    input.write_all(b"when:1705063880").unwrap();
    // Printed as soon as it is complete: the stream is still open.
    output.read_line(&mut line).unwrap();
    let expected = r#"{"offset":0,"header":{"ver":"3.0","server":"supervisor","serial":21,"pool":"listener","poolserial":10,"eventname":"TICK_5","len":15},"event":{"type":"TICK_5","when":1705063880},"payload":"when:1705063880"}"#;
    assert_eq!(line, format!("{expected}\n"));
    // A server that counts bytes can send data that is not UTF-8.
    input.write_all(b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:X len:1\n\xffver:").unwrap();
    line.clear();
    output.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["offset"], &line["payload"]), (&json!(103), &json!([255])));
    drop(input);
    let ended = decode.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let error = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(error, "error: standard input: byte 172: the input ends inside a header\n");
}

#[test]
fn the_unit_is_a_setting() {
    let stream = streams().join("log_nasty__rec-1.bin");
    let stream = stream.to_str().unwrap();
    let whole = lines(&decode(&[stream]).output().unwrap());
    assert!(!whole.is_empty());
    assert_eq!(lines(&decode(&["--length-unit", "code-points", stream]).output().unwrap()), whole);
    let bytes = decode(&["--length-unit=bytes", stream]).output().unwrap();
    assert_eq!(bytes.status.code(), Some(1));
    assert!(text(&bytes.stderr).contains("set the other length unit"), "{:?}", text(&bytes.stderr));
}

#[test]
fn help_and_version() {
    for option in ["--help", "-h"] {
        let output = decode(&[option]).output().unwrap();
        let help = text(&output.stdout);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        for part in
            ["Usage: decode", "--length-unit UNIT", "--max-payload BYTES", "--version", "Exit codes:", "Example:"]
        {
            assert!(help.contains(part), "{part}: {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
    }
    for option in ["--version", "-V"] {
        let output = decode(&[option]).output().unwrap();
        assert_eq!(text(&output.stdout), concat!("decode ", env!("CARGO_PKG_VERSION"), "\n"));
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    }
}

#[test]
fn a_wrong_command_line_is_reported() {
    for (wrong, why) in [
        (&["--what"][..], "--what"),
        (&["-x"], "-x"),
        (&["--length-unit", "characters"], "--length-unit is code-points or bytes, not \"characters\""),
        (&["--length-unit"], "--length-unit"),
        (&["--max-payload", "-1"], "--max-payload is a number of bytes, not \"-1\""),
        (&["--max-payload=1M"], "--max-payload is a number of bytes, not \"1M\""),
        (&["--help=yes"], "--help"),
    ] {
        let output = decode(wrong).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{wrong:?}");
        let error = text(&output.stderr);
        assert!(error.starts_with("error: ") && error.contains(why) && error.contains("--help"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn several_files_and_standard_input() {
    let directory = tempfile::TempDir::new().unwrap();
    let write = |name: &str, content: &str| {
        let path = directory.path().join(name).to_str().unwrap().to_owned();
        fs::write(&path, content).unwrap();
        path
    };
    let tick = event("TICK_5", "when:5");
    let good = write("good", &tick);
    let torn = write("torn", &format!("{tick}ver:"));
    let gone = directory.path().join("gone").to_str().unwrap().to_owned();
    let odd = write("--odd", &tick);

    let input = event("TICK_5", "when:7").repeat(2);
    let output = run(&mut decode(&[&good, &torn, "-", &gone, "--", &odd]), input.as_bytes());
    let printed: Vec<_> = lines(&output)
        .iter()
        .map(|line| (line["file"].as_str().unwrap().to_owned(), line["offset"].clone(), line["event"]["when"].clone()))
        .collect();
    let line = |file: &str, offset: usize, when: u64| (file.to_owned(), json!(offset), json!(when));
    // An error in one file does not keep the others from being read.
    let standard_input = [line("standard input", 0, 7), line("standard input", tick.len(), 7)];
    let [first, second] = standard_input;
    assert_eq!(printed, [line(&good, 0, 5), line(&torn, 0, 5), first, second, line(&odd, 0, 5)]);
    let errors: Vec<_> = text(&output.stderr).lines().collect();
    let truncated = format!("error: {torn}: byte {}: the input ends inside a header", tick.len() + 4);
    assert_eq!((output.status.code(), errors[0]), (Some(1), &*truncated));
    assert!(errors[1].starts_with(&format!("error: {gone}: ")) && errors.len() == 2, "{errors:?}");

    // One file needs no name in the output, however it is given.
    for (arguments, input) in [(&[&*good][..], ""), (&["-"], &tick), (&[], &tick)] {
        let output = run(&mut decode(arguments), input.as_bytes());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let [line] = &lines(&output)[..] else { panic!("{arguments:?}") };
        assert_eq!((&line["offset"], line.get("file")), (&json!(0), None));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let gone = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        writer
    };
    let stream = streams().join("names_nasty__rec-1.bin");
    for arguments in [&[stream.to_str().unwrap()][..], &["--help"], &["--version"]] {
        let output = decode(arguments).stdout(gone()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
    // As in `decode | head -1`, with more than a pipe holds.
    let mut child = decode(&[]).stdin(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let stream = event("TICK_5", "when:5").repeat(20_000);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            output.read_line(&mut line).unwrap();
            drop(output);
        });
        feed(child, stream.as_bytes())
    });
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(0), ""));
    assert!(line.ends_with("}\n"), "{line}");
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = run(decode(&[]).stdout(full), event("TICK_5", "when:5").as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot write to standard output: "));
}

#[test]
fn a_large_payload_is_cut_and_the_rest_is_counted() {
    let stream = ["processname:p groupname:g pid:27\nabcdé€x", "processname:p groupname:g pid:27\nabc", ""]
        .map(|payload| event("PROCESS_LOG_STDOUT", payload));
    let cut = |max: &str| {
        let output = run(&mut decode(&["--max-payload", max]), stream.concat().as_bytes());
        assert_eq!(output.status.code(), Some(0));
        let printed = lines(&output);
        assert_eq!(printed.len(), 3);
        assert_eq!(printed[2]["offset"], stream[0].len() + stream[1].len());
        (printed, text(&output.stderr).to_owned())
    };
    // The first payload has 43 bytes. A character that does not fit goes with the rest.
    for (max, payload, omitted) in
        [("42", "abcdé€", 1), ("41", "abcdé", 4), ("39", "abcdé", 4), ("38", "abcd", 6), ("36", "abc", 7)]
    {
        let (printed, said) = cut(max);
        assert_eq!(printed[0]["payload"], format!("processname:p groupname:g pid:27\n{payload}"), "{max}");
        assert_eq!((&printed[0]["omitted"], &printed[0]["event"]["data"]), (&json!(omitted), &json!(payload)), "{max}");
        assert!(printed[1..].iter().all(|line| line.get("omitted").is_none()));
        let warning = format!(
            "warning: standard input: byte 0: {omitted} bytes of this event's payload are omitted \
             (--max-payload {max})\n"
        );
        assert_eq!(said, warning);
    }
    assert_eq!(cut("43").1, "");
    // A truncated process id could be mistaken for another one.
    let (printed, said) = cut("31");
    assert_eq!((&printed[0]["event"], &printed[0]["omitted"]), (&Value::Null, &json!(12)));
    assert_eq!(printed[0]["event_error"], "payload: its first line is cut off");
    assert_eq!(said.lines().count(), 2);
    let (printed, _) = cut("0");
    assert_eq!(
        (&printed[0]["payload"], &printed[0]["omitted"], &printed[1]["omitted"]),
        (&json!(""), &json!(43), &json!(36))
    );
}

/// With less memory than the payload has bytes.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded_whatever_arrives() {
    const PIECE: usize = 1 << 20;
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 65000 && exec \"$0\" --length-unit bytes"]).arg(program());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            let header = format!("ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:X len:{}\n", 64 * PIECE);
            let piece = vec![b'x'; PIECE];
            let write = |bytes: &[u8]| input.write_all(bytes);
            let written = [header.as_bytes()].into_iter().chain([&*piece; 64]).try_for_each(write);
            written.expect("decode reads everything");
        });
        child.wait_with_output().unwrap()
    });
    let warning = format!("warning: standard input: byte 0: {} bytes of this event's payload are omitted ", 48 * PIECE);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.starts_with(&warning), "{}: {said}", output.status);
}

#[test]
fn nothing_is_printed_that_a_terminal_would_obey() {
    let unsafe_characters: String = ('\0'..='\u{1f}')
        .chain('\u{7f}'..='\u{9f}')
        .chain(['\u{61c}', '\u{200e}', '\u{200f}'])
        .chain('\u{2028}'..='\u{202e}')
        .chain('\u{2066}'..='\u{2069}')
        .collect();
    let harmless = "é€😀 \u{a0}\u{200d}日本";
    let payload = format!("processname:\u{9b}31m\u{202e} groupname:g pid:1\n{unsafe_characters}{harmless}");
    let stream = event("PROCESS_LOG_STDOUT", &payload).replace("server:s", "server:\u{7f}s");
    let output = run(&mut decode(&[]), stream.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let found: Vec<_> = printed.trim_end_matches('\n').chars().filter(|c| unsafe_characters.contains(*c)).collect();
    assert_eq!(found, [] as [char; 0]);
    assert!(printed.contains(r"\u009b31m\u202e") && printed.contains(harmless), "{printed}");
    // It is still the same text.
    let line = &lines(&output)[0];
    assert_eq!((&line["payload"], &line["header"]["server"]), (&json!(payload), &json!("\u{7f}s")));

    let output = decode(&["no\u{1b}[31m\u{9b}such\u{202e}file\nerror: x"]).output().unwrap();
    let error = text(&output.stderr);
    assert!(error.starts_with(r"error: no\u{1b}[31m\u{9b}such\u{202e}file\u{a}error: x: "), "{error}");
    assert_eq!(error.lines().count(), 1);
}
