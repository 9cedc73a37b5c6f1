//! Whose turn it is: every state of the listener against everything that can happen in it, for both levels.

use crate::cases;
use crate::fuzz::calls::Machine;
use supervisor_events::{
    Decoder, LengthUnit, Listener, ListenerState, ProtocolError, ProtocolErrorKind, READY, Reply, Session,
    TokenErrorKind, TurnError,
};

const EVENT: &[u8] = b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";
const HEADER: usize = EVENT.len() - 6;

fn machines() -> [Box<dyn Machine>; 2] {
    [Box::new(Listener::new(LengthUnit::CodePoints)), Box::new(Session::new(vec![0; 4096], LengthUnit::CodePoints))]
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Acknowledged,
    Ready,
    ReadyInHeader,
    BusyInPayload,
    BusyComplete,
    AcknowledgedAgain,
}

impl Start {
    fn reach(self, machine: &mut dyn Machine) {
        let steps: &[&[u8]] = match self {
            Self::Acknowledged => return,
            Self::Ready => &[],
            Self::ReadyInHeader => &[&EVENT[..5]],
            Self::BusyInPayload => &[&EVENT[..5], &EVENT[5..HEADER + 1]],
            Self::BusyComplete | Self::AcknowledgedAgain => &[EVENT],
        };
        machine.ready().unwrap();
        let completed = steps.iter().fold(false, |_, bytes| machine.feed(bytes).unwrap());
        assert_eq!(completed, matches!(self, Self::BusyComplete | Self::AcknowledgedAgain));
        if let Self::AcknowledgedAgain = self {
            machine.reply().unwrap();
        }
    }
}

use ProtocolErrorKind::{Header, HeaderTooLong, NotAHeader, OutOfTurn, TruncatedHeader, TruncatedPayload};
use Start::{Acknowledged, AcknowledgedAgain, BusyComplete, BusyInPayload, Ready, ReadyInHeader};

const ALL: [(Start, ListenerState); 6] = [
    (Acknowledged, ListenerState::Acknowledged),
    (Ready, ListenerState::Ready),
    (ReadyInHeader, ListenerState::Ready),
    (BusyInPayload, ListenerState::Busy),
    (BusyComplete, ListenerState::Busy),
    (AcknowledgedAgain, ListenerState::Acknowledged),
];

/// Runs `act` on both levels in each state, and checks that they agree with each other and with the table.
#[track_caller]
fn table<T: PartialEq + std::fmt::Debug>(act: impl Fn(&mut dyn Machine) -> T, expected: [(T, ListenerState); 6]) {
    for ((start, state), (result, after)) in ALL.into_iter().zip(expected) {
        for mut machine in machines() {
            start.reach(&mut *machine);
            assert_eq!(machine.state(), state, "{start:?}");
            assert_eq!(act(&mut *machine), result, "{start:?}");
            assert_eq!(machine.state(), after, "{start:?}");
        }
    }
}

#[test]
fn nothing_read() {
    table(
        |machine| machine.feed(b""),
        [
            (Ok(false), ListenerState::Acknowledged),
            (Ok(false), ListenerState::Ready),
            (Ok(false), ListenerState::Ready),
            (Ok(false), ListenerState::Busy),
            (Ok(false), ListenerState::Busy),
            (Ok(false), ListenerState::Acknowledged),
        ],
    );
}

#[test]
fn the_start_of_an_event() {
    let len = EVENT.len() as u64;
    table(
        |machine| machine.feed(b"ver:"),
        [
            (Err((0, OutOfTurn)), ListenerState::Acknowledged),
            (Ok(false), ListenerState::Ready),
            (Ok(false), ListenerState::Ready),
            (Ok(false), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Acknowledged),
        ],
    );
}

#[test]
fn bytes_that_are_no_header() {
    let len = EVENT.len() as u64;
    table(
        |machine| machine.feed(b"\xe9"),
        [
            (Err((0, OutOfTurn)), ListenerState::Acknowledged),
            (Err((0, NotAHeader)), ListenerState::Ready),
            (Ok(false), ListenerState::Ready),
            (Ok(false), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Acknowledged),
        ],
    );
}

