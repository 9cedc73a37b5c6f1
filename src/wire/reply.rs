//! What a listener sends: `READY\n`, and `RESULT n\n` with n bytes of data.
//!
//! Nothing may follow the data. If a listener prints `OK` with a newline, supervisord takes that for the start of the
//! next READY, which is then wrong, and never sends this listener another event. So the bytes are built here, in one
//! place.

#[cfg(feature = "alloc")]
use alloc::{borrow::Cow, string::String, vec::Vec};

use super::bytes::{SMALL, subslice};
use super::error::BufferTooSmall;
use super::writer::{Decimal, Writer};

/// Tells supervisord that the listener can accept an event.
pub const READY: &[u8] = b"READY\n";

/// The answer to an event. It borrows its data; with the feature `alloc`, it may own it.
///
/// ```
/// use supervisor_events::Reply;
///
/// let mut buffer = [0; 32];
/// assert_eq!(Reply::OK.encode_with_ready().write_to(&mut buffer)?, b"RESULT 2\nOKREADY\n");
/// assert_eq!(Reply::new("é".as_bytes()).encode().write_to(&mut buffer)?, b"RESULT 2\n\xc3\xa9");
/// // With the feature `alloc`:
/// # #[cfg(feature = "alloc")]
/// assert_eq!(Reply::from(format!("{} of {}", 1, 2)).data(), b"1 of 2");
/// # Ok::<(), supervisor_events::BufferTooSmall>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply<'a> {
    data: Bytes<'a>,
}

#[cfg(feature = "alloc")]
type Bytes<'a> = Cow<'a, [u8]>;
#[cfg(not(feature = "alloc"))]
type Bytes<'a> = &'a [u8];

/// A macro, because the compiler assumes that what a function returns needs dropping: `&Reply::OK` would not be
/// `'static`.
#[cfg(feature = "alloc")]
macro_rules! borrowed {
    ($data:expr) => {
        Cow::Borrowed($data)
    };
}
#[cfg(not(feature = "alloc"))]
macro_rules! borrowed {
    ($data:expr) => {
        $data
    };
}

impl<'a> Reply<'a> {
    /// The event was processed.
    pub const OK: Reply<'static> = Reply { data: borrowed!(b"OK") };

    /// The event is rejected. supervisord sends it again at once, endlessly and without a pause, and not only to this
    /// pool but to every pool that holds a process of equal priority. A last resort.
    pub const FAIL: Reply<'static> = Reply { data: borrowed!(b"FAIL") };

    /// Any data that outlives the event, for a pool with a `result_handler` of its own. supervisord's default handler
    /// treats everything but `OK` as a rejection.
    ///
    /// To answer with data from the event itself, use `Reply::from(notification.payload.to_vec())` (feature `alloc`):
    /// the event's memory is reused once the handler has returned.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { data: borrowed!(bytes) }
    }

    /// The reply's data.
    pub const fn data(&self) -> &[u8] {
        #[cfg(feature = "alloc")]
        return match &self.data {
            Cow::Borrowed(data) => data,
            Cow::Owned(data) => data.as_slice(),
        };
        #[cfg(not(feature = "alloc"))]
        self.data
    }

    /// RESULT, as it is sent.
    pub const fn encode(&self) -> EncodedReply<'_> {
        EncodedReply { data: self.data(), ready: b"" }
    }

    /// RESULT and the next READY, for one write.
    pub const fn encode_with_ready(&self) -> EncodedReply<'_> {
        EncodedReply { data: self.data(), ready: READY }
    }
}

impl<'a> From<&'a [u8]> for Reply<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::new(data)
    }
}

impl<'a> From<&'a str> for Reply<'a> {
    fn from(data: &'a str) -> Self {
        Self::new(data.as_bytes())
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for Reply<'_> {
    fn from(data: Vec<u8>) -> Self {
        Self { data: Cow::Owned(data) }
    }
}

#[cfg(feature = "alloc")]
impl From<String> for Reply<'_> {
    fn from(data: String) -> Self {
        data.into_bytes().into()
    }
}

