//! Reads captured streams as whole notifications (feature `std`), for logs, tests and tools.
//!
//! A captured stream is what a listener read from its standard input, such as a file written by `tee`.
//! [`Notifications`] reads one to its end, and owns the memory. A [`Decoder`] does the same piece by piece, without
//! memory of its own.

use core::fmt;
use core::mem;
use std::boxed::Box;
use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::vec;
use std::vec::Vec;

use crate::decoder::{Decoder, Step};
use crate::notification::{Held, Notification};
use crate::wire::error::{EventError, ProtocolError};
use crate::wire::event::Event;
use crate::wire::header::Header;
use crate::wire::length::LengthUnit;

/// Room for headers far longer than those that supervisord sends with ordinary names.
const MAX_HEADER: usize = 64 * 1024;

/// How much is read at once.
const READ: usize = 64 * 1024;

/// Iterates over the notifications of a stream: a file, standard input, a byte slice.
///
/// ```
/// use supervisor_events::LengthUnit;
/// use supervisor_events::host::capture::Notifications;
///
/// # let file = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// // let file = std::fs::File::open("captured.bin")?;
/// for notification in Notifications::new(file, LengthUnit::CodePoints) {
///     let notification = notification?;
///     println!("{} {:?}", notification.header().serial(), notification.event());
/// }
/// # Ok::<(), supervisor_events::host::capture::CaptureError>(())
/// ```
///
/// Each notification is returned as soon as it is complete, so this also follows a stream that is still being written.
/// It ends with the stream, or after the first error: nothing can be read after one.
#[derive(Debug)]
pub struct Notifications<R> {
    reader: R,
    /// Boxed: it has room for a header of 64 KiB.
    decoder: Box<Decoder<MAX_HEADER>>,
    buffer: Vec<u8>,
    /// The part of the buffer that has been read and not decoded.
    unread: core::ops::Range<usize>,
    max_event: usize,
    /// The event that is being read.
    event: CapturedNotification,
    ended: bool,
}

impl<R: Read> Notifications<R> {
    /// The notifications of a stream whose `len` counts in `unit`. Events of up to 16 MiB are kept whole.
    pub fn new(reader: R, unit: LengthUnit) -> Self {
        Self {
            reader,
            decoder: Box::new(Decoder::with_header_limit(unit)),
            buffer: vec![0; READ],
            unread: 0..0,
            max_event: 16 * 1024 * 1024,
            event: CapturedNotification::at(0),
            ended: false,
        }
    }

    /// The largest event, header included, that is kept whole. Of a larger one, the header and the start of the payload
    /// are kept; see [`Notification::omitted`].
    #[must_use]
    pub const fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    fn read(&mut self) -> Result<Option<CapturedNotification>, CaptureError> {
        loop {
            if let Some(event) = self.decode().map_err(CaptureError::Protocol)? {
                return Ok(Some(event));
            }
            match self.reader.read(&mut self.buffer) {
                Ok(0) => return self.decoder.end().map(|()| None).map_err(CaptureError::Protocol),
                Ok(read) => self.unread = 0..read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Io { offset: self.decoder.offset(), error }),
            }
        }
    }

    /// Decodes what has been read, up to the end of an event.
    fn decode(&mut self) -> Result<Option<CapturedNotification>, ProtocolError> {
        let mut input = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let mut complete = false;
        while !complete && let Some(step) = self.decoder.advance(&mut input)? {
            match step {
                Step::Header(header) => self.event.begin(&header),
                Step::Payload(piece) => self.event.push(piece, self.max_event),
                Step::Complete => complete = true,
            }
        }
        self.unread.start = self.unread.end.saturating_sub(input.len());
        let next = CapturedNotification::at(self.decoder.offset());
        Ok(complete.then(|| mem::replace(&mut self.event, next)))
    }
}

impl<R: Read> Iterator for Notifications<R> {
    type Item = Result<CapturedNotification, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> core::iter::FusedIterator for Notifications<R> {}

/// A notification of a captured stream. It owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct CapturedNotification {
    offset: u64,
    /// The header with its newline, and the payload or the start of it.
    bytes: Vec<u8>,
    held: Held,
}

impl CapturedNotification {
    /// An event that begins at `offset`, before any of it is read.
    const fn at(offset: u64) -> Self {
        Self { offset, bytes: Vec::new(), held: Held::NONE }
    }

    fn begin(&mut self, header: &Header<'_>) {
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.push(b'\n');
        self.held = Held::of_header(header);
    }

    fn push(&mut self, piece: &[u8], max_event: usize) {
        let room = max_event.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(self.held.keep(piece, room));
    }

    /// The offset in the stream at which the event begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The notification, borrowed.
    pub fn notification(&self) -> Notification<'_> {
        self.held.notification(&self.bytes)
    }

    /// Its header.
    pub fn header(&self) -> Header<'_> {
        self.notification().header
    }

    /// Parses its payload.
    ///
    /// # Errors
    ///
    /// Those of [`Notification::event`].
    pub fn event(&self) -> Result<Event<'_>, EventError> {
        self.notification().event()
    }
}

impl fmt::Debug for CapturedNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notification().fmt(f)
    }
}

/// Why a captured stream cannot be read any further. `Debug` prints the same sentence as `Display`, for a `main` that
/// returns it.
#[non_exhaustive]
pub enum CaptureError {
    /// Reading failed.
    Io {
        /// How many bytes of the stream were read before.
        offset: u64,
        /// What went wrong.
        error: io::Error,
    },
    /// The stream is not one of notifications, or it ends inside one.
    Protocol(ProtocolError),
}

impl CaptureError {
    /// The offset of the fault in the stream.
    pub const fn offset(&self) -> u64 {
        match self {
            Self::Io { offset, .. } => *offset,
            Self::Protocol(error) => error.offset,
        }
    }
}

impl fmt::Debug for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { offset, error } => write!(f, "byte {offset}: cannot read further: {error}"),
            Self::Protocol(error) => error.fmt(f),
        }
    }
}

impl Error for CaptureError {
    /// The cause of the error, unless `Display` already says it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => error.source(),
            Self::Protocol(_) => None,
        }
    }
}
