//! Streams of real servers, decoded and compared with what the servers meant.
//!
//! The descriptions in `tests/ground-truth` were made from supervisord's own objects, not by parsing its output; those
//! of other servers with an independent reader. Every file there is tested: a new one needs no change here.

use crate::cases;
use crate::ground_truth::{Recording, base64, notifications, recordings};
use serde_json::Value;
use supervisor_events::{
    Data, Decoder, Event, EventError, EventType, Header, LengthUnit, ProcessState, ProtocolError, ProtocolErrorKind,
    Session, Step,
};

/// An event, copied out of the decoder.
#[derive(Clone, Debug, PartialEq)]
struct Decoded {
    offset: u64,
    tokens: Vec<(String, String)>,
    len: u64,
    payload: Vec<u8>,
}

fn tokens(header: &Header<'_>) -> Vec<(String, String)> {
    header.tokens().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Where a stream breaks, and how.
type Broken = (u64, ProtocolErrorKind);

fn broken(error: ProtocolError) -> Broken {
    (error.offset, error.kind)
}

/// Decodes the pieces of a stream, in order. If the stream ends inside an event, that event is the last one.
fn decode<'a>(unit: LengthUnit, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Decoded>, Result<(), Broken>) {
    let mut decoder = Decoder::new(unit);
    let mut events: Vec<Decoded> = Vec::new();
    let mut offset = 0;
    for mut input in pieces {
        loop {
            match decoder.advance(&mut input) {
                Ok(Some(Step::Header(header))) => {
                    let (tokens, len) = (tokens(&header), header.len());
                    events.push(Decoded { offset, tokens, len, payload: Vec::new() });
                }
                Ok(Some(Step::Payload(piece))) => events.last_mut().unwrap().payload.extend(piece),
                Ok(Some(Step::Complete)) => offset = decoder.offset(),
                Ok(None) => break,
                Err(error) => return (events, Err(broken(error))),
            }
        }
        assert!(input.is_empty());
    }
    (events, decoder.end().map_err(broken))
}

/// Splits `bytes` into pieces of 1 to `most` bytes; the same seed gives the same pieces.
fn pieces(bytes: &[u8], most: usize, seed: u64) -> impl Iterator<Item = &[u8]> {
    let mut state = seed;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = 1 + (state >> 33) as usize % most;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What the stream must decode to: its events, and how it ends.
fn expected(recording: &Recording) -> (Vec<Decoded>, Result<(), Broken>) {
    let Recording { bytes: stream, unit, .. } = recording;
    let mut events = Vec::new();
    let mut at = 0;
    for event in recording.description()["events"].as_array().unwrap() {
        let offset = event["offset"].as_u64().unwrap();
        if offset != at {
            break; // Foreign bytes.
        }
        let header = event["header"].as_object().unwrap();
        let tokens: Vec<_> =
            header.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        let len = header["len"].as_str().unwrap().parse().unwrap();
        let mut payload = base64(&event["payload_b64"]);
        let complete = event["complete"].as_bool().unwrap();
        // A plugin's event whose `len` is not its length in any unit: the payload is the part that fits `len`, and
        // what follows cannot be a header.
        if complete && length(*unit, &payload) != len {
            assert_eq!(*unit, LengthUnit::CodePoints);
            let text = String::from_utf8(payload).unwrap();
            payload = text.chars().take(len as usize).collect::<String>().into_bytes();
        }
        at = offset + event["header_bytes"].as_u64().unwrap() + payload.len() as u64;
        if !complete {
            let missing = len - length(*unit, &payload);
            events.push(Decoded { offset, tokens, len, payload });
            assert_eq!(at, stream.len() as u64);
            let kind = ProtocolErrorKind::TruncatedPayload { missing };
            return (events, Err((at, kind)));
        }
        events.push(Decoded { offset, tokens, len, payload });
    }
    let end = if at == stream.len() as u64 { Ok(()) } else { Err((at, ProtocolErrorKind::NotAHeader)) };
    (events, end)
}

/// The payload's length, computed without the crate.
fn length(unit: LengthUnit, payload: &[u8]) -> u64 {
    match unit {
        LengthUnit::CodePoints => std::str::from_utf8(payload).unwrap_or_default().chars().count() as u64,
        LengthUnit::Bytes => payload.len() as u64,
    }
}

#[test]
fn every_stream_whole_byte_by_byte_and_in_random_pieces() {
    for recording in recordings() {
        let Recording { name, bytes: stream, unit, .. } = &recording;
        let expected = expected(&recording);
        assert_eq!(decode(*unit, std::iter::once(&stream[..])), expected, "{name}, whole");
        assert_eq!(decode(*unit, stream.chunks(1)), expected, "{name}, byte by byte");
        let sizes = [(1, 3), (2, 7), (3, 64), (4, 200), (5, 1000), (6, 70_000)];
        for (seed, most) in sizes.into_iter().take(cases(6, 2)) {
            assert_eq!(decode(*unit, pieces(stream, most, seed)), expected, "{name}, pieces of up to {most}");
        }
    }
}

/// The same streams through a session, with a reply to each event, as the servers had.
#[test]
fn every_stream_in_a_session() {
    for recording in recordings() {
        let Recording { name, bytes: stream, unit, .. } = &recording;
        let (events, end) = expected(&recording);
        for most in [1, 50, 100_000] {
            let mut session = Session::new(vec![0; cases(400_000, 1000)], *unit);
            session.ready().unwrap();
            let mut index = 0;
            let mut broken = Ok(());
            'events: for event in &events {
                // A server sends nothing until it has the reply.
                let next = events.get(index + 1).map_or(stream.len(), |next| next.offset as usize);
                for piece in pieces(&stream[event.offset as usize..next], most, 9) {
                    session.space()[..piece.len()].copy_from_slice(piece);
                    match session.received(piece.len()) {
                        Ok(Some(notification)) => {
                            assert_eq!(tokens(&notification.header), event.tokens, "{name}");
                            assert_eq!((notification.payload, notification.omitted), (&event.payload[..], 0), "{name}");
                            assert_eq!(session.offset(), event.offset + session_len(event), "{name}");
                            index += 1;
                            if session.reply_and_ready(&supervisor_events::Reply::OK).is_err() {
                                broken = Err(session.received(0).unwrap_err());
                                break 'events;
                            }
                        }
                        Ok(None) => {}
                        Err(error) => {
                            broken = Err(error);
                            break 'events;
                        }
                    }
                }
            }
            let broken = broken.and_then(|()| session.end());
            assert_eq!(broken.map_err(|error| error.offset), end.map_err(|error| error.0), "{name}");
            let complete = events.len() - usize::from(matches!(end, Err(error) if error.0 == stream.len() as u64));
            assert_eq!(index, complete, "{name}");
        }
    }
}