/// The bytes of a RESULT, with or without the next READY. Write them in one call, with nothing between or after them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "supervisord waits for these bytes"]
pub struct EncodedReply<'a> {
    data: &'a [u8],
    ready: &'static [u8],
}

impl<'a> EncodedReply<'a> {
    /// The pieces, in order, for callers without a buffer to assemble them in: the line `RESULT n`, the data, and READY
    /// or nothing.
    ///
    /// ```
    /// use supervisor_events::Reply;
    ///
    /// let (head, data, ready) = Reply::OK.encode_with_ready().parts();
    /// assert_eq!([head.as_bytes(), data, ready].concat(), b"RESULT 2\nOKREADY\n");
    /// ```
    pub fn parts(&self) -> (ResultLine, &'a [u8], &'static [u8]) {
        (ResultLine::of_len(self.data.len()), self.data, self.ready)
    }

    /// The number of bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        let (head, data, ready) = self.parts();
        head.as_bytes().len().saturating_add(data.len()).saturating_add(ready.len())
    }

    /// Writes all the bytes to the start of `buffer`, and returns that part.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = Writer::new(buffer);
        if !SMALL && self.data == b"OK" && !self.ready.is_empty() {
            // Nearly every answer is this one.
            writer.put(b"RESULT 2\nOKREADY\n");
        } else {
            head(&mut writer, self.data.len());
            writer.put(self.data).put(self.ready);
        }
        writer.finish()
    }
}

/// The length of the longest line that a RESULT can begin with.
const LONGEST: usize = "RESULT 18446744073709551615\n".len();

fn head(writer: &mut Writer<'_>, len: usize) {
    writer.put(b"RESULT ").put(Decimal::of_len(len).digits()).put(b"\n");
}

/// The line that a RESULT begins with.
#[derive(Clone, Copy)]
pub struct ResultLine {
    line: [u8; LONGEST],
    len: usize,
}

impl ResultLine {
    fn of_len(data: usize) -> Self {
        let mut this = Self { line: [0; LONGEST], len: 0 };
        let mut writer = Writer::new(&mut this.line);
        head(&mut writer, data);
        let written = writer.finish();
        debug_assert!(written.is_ok(), "it fits");
        this.len = written.map_or(0, <[u8]>::len);
        this
    }

    /// The line, with its newline.
    pub fn as_bytes(&self) -> &[u8] {
        subslice(&self.line, 0, self.len)
    }
}

impl AsRef<[u8]> for ResultLine {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl core::fmt::Debug for ResultLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl core::fmt::Debug for EncodedReply<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (head, data, ready) = self.parts();
        write!(f, "EncodedReply(\"{}{}{}\")", head.as_bytes().escape_ascii(), data.escape_ascii(), ready.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn the_length_is_that_of_the_bytes() {
        // Miri is too slow for the last one.
        for len in [0usize, 1, 9, 10, 99, 100, 65_536].into_iter().take(if cfg!(miri) { 6 } else { 7 }) {
            let data = alloc::vec![b'x'; len];
            let reply = Reply::new(&data);
            let answer = reply.encode();
            let (head, data, ready) = answer.parts();
            let bytes = [head.as_bytes(), data, ready].concat();
            assert_eq!(bytes, alloc::format!("RESULT {len}\n{}", "x".repeat(len)).as_bytes());
            assert_eq!(answer.len(), bytes.len());
            let mut buffer = alloc::vec![0; bytes.len() + READY.len()];
            assert_eq!(reply.encode_with_ready().write_to(&mut buffer), Ok(&[&bytes, READY].concat()[..]));
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        assert_eq!(Reply::OK.encode_with_ready().write_to(&mut [0; 16]), Err(BufferTooSmall { needed: 17 }));
        assert_eq!(Reply::OK.encode_with_ready().write_to(&mut [0; 17]), Ok(&b"RESULT 2\nOKREADY\n"[..]));
    }
}
