//! What `len` counts, and where a payload of that length ends.
//!
//! The documentation says bytes. supervisor 4 sends the length of a Python string: Unicode code points (upstream issue
//! 1243). supervisor 3 on Python 2, and servers written in other languages, count bytes. All of them say `ver:3.0`, so
//! the stream does not tell which unit it uses, and the unit is a setting.

use super::bytes::{SMALL, code_points, subslice};
use super::error::UnknownName;

/// What the `len` of a header counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LengthUnit {
    /// Unicode code points: supervisor 4.
    #[default]
    CodePoints,
    /// Bytes: supervisor 3, and servers that are not written in Python.
    Bytes,
}

impl LengthUnit {
    /// The `len` that a payload has in this unit.
    ///
    /// ```
    /// use supervisor_events::LengthUnit;
    /// assert_eq!(LengthUnit::CodePoints.measure("é€😀".as_bytes()), 3);
    /// assert_eq!(LengthUnit::Bytes.measure("é€😀".as_bytes()), 9);
    /// ```
    pub fn measure(self, payload: &[u8]) -> u64 {
        match self {
            Self::CodePoints => code_points(payload),
            Self::Bytes => payload.len() as u64,
        }
    }
}

impl core::fmt::Display for LengthUnit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::CodePoints => "code-points",
            Self::Bytes => "bytes",
        })
    }
}

/// `code-points` or `bytes`.
impl core::str::FromStr for LengthUnit {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "code-points" => Ok(Self::CodePoints),
            "bytes" => Ok(Self::Bytes),
            _ => Err(UnknownName::instead_of("a length unit: 'code-points' or 'bytes'")),
        }
    }
}

/// How much of a payload has not arrived.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Remaining {
    unit: LengthUnit,
    /// Whether a payload is being read, not a header.
    begun: bool,
    /// Units whose first byte has not arrived.
    units: u64,
    /// Bytes that the last code point still lacks. The length of a code point is known from its first byte. Waiting for
    /// the next first byte instead would deadlock: the next event is not sent until this one is answered.
    tail: u8,
}

impl Remaining {
    pub(crate) const fn new(unit: LengthUnit) -> Self {
        Self { unit, begun: false, units: 0, tail: 0 }
    }

    /// The next payload is `len` units long.
    pub(crate) const fn begin(&mut self, len: u64) {
        self.begun = true;
        self.units = len;
    }

    /// The payload is over, and a header is due.
    pub(crate) const fn finish(&mut self) {
        self.begun = false;
    }

    /// Whether a payload is being read, not a header; it may be empty or complete.
    pub(crate) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the payload is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.units == 0 && self.tail == 0
    }

    /// How many units have not begun to arrive; the last one counts until it is complete.
    pub(crate) fn missing(&self) -> u64 {
        self.units.max(u64::from(self.tail != 0))
    }

    /// How many bytes at the start of `input` belong to the payload. Looks at each byte a bounded number of times.
    pub(crate) fn take(&mut self, input: &[u8]) -> usize {
        match self.unit {
            LengthUnit::CodePoints | LengthUnit::Bytes if SMALL => self.take_one_by_one(input),
            LengthUnit::Bytes => {
                let taken = usize::try_from(self.units).unwrap_or(usize::MAX).min(input.len());
                self.units -= taken as u64;
                taken
            }
            LengthUnit::CodePoints => self.take_blocks(input),
        }
    }

    /// Byte by byte, in either unit.
    fn take_one_by_one(&mut self, input: &[u8]) -> usize {
        for (taken, &byte) in input.iter().enumerate() {
            let is_first = byte & 0xc0 != 0x80 || self.unit == LengthUnit::Bytes;
            if is_first {
                // The code point before this byte was cut short. That is not UTF-8, and supervisord never sends it: the
                // code point ends here.
                self.tail = 0;
            }
            if self.is_done() {
                return taken;
            }
            if is_first {
                self.units -= 1;
                self.tail = match self.unit {
                    LengthUnit::CodePoints => continuation_bytes(byte),
                    LengthUnit::Bytes => 0,
                };
            } else {
                self.tail = self.tail.saturating_sub(1);
            }
        }
        input.len()
    }

    /// Block by block.
    fn take_blocks(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        while self.units != 0 {
            // n bytes hold at most n code points, so this block never extends past the payload. If it completes the
            // count, each of its bytes begins a code point, and the last one tells how many continuation bytes follow.
            // Otherwise the next block is shorter, by a quarter even if every code point has four bytes.
            let rest = subslice(input, taken, input.len());
            let len = usize::try_from(self.units).unwrap_or(usize::MAX).min(rest.len());
            let block = subslice(rest, 0, len);
            let Some(last) = block.last() else { break };
            self.units -= code_points(block);
            if self.units == 0 {
                self.tail = continuation_bytes(*last);
            }
            taken += block.len();
        }
        while self.units == 0 && self.tail != 0 {
            match input.get(taken) {
                Some(0x80..=0xbf) => {
                    self.tail -= 1;
                    taken += 1;
                }
                // Not UTF-8, which supervisord never sends: the code point ends here.
                Some(_) => self.tail = 0,
                None => break,
            }
        }
        taken
    }
}

