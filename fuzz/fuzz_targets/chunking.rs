//! Invariant: how a stream is cut into pieces is invisible.
//!
//! For any bytes and any cuts, in both units of `len` and with tight and ample limits, `Decoder`, `Listener` and
//! `Session` see the same events and the same error at the same offset as they do in one piece; each call makes
//! progress; nothing is copied that was there whole; no reply goes out early.

#![no_main]

use libfuzzer_sys::fuzz_target;
use supervisor_events::LengthUnit;
use supervisor_events_fuzz::runs::assert_chunking_is_invisible;

#[derive(Debug, arbitrary::Arbitrary)]
struct Input<'a> {
    /// The sizes of the pieces, over and over.
    sizes: [u8; 8],
    /// All that is left: so a seed is eight bytes and a recorded stream.
    stream: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
        assert_chunking_is_invisible::<64>(unit, input.stream, &input.sizes);
        assert_chunking_is_invisible::<1024>(unit, input.stream, &input.sizes);
    }
});
