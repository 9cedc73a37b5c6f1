//! The mix of events, recorded from a real supervisord, that the benches use.

#![allow(dead_code, reason = "not every bench needs all of it")]

use supervisor_events::{Decoder, LengthUnit, Step};

/// All types of state changes, captured and logged data that is hard to parse, odd names, and the ticks of an hour.
/// `benches/compare` gives the same streams to Python's childutils.
pub const STREAMS: [&[u8]; 5] = [
    include_bytes!("../../tests/ground-truth/streams/all_states__rec-1.bin"),
    include_bytes!("../../tests/ground-truth/streams/comm_nasty__rec-1.bin"),
    include_bytes!("../../tests/ground-truth/streams/log_nasty__rec-1.bin"),
    include_bytes!("../../tests/ground-truth/streams/names_nasty__rec-1.bin"),
    include_bytes!("../../tests/ground-truth/streams/tick_hour__rec5-2.bin"),
];

/// The notifications of all streams, one by one.
pub fn notifications() -> Vec<&'static [u8]> {
    STREAMS.into_iter().flat_map(split).collect()
}

/// The notifications of a stream, one by one.
pub fn split(stream: &'static [u8]) -> Vec<&'static [u8]> {
    let mut decoder = Decoder::new(LengthUnit::default());
    let (mut input, mut start, mut notifications) = (stream, 0, Vec::new());
    while let Some(step) = decoder.advance(&mut input).expect("it was recorded") {
        if step == Step::Complete {
            let end = decoder.offset() as usize;
            notifications.push(&stream[start..end]);
            start = end;
        }
    }
    notifications
}
