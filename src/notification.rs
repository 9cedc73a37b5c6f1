//! A whole event, borrowed from the memory that holds it.

use crate::wire::bytes::subslice;
use crate::wire::error::EventError;
use crate::wire::event::Event;
use crate::wire::fields::Fields;
use crate::wire::header::Header;

/// An event as it arrived: its header, and its payload or as much of it as fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification<'a> {
    /// The header.
    pub header: Header<'a>,
    /// The payload's bytes, or the first of them if [`omitted`](Self::omitted) is not 0.
    pub payload: &'a [u8],
    /// How many bytes at the payload's end did not fit into the buffer.
    pub omitted: u64,
    /// How many more times the event will come if it is rejected each time. 0: this is the last try, whatever the
    /// reply. The [`Driver`](crate::host::driver::Driver) inside every host sets it. `None` without a driver, or in a
    /// pool with a `result_handler` of its own.
    pub retries_left: Option<u32>,
}

impl<'a> Notification<'a> {
    /// Parses the payload.
    ///
    /// In a handler, write `if let Ok(event) = notification.event()`, not `notification.event()?`. With `?`, an event
    /// of a type that is not supervisor's own would be an error of the handler, and so be rejected.
    ///
    /// If bytes were [omitted](Self::omitted), it parses those that are left.
    ///
    /// # Errors
    ///
    /// Those of [`Event::parse`].
    pub fn event(&self) -> Result<Event<'a>, EventError> {
        Event::parse(self.header.event_type(), self.payload)
    }
}

/// Where the parts of a notification are, as offsets into the memory that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Held {
    pub(crate) fields: Fields,
    /// Length of the header without its newline.
    pub(crate) line: usize,
    /// The end of the part of the payload that is held.
    pub(crate) end: usize,
    pub(crate) omitted: u64,
}

impl Held {
    pub(crate) const NONE: Self = Self { fields: Fields::NONE, line: 0, end: 0, omitted: 0 };

    /// The offsets of a notification whose payload has not arrived.
    pub(crate) fn of_header(header: &Header<'_>) -> Self {
        let line = header.as_bytes().len();
        Self { fields: header.fields(), line, end: line + 1, omitted: 0 }
    }

    /// Takes the next piece of the payload, of which `room` bytes can be kept. Returns the part to keep, and counts the
    /// rest as omitted. Once bytes have been omitted, it keeps no later ones: there would be a gap between them.
    pub(crate) fn keep<'p>(&mut self, piece: &'p [u8], room: usize) -> &'p [u8] {
        let room = if self.omitted == 0 { room } else { 0 };
        let (kept, omitted) = piece.split_at_checked(room).unwrap_or((piece, b""));
        self.end += kept.len();
        self.omitted = self.omitted.saturating_add(omitted.len() as u64);
        kept
    }

    /// The notification, borrowed from the memory that holds it.
    pub(crate) fn notification<'a>(&self, memory: &'a [u8]) -> Notification<'a> {
        let (line, payload) = (subslice(memory, 0, self.line), subslice(memory, self.line + 1, self.end));
        Notification { header: Header::new(line, self.fields), payload, omitted: self.omitted, retries_left: None }
    }
}
