//! The listener's end of the protocol: whose turn it is, and all that may follow.
//!
//! ```text
//!                    ready()                     Step::Header
//!   ACKNOWLEDGED ───────────────▶ READY ──────────────────────────────▶ BUSY, payload arriving
//!    ▲        ▲                     ▲                                          │
//!    │ start  │ reply()             │ reply_and_ready()                        │ Step::Complete
//!    ·        └─────────────────────┴─────────────────────────────── BUSY, reply due ◀┘
//! ```
//!
//! supervisord keeps the same three states for the listener, and a fourth, UNKNOWN, for one that broke the protocol:
//! it never gets an event again, and still looks RUNNING. What leads there, or worse, stops supervisord, cannot be
//! said here: a RESULT before the payload's last byte, a second READY, a READY with input unread.
//!
//! The states themselves live in [`Turn`]; [`Listener`] hands out pieces of an event as they come, and
//! [`Session`](crate::Session) whole events. Neither does any I/O.

use crate::decoder::{Decoder, Step};
use crate::error::{ProtocolError, TurnError};
use crate::wire::length::LengthUnit;
use crate::wire::reply::{Answer, READY, Reply};

/// The state of a listener, by the protocol's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// It has started, or has answered: READY is due, and no input.
    #[default]
    Acknowledged,
    /// It waits for an event.
    Ready,
    /// It has an event: a reply is due once all of it is there.
    Busy,
}

impl State {
    /// The state's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::Ready => "READY",
            Self::Busy => "BUSY",
        }
    }
}

/// Whose turn it is. All transitions of the listener's end are here.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Turn {
    phase: Phase,
    /// There was more input behind the last event.
    unread: bool,
}

/// The states, with BUSY in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    Acknowledged,
    Ready,
    /// BUSY: the payload arrives.
    Arriving,
    /// BUSY: the payload's last byte has been read.
    Due,
}

impl Turn {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Acknowledged, unread: false }
    }

    pub(crate) const fn state(&self) -> State {
        match self.phase {
            Phase::Acknowledged => State::Acknowledged,
            Phase::Ready => State::Ready,
            Phase::Arriving | Phase::Due => State::Busy,
        }
    }

    /// Whether the peer may send something now.
    pub(crate) const fn may_receive(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Arriving)
    }

    /// Whether there was input behind the last event.
    pub(crate) const fn unread(&self) -> bool {
        self.unread
    }

    /// A header was read: READY → BUSY.
    pub(crate) fn begin(&mut self) {
        self.phase = Phase::Arriving;
    }

    /// The payload's last byte was read; `unread` tells whether there is more input behind it.
    pub(crate) fn complete(&mut self, unread: bool) {
        self.phase = Phase::Due;
        self.unread = unread;
    }

    /// ACKNOWLEDGED → READY.
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> Result<&'static [u8], TurnError> {
        if self.phase != Phase::Acknowledged {
            return Err(TurnError::NotAcknowledged(self.state()));
        }
        self.say_ready()?;
        Ok(READY)
    }

    /// BUSY → ACKNOWLEDGED.
    pub(crate) fn reply<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        self.due()?;
        self.phase = Phase::Acknowledged;
        Ok(reply.answer())
    }

    /// BUSY → READY, by way of ACKNOWLEDGED.
    pub(crate) fn reply_and_ready<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        self.due()?;
        self.say_ready()?;
        Ok(reply.and_ready())
    }

    /// Whether a reply is due.
    fn due(&self) -> Result<(), TurnError> {
        if self.phase == Phase::Due { Ok(()) } else { Err(TurnError::NoEvent(self.state())) }
    }

    /// To READY, unless input is unread.
    fn say_ready(&mut self) -> Result<(), TurnError> {
        if self.unread {
            return Err(TurnError::UnreadInput);
        }
        self.phase = Phase::Ready;
        Ok(())
    }
}