#[test]
fn the_rest_of_an_event() {
    let rest = |machine: &mut dyn Machine| machine.feed(&EVENT[machine.offset() as usize % EVENT.len()..]);
    let len = EVENT.len() as u64;
    table(
        rest,
        [
            (Err((0, OutOfTurn)), ListenerState::Acknowledged),
            (Ok(true), ListenerState::Busy),
            (Ok(true), ListenerState::Busy),
            (Ok(true), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Busy),
            (Err((len, OutOfTurn)), ListenerState::Acknowledged),
        ],
    );
}

#[test]
fn saying_ready() {
    let refused = |state| Err(TurnError::NotAcknowledged(state));
    table(
        |machine| machine.ready(),
        [
            (Ok(READY.to_vec()), ListenerState::Ready),
            (refused(ListenerState::Ready), ListenerState::Ready),
            (refused(ListenerState::Ready), ListenerState::Ready),
            (refused(ListenerState::Busy), ListenerState::Busy),
            (refused(ListenerState::Busy), ListenerState::Busy),
            (Ok(READY.to_vec()), ListenerState::Ready),
        ],
    );
}

#[test]
fn replying() {
    let refused = |state| Err(TurnError::NoEvent(state));
    let expected = |ok: &[u8], after| {
        [
            (refused(ListenerState::Acknowledged), ListenerState::Acknowledged),
            (refused(ListenerState::Ready), ListenerState::Ready),
            (refused(ListenerState::Ready), ListenerState::Ready),
            (refused(ListenerState::Busy), ListenerState::Busy),
            (Ok(ok.to_vec()), after),
            (refused(ListenerState::Acknowledged), ListenerState::Acknowledged),
        ]
    };
    table(|machine| machine.reply(), expected(b"RESULT 2\nOK", ListenerState::Acknowledged));
    table(|machine| machine.reply_and_ready(), expected(b"RESULT 2\nOKREADY\n", ListenerState::Ready));
}

#[test]
fn the_end_of_the_input() {
    table(
        |machine| machine.end(),
        [
            (Ok(()), ListenerState::Acknowledged),
            (Ok(()), ListenerState::Ready),
            (Err((5, TruncatedHeader)), ListenerState::Ready),
            (Err((HEADER as u64 + 1, TruncatedPayload { missing: 5 })), ListenerState::Busy),
            (Ok(()), ListenerState::Busy),
            (Ok(()), ListenerState::Acknowledged),
        ],
    );
}

/// Continues from any state to the end of one more event, and returns all the bytes to write.
fn go_on(machine: &mut dyn Machine) -> Vec<u8> {
    let mut said = Vec::new();
    if machine.reply().map(|bytes| said.extend(bytes)).is_err() {
        let _ = machine.feed(&EVENT[machine.offset() as usize % EVENT.len()..]);
        said.extend(machine.reply().unwrap_or_default());
    }
    said.extend(machine.ready().unwrap_or_default());
    said
}

#[test]
fn a_refused_call_changes_nothing() {
    type Call = fn(&mut dyn Machine) -> Result<Vec<u8>, TurnError>;
    let calls: [Call; 3] = [|machine| machine.ready(), |machine| machine.reply(), |machine| machine.reply_and_ready()];
    let mut refused = 0;
    for (start, _) in ALL {
        for call in calls {
            for (mut asked, mut untouched) in machines().into_iter().zip(machines()) {
                start.reach(&mut *asked);
                start.reach(&mut *untouched);
                if call(&mut *asked).is_err() {
                    refused += 1;
                    assert_eq!(asked.offset(), untouched.offset(), "{start:?}");
                    assert_eq!(go_on(&mut *asked), go_on(&mut *untouched), "{start:?}");
                    assert_eq!(asked.state(), untouched.state(), "{start:?}");
                }
            }
        }
    }
    // Two levels; READY is refused in four states, either kind of RESULT in five.
    assert_eq!(refused, 2 * (4 + 5 + 5));
}

#[test]
fn no_ready_while_input_is_unread() {
    for mut machine in machines() {
        machine.ready().unwrap();
        let mut stream = EVENT.to_vec();
        stream.extend(b"\xa9");
        assert_eq!(machine.feed(&stream), Ok(true), "the event itself is complete");
        assert_eq!(machine.reply_and_ready(), Err(TurnError::UnreadInput));
        assert_eq!(machine.state(), ListenerState::Busy, "nothing has changed");
        assert_eq!(machine.reply(), Ok(b"RESULT 2\nOK".to_vec()));
        assert_eq!(machine.ready(), Err(TurnError::UnreadInput));
        assert_eq!(machine.state(), ListenerState::Acknowledged);
    }
}

