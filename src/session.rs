//! Whole events: read into a buffer that the caller owns, and get notifications that borrow from it.
//!
//! A [`Session`] takes the same turns as a [`Listener`](crate::Listener), but waits until an event is complete. An
//! event that does not fit is still read to its end. It is delivered with its header and the part of the payload that
//! fitted, so it can be answered and the next event can come.

use crate::frame::Frame;
use crate::listener_state::ListenerState;
use crate::notification::{Held, Notification};
use crate::turn::{Turn, TurnError};
use crate::wire::bytes::subslice;
use crate::wire::error::{ProtocolError, ProtocolErrorKind};
use crate::wire::framing;
use crate::wire::length::LengthUnit;
use crate::wire::reply::{EncodedReply, Reply};

/// A listener that delivers whole events from a buffer.
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
///         stdout.write_all(session.reply_and_ready(&Reply::OK)?.write_to(&mut [0; 32])?)?;
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

/// Everything but the buffer, so that this code does not depend on the buffer's type.
#[derive(Clone, Copy, Debug)]
struct Core {
    turn: Turn,
    frame: Frame,
    /// Offset in the stream of the buffer's first byte.
    start: u64,
    /// How much of the buffer is in use.
    filled: usize,
    /// The event in the buffer, as far as it has arrived. Meaningless until its header is complete.
    held: Held,
    /// How many bytes at the start of the buffer are kept; the rest of the event is read over the bytes after them.
    /// `usize::MAX` until the buffer has been full.
    kept: usize,
    /// How many bytes of the event were dropped.
    dropped: u64,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Session<B> {
    /// A session of a listener that has just started, under a supervisord whose `len` counts in `unit`.
    pub const fn new(buffer: B, unit: LengthUnit) -> Self {
        Self { buffer, core: Core::new(unit) }
    }

    /// The listener's state.
    pub const fn state(&self) -> ListenerState {
        self.core.turn.state()
    }

    /// The space to read the next bytes into. Never empty while input may arrive, unless the buffer itself is empty.
    ///
    /// If the event has filled the buffer without ending, this drops its last part to make room.
    pub fn space(&mut self) -> &mut [u8] {
        let buffer = self.buffer.as_mut();
        let from = self.core.make_room(buffer.len());
        buffer.get_mut(from..).unwrap_or_default()
    }

    /// Takes the `read` bytes that were put at the start of [`space`](Self::space), and returns the event once it is
    /// complete. The event stays in the buffer until it is answered.
    ///
    /// # Errors
    ///
    /// Those of [`Listener::advance`](crate::Listener::advance). Every further call returns the same error.
    #[inline]
    pub fn received(&mut self, read: usize) -> Result<Option<Notification<'_>>, ProtocolError> {
        self.core.received(self.buffer.as_ref(), read)
    }

    /// The event that is waiting for its answer.
    pub fn notification(&self) -> Option<Notification<'_>> {
        let (core, buffer) = (&self.core, self.buffer.as_ref());
        (core.turn.is_due() && core.filled <= buffer.len()).then(|| core.held.notification(buffer))
    }

    /// ACKNOWLEDGED → READY. Returns the bytes to write.
    ///
    /// # Errors
    ///
    /// If the listener is not ACKNOWLEDGED, input is left over, or the stream is broken. An error changes nothing.
    pub fn ready(&mut self) -> Result<&'static [u8], TurnError> {
        self.core.turn.ready(&self.core.frame)
    }

    /// Answers the event: BUSY → ACKNOWLEDGED. Returns the bytes to write. The buffer is free for the next event.
    ///
    /// # Errors
    ///
    /// If no complete event is waiting for its answer, or the stream is broken. An error changes nothing.
    pub fn reply<'r>(&mut self, reply: &'r Reply<'_>) -> Result<EncodedReply<'r>, TurnError> {
        self.core.turn.reply(&self.core.frame)?;
        self.core.next();
        Ok(reply.encode())
    }

    /// Answers the event and asks for the next one: BUSY → READY. Returns the bytes; write them in one call. The buffer
    /// is free for the next event.
    ///
    /// # Errors
    ///
    /// If [`reply`](Self::reply) or [`ready`](Self::ready) would fail. An error changes nothing.
    pub fn reply_and_ready<'r>(&mut self, reply: &'r Reply<'_>) -> Result<EncodedReply<'r>, TurnError> {
        self.core.turn.reply_and_ready(&self.core.frame)?;
        self.core.next();
        Ok(reply.encode_with_ready())
    }

    /// Reports that the input has ended. Between two events, that is a clean end: supervisord is gone.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    pub fn end(&self) -> Result<(), ProtocolError> {
        self.core.frame.end(self.core.offset(), self.core.filled)
    }

    /// How many bytes of the stream have been consumed.
    pub const fn offset(&self) -> u64 {
        self.core.offset()
    }

    /// Whether the buffer is full and the event in it is incomplete: the moment to enlarge the buffer.
    pub fn is_full(&self) -> bool {
        self.core.turn.may_receive() && self.core.filled == self.buffer.as_ref().len()
    }

    /// Whether the payload has as many bytes as its `len` says, but fewer code points. If nothing more arrives, the
    /// server counts bytes.
    pub fn is_whole_in_bytes(&self) -> bool {
        self.core.is_whole_in_bytes()
    }

    /// Whether no byte of an event has arrived since the last answer.
    pub const fn is_idle(&self) -> bool {
        self.core.is_idle()
    }

    /// The buffer, to enlarge it. The bytes that it holds have to stay where they are.
    pub fn buffer_mut(&mut self) -> &mut B {
        &mut self.buffer
    }
}