fn session_len(event: &Decoded) -> u64 {
    let line: usize = event.tokens.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    (line + event.payload.len()) as u64
}

#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for the large recordings")]
fn the_streams_hold_what_they_are_known_for() {
    // The tests above must not pass with a file that is truncated or missing.
    let recordings = recordings();
    let of = |name: &str| {
        let recording = recordings.iter().find(|recording| recording.name == name).unwrap();
        decode(recording.unit, std::iter::once(&recording.bytes[..]))
    };
    let (events, end) = of("custom_events__rec-1");
    assert_eq!((events.len(), end.unwrap_err().0), (6, 728), "a plugin's `len` is wrong: it cannot be framed");
    let (events, end) = of("restart_mid_write__rec-1");
    assert_eq!((events.len(), end.unwrap_err().0), (1, 1000));
    let names = of("names_nasty__rec-1").0;
    assert_eq!(names.iter().filter(|event| event.payload.len() as u64 != event.len).count(), 87);
    let (events, end) = of("ident_newline__rec-1");
    assert_eq!((events.len(), end), (9, Ok(())));
    assert!(events.iter().all(|event| event.tokens[1].1 == "idone\ntwox"));

    // Other servers count in one unit or the other: each stream breaks if it is read in the wrong one.
    for (unit, wrong, count) in
        [(LengthUnit::CodePoints, LengthUnit::Bytes, 107), (LengthUnit::Bytes, LengthUnit::CodePoints, 97)]
    {
        let mut events = 0;
        for other in recordings.iter().filter(|other| other.description()["server"].is_string() && other.unit == unit) {
            events += decode(unit, std::iter::once(&other.bytes[..])).0.len();
            assert!(decode(wrong, std::iter::once(&other.bytes[..])).1.is_err(), "{} in {wrong}", other.name);
        }
        assert!(events >= count, "{unit}: {events}");
    }
}

