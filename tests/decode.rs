//! The example `decode` as a program: what it prints for every recorded stream, and how it ends.

#[path = "support/examples.rs"]
mod examples;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

fn streams() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth/streams")
}

fn lines(output: &Output) -> Vec<Value> {
    output.stdout.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn every_stream() {
    let decode = examples::example("decode");
    let mut tested = 0;
    for entry in fs::read_dir(streams()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let description: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let output = Command::new(&decode).arg(&path).output().unwrap();
        let printed = lines(&output);
        let events = description["events"].as_array().unwrap();
        // Up to the first event whose `len` is not its length, which is cut there, or which is not complete.
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
        assert!(clean || error.starts_with("error: ") && error.contains(" at byte "), "{error}");
        tested += 1;
    }
    assert!(tested >= 34);
}

#[test]
fn the_line_of_the_documentation() {
    let mut decode = Command::new(examples::example("decode"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
    // What is not UTF-8 can come from a server that counts bytes.
    input.write_all(b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:X len:1\n\xffver:").unwrap();
    line.clear();
    output.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["offset"], &line["payload"]), (&json!(103), &json!([255])));
    drop(input);
    let ended = decode.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let error = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(error, "error: the input ends inside a header at byte 172\n");
}

#[test]
fn the_unit_is_a_setting() {
    let decode = examples::example("decode");
    let stream = streams().join("log_nasty__rec-1.bin");
    let whole = lines(&Command::new(&decode).arg(&stream).output().unwrap());
    assert_eq!(lines(&Command::new(&decode).args(["--length", "code-points"]).arg(&stream).output().unwrap()), whole);
    let bytes = Command::new(&decode).args(["--length", "bytes"]).arg(&stream).output().unwrap();
    assert_eq!(bytes.status.code(), Some(1));
    let error = String::from_utf8(bytes.stderr).unwrap();
    assert!(error.contains("the length unit is probably wrong"), "{error}");
    for wrong in [&["--length", "characters"][..], &["--what"], &["one", "two"], &["/nonexistent"]] {
        let output = Command::new(&decode).args(wrong).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(output.stderr.starts_with(b"error: "));
    }
}
