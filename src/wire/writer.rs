//! Writes pieces one by one into a caller's buffer, and counts how much room they need in total.

use super::bytes::subslice;
use super::error::BufferTooSmall;
use super::key::Key;

/// Continues to count after the buffer is full, so that the error can say how much was needed.
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
        let room = self.buffer.get_mut(self.len..).unwrap_or_default();
        if let Some((slot, _)) = room.split_at_mut_checked(bytes.len()) {
            // `copy_from_slice` may add code for a panic that cannot happen.
            slot.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        }
        // Saturating: a caller may write the same slice many times.
        self.len = self.len.saturating_add(bytes.len());
        self
    }

    /// A token, with a space before it unless it is the first.
    pub(crate) fn token(&mut self, key: Key, value: &[u8]) -> &mut Self {
        self.any_token(key.name().as_bytes(), value)
    }

    pub(crate) fn number_token(&mut self, key: Key, value: u64) -> &mut Self {
        self.token(key, Decimal::new(value).digits())
    }

    /// A token with any key, known to the crate or not.
    pub(crate) fn any_token(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        if self.len > 0 {
            self.put(b" ");
        }
        self.put(key).put(b":").put(value)
    }

    /// Returns what was written.
    ///
    /// # Errors
    ///
    /// If it did not fit into the buffer.
    #[inline]
    pub(crate) fn finish(self) -> Result<&'b [u8], BufferTooSmall> {
        let needed = self.len;
        self.buffer.split_at_checked(needed).map(|(written, _)| written).ok_or(BufferTooSmall { needed })
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

    /// Like `new`, without the 64-bit division that a microcontroller has to do in software.
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
        let Some(from) = self.from.checked_sub(1) else { return false };
        self.from = from;
        self.digits.get_mut(from).map(|slot| *slot = b'0' + digit).is_some()
    }

    pub(crate) fn digits(&self) -> &[u8] {
        subslice(&self.digits, self.from, self.digits.len())
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
            writer.put(b"ab").put(Decimal::new(123).digits()).put(b"c");
            assert_eq!(writer.finish(), Err(BufferTooSmall { needed: 6 }));
        }
        let mut buffer = [0; 7];
        let mut writer = Writer::new(&mut buffer);
        writer.put(b"ab").put(Decimal::new(123).digits()).put(b"c");
        assert_eq!(writer.finish(), Ok(&b"ab123c"[..]));
    }
}
