//! The listener's end of the protocol, piece by piece and without copying payloads.
//!
//! [`turn`](crate::turn) decides which calls are allowed when.

use crate::decoder::{Decoder, Step};
use crate::listener_state::ListenerState;
use crate::turn::{Turn, TurnError};
use crate::wire::error::ProtocolError;
use crate::wire::length::LengthUnit;
use crate::wire::reply::{EncodedReply, Reply};

/// A listener that takes events piece by piece and copies nothing: the caller owns the input and does the I/O.
///
/// The loop of a host, with an array in place of a pipe:
///
/// ```
/// use supervisor_events::{LengthUnit, Listener, Reply, Step};
///
/// let mut out = Vec::new();
/// let mut listener = Listener::new(LengthUnit::CodePoints);
/// out.extend_from_slice(listener.ready()?);
///
/// // The event comes in two pieces.
/// let start = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 ev"[..];
/// let rest = &b"entname:TICK_5 len:6\nwhen:5"[..];
/// for read in [start, rest] {
///     let mut input = read;
///     while let Some(step) = listener.advance(&mut input)? {
///         match step {
///             Step::Header(header) => assert_eq!(header.eventname(), "TICK_5"),
///             Step::Payload(piece) => assert_eq!(piece, b"when:5"),
///             Step::Complete => {
///                 out.extend(listener.reply_and_ready(&Reply::OK)?.write_to(&mut [0; 32])?);
///             }
///         }
///     }
/// }
/// assert_eq!(out, b"READY\nRESULT 2\nOKREADY\n");
/// listener.end()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A header that arrives in more than one piece is assembled in a buffer of `N` bytes; see [`Decoder`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener<const N: usize = 1024> {
    turn: Turn,
    decoder: Decoder<N>,
}

impl Listener {
    /// A listener that has just started, of a supervisord whose `len` counts in `unit`. It accepts headers of up to
    /// 1024 bytes.
    pub const fn new(unit: LengthUnit) -> Self {
        Self::with_header_limit(unit)
    }
}

impl<const N: usize> Listener<N> {
    /// Like [`new`](Listener::new), for headers of up to `N` bytes: `Listener::<256>::with_header_limit(unit)`.
    pub const fn with_header_limit(unit: LengthUnit) -> Self {
        Self { turn: Turn::new(), decoder: Decoder::with_header_limit(unit) }
    }

    /// The listener's state.
    pub const fn state(&self) -> ListenerState {
        self.turn.state()
    }

    /// How many bytes of the stream have been consumed.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// Takes one step, and moves `input` past the bytes that it consumed. Returns `None` if all input is consumed and
    /// the next step needs more.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::advance`], and one for input that arrives out of turn. Every further call returns the same
    /// error.
    #[inline]
    pub fn advance<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        self.decoder.frame().check()?;
        if !self.turn.may_receive() {
            return if input.is_empty() { Ok(None) } else { self.decoder.out_of_turn() };
        }
        // Returned unchanged: a header is large, and moving it costs more than much of the parsing.
        let step = self.decoder.step(input);
        match &step {
            Ok(Some(Step::Header(_))) => self.turn.begin(),
            Ok(Some(Step::Complete)) => self.turn.complete(!input.is_empty()),
            _ => {}
        }
        step
    }

    /// ACKNOWLEDGED → READY. Returns the bytes to write.
    ///
    /// # Errors
    ///
    /// If the listener is not ACKNOWLEDGED, input is left over, or the stream is broken. An error changes nothing.
    pub fn ready(&mut self) -> Result<&'static [u8], TurnError> {
        self.turn.ready(self.decoder.frame())
    }

    /// Answers the event: BUSY → ACKNOWLEDGED. Returns the bytes to write.
    ///
    /// # Errors
    ///
    /// If no complete event is waiting for its answer, or the stream is broken. An error changes nothing.
    pub fn reply<'r>(&mut self, reply: &'r Reply<'_>) -> Result<EncodedReply<'r>, TurnError> {
        self.turn.reply(self.decoder.frame())?;
        Ok(reply.encode())
    }

    /// Answers the event and asks for the next one: BUSY → READY. Returns the bytes; write them in one call.
    ///
    /// # Errors
    ///
    /// If [`reply`](Self::reply) or [`ready`](Self::ready) would fail. An error changes nothing.
    pub fn reply_and_ready<'r>(&mut self, reply: &'r Reply<'_>) -> Result<EncodedReply<'r>, TurnError> {
        self.turn.reply_and_ready(self.decoder.frame())?;
        Ok(reply.encode_with_ready())
    }

    /// Reports that the input has ended. Between two events, that is a clean end: supervisord is gone.
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
        Self::with_header_limit(LengthUnit::default())
    }
}