// ---- A broken stream stays broken, whatever is called next. ----

/// Each call of a machine, and the error that it returns.
type Calls<M> = [(&'static str, fn(&mut M) -> Option<ProtocolError>)];

/// The error of a call that has to report that the stream is broken.
fn broken<T>(result: Result<T, TurnError>) -> Option<ProtocolError> {
    match result {
        Err(TurnError::Broken(error)) => Some(error),
        _ => None,
    }
}

const DECODER: &Calls<Decoder> = &[
    ("advance, no input", |decoder| decoder.advance(&mut &b""[..]).err()),
    ("advance, one byte", |decoder| decoder.advance(&mut &b"v"[..]).err()),
    ("advance, an event", |decoder| decoder.advance(&mut &EVENT[..]).err()),
    ("advance, no header", |decoder| decoder.advance(&mut &b"\n\xff"[..]).err()),
    ("end", |decoder| decoder.end().err()),
];

const LISTENER: &Calls<Listener> = &[
    ("advance, no input", |listener| listener.advance(&mut &b""[..]).err()),
    ("advance, one byte", |listener| listener.advance(&mut &b"v"[..]).err()),
    ("advance, an event", |listener| listener.advance(&mut &EVENT[..]).err()),
    ("advance, no header", |listener| listener.advance(&mut &b"\n\xff"[..]).err()),
    ("ready", |listener| broken(listener.ready())),
    ("reply", |listener| broken(listener.reply(&Reply::OK))),
    ("reply_and_ready", |listener| broken(listener.reply_and_ready(&Reply::new(b"")))),
    ("end", |listener| listener.end().err()),
];

const SESSION: &Calls<Session<Vec<u8>>> = &[
    ("received, nothing", |session| session.received(0).err()),
    ("received, a byte", |session| session.received(1).err()),
    ("received, more than fits", |session| session.received(usize::MAX).err()),
    ("received, an event in a larger buffer", |session| {
        let len = session.buffer_mut().len();
        session.buffer_mut().resize(len + 200, 0);
        session.space()[..EVENT.len()].copy_from_slice(EVENT);
        session.received(EVENT.len()).err()
    }),
    ("ready", |session| broken(session.ready())),
    ("reply", |session| broken(session.reply(&Reply::OK))),
    ("reply_and_ready", |session| broken(session.reply_and_ready(&Reply::new(b"")))),
    ("end", |session| session.end().err()),
];

/// Makes every call after every other one, and expects the same error each time.
#[track_caller]
fn stays_broken<M: Clone>(machine: &M, error: ProtocolError, calls: &Calls<M>) {
    for (first, call) in calls {
        let mut machine = machine.clone();
        assert_eq!(call(&mut machine), Some(error), "{first}");
        for (second, call) in calls {
            assert_eq!(call(&mut machine), Some(error), "{first}, then {second}");
        }
    }
}

/// A stream that breaks at its first header, and whether it broke as expected.
type BrokenStream = (Vec<u8>, fn(ProtocolErrorKind) -> bool);

fn broken_streams(limit: usize) -> Vec<BrokenStream> {
    let header = |server: &str, serial: &str, tail: &str| {
        format!("ver:3.0 server:{server} serial:{serial} pool:p poolserial:0 eventname:E len:{tail}\n").into_bytes()
    };
    vec![
        (b"x".to_vec(), |kind| kind == NotAHeader),
        (b"verse\n".to_vec(), |kind| kind == NotAHeader),
        (b"RESULT 2\nOK".to_vec(), |kind| kind == NotAHeader),
        (format!("ver:3.0 server:{}", "\n".repeat(20)).into_bytes(), |kind| kind == NotAHeader),
        (header(&"s".repeat(limit), "0", "1"), |kind| matches!(kind, HeaderTooLong { .. })),
        (b"ver:3.0 ".repeat(limit), |kind| matches!(kind, HeaderTooLong { .. })),
        (header("s", "x", "1"), |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::NotANumber)),
        (
            header("s", "1", "18446744073709551616"),
            |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::TooLarge),
        ),
        (header("s", "1", ""), |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::NotANumber)),
        (
            b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:E len:1 len:2\n".to_vec(),
            |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::Duplicate),
        ),
        (
            b"ver:3.0 server:s pool:p poolserial:0 eventname:E len:1\n".to_vec(),
            |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::Missing),
        ),
        (
            b"ver:3.0 server:\xff serial:0 pool:p poolserial:0 eventname:E len:1\n".to_vec(),
            |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::NotUtf8),
        ),
        (
            b"ver: server:s serial:0 pool:p poolserial:0 eventname:E len:1\n".to_vec(),
            |kind| matches!(kind, Header(error) if error.kind == TokenErrorKind::Invalid),
        ),
    ]
}