impl Core {
    const fn new(unit: LengthUnit) -> Self {
        let (turn, frame, held) = (Turn::new(), Frame::new(unit), Held::NONE);
        Self { turn, frame, start: 0, filled: 0, held, kept: usize::MAX, dropped: 0 }
    }

    /// Makes room in a full buffer of `size` bytes, and returns where the free part begins.
    fn make_room(&mut self, size: usize) -> usize {
        if self.filled == size && self.frame.remaining.has_begun() {
            // An eighth of the buffer is enough to read and drop the rest quickly, and most of the event is kept.
            let keep = size.saturating_sub((size / 8).max(1)).max(self.held.line + 1);
            self.kept = self.kept.min(keep);
            self.dropped += (size - self.kept) as u64;
            self.filled = self.kept;
        }
        self.filled
    }

    #[cfg_attr(feature = "optimize-for-size", inline(never))]
    fn received<'b>(&mut self, buffer: &'b [u8], read: usize) -> Result<Option<Notification<'b>>, ProtocolError> {
        self.frame.check()?;
        if !self.turn.may_receive() {
            // Input before the answer is out of turn: supervisord sends nothing until then.
            return match read {
                0 if !self.turn.unread() => Ok(None),
                _ => self.frame.fail(self.offset(), ProtocolErrorKind::OutOfTurn),
            };
        }
        let room_for_payload = usize::from(!self.frame.remaining.has_begun());
        if self.filled + room_for_payload > buffer.len() {
            // The caller has shortened the buffer, against the documentation.
            let limit = buffer.len().saturating_sub(1);
            return self.frame.fail(self.start, ProtocolErrorKind::HeaderTooLong { limit });
        }
        let mut new = self.filled;
        self.filled = buffer.len().min(new.saturating_add(read));
        if !self.frame.remaining.has_begun() {
            // Leaves at least one byte for reading the payload.
            let limit = buffer.len().saturating_sub(1);
            let text = subslice(buffer, 0, self.filled.min(limit));
            let usual = if new == 0 { framing::usual_header(text) } else { None };
            let found = match usual {
                Some((fields, len)) => {
                    self.held.fields = fields;
                    Ok(Some(len))
                }
                None => framing::header(text, new, limit, &mut self.held.fields),
            };
            match found {
                Ok(Some(len)) => {
                    new = len;
                    self.begin(len);
                }
                Ok(None) => return Ok(None),
                Err(kind) => return self.frame.fail(self.start, kind),
            }
        }
        let taken = self.frame.remaining.take(subslice(buffer, new, self.filled));
        if !self.frame.remaining.is_done() {
            return Ok(None);
        }
        self.complete(new + taken);
        Ok(Some(self.held.notification(buffer)))
    }

    /// The header is complete, and the payload follows.
    fn begin(&mut self, len: usize) {
        self.held.line = len - 1;
        self.frame.remaining.begin(self.held.fields.len);
        self.turn.begin();
    }

    /// The event ends at byte `end` of the buffer.
    fn complete(&mut self, end: usize) {
        self.turn.complete(end < self.filled);
        self.filled = end;
        self.held.end = self.kept.min(end);
        self.held.omitted = self.dropped + (end - self.held.end) as u64;
    }

    const fn offset(&self) -> u64 {
        self.start + self.dropped + self.filled as u64
    }

    fn is_whole_in_bytes(&self) -> bool {
        let Some(payload) = (self.dropped + self.filled as u64).checked_sub(self.held.line as u64 + 1) else {
            return false;
        };
        self.frame.remaining.has_begun() && !self.frame.remaining.is_done() && payload == self.held.fields.len
    }

    const fn is_idle(&self) -> bool {
        !self.frame.remaining.has_begun() && self.filled == 0
    }

    /// The event has been answered, and its memory is free.
    fn next(&mut self) {
        self.start = self.offset();
        (self.filled, self.kept, self.dropped) = (0, usize::MAX, 0);
        self.frame.remaining.finish();
    }
}

// Without the buffer, which may be large.
#[cfg(feature = "defmt")]
impl<B> defmt::Format for Session<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Session {{ {}, {=usize} bytes held }}", self.core.turn.state(), self.core.filled);
    }
}
