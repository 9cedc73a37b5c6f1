//! What the machines make of a stream in pieces, recorded in a form that does not show the pieces.
//!
//! The fuzz target `chunking` and `tests/protocol/chunking.rs` share it: one runs it on any bytes, the other on likely
//! ones.

use arbitrary::Arbitrary;
use supervisor_events::{
    Decoder, LengthUnit, Listener, ListenerState, Notification, ProtocolError, ProtocolErrorKind, READY, Reply,
    Session, Step, TurnError,
};

/// Any stream, and how it is split.
#[derive(Debug, Arbitrary)]
pub struct Cut<'a> {
    /// The sizes of the pieces, over and over.
    pub sizes: [u8; 8],
    /// All remaining bytes, so that a seed is eight bytes and a recorded stream.
    pub stream: &'a [u8],
}

/// An event as a machine delivered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The header line, without its newline.
    pub header: String,
    /// The payload: all of it, or the part before the end of the stream, or the part that fitted into a session's
    /// buffer.
    pub payload: Vec<u8>,
    /// How many bytes did not fit.
    pub omitted: u64,
    /// Where the event ends in the stream; `None` if the stream ends first.
    pub end: Option<u64>,
}

/// What a machine made of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The events; the last one may be incomplete.
    pub events: Vec<Seen>,
    /// How the stream ended.
    pub end: Result<(), ProtocolError>,
}

impl Outcome {
    /// The offsets at which the complete events end.
    pub fn ends(&self) -> Vec<usize> {
        self.events.iter().filter_map(|event| event.end).map(|end| end as usize).collect()
    }

    /// Without the event that the stream ends in.
    fn complete(mut self) -> Self {
        self.events.retain(|event| event.end.is_some());
        self
    }

    fn step(&mut self, step: Step<'_>, before: &[u8], after: &[u8]) {
        let taken = before.len() - after.len();
        let incomplete = self.events.last_mut().filter(|event| event.end.is_none());
        match step {
            Step::Header(header) => {
                assert!(incomplete.is_none(), "a header in a payload");
                let line = header.as_str();
                assert!(0 < taken && taken <= line.len() + 1);
                let borrowed = line.as_ptr() == before.as_ptr();
                assert_eq!(
                    borrowed,
                    taken == line.len() + 1,
                    "a header is borrowed from the input if all of it is there"
                );
                self.events.push(Seen { header: line.to_owned(), payload: Vec::new(), omitted: 0, end: None });
            }
            Step::Payload(piece) => {
                assert!(taken > 0 && taken == piece.len());
                assert_eq!(piece.as_ptr(), before.as_ptr(), "a payload is never copied");
                incomplete.expect("a payload follows a header").payload.extend_from_slice(piece);
            }
            Step::Complete => {
                assert_eq!(taken, 0);
                assert!(incomplete.is_some(), "an event is complete once");
            }
        }
    }

    fn completed_at(&mut self, offset: u64) {
        self.events.last_mut().expect("an event").end = Some(offset);
    }
}

/// Splits `stream` into pieces of these sizes, over and over, and also at `cuts`. A size of 0 makes an empty piece; if
/// all sizes are 0, only `cuts` split the stream.
pub fn pieces<'a>(stream: &'a [u8], sizes: &[u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let whole = sizes.iter().all(|size| *size == 0);
    let mut sizes = sizes.iter().cycle().map(|size| usize::from(*size));
    let mut cuts = cuts.iter().copied().peekable();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        while cuts.next_if(|cut| *cut <= at).is_some() {}
        let most = cuts.peek().map_or(stream.len(), |cut| *cut) - at;
        let size = if whole { most } else { sizes.next().unwrap_or(most).min(most) };
        pieces.push(&stream[at..at + size]);
        at += size;
    }
    pieces
}

/// What a [`Decoder`] makes of the pieces. Each call makes progress: it consumes input, or yields a step, or leaves the
/// input empty.
pub fn decode<const N: usize>(unit: LengthUnit, pieces: &[&[u8]]) -> Outcome {
    let mut decoder = Decoder::<N>::with_header_limit(unit);
    let mut outcome = Outcome { events: Vec::new(), end: Ok(()) };
    let mut fed = 0;
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input;
            match decoder.advance(&mut input) {
                Ok(Some(step)) => {
                    outcome.step(step, before, input);
                    if step == Step::Complete {
                        outcome.completed_at(decoder.offset());
                    }
                }
                Ok(None) => break assert!(input.is_empty()),
                Err(error) => {
                    assert_eq!(decoder.advance(&mut &b"ver:"[..]), Err(error), "an error stays");
                    assert_eq!(decoder.end(), Err(error));
                    return Outcome { end: Err(error), ..outcome };
                }
            }
        }
        fed += piece.len() as u64;
        assert_eq!(decoder.offset(), fed);
    }
    Outcome { end: decoder.end(), ..outcome }
}