/// At the beginning of a stream, and after an event; whole, and byte by byte.
#[test]
fn a_stream_without_a_header_where_one_is_expected_stays_broken() {
    for (stream, expected) in broken_streams(1024).into_iter().take(cases(usize::MAX, 2)) {
        for (before, size) in [(&b""[..], 1), (b"", usize::MAX), (EVENT, 1), (EVENT, usize::MAX)] {
            let mut decoder = Decoder::new(LengthUnit::default());
            let mut listener = Listener::new(LengthUnit::default());
            let mut session = Session::new(vec![0; 1025], LengthUnit::CodePoints);
            listener.ready().unwrap();
            session.ready().unwrap();
            if !before.is_empty() {
                let mut input = before;
                while decoder.advance(&mut input).unwrap().is_some() {}
                assert_eq!((listener.feed(before), session.feed(before)), (Ok(true), Ok(true)));
                assert!(listener.reply_and_ready(&Reply::OK).is_ok());
                assert!(session.reply_and_ready(&Reply::OK).is_ok());
            }

            let pieces = || stream.chunks(size.min(stream.len()));
            let error = pieces().find_map(|mut piece| decoder.advance(&mut piece).err()).unwrap();
            assert!(expected(error.kind), "{error:?}: {}", stream.escape_ascii());
            stays_broken(&decoder, error, DECODER);

            assert_eq!(pieces().find_map(|mut piece| listener.advance(&mut piece).err()), Some(error));
            stays_broken(&listener, error, LISTENER);

            let in_session = pieces().find_map(|piece| {
                let space = session.space();
                let len = piece.len().min(space.len());
                space[..len].copy_from_slice(&piece[..len]);
                session.received(len).err()
            });
            assert_eq!(in_session, Some(error), "{}", stream.escape_ascii());
            stays_broken(&session, error, SESSION);
        }
    }
}

/// Input before READY, while a reply is due, and after it without READY.
#[test]
fn input_out_of_turn_stays_an_error() {
    for (start, offset) in [(Acknowledged, 0), (BusyComplete, EVENT.len()), (AcknowledgedAgain, EVENT.len())] {
        for input in [&b"x"[..], EVENT] {
            let mut listener = Listener::new(LengthUnit::CodePoints);
            start.reach(&mut listener);
            let error = listener.advance(&mut &input[..]).unwrap_err();
            assert_eq!((error.offset, error.kind), (offset as u64, OutOfTurn), "{start:?}");
            stays_broken(&listener, error, LISTENER);

            let mut session = Session::new(vec![0; 400], LengthUnit::CodePoints);
            start.reach(&mut session);
            session.space()[..input.len()].copy_from_slice(input);
            assert_eq!(session.received(input.len()), Err(error), "{start:?}");
            stays_broken(&session, error, SESSION);
        }
    }
}

/// Input after an event in the same read is reported only after the event has been delivered.
#[test]
fn input_that_followed_an_event_stays_an_error() {
    let mut session = Session::new(vec![0; 400], LengthUnit::CodePoints);
    session.ready().unwrap();
    assert_eq!(session.feed(&[EVENT, b"x"].concat()), Ok(true));
    let error = session.received(0).unwrap_err();
    assert_eq!(error.kind, OutOfTurn);
    stays_broken(&session, error, SESSION);
}

