//! Chunking is invisible: runs the checks of [`runs`](super::runs) on any bytes.

use supervisor_events::LengthUnit;

use super::runs::{Cut, assert_chunking_is_invisible};

/// Checks both units, with tight and ample limits.
pub fn check(Cut { sizes, stream }: Cut<'_>) {
    for unit in [LengthUnit::CodePoints, LengthUnit::Bytes] {
        assert_chunking_is_invisible::<64>(unit, stream, &sizes);
        assert_chunking_is_invisible::<1024>(unit, stream, &sizes);
    }
}
