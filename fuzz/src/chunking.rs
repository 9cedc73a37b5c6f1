//! How a stream is cut into pieces is invisible: any bytes for the checks of [`runs`](super::runs).

use arbitrary::Arbitrary;
use supervisor_events::LengthUnit;

use super::runs::assert_chunking_is_invisible;

/// A stream, and how it is cut.
#[derive(Debug, Arbitrary)]
pub struct Input<'a> {
    /// The sizes of the pieces, over and over.
    sizes: [u8; 8],
    /// All that is left: so a seed is eight bytes and a recorded stream.
    stream: &'a [u8],
}

impl Input<'_> {
    /// In both units, with tight and ample limits.
    pub fn check(self) {
        for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
            assert_chunking_is_invisible::<64>(unit, self.stream, &self.sizes);
            assert_chunking_is_invisible::<1024>(unit, self.stream, &self.sizes);
        }
    }
}