/// A buffer without room for a header with a byte to spare. Enlarging it later does not help.
#[test]
fn a_buffer_that_was_too_small_stays_too_small() {
    for (size, limit) in [(0, 0), (1, 0), (2, 1), (HEADER, HEADER - 1)] {
        let mut session = Session::new(vec![0; size], LengthUnit::CodePoints);
        session.ready().unwrap();
        let space = session.space();
        assert_eq!(space.len(), size);
        space.copy_from_slice(&EVENT[..size]);
        let error = session.received(size).unwrap_err();
        assert_eq!((error.offset, error.kind), (limit as u64, HeaderTooLong { limit }));
        stays_broken(&session, error, SESSION);

        session.buffer_mut().resize(200, 0);
        session.space()[..EVENT.len()].copy_from_slice(EVENT);
        assert_eq!(session.received(EVENT.len()), Err(error));
        assert_eq!(session.received(0), Err(error));
        assert_eq!(session.ready(), Err(TurnError::Broken(error)));
    }
}

/// `end` changes nothing: it can be called at any time, and again.
#[test]
fn the_end_of_the_input_may_be_reported_at_any_time() {
    for mut machine in machines() {
        machine.ready().unwrap();
        for byte in EVENT {
            let (offset, kind) = machine.end().err().unwrap_or((machine.offset(), OutOfTurn));
            let expected = match machine.offset() as usize {
                0 => OutOfTurn,
                at if at < HEADER => TruncatedHeader,
                at => TruncatedPayload { missing: (EVENT.len() - at) as u64 },
            };
            assert_eq!((offset, kind), (machine.offset(), expected));
            machine.feed(&[*byte]).unwrap();
        }
        assert_eq!(machine.end(), Ok(()));
    }
}

#[test]
fn an_event_that_does_not_fit_is_still_answered() {
    let large = "ver:3.0 server:s serial:7 pool:p poolserial:0 eventname:REMOTE_COMMUNICATION len:1005\ntype:";
    let mut stream = large.as_bytes().to_vec();
    let letters = ('à'..='ö').cycle().take(1000).collect::<String>();
    stream.extend(letters.bytes());
    // Dropped bytes stay dropped, even if there is more room later.
    let sizes = [(1, 160), (7, 160), (1, 300), (90, 160), (1000, 160), (90, 300)];
    for (size, later) in sizes.into_iter().skip(cases(0, 3)) {
        let mut session = Session::new(vec![0; 160], LengthUnit::CodePoints);
        session.ready().unwrap();
        let mut rest = &stream[..];
        let (kept, omitted) = loop {
            if session.offset() > 200 {
                session.buffer_mut().resize(later, 0);
            }
            let space = session.space();
            let size = size.min(space.len()).min(rest.len());
            assert!(size > 0, "there is always room, and an end");
            space[..size].copy_from_slice(&rest[..size]);
            rest = &rest[size..];
            if let Some(notification) = session.received(size).unwrap() {
                assert_eq!(notification.header.serial(), 7);
                break (notification.payload.to_vec(), notification.omitted);
            }
        };
        assert!(rest.is_empty());
        let payload = &stream[large.len() - 5..];
        assert!(payload.starts_with(&kept) && kept.len() > 20, "{}", kept.len());
        assert_eq!(kept.len() as u64 + omitted, payload.len() as u64);
        assert_eq!(session.offset(), stream.len() as u64);
        assert_eq!(session.reply_and_ready(&Reply::OK).unwrap().len(), 17);
        // The next one is whole again.
        session.space()[..EVENT.len()].copy_from_slice(EVENT);
        let next = session.received(EVENT.len()).unwrap().unwrap();
        assert_eq!((next.payload, next.omitted), (&EVENT[HEADER..], 0));
    }
}

/// Against the documentation, which says what has to stay.
#[test]
fn a_buffer_that_is_shortened_too_much_breaks_the_stream() {
    for (held, left) in [(50, 10), (50, 0), (50, 50), (HEADER + 3, 10), (HEADER + 3, HEADER)] {
        let mut session = Session::new(vec![0; 200], LengthUnit::CodePoints);
        session.ready().unwrap();
        session.space()[..held].copy_from_slice(&EVENT[..held]);
        assert_eq!(session.received(held), Ok(None));
        if held > HEADER {
            // What it holds has to stay, no more.
            session.buffer_mut().truncate(held);
            assert_eq!(session.received(0), Ok(None));
        }
        session.buffer_mut().truncate(left);
        assert_eq!(session.space().len(), 0);
        let error = session.received(5).unwrap_err();
        assert_eq!(error.kind, ProtocolErrorKind::HeaderTooLong { limit: left.saturating_sub(1) });
    }
    let mut session = Session::new(vec![0; 200], LengthUnit::CodePoints);
    session.ready().unwrap();
    session.space()[..EVENT.len()].copy_from_slice(EVENT);
    session.received(EVENT.len()).unwrap().unwrap();
    session.buffer_mut().truncate(EVENT.len());
    assert!(session.notification().is_some());
    session.buffer_mut().truncate(EVENT.len() - 1);
    assert!(session.notification().is_none());
}

