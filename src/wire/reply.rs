//! What a listener says: `READY\n` and `RESULT n\n` with n bytes of data.
//!
//! Nothing follows the data. A newline after `OK`, as a print with a line's end writes it, makes supervisord take the
//! listener's next READY for a violation of the protocol; the listener then never gets an event again. So the bytes
//! are made here, in one place.

use super::scan::FAST;
use super::writer::{Decimal, Writer};
use crate::error::NoRoom;

/// Says that the listener can take an event.
pub const READY: &[u8] = b"READY\n";

/// The answer to an event.
///
/// ```
/// use supervisor_events::Reply;
///
/// let mut buffer = [0; 32];
/// assert_eq!(Reply::OK.and_ready().write_to(&mut buffer)?, b"RESULT 2\nOKREADY\n");
/// assert_eq!(Reply::new("é".as_bytes()).answer().write_to(&mut buffer)?, b"RESULT 2\n\xc3\xa9");
/// # Ok::<(), supervisor_events::NoRoom>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    data: &'a [u8],
}

impl<'a> Reply<'a> {
    /// The event was processed.
    pub const OK: Reply<'static> = Reply { data: b"OK" };

    /// The event is rejected. supervisord sends it again at once, without end and without a pause, and not only to this
    /// pool: to every pool that holds a process of equal priority. A last resort.
    pub const FAIL: Reply<'static> = Reply { data: b"FAIL" };

    /// Any data, for a pool with a `result_handler` of its own. supervisord's default handler takes everything but `OK`
    /// for a rejection.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// The reply's data.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// RESULT, as it goes over the wire.
    pub fn answer(self) -> Answer<'a> {
        Answer { length: Decimal::of_len(self.data.len()), data: self.data, ready: b"" }
    }

    /// RESULT and the next READY, for one write.
    pub fn and_ready(self) -> Answer<'a> {
        Answer { ready: READY, ..self.answer() }
    }
}

/// The bytes of a RESULT, with the next READY or without: pieces to be written one after the other and best in one
/// write. Nothing may be written after or between them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use = "supervisord waits for these bytes"]
pub struct Answer<'a> {
    length: Decimal,
    data: &'a [u8],
    ready: &'a [u8],
}

impl Answer<'_> {
    /// The pieces, in order.
    pub fn parts(&self) -> [&[u8]; 5] {
        [b"RESULT ", self.length.digits(), b"\n", self.data, self.ready]
    }

    /// How many bytes there are.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.parts().iter().fold(0, |sum, part| sum.saturating_add(part.len()))
    }

    /// Writes all of it to the start of `buffer`, and returns that part.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], NoRoom> {
        let mut writer = Writer::new(buffer);
        if FAST && self.data == b"OK" && !self.ready.is_empty() {
            // What nearly every answer is.
            writer.put(b"RESULT 2\nOKREADY\n");
        } else {
            self.parts().iter().for_each(|part| {
                writer.put(part);
            });
        }
        writer.finish()
    }
}

impl core::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Answer(\"")?;
        self.parts().iter().try_for_each(|part| write!(f, "{}", part.escape_ascii()))?;
        f.write_str("\")")
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn the_length_is_that_of_the_bytes() {
        for len in [0usize, 1, 9, 10, 99, 100, 65_536] {
            let data = alloc::vec![b'x'; len];
            let answer = Reply::new(&data).answer();
            let bytes = answer.parts().concat();
            assert_eq!(bytes, alloc::format!("RESULT {len}\n{}", "x".repeat(len)).as_bytes());
            assert_eq!(answer.len(), bytes.len());
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        assert_eq!(Reply::OK.and_ready().write_to(&mut [0; 16]), Err(NoRoom { needed: 17 }));
        assert_eq!(Reply::OK.and_ready().write_to(&mut [0; 17]), Ok(&b"RESULT 2\nOKREADY\n"[..]));
    }
}
