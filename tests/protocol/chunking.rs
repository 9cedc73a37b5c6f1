//! Chunking is invisible: to the decoder, to a listener, and to a session whose buffer is large or too small. The fuzz
//! target `chunking` checks the same invariant on any bytes.

use crate::cases;
use crate::fuzz::runs::{Outcome, Seen, assert_chunking_is_invisible, decode, listen, pieces, session};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use supervisor_events::{Decoder, LengthUnit, ProtocolError, ProtocolErrorKind, Step};

const UNITS: [LengthUnit; 2] = [LengthUnit::CodePoints, LengthUnit::Bytes];

// ---- Streams with known contents. ----

/// An event before it is written to the stream.
#[derive(Clone, Debug)]
struct Sent {
    server: String,
    pool: String,
    eventname: &'static str,
    payload: String,
}

impl Sent {
    fn new(server: &str, payload: &str) -> Self {
        Self { server: server.into(), pool: "p".into(), eventname: "E", payload: payload.into() }
    }

    fn header(&self, unit: LengthUnit) -> String {
        let Self { server, pool, eventname, payload } = self;
        let len = match unit {
            LengthUnit::CodePoints => payload.chars().count(),
            LengthUnit::Bytes => payload.len(),
        };
        format!("ver:3.0 server:{server} serial:1 pool:{pool} poolserial:2 eventname:{eventname} len:{len}")
    }
}

fn stream(unit: LengthUnit, events: &[Sent]) -> Vec<u8> {
    events.iter().flat_map(|event| [event.header(unit), "\n".into(), event.payload.clone()]).collect::<String>().into()
}

/// What the first `cut` bytes of the stream hold.
fn expected(unit: LengthUnit, events: &[Sent], cut: usize) -> Outcome {
    let mut outcome = Outcome { events: Vec::new(), end: Ok(()) };
    let mut at = 0;
    for event in events {
        let header = event.header(unit);
        let (begin, end) = (at + header.len() + 1, at + header.len() + 1 + event.payload.len());
        if at < cut && cut < begin {
            outcome.end = Err(error(cut, ProtocolErrorKind::TruncatedHeader));
        }
        if cut < begin {
            break;
        }
        let payload = &event.payload.as_bytes()[..cut.min(end) - begin];
        outcome.events.push(Seen {
            header,
            payload: payload.to_vec(),
            omitted: 0,
            end: (end <= cut).then_some(end as u64),
        });
        if cut < end {
            let missing = match unit {
                LengthUnit::Bytes => end - cut,
                // A character counts as arrived with its first byte, but the last one only with its last byte.
                LengthUnit::CodePoints => {
                    event.payload.char_indices().filter(|(at, _)| begin + at >= cut).count().max(1)
                }
            };
            outcome.end = Err(error(cut, ProtocolErrorKind::TruncatedPayload { missing: missing as u64 }));
            break;
        }
        at = end;
    }
    outcome
}

fn ends(unit: LengthUnit, events: &[Sent]) -> Vec<usize> {
    expected(unit, events, usize::MAX).ends()
}

/// Only the library can make an error, so this takes one of its own and sets the offset and the kind.
fn error(offset: usize, kind: ProtocolErrorKind) -> ProtocolError {
    let mut error = Decoder::<8>::default().advance(&mut &b"no header"[..]).unwrap_err();
    (error.offset, error.kind) = (offset as u64, kind);
    error
}

// ---- Strategies. ----

/// Anything that an identifier may hold without ending the header early.
fn identifier() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        "[a-z0-9.:-]{1,12}",
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just("süp 日本😀".to_owned()),
        Just("host:9001".to_owned()),
        Just(" serial:99 pool:x len:3".to_owned()),
        Just(" poolserial:7".to_owned()),
        Just(" server:y ver:2.0".to_owned()),
        Just("ver:".to_owned()),
    ];
    vec(fragment, 0..5).prop_map(|fragments| fragments.concat())
}

fn payload() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        Just("when:1705063880".to_owned()),
        Just("processname:cat groupname:cat from_state:RUNNING pid:7".to_owned()),
        Just("ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3\nabc".to_owned()),
        Just("RESULT 2\nOKREADY\n".to_owned()),
        Just("é€😀\u{10ffff}\0\r\n".to_owned()),
        "\\PC{0,40}",
        "[a日é]{0,200}",
    ];
    vec(fragment, 0..4).prop_map(|fragments| fragments.concat())
}

