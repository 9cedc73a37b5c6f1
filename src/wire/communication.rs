//! Messages that a process sends as PROCESS_COMMUNICATION events.
//!
//! A process that supervisord runs with `stdout_capture_maxbytes` (or `stderr_capture_maxbytes`) above 0 sends an event
//! by writing data between two tags to its standard output (or error). That value is also a limit in bytes: of longer
//! data, supervisord keeps only the end.
//!
//! ```no_run
//! use supervisor_events::communication;
//!
//! # #[cfg(feature = "std")]
//! communication::write(std::io::stdout(), "ALERT:HIGH_DRAWDOWN:genetic_engine:5.2%")?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! To send many lines at once, put them all between one pair of tags. supervisor 4.3.0 recurses once for each message
//! in a read, and fails at 480 to 600 of them; after that it reads nothing more from that stream.

use core::fmt;

use super::error::BufferTooSmall;
use super::writer::Writer;

/// Begins the data.
pub const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// Ends the data.
pub const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// Encodes a message: its data between the tags.
///
/// # Errors
///
/// If the data contains the [end tag](END): supervisord would cut it there.
///
/// ```
/// use supervisor_events::communication;
///
/// let message = communication::encode(b"SIGNAL:ENTRY:strategy-7:BTC")?;
/// let mut buffer = [0; 100];
/// let bytes = message.write_to(&mut buffer)?;
/// assert_eq!(bytes, b"<!--XSUPERVISOR:BEGIN-->SIGNAL:ENTRY:strategy-7:BTC<!--XSUPERVISOR:END-->");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(data: &[u8]) -> Result<EncodedMessage<'_>, EndTagInData> {
    // The end tag has one `<`, at its start, so it cannot overlap itself: the end of the data cannot form an earlier
    // one with it.
    let holds_end = memchr::memchr_iter(b'<', data).any(|at| data.get(at..).is_some_and(|rest| rest.starts_with(END)));
    if holds_end { Err(EndTagInData) } else { Ok(EncodedMessage { data }) }
}

/// The bytes of a message. Write them in one call, so that no output of another thread gets between the tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a message is sent by writing these bytes"]
pub struct EncodedMessage<'a> {
    data: &'a [u8],
}

impl<'a> EncodedMessage<'a> {
    /// The pieces, in order, for callers without a buffer to assemble them in: tag, data, tag.
    ///
    /// ```
    /// use supervisor_events::communication;
    ///
    /// let message = communication::encode(b"x")?.parts().concat();
    /// assert_eq!(message, b"<!--XSUPERVISOR:BEGIN-->x<!--XSUPERVISOR:END-->");
    /// # Ok::<(), communication::EndTagInData>(())
    /// ```
    pub const fn parts(&self) -> [&'a [u8]; 3] {
        [BEGIN, self.data, END]
    }

    /// The number of bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> usize {
        self.data.len().saturating_add(BEGIN.len() + END.len())
    }

    /// Writes all the bytes to the start of `buffer`, and returns that part.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = Writer::new(buffer);
        writer.put(BEGIN).put(self.data).put(END);
        writer.finish()
    }
}

impl fmt::Debug for EncodedMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedMessage(\"{}\")", self.data.escape_ascii())
    }
}

/// Sends a message: writes it with one call of [`write_all`](std::io::Write::write_all), and flushes.
///
/// The standard streams are locked for the duration of such a call.
///
/// # Errors
///
/// Those of the writer. [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the data contains the [end tag](END); in
/// that case nothing is written.
///
/// ```
/// # use supervisor_events::communication;
/// # let mut log = Vec::new();
/// communication::write(std::io::stdout(), "SIGNAL:ENTRY:strategy-7:BTC")?;
/// communication::write(&mut log, b"the same, to any writer")?;
/// # assert_eq!(log, communication::encode(b"the same, to any writer")?.parts().concat());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "std")]
pub fn write(mut writer: impl std::io::Write, data: impl AsRef<[u8]>) -> std::io::Result<()> {
    let message =
        encode(data.as_ref()).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    writer.write_all(&message.parts().concat())?;
    writer.flush()
}

/// The data of a message contains the [end tag](END).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EndTagInData;

impl fmt::Display for EndTagInData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data contains the end tag")
    }
}

impl core::error::Error for EndTagInData {}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn data_is_between_the_tags_whatever_it_is() {
        for data in [&b""[..], b"<", b"<!--XSUPERVISOR:END--", BEGIN, b"a\n\xff<<!--XSUPERVISOR:EN"] {
            let message = encode(data).unwrap();
            let bytes = [BEGIN, data, END].concat();
            assert_eq!(message.parts().concat(), bytes);
            assert_eq!(message.len(), bytes.len());
            assert_eq!(alloc::format!("{message:?}"), alloc::format!("EncodedMessage(\"{}\")", data.escape_ascii()));
            let mut buffer = alloc::vec![0; bytes.len()];
            assert_eq!(message.write_to(&mut buffer), Ok(&bytes[..]));
            let needed = bytes.len();
            assert_eq!(message.write_to(&mut buffer[1..]), Err(BufferTooSmall { needed }));
        }
    }

    #[test]
    fn data_that_supervisord_would_cut_is_refused() {
        for data in [END, &[b"a<", END, b"b"].concat()[..], &[BEGIN, END].concat()] {
            assert_eq!(encode(data), Err(EndTagInData));
        }
    }

    #[test]
    #[cfg(feature = "std")]
    fn a_message_is_one_write() {
        struct Writes(alloc::vec::Vec<alloc::vec::Vec<u8>>);
        impl std::io::Write for Writes {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.push(bytes.into());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                self.0.push(b"flushed".into());
                Ok(())
            }
        }
        let mut writes = Writes(alloc::vec::Vec::new());
        write(&mut writes, "a\nb").unwrap();
        assert_eq!(writes.0, [[BEGIN, b"a\nb", END].concat(), b"flushed".to_vec()]);
        let error = write(&mut writes, END).unwrap_err();
        assert_eq!(error.to_string(), "the data contains the end tag");
        assert_eq!((error.kind(), writes.0.len()), (std::io::ErrorKind::InvalidInput, 2));
    }
}
