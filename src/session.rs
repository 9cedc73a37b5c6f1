//! Whole events: read into a buffer that the caller owns, and get notifications that borrow from it.
//!
//! The level that most hosts want. A [`Session`] keeps the same turns as a [`Listener`](crate::Listener), but waits
//! until an event is there as a whole. An event that does not fit is read to its end all the same, and handed out with
//! its header and the part that fitted, so that it can be answered and the next one comes.

use crate::error::{EventError, ProtocolError, ProtocolErrorKind, TurnError};
use crate::listener::{State, Turn};
use crate::wire::event::Event;
use crate::wire::header::{End, Header, HeaderEnd, usual_header};
use crate::wire::length::{LengthUnit, Remaining};
use crate::wire::reply::{Answer, Reply};
use crate::wire::scan::FAST;

/// An event as it came: its header, and its payload or as much of it as fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification<'a> {
    /// The header.
    pub header: Header<'a>,
    /// The payload's bytes; its first ones where [`omitted`](Self::omitted) is not 0.
    pub payload: &'a [u8],
    /// How many bytes at the payload's end did not fit into the buffer.
    pub omitted: u64,
}

impl<'a> Notification<'a> {
    /// The payload, typed. Where bytes were [omitted](Self::omitted), it is a view of those that are there.
    ///
    /// # Errors
    ///
    /// Those of [`Event::parse`].
    pub fn event(&self) -> Result<Event<'a>, EventError> {
        Event::parse(self.header.event_type(), self.payload)
    }
}

/// A listener that hands out whole events from a buffer.
///
/// `B` is the caller's memory: an array, a `&mut [u8]`, a `Vec<u8>`. A header must fit into it, with a byte to spare.
///
/// ```
/// use supervisor_events::{Event, LengthUnit, Reply, Session};
///
/// # let mut stdin = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// # use std::io::{Read, Write};
/// # let mut stdout = Vec::new();
/// let mut session = Session::new([0; 4096], LengthUnit::CodePoints);
/// stdout.write_all(session.ready()?)?;
/// loop {
///     let read = stdin.read(session.space())?;
///     if read == 0 {
///         session.end()?;
///         break;
///     }
///     if let Some(notification) = session.received(read)? {
///         if let Ok(Event::Tick(tick)) = notification.event() {
///             assert_eq!(tick.when, 5);
///         }
///         stdout.write_all(&session.reply_and_ready(Reply::OK)?.parts().concat())?;
///     }
/// }
/// # assert_eq!(stdout, b"READY\nRESULT 2\nOKREADY\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session<B> {
    buffer: B,
    core: Core,
}

/// All of a session but its memory, which comes in many types.
#[derive(Clone, Copy, Debug)]
struct Core {
    turn: Turn,
    unit: LengthUnit,
    phase: Phase,
    /// Where the buffer's first byte stands in the stream.
    start: u64,
    /// How much of the buffer is in use.
    filled: usize,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Header(HeaderEnd),
    Payload {
        /// Length of the header: where the payload begins.
        header: usize,
        /// Bytes of the event that have been read, whether they are kept or not.
        read: u64,
        /// Bytes of the buffer that are kept; behind them the rest of the event is read and dropped.
        kept: Option<usize>,
        remaining: Remaining,
    },
    Broken(ProtocolError),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Session<B> {
    /// A session with a listener that has just started, of a supervisord whose `len` counts in `unit`.
    pub const fn new(buffer: B, unit: LengthUnit) -> Self {
        let phase = Phase::Header(HeaderEnd::new());
        Self { buffer, core: Core { turn: Turn::new(), unit, phase, start: 0, filled: 0 } }
    }

    /// The listener's state.
    pub const fn state(&self) -> State {
        self.core.turn.state()
    }

    /// Where to read the next bytes to. Never empty while input is due, but for a buffer of no bytes.
    ///
    /// An event that has filled the buffer without ending is cut here: its last part makes room for what follows.
    pub fn space(&mut self) -> &mut [u8] {
        let buffer = self.buffer.as_mut();
        let from = self.core.make_room(buffer.len());
        buffer.get_mut(from..).unwrap_or_default()
    }

    /// Takes the `read` bytes that were put at the start of [`space`](Self::space); returns the event once it is
    /// complete. It stays in the buffer until it is answered.
    ///
    /// # Errors
    ///
    /// As those of [`Listener::advance`](crate::Listener::advance). The same error is returned for ever after.
    #[inline]
    pub fn received(&mut self, read: usize) -> Result<Option<Notification<'_>>, ProtocolError> {
        self.core.received(self.buffer.as_ref(), read)
    }

