//! Captured streams, read as whole notifications.

use std::error::Error;
use std::io::{self, Read};

use crate::cases;
use crate::events::{event, event_in};
use crate::ground_truth::{base64, recordings};
use proptest::prelude::*;
use supervisor_events::host::capture::{CaptureError, Notifications};
use supervisor_events::{Event, LengthUnit, ProtocolError, ProtocolErrorKind};

const UNIT: LengthUnit = LengthUnit::CodePoints;

/// Reads at most `size` bytes at a time, is interrupted before each, and may fail at its end.
struct Pieces<'a> {
    input: &'a [u8],
    size: usize,
    interrupt: bool,
    fail: bool,
}

impl<'a> Pieces<'a> {
    fn new(input: &'a [u8], size: usize) -> Self {
        Self { input, size, interrupt: false, fail: false }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.input.is_empty() && self.fail {
            return Err(io::Error::other("the disk is gone"));
        }
        let size = self.size.min(buffer.len());
        self.input.read(&mut buffer[..size])
    }
}

#[test]
fn the_recordings_are_what_their_descriptions_say() {
    for recording in recordings() {
        let description = recording.description();
        let events = description["events"].as_array().unwrap();
        for size in [7, usize::MAX] {
            let reader = Pieces::new(&recording.bytes, size);
            let mut complete = events.iter().filter(|event| event["complete"] != false);
            let mut end = 0;
            let mut failed = false;
            for notification in Notifications::new(reader, recording.unit) {
                let Ok(captured) = notification else {
                    failed = true;
                    continue;
                };
                let expected = complete.next().unwrap();
                let notification = captured.notification();
                assert_eq!(captured.offset(), expected["offset"].as_u64().unwrap(), "{}", recording.name);
                assert_eq!(captured.header().serial().to_string(), expected["header"]["serial"].as_str().unwrap());
                let payload = base64(&expected["payload_b64"]);
                // A plugin's event has a wrong `len`.
                let whole = recording.name == "custom_events__rec-1" || notification.payload.len() == payload.len();
                assert!(whole && payload.starts_with(notification.payload), "{}", recording.name);
                assert_eq!(notification.omitted, 0);
                assert_eq!(captured.event(), notification.event());
                end = captured.offset() as usize + captured.header().as_bytes().len() + 1 + notification.payload.len();
            }
            // What is not an event is an error, and it is the last item.
            assert_eq!(failed, end != recording.bytes.len(), "{}", recording.name);
        }
    }
}

proptest! {
    #[test]
    fn the_size_of_reads_changes_nothing(
        payloads in prop::collection::vec("\\PC{0,40}", 0..5),
        cut in 0usize..100,
        size in 1usize..50,
    ) {
        let mut bytes: Vec<u8> = payloads.iter().flat_map(|payload| event(7, "X", payload)).collect();
        bytes.truncate(bytes.len().saturating_sub(cut));
        let read = |size| -> Vec<String> {
            let notifications = Notifications::new(Pieces::new(&bytes, size), UNIT);
            notifications.map(|notification| format!("{notification:?}")).collect()
        };
        prop_assert_eq!(read(size), read(usize::MAX));
    }
}

#[test]
fn an_event_is_returned_as_soon_as_it_is_complete() {
    let bytes = [event(0, "SUPERVISOR_STATE_CHANGE_RUNNING", ""), event(1, "TICK_5", "when:5")].concat();
    // It would fail if it read further.
    let reader = Pieces { fail: true, ..Pieces::new(&bytes, usize::MAX) };
    let mut notifications = Notifications::new(reader, UNIT);
    let mut next = || notifications.next().unwrap();
    assert!(matches!(next().unwrap().event(), Ok(Event::SupervisorStateChange(_))));
    assert!(matches!(next().unwrap().event(), Ok(Event::Tick(tick)) if tick.when == 5));
    let error = next().unwrap_err();
    assert_eq!((error.offset(), error.source().is_none()), (bytes.len() as u64, true));
    assert_eq!(error.to_string(), format!("byte {}: cannot read further: the disk is gone", bytes.len()));
    assert!(notifications.next().is_none());
}

#[test]
fn an_error_is_the_last_item() {
    let first = event(0, "TICK_5", "when:5");
    let cases = [
        (&b"what"[..], first.len(), ProtocolErrorKind::NotAHeader),
        (&b"ver:3.0 se"[..], first.len() + 10, ProtocolErrorKind::TruncatedHeader),
        (
            &b"ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:X len:9\nabc"[..],
            first.len() + 67,
            ProtocolErrorKind::TruncatedPayload { missing: 6 },
        ),
    ];
    for (rest, offset, kind) in cases {
        let bytes = [&first, rest].concat();
        let mut notifications = Notifications::new(&bytes[..], UNIT);
        assert_eq!(notifications.next().unwrap().unwrap().offset(), 0);
        let error = notifications.next().unwrap().unwrap_err();
        assert_eq!(error.offset(), offset as u64);
        assert!(error.source().is_none(), "the message has it");
        assert!(matches!(error, CaptureError::Protocol(error) if error.kind == kind), "{error:?}");
        assert!(notifications.next().is_none());
    }
    assert!(Notifications::new(&b""[..], UNIT).next().is_none());
}

#[test]
fn a_header_may_have_64_kib() {
    let bytes = event_in(UNIT, &"s".repeat(cases(65_000, 2_000)), 0, "X", "payload");
    assert_eq!(Notifications::new(&bytes[..], UNIT).next().unwrap().unwrap().notification().payload, b"payload");
}

#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for it")]
fn a_header_may_not_have_more() {
    let bytes = event_in(UNIT, &"s".repeat(66_000), 0, "X", "");
    let error = Notifications::new(&bytes[..], UNIT).next().unwrap().unwrap_err();
    let is_limit = |error: ProtocolError| error.kind == ProtocolErrorKind::HeaderTooLong { limit: 65_536 };
    assert!(matches!(error, CaptureError::Protocol(error) if is_limit(error)), "{error}");
}

#[test]
fn memory_is_bounded() {
    let large = "é".repeat(cases(1000, 25));
    let bytes = [event(0, "X", &large), event(1, "TICK_5", "when:5")].concat();
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for (max_event, kept) in [(0, 0), (header, 0), (header + 10, 10), (header + large.len(), large.len())] {
        for size in [3, usize::MAX] {
            let mut notifications = Notifications::new(Pieces::new(&bytes, size), UNIT).max_event(max_event);
            let first = notifications.next().unwrap().unwrap();
            let notification = first.notification();
            assert_eq!(notification.payload, &large.as_bytes()[..kept]);
            assert_eq!(notification.omitted, (large.len() - kept) as u64);
            assert_eq!(notifications.next().unwrap().unwrap().offset(), (header + large.len()) as u64);
        }
    }
}
