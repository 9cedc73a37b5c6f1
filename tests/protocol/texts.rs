//! What the public types print, and what they compare with and turn into.

use std::ffi::OsStr;
use std::fmt::{self, Display, Write};
use std::path::Path;
use std::str::FromStr;

use crate::cases;
use crate::events::event;
use supervisor_events::host::capture::{CaptureError, Notifications};
use supervisor_events::host::driver::{Driver, Next, Replied};
use supervisor_events::{
    Data, Decoder, Event, EventError, EventType, Header, Key, LengthUnit, Listener, ListenerState, OwnedNotification,
    ProcessState, Quirk, Reply, SequenceAudit, StateName, Text, Tokens, Violation, communication,
};

/// A writer that accepts this many bytes, and fails for more.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The text, after checking that the error of a writer that fails anywhere in it is passed on.
fn said(value: impl Display) -> String {
    let whole = value.to_string();
    for room in (0..whole.len()).step_by(cases(1, 20)) {
        assert!(write!(Room(room), "{value}").is_err(), "{whole}: {room}");
    }
    assert!(write!(Room(whole.len()), "{value}").is_ok());
    whole
}

#[test]
fn an_error_in_a_line_names_the_key_and_the_place() {
    for (line, expected) in [
        (&b"when:5 when:6"[..], ": the token 'when' occurs twice"),
        (b"when:x", ": the value of 'when' is not an unsigned decimal number"),
        (b"when:18446744073709551616", ": the value of 'when' is too large"),
        (b"when:5 x", ": what follows 'when' is not a key:value token"),
        (b"when:5 x:\xff", ": the value of 'when' is not UTF-8"),
    ] {
        let error = Event::parse(EventType::Tick5, line).unwrap_err();
        assert!(said(error).ends_with(expected), "{error}");
        assert!(format!("{error:?}").contains("key: when"), "{error:?}");
    }
    let line = b"processname:p groupname:g from_state:RUNNING expected:2 pid:1";
    let error = said(Event::parse(EventType::ProcessStateExited, line).unwrap_err());
    assert!(error.ends_with(": the value of 'expected' is not a valid one"), "{error}");

    let error = Header::parse(b"ver:3.0").unwrap_err();
    assert!(said(error).starts_with("byte 7: the token '"), "{error}");
    let error = Decoder::new(LengthUnit::Bytes).advance(&mut &b"ver:3.0 eventname:E len:3\n"[..]).unwrap_err();
    assert!(said(error).contains(": header: the token '"), "{error}");
    let payload = Event::parse(EventType::Tick5, b"").unwrap_err();
    assert_eq!(said(payload), "payload: byte 0: the token 'when' is missing");
    let EventError::Payload(error) = payload else { panic!("{payload}") };
    assert_eq!(EventError::from(error), payload);
    let unknown = Event::parse(EventType::from_name("OURS"), b"").unwrap_err();
    assert_eq!(said(unknown), "no typed view for this eventname");
}

#[test]
fn words_are_their_names() {
    assert_eq!(format!("{:>8}|{}", EventType::Tick5, EventType::from_name("OURS")), "  TICK_5|OURS");
    for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
        assert_eq!(said(unit).parse(), Ok(unit));
    }
    let error = "runes".parse::<LengthUnit>().unwrap_err();
    assert_eq!(said(error), "not a length unit: 'code-points' or 'bytes'");
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(said(Quirk::Prefix), "the line of the RESULT does not begin with 'RESULT '");
    assert_eq!(said(Quirk::Number), "the length in the line of the RESULT is not a plain decimal number");
    assert_eq!(said(Violation::NotReady(*b"READY\r")), "'READY\\r' instead of READY");
}