    /// Says READY: the bytes to write.
    ///
    /// # Errors
    ///
    /// Unless the listener is ACKNOWLEDGED and no input is left over. Nothing is changed then.
    pub fn ready(&mut self) -> Result<&'static [u8], TurnError> {
        match self.core.broken() {
            Some(error) => Err(TurnError::Broken(*error)),
            None => self.core.turn.ready(),
        }
    }

    /// Answers the event: the bytes to write. The buffer is free for the next event.
    ///
    /// # Errors
    ///
    /// Unless an event is complete and not answered. Nothing is changed then.
    pub fn reply<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        if let Some(error) = self.core.broken() {
            return Err(TurnError::Broken(*error));
        }
        let answer = self.core.turn.reply(reply);
        if answer.is_ok() {
            self.core.next();
        }
        answer
    }

    /// Answers the event and says READY, in one write. The buffer is free for the next event.
    ///
    /// # Errors
    ///
    /// Where [`reply`](Self::reply) or [`ready`](Self::ready) would be refused. Nothing is changed then.
    pub fn reply_and_ready<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        if let Some(error) = self.core.broken() {
            return Err(TurnError::Broken(*error));
        }
        let answer = self.core.turn.reply_and_ready(reply);
        if answer.is_ok() {
            self.core.next();
        }
        answer
    }

    /// Says that the input has ended. Between two events that is a clean end, and supervisord is gone.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    pub fn end(&self) -> Result<(), ProtocolError> {
        self.core.end()
    }

    /// How many bytes of the stream have been taken in.
    pub const fn offset(&self) -> u64 {
        self.core.offset()
    }

    /// Whether the buffer is full and the event in it is not complete: the moment to make it larger.
    pub fn is_full(&self) -> bool {
        self.core.turn.may_receive() && self.core.filled == self.buffer.as_ref().len()
    }

    /// Whether no byte of an event has arrived since the last answer.
    pub fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    /// The buffer, to make it larger. What it holds has to stay where it is.
    pub fn buffer_mut(&mut self) -> &mut B {
        &mut self.buffer
    }
}

impl Core {
    /// Makes room in a full buffer of `size` bytes, and returns where the free part begins.
    fn make_room(&mut self, size: usize) -> usize {
        if self.filled == size
            && let Phase::Payload { header, kept, .. } = &mut self.phase
        {
            // An eighth of the buffer is enough to drop the rest at good speed, and keeps most of what came.
            let keep = size.saturating_sub((size >> 3).max(1)).max(*header);
            self.filled = *kept.get_or_insert(keep);
        }
        self.filled
    }

