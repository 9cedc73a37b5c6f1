//! What `{}` and `{:?}` print of the small types.

use std::str::FromStr;

use supervisor_events::host::capture::{CaptureError, Notifications};
use supervisor_events::{
    Header, Key, LengthUnit, ListenerState, OwnedNotification, Quirk, Reply, StateName, Text, Tokens,
};

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