#[test]
fn a_rejection_that_is_not_sent_tells_how_many_there_were() {
    for (most, times) in [(0, "may not be rejected"), (1, "was rejected once"), (2, "was rejected 2 times")] {
        let mut driver = Driver::new([0; 256], LengthUnit::Bytes).max_rejections(most);
        let accepted = loop {
            match driver.next().unwrap() {
                Next::Write(bytes) => {
                    let count = bytes.len();
                    driver.written(count);
                }
                Next::Flush => driver.flushed(),
                Next::Read(space) => {
                    let event = event(7, "X", "");
                    space[..event.len()].copy_from_slice(&event);
                    driver.received(event.len());
                }
                Next::Handle(_) => {
                    if let Replied::Accepted(accepted) = driver.reply(&Reply::FAIL).unwrap() {
                        break accepted;
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        let said = said(accepted);
        assert!(said.starts_with(&format!("event 7 (X) {times}, and is accepted now: ")), "{said}");
    }
}

#[test]
fn bytes_are_printed_as_text() {
    let reply = Reply::from("a\n");
    assert_eq!(reply, Reply::from(&b"a\n"[..]));
    assert_eq!(format!("{:?}", reply.encode_with_ready()), r#"EncodedReply("RESULT 2\na\nREADY\n")"#);
    let encoded = reply.encode();
    let (line, ..) = encoded.parts();
    assert_eq!((format!("{line:?}"), line.as_ref()), (r#""RESULT 2\n""#.to_owned(), &b"RESULT 2\n"[..]));
    let message = communication::encode(b"a\xff").unwrap();
    assert_eq!(format!("{message:?}"), r#"EncodedMessage("a\xff")"#);

    let line = b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3";
    let header = Header::parse(line).unwrap();
    let mut room = Room(3);
    assert!(write!(room, "{header:?}").is_err(), "it does not fit");
    assert!(format!("{header:?}").starts_with("Header "), "{header:?}");

    let tokens = Tokens::new("a:1 b:");
    assert_eq!(format!("{tokens:?}"), r#"{"a": "1", "b": ""}"#);
    assert_eq!(tokens.into_iter().chain(&tokens).map(|(key, _)| key).collect::<String>(), "abab");
}

#[test]
fn a_text_is_what_others_take() {
    let text = Text::new("é");
    let owned = String::from(text);
    assert_eq!(owned, "é");
    assert_eq!(text, owned);
    assert_eq!(owned, text);
    assert_eq!(*"é", text);
    assert_eq!("é", text);
    let [os, path]: [&OsStr; 2] = [text.as_ref(), AsRef::<Path>::as_ref(&text).as_os_str()];
    assert_eq!((os, path), (OsStr::new("é"), OsStr::new("é")));
}

#[test]
fn defaults_are_those_of_new() {
    assert_eq!(Listener::<64>::default().state(), ListenerState::Acknowledged);
    assert_eq!(Listener::<64>::default().ready(), Ok(&b"READY\n"[..]));
    let mut audit = SequenceAudit::<4>::default();
    assert_eq!((audit.missing(), audit.take_lost()), (0, None));
}

/// A message is written in one call, and an error of the writer is the caller's.
#[test]
fn a_message_that_cannot_be_written_is_an_error() {
    use std::io::{self, Write};
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(communication::write(Full, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn names_are_padded() {
    for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
        let name = unit.to_string();
        assert_eq!(LengthUnit::from_str(&name), Ok(unit));
        assert_eq!(format!("{unit:>12}"), format!("{name:>12}"));
    }
    assert_eq!(LengthUnit::Bytes.to_string(), "bytes");
    assert_eq!(format!("{:>5} {:?}", Key::Ver, Key::Ver), "  ver ver");
    assert_eq!(format!("{:>6}", ListenerState::Busy), "  BUSY");
    assert_eq!(format!("{0:>3} {0:?}", Text::from("é")), "  é \"é\"");
    assert_eq!(format!("{:>9}", StateName::from("Running")), "  Running");
}

#[test]
fn a_state_is_compared_with_its_name() {
    let name = StateName::from("Running");
    assert_eq!(name, ProcessState::Running);
    assert_eq!(ProcessState::Running, name);
    assert_ne!(name, ProcessState::Stopped);
    assert_ne!(ProcessState::Stopped, name);
}

#[test]
fn quirks_are_sentences() {
    let texts = [Quirk::Prefix, Quirk::Number].map(|quirk| quirk.to_string());
    assert!(texts[0].contains("does not begin with 'RESULT '") && texts[1].contains("not a plain decimal number"));
}

#[test]
fn tokens_are_maps() {
    assert_eq!(format!("{:?}", Tokens::new("a:1 b:")), r#"{"a": "1", "b": ""}"#);
    let header = Header::parse(b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3").unwrap();
    let map =
        r#"{"ver": "3.0", "server": "s", "serial": "1", "pool": "p", "poolserial": "2", "eventname": "E", "len": "3"}"#;
    assert_eq!(format!("{header:?}"), format!("Header {map}"));
}

#[test]
fn data_is_a_string_if_it_can_be() {
    assert_eq!(format!("{:?}", Data::new("é\n".as_bytes())), r#""é\n""#);
    assert_eq!(format!("{:?}", Data::new(b"\xff\n")), r#"b"\xff\n""#);
}

#[test]
fn replies_are_their_bytes() {
    let reply = Reply::new(b"\xff\"");
    let (line, data, ready) = reply.encode().parts();
    assert_eq!((line.as_ref(), data, ready), (&b"RESULT 2\n"[..], &b"\xff\""[..], &b""[..]));
    assert_eq!(format!("{line:?}"), r#""RESULT 2\n""#);
    assert_eq!(format!("{:?}", reply.encode_with_ready()), r#"EncodedReply("RESULT 2\n\xff\"READY\n")"#);
}

#[test]
fn copies_print_what_they_are_copies_of() {
    let stream = b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:TICK_5 len:6\nwhen:5";
    let captured = Notifications::new(&stream[..], LengthUnit::Bytes).next().unwrap().unwrap();
    let text = format!("{:?}", captured.notification());
    assert!(text.contains(r#""eventname": "TICK_5""#), "{text}");
    assert_eq!(format!("{captured:?}"), text);
    let owned = OwnedNotification::<128>::try_from(&captured.notification()).unwrap();
    assert_eq!(format!("{owned:?}"), text);

    let broken = Notifications::new(&stream[..70], LengthUnit::Bytes).next().unwrap().unwrap_err();
    assert!(matches!(broken, CaptureError::Protocol(_)), "{broken}");
    assert_eq!(format!("{broken:?}"), broken.to_string());
    assert!(broken.to_string().starts_with("byte 70: "), "{broken}");
}