    fn received<'b>(&mut self, buffer: &'b [u8], read: usize) -> Result<Option<Notification<'b>>, ProtocolError> {
        // The usual case: a whole event.
        if FAST
            && self.is_idle()
            && self.turn.may_receive()
            && let Some((header, len)) =
                usual_header(buffer.get(..read.min(room_for_header(buffer))).unwrap_or_default())
        {
            let mut remaining = Remaining::new(self.unit, header.len());
            let rest = buffer.get(len..read.min(buffer.len())).unwrap_or_default();
            let taken = remaining.take(rest);
            if remaining.is_done()
                && let Some(payload) = rest.get(..taken)
            {
                let end = len.saturating_add(taken);
                let remaining = Remaining::new(self.unit, 0);
                self.phase = Phase::Payload { header: len, read: end as u64, kept: None, remaining };
                self.turn.begin();
                self.turn.complete(taken < rest.len());
                self.filled = end;
                return Ok(Some(Notification { header, payload, omitted: 0 }));
            }
        }
        self.received_in_parts(buffer, read)
    }

    #[inline(never)]
    fn received_in_parts<'b>(
        &mut self,
        buffer: &'b [u8],
        read: usize,
    ) -> Result<Option<Notification<'b>>, ProtocolError> {
        if let Phase::Broken(error) = self.phase {
            return Err(error);
        }
        if !self.turn.may_receive() {
            // What follows an event before it was answered is not from the same conversation.
            return match read {
                0 if !self.turn.unread() => Ok(None),
                _ => Err(self.fail(self.offset(), ProtocolErrorKind::OutOfTurn)),
            };
        }
        let mut new = self.filled;
        self.filled = new.saturating_add(read).min(buffer.len());

        if let Phase::Header(end) = &mut self.phase {
            let limit = room_for_header(buffer);
            let text = buffer.get(..self.filled.min(limit)).unwrap_or_default();
            let (at, kind) = match end.find(text, new) {
                End::At(len) => {
                    new = len;
                    let line = line_of(text, len);
                    let mut header = Header::unread(line);
                    match header.read(line) {
                        Ok(()) => {
                            let remaining = Remaining::new(self.unit, header.len());
                            self.phase = Phase::Payload { header: len, read: len as u64, kept: None, remaining };
                            self.turn.begin();
                            (0, None)
                        }
                        Err(error) => (error.offset, Some(ProtocolErrorKind::Header(error))),
                    }
                }
                End::NotAHeader => (0, Some(ProtocolErrorKind::NotAHeader)),
                End::NotYet if text.len() >= limit => (limit, Some(ProtocolErrorKind::HeaderTooLong { limit })),
                End::NotYet => return Ok(None),
            };
            if let Some(kind) = kind {
                return Err(self.fail(self.start.wrapping_add(at as u64), kind));
            }
        }

        let Phase::Payload { header: header_len, read: total, kept, remaining } = &mut self.phase else {
            return Ok(None);
        };
        let piece = buffer.get(new..self.filled).unwrap_or_default();
        let taken = remaining.take(piece);
        *total = total.wrapping_add(taken as u64);
        if !remaining.is_done() {
            return Ok(None);
        }
        let end = new.saturating_add(taken);
        self.turn.complete(end < self.filled);
        self.filled = end;
        let held = kept.unwrap_or(end);
        let line = line_of(buffer, *header_len);
        // It was read when it came; these are the same bytes.
        let mut header = Header::unread(line);
        let _ = header.read(line);
        let payload = buffer.get(*header_len..held).unwrap_or_default();
        let omitted = total.wrapping_sub(held as u64);
        Ok(Some(Notification { header, payload, omitted }))
    }

    #[inline(never)]
    fn end(&self) -> Result<(), ProtocolError> {
        let kind = match &self.phase {
            Phase::Header(_) if self.filled == 0 => return Ok(()),
            Phase::Header(_) => ProtocolErrorKind::TruncatedHeader,
            Phase::Payload { remaining, .. } if remaining.is_done() => return Ok(()),
            Phase::Payload { remaining, .. } => ProtocolErrorKind::TruncatedPayload { missing: remaining.missing() },
            Phase::Broken(error) => return Err(*error),
        };
        Err(ProtocolError { offset: self.offset(), kind })
    }

    const fn offset(&self) -> u64 {
        match self.phase {
            Phase::Payload { read, .. } => self.start.wrapping_add(read),
            _ => self.start.wrapping_add(self.filled as u64),
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Header(_)) && self.filled == 0
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn next(&mut self) {
        self.start = self.offset();
        self.filled = 0;
        self.phase = Phase::Header(HeaderEnd::new());
    }

    fn broken(&self) -> Option<&ProtocolError> {
        match &self.phase {
            Phase::Broken(error) => Some(error),
            _ => None,
        }
    }

    /// Breaks the stream, for ever.
    fn fail(&mut self, offset: u64, kind: ProtocolErrorKind) -> ProtocolError {
        let error = ProtocolError { offset, kind };
        self.phase = Phase::Broken(error);
        error
    }
}

/// The header of `len` bytes, without its newline.
fn line_of(text: &[u8], len: usize) -> &[u8] {
    text.get(..len.wrapping_sub(1)).unwrap_or_default()
}

/// How long a header may be: a byte has to be left, or there would be no room to read any payload into.
fn room_for_header(buffer: &[u8]) -> usize {
    buffer.len().saturating_sub(1)
}

// Without the buffer, which may be large.
#[cfg(feature = "defmt")]
impl<B> defmt::Format for Session<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Session {{ {}, {=usize} bytes held }}", self.core.turn.state(), self.core.filled);
    }
}