#[test]
fn every_notification_with_its_fields() {
    let (mut recovered, mut ambiguous) = (0, 0);
    for vector in &notifications(cases(1, 20)) {
        let name = vector["name"].as_str().unwrap();
        let envelope = base64(&vector["envelope_b64"]);
        let (line, payload) = envelope.split_at(envelope.len() - vector["payload_bytes"].as_u64().unwrap() as usize);
        let header = Header::parse(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (key, value) in vector["header"].as_object().unwrap() {
            assert_eq!(header.get(key), value.as_str(), "{name}");
        }
        assert_eq!(header.len(), LengthUnit::CodePoints.measure(payload), "{name}");
        assert_eq!(decode(LengthUnit::CodePoints, envelope.chunks(1)).0[0].payload, payload, "{name}");

        let event = Event::parse(header.event_type(), payload);
        let is_recovered = event.is_ok_and(|event| fields(&event) == expected_fields(vector));
        // Some texts have more than one reading: a newline or a token inside a name.
        if vector["ambiguous"].as_bool() == Some(true) {
            ambiguous += usize::from(!is_recovered);
        } else {
            assert!(is_recovered, "{name}: {event:?} is not {}", vector["fields"]);
        }
        recovered += usize::from(is_recovered);
    }
    assert!(recovered >= cases(168, 8), "{recovered}");
    println!("{recovered} recovered, {ambiguous} of the ambiguous ones not");
}

/// The event's fields under the protocol's names, and its data as bytes.
fn fields(event: &Event<'_>) -> (Value, Option<Vec<u8>>) {
    let mut fields = serde_json::to_value(event).unwrap();
    let map = fields.as_object_mut().unwrap();
    map.remove("type");
    map.remove("data");
    if let Some(remote_type) = map.remove("remote_type") {
        map.insert("type".into(), remote_type);
    }
    let data = match event {
        Event::ProcessLog(event) => Some(event.data),
        Event::ProcessCommunication(event) => Some(event.data),
        Event::RemoteCommunication(event) => Some(event.data),
        _ => None,
    };
    (fields, data.map(|data: Data<'_>| data.as_bytes().to_vec()))
}

fn expected_fields(vector: &Value) -> (Value, Option<Vec<u8>>) {
    (vector["fields"].clone(), vector.get("data_b64").map(base64))
}

#[test]
fn every_payload_of_the_streams_is_typed() {
    for recording in recordings() {
        let name = &recording.name;
        let (mut events, end) = expected(&recording);
        if matches!(end, Err((_, ProtocolErrorKind::TruncatedPayload { .. }))) {
            events.pop();
        }
        for event in events {
            let eventname = &event.tokens[5].1;
            match Event::parse(EventType::from_name(eventname), &event.payload) {
                Ok(typed) => {
                    assert_eq!(typed.event_type().unwrap().name(), eventname);
                    assert_eq!(values(&typed), written(&event.payload), "{name}: {}", event.payload.escape_ascii());
                }
                Err(error) => {
                    let unknown = matches!(EventType::from_name(eventname), EventType::Other(_));
                    assert_eq!((error, unknown), (EventError::UnknownType, true), "{name}: {eventname}");
                }
            }
        }
    }
}

/// The state as written, the state that it names, and the process id, if the event has them.
type Values = (Option<String>, Option<ProcessState>, Option<u32>);

fn values(event: &Event<'_>) -> Values {
    match event {
        Event::ProcessState(event) => (Some(event.from_state.to_string()), event.from_state.state(), event.pid),
        Event::ProcessLog(event) => (None, None, event.pid),
        Event::ProcessCommunication(event) => (None, None, event.pid),
        _ => (None, None, None),
    }
}

/// The same values, found in the payload's text. Servers write states in several letter cases, and a negative number
/// for a process that does not exist.
fn written(payload: &[u8]) -> Values {
    let text = String::from_utf8_lossy(payload);
    // A name may hold newlines and look-alikes of tokens: the tokens follow the last group of the line.
    let from = text.find(" groupname:").unwrap_or(text.len());
    let end = text[from..].find('\n').map_or(text.len(), |newline| from + newline);
    let line = text[..end].rfind(" groupname:").map_or("", |group| &text[group..end]);
    let value = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key));
    let state = value("from_state:").map(|state| {
        let known = ProcessState::ALL.iter().find(|known| known.name() == state.to_uppercase());
        *known.unwrap_or_else(|| panic!("no server has the state {state}"))
    });
    (value("from_state:").map(str::to_owned), state, value("pid:").and_then(|pid| pid.parse().ok()))
}

/// The Go server can write this for a process that has already exited. No recording has it.
#[test]
fn a_process_that_does_not_exist_has_no_pid() {
    let payload = b"processname:p groupname: from_state:Running pid:-1";
    let Ok(Event::ProcessState(event)) = Event::parse(EventType::ProcessStateStopping, payload) else { panic!() };
    assert_eq!(
        (event.from_state.state(), event.from_state.to_string()),
        (Some(ProcessState::Running), "Running".into())
    );
    assert_eq!(event.pid, None);
    assert_eq!(values(&Event::ProcessState(event)), written(payload));
}
