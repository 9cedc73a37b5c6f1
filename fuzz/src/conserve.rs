//! Nothing is lost and nothing comes twice: the output of the machines, concatenated, is the input that they consumed,
//! and what they hold back is still to come.

use supervisor_events::{
    Decoder, Envelope, LengthUnit, ListenerOutput, ListenerState, Notification, READY, Reply, Session, Step,
    Supervisor, Violation,
};

use super::runs::{Cut, decode, pieces};

/// Feeds the stream to a decoder, to sessions with a tight and an ample buffer, and to the supervisor's end.
pub fn check(Cut { sizes, stream }: Cut<'_>) {
    for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
        decoder::<64>(unit, stream, &pieces(stream, &sizes, &[]));
        decoder::<1024>(unit, stream, &pieces(stream, &sizes, &[]));
        for buffer in [96, 2048] {
            // As supervisord does: it sends nothing after an event before the answer.
            let ends = decode::<1024>(unit, &[stream]).ends();
            session(unit, buffer, stream, &pieces(stream, &sizes, &ends));
        }
    }
    supervisor(stream, &pieces(stream, &sizes, &[]));
}

/// The output so far is the start of `stream`.
#[track_caller]
fn assert_told(told: &[u8], stream: &[u8]) {
    assert!(stream.starts_with(told), "{} of {}", told.escape_ascii(), stream.escape_ascii());
}

fn decoder<const N: usize>(unit: LengthUnit, stream: &[u8], pieces: &[&[u8]]) {
    let mut decoder = Decoder::<N>::with_header_limit(unit);
    let (mut told, mut taken, mut begun, mut completed) = (Vec::new(), 0, 0, 0);
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input.len();
            let step = decoder.advance(&mut input);
            taken += before - input.len();
            let step = match step {
                Ok(Some(step)) => step,
                Ok(None) => break assert!(input.is_empty(), "input is left, but there was no step"),
                Err(error) => return assert!(told.len() as u64 <= error.offset, "{error}: in bytes that came out"),
            };
            match step {
                Step::Header(header) => {
                    begun += 1;
                    told.extend_from_slice(header.as_str().as_bytes());
                    told.push(b'\n');
                }
                Step::Payload(piece) => told.extend_from_slice(piece),
                Step::Complete => {
                    completed += 1;
                    assert_eq!(before, input.len(), "it consumes nothing");
                }
            }
            assert!(begun == completed || begun == completed + 1);
            assert_eq!((told.len(), decoder.offset()), (taken, taken as u64));
            assert_told(&told, stream);
        }
    }
    assert_eq!((taken, decoder.offset()), (stream.len(), stream.len() as u64));
    // Only the start of a header is held back.
    assert!(told.len() == taken || begun == completed);
}

fn session(unit: LengthUnit, buffer: usize, stream: &[u8], pieces: &[&[u8]]) {
    let mut session = Session::new(vec![0; buffer], unit);
    session.ready().expect("it has just started");
    let mut at = 0;
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let space = session.space();
            let (part, after) = rest.split_at(rest.len().min(space.len()));
            space[..part.len()].copy_from_slice(part);
            rest = after;
            match session.received(part.len()) {
                Ok(Some(Notification { header, payload, omitted, .. })) => {
                    let told = [header.as_str().as_bytes(), b"\n", payload].concat();
                    assert_told(&told, &stream[at..]);
                    at += told.len() + omitted as usize;
                    assert_eq!(session.offset(), at as u64);
                }
                Ok(None) => continue,
                Err(error) => return assert!(at as u64 <= error.offset, "{error}: in bytes that came out"),
            }
            if session.reply_and_ready(&Reply::OK).is_err() {
                // More input follows: the last character of the payload is truncated.
                return;
            }
        }
    }
    assert_eq!(session.offset(), stream.len() as u64);
}

/// The listener's output, with an event sent whenever the listener is READY.
fn supervisor(stream: &[u8], pieces: &[&[u8]]) {
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    let (mut told, mut taken) = (Vec::new(), 0);
    for piece in pieces {
        let mut input = *piece;
        loop {
            let before = input.len();
            let heard = supervisor.advance(&mut input);
            taken += before - input.len();
            match heard {
                None => break assert!(input.is_empty(), "input is left, but there was no step"),
                Some(ListenerOutput::Ready) => told.extend_from_slice(READY),
                Some(ListenerOutput::ResultLine { .. }) => {
                    let line = &stream[told.len()..taken];
                    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
                    told.extend_from_slice(line);
                }
                Some(ListenerOutput::ResultData(data)) => {
                    assert!(!data.is_empty());
                    told.extend_from_slice(data);
                }
                Some(ListenerOutput::Result { .. }) => assert_eq!(before, input.len(), "it consumes nothing"),
                Some(ListenerOutput::Violation(violation)) => {
                    match violation {
                        Violation::NotReady(bytes) => assert_told(&bytes, &stream[told.len()..]),
                        Violation::Spurious(byte) => assert_eq!(stream[taken], byte),
                        _ => assert!(stream[..taken].ends_with(b"\n")),
                    }
                    return assert_eq!(supervisor.state(), ListenerState::Unknown);
                }
                Some(_) => return assert_eq!(supervisor.state(), ListenerState::Busy),
            }
            assert_told(&told, stream);
            assert_eq!(told.len(), taken);
        }
        assert_eq!(told.len() as u64 + supervisor.pending(), taken as u64);
        if supervisor.state() == ListenerState::Ready {
            notify(&mut supervisor);
        }
    }
    assert_eq!(taken, stream.len());
}

/// Sends an event.
pub fn notify(supervisor: &mut Supervisor) {
    let envelope = Envelope { server: "s", serial: 0, pool: "p", poolserial: 0, eventname: "X", payload: b"" };
    supervisor.notify(&envelope, &mut [0; 100]).expect("the listener is READY");
}
