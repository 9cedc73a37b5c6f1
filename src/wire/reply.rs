//! What a listener says: `READY\n` and `RESULT n\n` with n bytes of data.
//!
//! Nothing follows the data. A newline after `OK`, as a print with a line's end writes it, makes supervisord take the
//! listener's next READY for a violation of the protocol; the listener then never gets an event again. So the bytes
//! are made here, in one place.

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
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
        Answer { length: Length::of(self.data.len()), data: self.data, ready: b"" }
    }

    /// RESULT and the next READY, for one write.
    pub fn and_ready(self) -> Answer<'a> {
        Answer { ready: READY, ..self.answer() }
    }
}

/// The bytes of a RESULT, with the next READY or without: three slices, to be written one after the other and best in
/// one write. Nothing may be written after or between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "supervisord waits for these bytes"]
pub struct Answer<'a> {
    length: Length,
    data: &'a [u8],
    ready: &'a [u8],
}

impl Answer<'_> {
    /// The pieces, in order.
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.length.line(), self.data, self.ready]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.parts().iter().fold(0, |sum, part| sum.saturating_add(part.len()))
    }

    /// Never: an answer has at least its line.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes all of it to the start of `buffer`, and returns that part.
    ///
    /// # Errors
    ///
    /// If it does not fit; nothing is written then.
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], NoRoom> {
        let needed = self.len();
        let (target, _) = buffer.split_at_mut_checked(needed).ok_or(NoRoom { needed })?;
        let mut rest = &mut *target;
        for part in self.parts() {
            let Some((place, after)) = rest.split_at_mut_checked(part.len()) else { break };
            place.copy_from_slice(part);
            rest = after;
        }
        Ok(target)
    }
}

/// `RESULT n\n`, kept at the end of a field that holds the largest n.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Length {
    line: [u8; Self::ROOM],
    from: u8,
}

impl Length {
    /// `RESULT `, the 20 digits of the largest `usize` of any target, and the newline.
    const ROOM: usize = 28;

    fn of(len: usize) -> Self {
        let mut line = [0; Self::ROOM];
        let mut places = line.iter_mut().enumerate().rev();
        let mut from = 0;
        let mut put = |byte: u8| {
            if let Some((index, place)) = places.next() {
                *place = byte;
                from = index as u8;
            }
        };
        put(b'\n');
        let mut rest = len;
        loop {
            put(b'0'.wrapping_add((rest % 10) as u8));
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for byte in b"RESULT ".iter().rev() {
            put(*byte);
        }
        Self { line, from }
    }

    fn line(&self) -> &[u8] {
        self.line.get(usize::from(self.from)..).unwrap_or_default()
    }
}

impl core::fmt::Debug for Length {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(self.line()).unwrap_or_default().trim_end())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Length {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", core::str::from_utf8(self.line()).unwrap_or_default());
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
        assert_eq!(Length::of(usize::MAX).line(), alloc::format!("RESULT {}\n", usize::MAX).as_bytes());
    }

    #[test]
    fn a_refused_write_changes_nothing_and_says_what_it_needs() {
        let mut buffer = [7; 15];
        assert_eq!(Reply::OK.and_ready().write_to(&mut buffer), Err(NoRoom { needed: 17 }));
        assert_eq!(buffer, [7; 15]);
    }
}
