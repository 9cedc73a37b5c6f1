//! Whole events: read into a buffer that the caller owns, and get notifications that borrow from it.
//!
//! The level that most hosts want. A [`Session`] keeps the same turns as a [`Listener`](crate::Listener), but waits
//! until an event is there as a whole. An event that does not fit is read to its end all the same, and handed out with
//! its header and the part that fitted, so that it can be answered and the next one comes.

use crate::decoder::Frame;
use crate::error::{EventError, ProtocolError, ProtocolErrorKind, TurnError};
use crate::listener::{State, Turn};
use crate::wire::event::Event;
use crate::wire::header::{self, Header, usual_header};
use crate::wire::length::LengthUnit;
use crate::wire::reply::{Answer, Reply};
use crate::wire::scan::{FAST, part};

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
///         stdout.write_all(session.reply_and_ready(Reply::OK)?.write_to(&mut [0; 32])?)?;
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
    frame: Frame,
    /// Where the buffer's first byte stands in the stream.
    start: u64,
    /// How much of the buffer is in use.
    filled: usize,
    /// Where the payload begins: the length of the header.
    header: usize,
    /// Bytes of the buffer that are kept; behind them the rest of the event is read and dropped. All, until it is full.
    kept: usize,
    /// How many bytes were dropped.
    dropped: u64,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Session<B> {
    /// A session with a listener that has just started, of a supervisord whose `len` counts in `unit`.
    pub const fn new(buffer: B, unit: LengthUnit) -> Self {
        let (turn, frame) = (Turn::new(), Frame::new(unit));
        Self { buffer, core: Core { turn, frame, start: 0, filled: 0, header: 0, kept: usize::MAX, dropped: 0 } }
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
        match &self.core.frame.broken {
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
        if let Some(error) = self.core.frame.broken {
            return Err(TurnError::Broken(error));
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
        if let Some(error) = self.core.frame.broken {
            return Err(TurnError::Broken(error));
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
        self.core.frame.end(self.core.offset(), self.core.filled)
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
        if self.filled == size && self.frame.remaining.has_begun() {
            // An eighth of the buffer is enough to drop the rest at good speed, and keeps most of what came.
            let keep = size.saturating_sub((size >> 3).max(1)).max(self.header);
            self.kept = self.kept.min(keep);
            self.dropped = self.dropped.wrapping_add(size.saturating_sub(self.kept) as u64);
            self.filled = self.kept;
        }
        self.filled
    }

    fn received<'b>(&mut self, buffer: &'b [u8], read: usize) -> Result<Option<Notification<'b>>, ProtocolError> {
        // The usual case: a header, whole and by itself.
        if FAST
            && self.is_idle()
            && self.turn.may_receive()
            && let Some((header, len)) = usual_header(part(buffer, 0, read.min(room_for_header(buffer))))
        {
            self.filled = read.min(buffer.len());
            self.begin(len, header.len());
            return Ok(self.payload(buffer, len, |_| header));
        }
        self.received_in_parts(buffer, read)
    }

    #[inline(never)]
    fn received_in_parts<'b>(
        &mut self,
        buffer: &'b [u8],
        read: usize,
    ) -> Result<Option<Notification<'b>>, ProtocolError> {
        if let Some(error) = self.frame.broken {
            return Err(error);
        }
        if !self.turn.may_receive() {
            // What follows an event before it was answered is not from the same conversation.
            return match read {
                0 if !self.turn.unread() => Ok(None),
                _ => self.frame.fail(self.offset(), ProtocolErrorKind::OutOfTurn),
            };
        }
        let mut new = self.filled;
        self.filled = new.saturating_add(read).min(buffer.len());
        if !self.frame.remaining.has_begun() {
            let limit = room_for_header(buffer);
            match header::find(part(buffer, 0, self.filled.min(limit)), new, limit) {
                Ok(None) => return Ok(None),
                Ok(Some(found)) => {
                    new = found.len;
                    self.begin(found.len, found.payload);
                }
                Err(error) => return self.frame.fail(self.start.wrapping_add(error.offset), error.kind),
            }
        }
        // Where it came before, it was read before; these are the same bytes.
        Ok(self.payload(buffer, new, Header::again))
    }

    /// The header of `header` bytes was read, and says that the payload is `len` units long.
    fn begin(&mut self, header: usize, len: u64) {
        self.header = header;
        self.frame.remaining.begin(len);
        self.turn.begin();
    }

    /// Takes what there is of the payload in the buffer from `new` on.
    #[inline(always)]
    fn payload<'b>(
        &mut self,
        buffer: &'b [u8],
        new: usize,
        header: impl FnOnce(&'b [u8]) -> Header<'b>,
    ) -> Option<Notification<'b>> {
        let taken = self.frame.remaining.take(part(buffer, new, self.filled));
        if !self.frame.remaining.is_done() {
            return None;
        }
        let end = new.saturating_add(taken);
        self.turn.complete(end < self.filled);
        self.filled = end;
        let kept = self.kept.min(end);
        Some(Notification {
            header: header(part(buffer, 0, self.header.wrapping_sub(1))),
            payload: part(buffer, self.header, kept),
            omitted: self.dropped.wrapping_add(end.wrapping_sub(kept) as u64),
        })
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    const fn offset(&self) -> u64 {
        self.start.wrapping_add(self.dropped).wrapping_add(self.filled as u64)
    }

    fn is_idle(&self) -> bool {
        !self.frame.remaining.has_begun() && self.filled == 0
    }

    fn next(&mut self) {
        self.start = self.offset();
        (self.filled, self.kept, self.dropped) = (0, usize::MAX, 0);
        self.frame.remaining.finish();
    }
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