/// A listener that takes events piece by piece and copies nothing: the caller owns the input and does the I/O.
///
/// The loop of a host, here with an array for a pipe:
///
/// ```
/// use supervisor_events::{LengthUnit, Listener, Reply, Step};
///
/// let mut out = Vec::new();
/// let mut listener: Listener = Listener::new(LengthUnit::CodePoints);
/// out.extend_from_slice(listener.ready()?);
///
/// for read in [&b"ver:3.0 server:s serial:0 pool:p poolserial:0 ev"[..], b"entname:TICK_5 len:6\nwhen:5"] {
///     let mut input = read;
///     while let Some(step) = listener.advance(&mut input)? {
///         match step {
///             Step::Header(header) => assert_eq!(header.eventname(), "TICK_5"),
///             Step::Payload(piece) => assert_eq!(piece, b"when:5"),
///             Step::Complete => out.extend(listener.reply_and_ready(Reply::OK)?.write_to(&mut [0; 32])?),
///         }
///     }
/// }
/// assert_eq!(out, b"READY\nRESULT 2\nOKREADY\n");
/// listener.end()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A header that comes in more than one piece is put together in a buffer of `N` bytes; see [`Decoder`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener<const N: usize = 1024> {
    turn: Turn,
    decoder: Decoder<N>,
}

impl<const N: usize> Listener<N> {
    /// A listener that has just started, of a supervisord whose `len` counts in `unit`.
    pub const fn new(unit: LengthUnit) -> Self {
        Self { turn: Turn::new(), decoder: Decoder::new(unit) }
    }

    /// The listener's state.
    pub const fn state(&self) -> State {
        self.turn.state()
    }

    /// How many bytes of the stream have been consumed.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// Takes one step, and moves `input` past the bytes that it took. `None` if all input was taken and more is needed
    /// for the next step.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::advance`], and input when no input was due. The same error is returned for ever after.
    #[inline]
    pub fn advance<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if !self.turn.may_receive() {
            if input.is_empty() {
                return Ok(None);
            }
            return self.decoder.out_of_turn();
        }
        // Passed on as it is: a header is large, and moving it takes longer than much of what was done to read it.
        let step = self.decoder.advance(input);
        match &step {
            Ok(Some(Step::Header(_))) => self.turn.begin(),
            Ok(Some(Step::Complete)) => self.turn.complete(!input.is_empty()),
            _ => {}
        }
        step
    }

    /// Says READY: the bytes to write.
    ///
    /// # Errors
    ///
    /// Unless the listener is ACKNOWLEDGED and no input is left over. Nothing is changed then.
    pub fn ready(&mut self) -> Result<&'static [u8], TurnError> {
        match self.decoder.broken() {
            Some(error) => Err(TurnError::Broken(*error)),
            None => self.turn.ready(),
        }
    }

    /// Answers the event: the bytes to write.
    ///
    /// # Errors
    ///
    /// Unless an event is complete and not answered. Nothing is changed then.
    pub fn reply<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        match self.decoder.broken() {
            Some(error) => Err(TurnError::Broken(*error)),
            None => self.turn.reply(reply),
        }
    }

    /// Answers the event and says READY, in one write.
    ///
    /// # Errors
    ///
    /// Where [`reply`](Self::reply) or [`ready`](Self::ready) would be refused. Nothing is changed then.
    pub fn reply_and_ready<'r>(&mut self, reply: Reply<'r>) -> Result<Answer<'r>, TurnError> {
        match self.decoder.broken() {
            Some(error) => Err(TurnError::Broken(*error)),
            None => self.turn.reply_and_ready(reply),
        }
    }

    /// Says that the input has ended. Between two events that is a clean end, and supervisord is gone.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    pub fn end(&self) -> Result<(), ProtocolError> {
        self.decoder.end()
    }
}

impl<const N: usize> Default for Listener<N> {
    fn default() -> Self {
        Self::new(LengthUnit::default())
    }
}