/// What a [`Listener`] makes of the pieces when it answers each event. The stream has to be split where events end, as
/// supervisord does: it sends nothing before the answer.
pub fn listen<const N: usize>(unit: LengthUnit, pieces: &[&[u8]]) -> Outcome {
    let mut listener = Listener::<N>::with_header_limit(unit);
    assert_eq!(listener.ready(), Ok(READY));
    let mut outcome = Outcome { events: Vec::new(), end: Ok(()) };
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input;
            match listener.advance(&mut input) {
                Ok(Some(step)) => {
                    outcome.step(step, before, input);
                    if step == Step::Complete {
                        outcome.completed_at(listener.offset());
                        if listener.reply_and_ready(&Reply::OK).is_err() {
                            assert_eq!(listener.reply_and_ready(&Reply::OK), Err(TurnError::UnreadInput));
                            assert!(
                                listener.reply(&Reply::OK).is_ok() && listener.ready() == Err(TurnError::UnreadInput)
                            );
                        }
                        continue;
                    }
                }
                Ok(None) => break assert!(input.is_empty()),
                Err(error) => {
                    assert_eq!(listener.ready(), Err(TurnError::Broken(error)));
                    assert_eq!(listener.end(), Err(error));
                    return Outcome { end: Err(error), ..outcome };
                }
            }
            let busy = outcome.events.last().is_some_and(|event| event.end.is_none());
            assert_eq!(listener.state(), if busy { ListenerState::Busy } else { ListenerState::Ready });
            assert_eq!(listener.reply_and_ready(&Reply::OK), Err(TurnError::NoEvent(listener.state())), "too early");
        }
    }
    Outcome { end: listener.end(), ..outcome }
}

/// What a [`Session`] with a buffer of this size makes of the pieces when it answers each event. The stream has to be
/// split where events end.
pub fn session(unit: LengthUnit, buffer: usize, pieces: &[&[u8]]) -> Outcome {
    let mut session = Session::new(vec![0; buffer], unit);
    assert_eq!(session.ready(), Ok(READY));
    let mut outcome = Outcome { events: Vec::new(), end: Ok(()) };
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let space = session.space();
            assert!(!space.is_empty(), "there is always room");
            let (part, after) = rest.split_at(rest.len().min(space.len()));
            space[..part.len()].copy_from_slice(part);
            rest = after;
            match session.received(part.len()) {
                Ok(Some(Notification { header, payload, omitted, .. })) => {
                    let (header, payload) = (header.as_str().to_owned(), payload.to_vec());
                    outcome.events.push(Seen { header, payload, omitted, end: Some(session.offset()) });
                    if session.reply_and_ready(&Reply::OK).is_err() {
                        assert_eq!(session.reply_and_ready(&Reply::OK), Err(TurnError::UnreadInput));
                        assert!(session.reply(&Reply::OK).is_ok() && session.ready() == Err(TurnError::UnreadInput));
                    }
                }
                Ok(None) => {
                    assert_eq!(session.reply(&Reply::OK), Err(TurnError::NoEvent(session.state())), "too early")
                }
                Err(error) => {
                    assert_eq!(session.received(0), Err(error), "an error stays");
                    assert_eq!(session.end(), Err(error));
                    return Outcome { end: Err(error), ..outcome };
                }
            }
            if rest.is_empty() && session.state() != ListenerState::Acknowledged {
                break;
            }
        }
    }
    Outcome { end: session.end(), ..outcome }
}

/// Chunking changes nothing: whole or in pieces of these sizes, a [`Decoder`] sees the same events, and the same error
/// at the same offset. So do a [`Listener`] and a [`Session`] that answer each event, with the same limit on headers.
/// Returns what the decoder saw.
pub fn assert_chunking_is_invisible<const N: usize>(unit: LengthUnit, stream: &[u8], sizes: &[u8]) -> Outcome {
    let seen = decode::<N>(unit, &[stream]);
    assert_eq!(decode::<N>(unit, &pieces(stream, sizes, &[])), seen, "a decoder");

    let ends = seen.ends();
    let (by_event, cut) = (pieces(stream, &[], &ends), pieces(stream, sizes, &ends));
    let listened = listen::<N>(unit, &by_event);
    assert_eq!(listen::<N>(unit, &cut), listened, "a listener");
    assert_in_turn(&seen, &listened);

    // A session needs one byte more, to read the payload into.
    let held = session(unit, N + 1, &by_event);
    assert_eq!(session(unit, N + 1, &cut), held, "a session");
    assert_held(&listened.complete(), &held, N + 1);
    seen
}

/// A listener sees what the decoder sees, with one exception. If the last character of a payload is truncated, only the
/// byte after it shows that the payload has ended. So that byte comes before the answer, and is out of turn.
fn assert_in_turn(seen: &Outcome, listened: &Outcome) {
    if let Err(ProtocolError { kind: ProtocolErrorKind::OutOfTurn, offset, .. }) = listened.end {
        assert!(seen.events.starts_with(&listened.events));
        let last = listened.events.last().expect("READY was sent before the first event");
        assert_eq!(last.end, Some(offset));
        assert!(std::str::from_utf8(&last.payload).is_err());
    } else {
        assert_eq!(listened, seen);
    }
}

/// A session delivers the same events as a listener, each as far as it fits.
fn assert_held(listened: &Outcome, held: &Outcome, buffer: usize) {
    assert_eq!((held.events.len(), held.end), (listened.events.len(), listened.end));
    for (part, event) in held.events.iter().zip(&listened.events) {
        assert_eq!((&part.header, part.end), (&event.header, event.end));
        assert!(event.payload.starts_with(&part.payload));
        assert_eq!(part.payload.len() as u64 + part.omitted, event.payload.len() as u64);
        // A payload that ends in half a character may need a byte more than its own.
        let used = event.header.len() + 1 + event.payload.len();
        assert!(part.omitted == 0 || used >= buffer, "an event of {used} bytes fits into {buffer}");
        assert!(part.omitted > 0 || used <= buffer);
    }
}