fn sent() -> impl Strategy<Value = Sent> {
    let pool = prop::sample::select(vec!["listener", " lead", "trail ", "tab\tx", "nbsp\u{a0}x", ""]);
    let eventname = prop::sample::select(vec!["TICK_5", "PROCESS_LOG_STDOUT", "REMOTE_COMMUNICATION", "None"]);
    (identifier(), pool, eventname, payload()).prop_map(|(server, pool, eventname, payload)| Sent {
        server,
        pool: pool.into(),
        eventname,
        payload,
    })
}

fn sizes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(0u8..8, 1..6), vec(0u8..=255, 1..6)]
}

fn unit() -> impl Strategy<Value = LengthUnit> {
    prop::sample::select(UNITS.to_vec())
}

/// Damage to a stream.
#[derive(Clone, Debug)]
enum Mutation {
    Truncate(Index),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    Flip(Index, u8),
}

impl Mutation {
    fn apply(&self, stream: &mut Vec<u8>) {
        let at = |index: &Index| index.index(stream.len() + 1);
        match self {
            Self::Truncate(index) => stream.truncate(at(index)),
            Self::Remove(index, count) => {
                let from = at(index);
                stream.drain(from..stream.len().min(from + usize::from(*count)));
            }
            Self::Insert(index, bytes) => {
                let from = at(index);
                stream.splice(from..from, bytes.iter().copied());
            }
            Self::Flip(index, bits) => {
                let from = at(index);
                if let Some(byte) = stream.get_mut(from) {
                    *byte ^= bits;
                }
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let inserted = prop_oneof![
        vec(any::<u8>(), 1..8),
        Just(b"\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\xe2\x82".to_vec()),
        Just(b"ver:".to_vec()),
        Just(b" eventname:E len:4\n".to_vec()),
    ];
    prop_oneof![
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), 1u8..20).prop_map(|(index, count)| Mutation::Remove(index, count)),
        (any::<Index>(), inserted).prop_map(|(index, bytes)| Mutation::Insert(index, bytes)),
        (any::<Index>(), 1u8..=255).prop_map(|(index, bits)| Mutation::Flip(index, bits)),
    ]
}

proptest! {
    #[test]
    fn sound_streams(events in vec(sent(), 0..cases(6, 2)), unit in unit(), sizes in sizes()) {
        let stream = stream(unit, &events);
        let expected = expected(unit, &events, stream.len());
        for sizes in [&sizes[..], &[1]].into_iter().take(cases(2, 1)) {
            prop_assert_eq!(&assert_chunking_is_invisible::<1024>(unit, &stream, sizes), &expected);
        }
    }

    #[test]
    fn broken_streams(
        events in vec(sent(), 1..cases(5, 2)),
        written in unit(),
        read in unit(),
        mutations in vec(mutation(), 0..4),
        sizes in sizes(),
    ) {
        let mut stream = stream(written, &events);
        for mutation in mutations {
            mutation.apply(&mut stream);
        }
        for sizes in [&sizes[..], &[1]].into_iter().take(cases(2, 1)) {
            assert_chunking_is_invisible::<80>(read, &stream, sizes);
            assert_chunking_is_invisible::<1024>(read, &stream, sizes);
        }
    }
}

// ---- One thing at a time. ----

/// Headers of one line and of two, payloads of all kinds of characters, an empty one, one that looks like a header.
fn events() -> [Sent; 5] {
    [
        Sent::new("s", "when:5"),
        Sent::new("one\ntwo serial:9 pool:x", "aé€😀"),
        Sent::new("", ""),
        Sent::new("host:9001 süp", "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:1\nx"),
        Sent::new("s", "日本"),
    ]
}

#[test]
fn a_stream_that_ends_anywhere() {
    for unit in UNITS {
        let stream = stream(unit, &events());
        let mut clean = 0;
        for cut in (0..=stream.len()).step_by(cases(1, 150)) {
            let expected = expected(unit, &events(), cut);
            for size in [1, 7, 255].into_iter().take(cases(3, 1)) {
                assert_eq!(
                    assert_chunking_is_invisible::<256>(unit, &stream[..cut], &[size]),
                    expected,
                    "{unit:?} {cut}"
                );
            }
            clean += usize::from(expected.end.is_ok());
        }
        // Nothing, and each event's end.
        assert_eq!(clean, cases(1 + events().len(), 1));
    }
}

#[test]
fn foreign_bytes_between_events() {
    for unit in UNITS {
        let stream = stream(unit, &events());
        let events = expected(unit, &events(), stream.len()).events;
        for foreign in [&b"\n"[..], b"OK", b"READY\n", b"v", b"ver", b"vex:", b"\xa9", b"\xff", b"\xef\xbb\xbf", b" "]
            .into_iter()
            .take(cases(10, 1))
        {
            for (before, event) in events.iter().enumerate().take(cases(usize::MAX, 2)) {
                let at = event.end.unwrap() as usize - event.payload.len() - event.header.len() - 1;
                let mut mutated = stream.clone();
                mutated.splice(at..at, foreign.iter().copied());
                let error = error(at, ProtocolErrorKind::NotAHeader);
                let expected = Outcome { events: events[..before].to_vec(), end: Err(error) };
                for size in [1, 3, 255].into_iter().take(cases(3, 1)) {
                    let seen = assert_chunking_is_invisible::<256>(unit, &mutated, &[size]);
                    assert_eq!(seen, expected, "{} before event {before}", foreign.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn a_header_has_the_same_limit_in_every_machine() {
    let events = [Sent::new("s", "when:5"), Sent::new(&"s".repeat(37), "é"), Sent::new("s", "")];
    for unit in UNITS {
        let stream = stream(unit, &events);
        let whole = expected(unit, &events, stream.len());
        assert_eq!(events[1].header(unit).len() + 1, 100);
        for size in [1, 7, 255].into_iter().take(cases(3, 1)) {
            assert_eq!(assert_chunking_is_invisible::<100>(unit, &stream, &[size]), whole);
            let end = Err(error(whole.ends()[0] + 99, ProtocolErrorKind::HeaderTooLong { limit: 99 }));
            let expected = Outcome { events: whole.events[..1].to_vec(), end };
            assert_eq!(assert_chunking_is_invisible::<99>(unit, &stream, &[size]), expected);
        }
    }
}

/// An event that does not fit is read to its end, and the events after it are not affected.
#[test]
fn a_session_with_a_buffer_that_is_too_small() {
    let large = "😀é€a".repeat(cases(60, 6));
    let events = [Sent::new("s", "when:5"), Sent::new("host name", &large), Sent::new("s", ""), Sent::new("s", "日本")];
    for unit in UNITS {
        let stream = stream(unit, &events);
        let whole = expected(unit, &events, stream.len());
        let cuts = ends(unit, &events);
        let header = events[1].header(unit).len() + 1;
        let mut omitted = 0;
        for buffer in (header + 1..header + large.len() + 3).step_by(cases(1, 300)) {
            let held = session(unit, buffer, &pieces(&stream, &[], &cuts));
            for sizes in [&[1][..], &[7, 0, 3], &[64], &[255, 1]].into_iter().take(cases(4, 2)) {
                let cut = session(unit, buffer, &pieces(&stream, sizes, &cuts));
                assert_eq!(cut, held, "a buffer of {buffer}, pieces of {sizes:?}");
            }
            assert_eq!((held.end, held.events.len()), (Ok(()), events.len()));
            for (index, (part, event)) in held.events.iter().zip(&whole.events).enumerate() {
                assert_eq!((&part.header, part.end), (&event.header, event.end));
                assert!(event.payload.starts_with(&part.payload));
                assert_eq!(part.payload.len() as u64 + part.omitted, event.payload.len() as u64);
                let fits = event.header.len() + 1 + event.payload.len() <= buffer;
                assert_eq!(part.omitted == 0, fits, "event {index} in a buffer of {buffer}");
                omitted += part.omitted;
            }
            // Most of what arrived is kept.
            let kept = header + held.events[1].payload.len();
            assert!(kept * 8 >= (buffer - 8) * 7 || kept == header, "{kept} of {buffer}");
        }
        assert!(omitted > 0);
    }
}

/// What follows the cut would be a header by itself.
#[test]
fn an_identifier_that_looks_like_a_header_from_a_cut_on() {
    for lookalike in ["ver:3.0 server:s", "ver:3.0 server:", "x ver:3.0 server:y"] {
        let events = [Sent::new("s", "a"), Sent::new(lookalike, "when:5")];
        for unit in UNITS {
            let stream = stream(unit, &events);
            let expected = expected(unit, &events, stream.len());
            let begin = expected.ends()[0];
            for cut in (begin..begin + events[1].header(unit).len()).step_by(cases(1, 40)) {
                // To the first event's end, to the cut, and all the rest.
                let sizes = [begin as u8, (cut - begin) as u8, 255];
                assert_eq!(assert_chunking_is_invisible::<1024>(unit, &stream, &sizes), expected, "{lookalike} {cut}");
            }
        }
    }
}

#[test]
fn a_character_that_is_cut_short_ends_before_the_next_byte() {
    let header = |len| format!("ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:{len}\n").into_bytes();
    let stream = [header(2), b"a\xe2\x82".to_vec(), header(0)].concat();
    let end = stream.len() - header(0).len();
    for size in [1, 2, 255] {
        let seen = assert_chunking_is_invisible::<64>(LengthUnit::CodePoints, &stream, &[size]);
        assert_eq!((seen.ends(), seen.end), (vec![end, stream.len()], Ok(())));
        // Only the next byte shows that, and a listener does not get it before it has answered.
        let listened = listen::<64>(LengthUnit::CodePoints, &pieces(&stream, &[size], &[end]));
        assert_eq!((listened.ends(), listened.end), (vec![end], Err(error(end, ProtocolErrorKind::OutOfTurn))));
    }
}

#[test]
fn what_is_there_whole_is_borrowed_from_the_input() {
    let inside = |part: &[u8], whole: &[u8]| {
        let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    };
    let stream = stream(LengthUnit::CodePoints, &events());
    let mut input = &stream[..];
    let mut decoder = Decoder::new(LengthUnit::default());
    let (mut headers, mut payloads) = (0, 0);
    while let Some(step) = decoder.advance(&mut input).unwrap() {
        match step {
            Step::Header(header) => {
                let values = [header.as_str(), header.ver(), header.server(), header.pool(), header.eventname()];
                assert!(values.iter().all(|value| inside(value.as_bytes(), &stream)));
                headers += 1;
            }
            Step::Payload(piece) => {
                assert!(inside(piece, &stream));
                payloads += 1;
            }
            Step::Complete => {}
        }
    }
    // An empty payload has no piece.
    assert_eq!((headers, payloads), (5, 4));

    // A header in two pieces is assembled in the decoder; its payload is still borrowed from the input.
    let (first, second) = stream.split_at(20);
    let (mut first, mut second) = (first, second);
    let mut decoder = Decoder::new(LengthUnit::default());
    assert_eq!(decoder.advance(&mut first), Ok(None));
    let Ok(Some(Step::Header(header))) = decoder.advance(&mut second) else { panic!("the header is there") };
    assert!(header.server() == "s" && !inside(header.as_str().as_bytes(), &stream));
    let Ok(Some(Step::Payload(piece))) = decoder.advance(&mut second) else { panic!("the payload is there") };
    assert!(piece == b"when:5" && inside(piece, &stream));
}

#[test]
fn the_pieces_are_the_stream() {
    let stream: Vec<u8> = (0..100).collect();
    for sizes in [&[][..], &[0], &[1], &[0, 3], &[255], &[7, 5]] {
        for cuts in [&[][..], &[50], &[0, 1, 99, 100]] {
            let pieces = pieces(&stream, sizes, cuts);
            assert_eq!(pieces.concat(), stream);
            let mut ends = pieces.iter().scan(0, |at, piece| Some(std::mem::replace(at, *at + piece.len())));
            assert!(cuts.iter().filter(|cut| **cut < 100).all(|cut| *cut == 0 || ends.any(|end| end == *cut)));
        }
    }
    assert_eq!(pieces(&stream, &[1], &[]).len(), 100);
    assert_eq!(decode::<8>(LengthUnit::Bytes, &[]).events, []);
}
