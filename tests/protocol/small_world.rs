//! Exhaustive tests over a small alphabet: every string of up to five of its pieces, whole and split, against plain
//! models.

use crate::cases;
use crate::fuzz::runs::assert_chunking_is_invisible;
use crate::fuzz::supervisor_end::Ends;
use supervisor_events::{Header, LengthUnit};

/// How many pieces a string has at most.
const WORDS: u32 = cases(5, 1) as u32;

/// Calls `take` with every string of at most `most` pieces. Returns their number.
fn strings(alphabet: &[&[u8]], most: u32, take: &mut impl FnMut(&[u8])) -> usize {
    let mut count = 0;
    let mut longest = vec![Vec::new()];
    for length in 0..=most {
        longest.iter().for_each(|string: &Vec<u8>| take(string));
        count += longest.len();
        if length < most {
            let longer = |string: &Vec<u8>| alphabet.iter().map(|piece| [string, *piece].concat()).collect::<Vec<_>>();
            longest = longest.iter().flat_map(longer).collect();
        }
    }
    count
}

/// What a listener can write, with an event sent whenever it is READY, and without.
#[test]
fn all_that_a_listener_writes_in_five_words() {
    let alphabet: [&[u8]; 9] = [b"READY\n", b"RESULT ", b"2", b"0", b"-", b"\n", b"OK", b"R", "é".as_bytes()];
    let count = strings(&alphabet, WORDS, &mut |said| {
        for (sends, cut) in [(true, said.len()), (true, said.len() / 2), (true, 1), (false, said.len())] {
            let mut ends = Ends::default();
            let (one, other) = said.split_at(cut.min(said.len()));
            for part in [b"READY\n", one, other] {
                ends.hear(part);
                if sends {
                    ends.send();
                }
            }
        }
    });
    assert_eq!(count, (9usize.pow(WORDS + 1) - 1) / 8);
}

/// What supervisord can send, and what it cannot.
#[test]
fn all_that_is_sent_in_five_words() {
    let alphabet: [&[u8]; 8] = [
        b"ver:3.0 server:",
        b" serial:1 pool:p poolserial:2 eventname:E len:",
        b"2",
        b"\n",
        b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:1\n",
        b"\xc3",
        "é".as_bytes(),
        b"a",
    ];
    let count = strings(&alphabet, WORDS, &mut |sent| {
        for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
            // Split at each byte, and inside a character.
            let seen = assert_chunking_is_invisible::<1024>(unit, sent, &[1]);
            assert_chunking_is_invisible::<1024>(unit, sent, &[63, 1, 2]);
            let events: Vec<_> = seen.events.iter().filter(|event| event.end.is_some()).collect();
            let (expected, end) = frames(unit, sent);
            let told: Vec<_> = events.iter().map(|event| (event.header.as_bytes(), &event.payload[..])).collect();
            assert_eq!((told, seen.end.is_ok()), (expected, end), "{}", sent.escape_ascii());
        }
    });
    assert_eq!(count, (8usize.pow(WORDS + 1) - 1) / 7);
}

/// A header line, and the bytes after it.
type Split<'s> = (&'s [u8], &'s [u8]);

/// The complete events of a stream, header and payload, and whether nothing is left over.
fn frames(unit: LengthUnit, mut rest: &[u8]) -> (Vec<Split<'_>>, bool) {
    let mut events = Vec::new();
    while !rest.is_empty() {
        let Some((line, after)) = header(rest) else { return (events, false) };
        let len = Header::parse(line).map(|header| header.len());
        let Some(end) = len.ok().and_then(|len| payload_end(unit, after, len)) else { return (events, false) };
        let (payload, next) = after.split_at(end);
        events.push((line, payload));
        rest = next;
    }
    (events, true)
}

/// A header ends at the first newline after both its last keys.
fn header(rest: &[u8]) -> Option<Split<'_>> {
    let newlines = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let has = |line: &[u8], key: &[u8]| line.windows(key.len()).any(|part| part == key);
    let end = newlines.into_iter().find(|at| has(&rest[..*at], b"eventname:") && has(&rest[..*at], b"len:"))?;
    rest.starts_with(b"ver:").then(|| (&rest[..end], &rest[end + 1..]))
}

/// Where a payload of this length ends: after the last code point's continuation bytes, as many as its lead byte says.
fn payload_end(unit: LengthUnit, rest: &[u8], len: u64) -> Option<usize> {
    let mut at = 0;
    for _ in 0..len {
        if unit == LengthUnit::Bytes {
            at += 1;
            continue;
        }
        // Continuation bytes that belong to no character are not counted.
        at += rest.get(at..)?.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
        let more = match rest.get(at)? {
            0..0x80 => 0,
            0x80..0xe0 => 1,
            0xe0..0xf0 => 2,
            0xf0.. => 3,
        };
        at += 1;
        let continued = rest[at..].iter().take(more).take_while(|byte| **byte & 0xc0 == 0x80).count();
        at += continued;
        if continued < more && at == rest.len() {
            return None;
        }
    }
    (at <= rest.len()).then_some(at)
}
