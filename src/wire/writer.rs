//! Writes pieces one after the other into a caller's buffer, and knows how much room they need in all.

use super::scan::FAST;
use crate::error::NoRoom;

/// Goes on counting where the buffer ends, so that the error can say what was needed.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.buffer.get_mut(self.len..end) {
            if FAST && place.len() == bytes.len() {
                place.copy_from_slice(bytes);
            } else {
                // On a small machine `copy_from_slice` may carry code for a panic that never comes.
                place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
            }
        }
        self.len = end;
        self
    }

    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.put(Decimal::new(value).digits())
    }

    /// What was written.
    #[inline]
    pub(crate) fn finish(self) -> Result<&'b [u8], NoRoom> {
        let needed = self.len;
        self.buffer.split_at_checked(needed).map(|(written, _)| written).ok_or(NoRoom { needed })
    }
}

/// A number's decimal digits, without the formatting code of `core::fmt`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Filled from the end.
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    pub(crate) fn new(mut value: u64) -> Self {
        let mut decimal = Self { digits: [0; 20], from: 20 };
        while decimal.push((value % 10) as u8) {
            value /= 10;
            if value == 0 {
                break;
            }
        }
        decimal
    }

    /// As `new`, without 64-bit division, which a microcontroller has to do in software.
    pub(crate) fn of_len(mut value: usize) -> Self {
        let mut decimal = Self { digits: [0; 20], from: 20 };
        while decimal.push((value % 10) as u8) {
            value /= 10;
            if value == 0 {
                break;
            }
        }
        decimal
    }

    /// Puts a digit before the others, if there is room.
    fn push(&mut self, digit: u8) -> bool {
        self.from = self.from.wrapping_sub(1);
        let place = self.digits.get_mut(self.from);
        place.map(|place| *place = b'0'.wrapping_add(digit)).is_some()
    }

    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn decimals_are_those_of_core_fmt() {
        for value in [0, 1, 9, 10, 99, 100, 65_536, 1 << 63, u64::MAX] {
            assert_eq!(Decimal::new(value).digits(), alloc::format!("{value}").as_bytes());
            assert_eq!(Decimal::of_len(value as usize).digits(), alloc::format!("{}", value as usize).as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        for room in 0..6 {
            let mut buffer = [0; 6];
            let mut writer = Writer::new(&mut buffer[..room]);
            writer.put(b"ab").number(123).put(b"c");
            assert_eq!(writer.finish(), Err(NoRoom { needed: 6 }));
        }
        let mut buffer = [0; 7];
        let mut writer = Writer::new(&mut buffer);
        writer.put(b"ab").number(123).put(b"c");
        assert_eq!(writer.finish(), Ok(&b"ab123c"[..]));
    }
}