/// How many bytes follow the first one of a code point.
fn continuation_bytes(first: u8) -> u8 {
    first.leading_ones().clamp(1, 4) as u8 - 1
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use proptest::prelude::*;

    fn of(len: u64) -> Remaining {
        let mut remaining = Remaining::new(LengthUnit::CodePoints);
        remaining.begin(len);
        remaining
    }

    /// Takes exactly the payload's bytes, however the input is split.
    #[test]
    fn code_points_end_where_their_last_byte_ends() {
        let text = "aé€😀z日本".as_bytes();
        for len in 0..=7 {
            let whole = core::str::from_utf8(text).unwrap().chars().take(len).map(char::len_utf8).sum::<usize>();
            for cut in 0..=text.len() {
                let (first, second) = text.split_at(cut);
                let mut remaining = of(len as u64);
                let taken = remaining.take(first);
                assert!(taken == first.len() || remaining.is_done());
                let total = if taken == first.len() { taken + remaining.take(second) } else { taken };
                assert_eq!((total, remaining.is_done()), (whole, true), "len {len}, cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn by_the_byte_as_by_the_block(text in "[a-é€😀\u{0}]{0,40}", any: alloc::vec::Vec<u8>, len in 0..40u64, cut in 0..40usize) {
            for text in [text.as_bytes(), &any] {
                let (first, second) = text.split_at(cut.min(text.len()));
                let mut bytes = of(len);
                let mut blocks = bytes;
                for piece in [first, second] {
                    prop_assert_eq!(bytes.take_one_by_one(piece), blocks.take_blocks(piece));
                    prop_assert_eq!((bytes.is_done(), bytes.missing()), (blocks.is_done(), blocks.missing()));
                }
            }
        }
    }

    #[test]
    fn bytes_are_taken_whatever_they_are() {
        for len in 0..=7u64 {
            let mut remaining = Remaining::new(LengthUnit::Bytes);
            remaining.begin(len);
            let mut one_by_one = remaining;
            let text = b"\xe2\x82a\x80\xf0";
            assert_eq!(remaining.take(text), text.len().min(len as usize));
            assert_eq!(one_by_one.take_one_by_one(text), text.len().min(len as usize));
            assert_eq!((remaining.missing(), one_by_one.missing()), (len.saturating_sub(5), len.saturating_sub(5)));
        }
    }

    #[test]
    fn no_byte_is_followed_by_more_than_three() {
        for (first, following) in
            [(0x7f, 0), (0x80, 0), (0xc3, 1), (0xe2, 2), (0xf0, 3), (0xf8, 3), (0xfc, 3), (0xff, 3)]
        {
            assert_eq!(continuation_bytes(first), following, "{first:x}");
        }
    }

    #[test]
    fn a_code_point_that_is_cut_short_ends_before_the_next_one() {
        let mut remaining = of(2);
        assert_eq!(remaining.take(b"a\xe2\x82ver:"), 3);
        assert!(remaining.is_done());
    }
}
