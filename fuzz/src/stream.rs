//! A stream of events with known offsets, for the models.

use arbitrary::Arbitrary;
use supervisor_events::{Envelope, LengthUnit};

/// The parts of an event.
#[derive(Clone, Debug, Arbitrary)]
pub struct Event {
    server: String,
    eventname: Name,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Name {
    Tick,
    State,
    Foreign,
}

/// The offsets of an event in a stream.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where its header begins.
    pub begin: usize,
    /// Where its payload begins.
    pub payload: usize,
    /// Where the next header begins.
    pub end: usize,
}

/// Events, and possibly bytes after them that are not a header.
#[derive(Debug)]
pub struct Stream {
    /// All bytes of the stream.
    pub bytes: Vec<u8>,
    unit: LengthUnit,
    places: Vec<Place>,
}

impl Stream {
    /// The stream of these events, with serials from 0.
    pub fn new(unit: LengthUnit, events: Vec<Event>, garbage: bool) -> Self {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for (serial, mut event) in (0..).zip(events) {
            // Without newlines, the header has only one reading; its length stays below the listener's limit.
            event.server.retain(|char| char != '\n');
            shorten(&mut event.server, 300);
            let payload = match unit {
                LengthUnit::CodePoints => String::from_utf8_lossy(&event.payload).into_owned().into_bytes(),
                LengthUnit::Bytes => event.payload,
            };
            let eventname = match event.eventname {
                Name::Tick => "TICK_5",
                Name::State => "PROCESS_STATE_FATAL",
                Name::Foreign => "OURS",
            };
            let envelope =
                Envelope { server: &event.server, serial, pool: "p", poolserial: serial, eventname, payload: &payload };
            let mut buffer = vec![0; 600 + payload.len()];
            let begin = bytes.len();
            bytes.extend_from_slice(envelope.write_to(unit, &mut buffer).expect("there is room"));
            places.push(Place { begin, payload: bytes.len() - payload.len(), end: bytes.len() });
        }
        if garbage {
            bytes.extend_from_slice(b"\xe9ver:");
        }
        Self { bytes, unit, places }
    }

    /// The event that is under way once `at` bytes have been consumed, or the next one. `None` after the last.
    pub fn event_at(&self, at: usize) -> Option<Place> {
        self.places.iter().copied().find(|place| at < place.end)
    }

    /// The offsets of all events.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The length of the longest header, with its newline.
    pub fn longest_header(&self) -> usize {
        self.places.iter().map(|place| place.payload - place.begin).max().unwrap_or(100)
    }

    /// How many units of `len` have not begun to arrive if the payload is consumed up to `at`. The last character
    /// counts until it is complete.
    pub fn missing(&self, place: Place, at: usize) -> u64 {
        let missing = match self.unit {
            LengthUnit::Bytes => place.end - at,
            LengthUnit::CodePoints => {
                let is_lead = |byte: &&u8| **byte & 0xc0 != 0x80;
                self.bytes[at..place.end].iter().filter(is_lead).count().max(1)
            }
        };
        missing as u64
    }
}

/// Truncates a text to at most `most` bytes.
pub fn shorten(text: &mut String, most: usize) {
    while text.len() > most {
        text.pop();
    }
}