#[test]
fn a_buffer_is_full_only_while_the_event_is_incomplete() {
    let mut session = Session::new(vec![0; EVENT.len()], LengthUnit::CodePoints);
    assert!(!session.is_full());
    session.ready().unwrap();
    let mut longer = EVENT.to_vec();
    longer.truncate(HEADER - 2);
    longer.extend(b"16\nwhen:5");
    session.space()[..EVENT.len()].copy_from_slice(&longer[..EVENT.len()]);
    assert_eq!(session.received(EVENT.len() - 1), Ok(None));
    assert!(!session.is_full(), "there is room for a byte");
    assert_eq!(session.received(1), Ok(None));
    assert!(session.is_full());
    session.buffer_mut().push(0);
    assert!(!session.is_full(), "it has grown");

    // An event that just fits.
    let mut session = Session::new(vec![0; EVENT.len()], LengthUnit::CodePoints);
    session.ready().unwrap();
    session.space().copy_from_slice(EVENT);
    assert!(session.received(EVENT.len()).unwrap().is_some());
    assert!(!session.is_full());
}

/// A header is too long as soon as it has filled the limit, however its bytes arrive.
#[test]
fn a_header_is_too_long_with_the_byte_that_fills_the_limit() {
    let header = b"ver:3.0 server:a name that does not end, and no newline after it";
    const LIMIT: usize = 40;
    for size in [1, 7, LIMIT, header.len()] {
        let mut decoder = Decoder::<LIMIT>::with_header_limit(LengthUnit::CodePoints);
        let mut fed = 0;
        let error = header.chunks(size).find_map(|mut piece| {
            fed += piece.len();
            decoder.advance(&mut piece).err()
        });
        let error = error.expect("it is too long");
        assert_eq!((error.offset, error.kind), (LIMIT as u64, HeaderTooLong { limit: LIMIT }));
        assert_eq!(fed, LIMIT.div_ceil(size) * size.min(header.len()), "in pieces of {size}");
    }
}

/// Counted in bytes, the payload would be complete; counted in code points, it is not.
#[test]
fn a_payload_is_whole_in_bytes_with_its_last_byte_only() {
    let header = |server: &str| format!("ver:3.0 server:{server} serial:0 pool:p poolserial:0 eventname:E len:20\n");
    // The second header is longer than the first one with its payload. Some buffers are too small for the payload.
    let (first, second) = (header("s"), header(&"s".repeat(40)));
    for size in [400, second.len() + 9] {
        let mut session = Session::new(vec![0; size], LengthUnit::CodePoints);
        session.ready().unwrap();
        for header in [&first, &second] {
            let event = header.clone() + &"é".repeat(10) + "0123456789";
            for (at, byte) in event.bytes().enumerate() {
                assert_eq!(session.is_whole_in_bytes(), at == header.len() + 20, "byte {at}, a buffer of {size}");
                session.space()[0] = byte;
                assert_eq!(session.received(1).unwrap().is_some(), at + 1 == event.len());
            }
            // Complete in either unit.
            assert!(!session.is_whole_in_bytes());
            assert_eq!(session.reply_and_ready(&Reply::OK).unwrap().len(), 17);
        }
    }
}

#[test]
fn a_state_is_shown_by_its_name() {
    for (state, name) in [
        (ListenerState::Acknowledged, "ACKNOWLEDGED"),
        (ListenerState::Ready, "READY"),
        (ListenerState::Busy, "BUSY"),
        (ListenerState::Unknown, "UNKNOWN"),
    ] {
        assert_eq!((state.to_string(), format!("{state:>13}")), (name.to_owned(), format!("{name:>13}")));
    }
}
