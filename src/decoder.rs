//! Takes a stream of notifications apart, piece by piece and without copying the payloads.
//!
//! The decoder knows where headers and payloads begin and end, and nothing else: not whose turn it is (that is for
//! [`Listener`](crate::Listener), which is built on it), and not what a payload means ([`Event`](crate::Event)). By
//! itself it is what reads a captured stream.
//!
//! ```text
//!             ┌──────────────── Step::Complete ────────────────┐
//!             ▼                                                │
//!        in a header ──────────── Step::Header ─────────▶ in a payload ──▶ Step::Payload (any number)
//!             │                                                │
//!             └────────▶ broken: the same error for ever ◀─────┘
//! ```

use heapless::Vec;

use crate::error::{ProtocolError, ProtocolErrorKind};
use crate::wire::header::{self, Header, usual_header};
use crate::wire::length::{LengthUnit, Remaining};
use crate::wire::scan::{FAST, part};

/// One piece of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A header: borrowed from the input, or from the decoder if it came in more than one piece.
    Header(Header<'a>),
    /// The next piece of the payload, never empty, borrowed from the input. An empty payload has none.
    Payload(&'a [u8]),
    /// The event is complete. Now, and only now, a reply is due.
    Complete,
}

/// An incremental decoder of a stream of notifications.
///
/// A header that comes in more than one piece is put together in a buffer of `N` bytes. A longer header is refused,
/// however it comes: supervisord's have no upper bound, but with ordinary names they are 80 to 150 bytes long.
///
/// ```
/// use supervisor_events::{Decoder, LengthUnit, Step};
///
/// let mut input: &[u8] =
///     b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:15\nwhen:1705063880";
/// let mut decoder: Decoder = Decoder::new(LengthUnit::CodePoints);
/// while let Some(step) = decoder.advance(&mut input)? {
///     match step {
///         Step::Header(header) => assert_eq!(header.eventname(), "TICK_5"),
///         Step::Payload(piece) => assert_eq!(piece, b"when:1705063880"),
///         Step::Complete => {}
///     }
/// }
/// decoder.end()?;
/// # Ok::<(), supervisor_events::ProtocolError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decoder<const N: usize = 1024> {
    frame: Frame,
    /// Where in the stream the header begins that is being read, or the payload goes on.
    offset: u64,
    /// The header's first bytes, while the others are still to come.
    carry: Vec<u8, N>,
}

/// Where in an event the stream is, and whether it goes on.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Frame {
    /// What of the payload is still to come.
    pub(crate) remaining: Remaining,
    /// The error that broke the stream.
    pub(crate) broken: Option<ProtocolError>,
}

impl Frame {
    pub(crate) const fn new(unit: LengthUnit) -> Self {
        Self { remaining: Remaining::new(unit), broken: None }
    }

    /// Breaks the stream, for ever.
    pub(crate) fn fail<T>(&mut self, offset: u64, kind: ProtocolErrorKind) -> Result<T, ProtocolError> {
        let error = ProtocolError { offset, kind };
        self.broken = Some(error);
        Err(error)
    }

    /// The stream ends at `offset`, where `held` bytes of a header are there.
    pub(crate) fn end(&self, offset: u64, held: usize) -> Result<(), ProtocolError> {
        let kind = match self.broken {
            Some(error) => return Err(error),
            None if self.remaining.has_begun() => match self.remaining.missing() {
                0 => return Ok(()),
                missing => ProtocolErrorKind::TruncatedPayload { missing },
            },
            None if held == 0 => return Ok(()),
            None => ProtocolErrorKind::TruncatedHeader,
        };
        Err(ProtocolError { offset, kind })
    }
}

impl<const N: usize> Decoder<N> {
    /// A decoder at the start of a stream whose `len` counts in `unit`.
    pub const fn new(unit: LengthUnit) -> Self {
        Self { frame: Frame::new(unit), offset: 0, carry: Vec::new() }
    }

    /// Takes one step, and moves `input` past the bytes that it took. `None` if all input was taken and more is needed
    /// for the next step.
    ///
    /// How the stream is cut into inputs changes nothing but the sizes of the payload's pieces.
    ///
    /// # Errors
    ///
    /// What stands where a header is due is not one, cannot be read or is too long. The same error is returned for ever
    /// after.
    #[inline]
    pub fn advance<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if let Some(error) = self.frame.broken {
            return Err(error);
        }
        if !self.frame.remaining.has_begun() {
            return if FAST && self.carry.is_empty() { self.usual_header(input) } else { self.header(input) };
        }
        let piece = split_off(input, self.frame.remaining.take(input));
        if !piece.is_empty() {
            self.offset = self.offset.wrapping_add(piece.len() as u64);
            return Ok(Some(Step::Payload(piece)));
        }
        if !self.frame.remaining.is_done() {
            return Ok(None);
        }
        self.frame.remaining.finish();
        self.carry.clear();
        Ok(Some(Step::Complete))
    }

    /// The usual case: a whole header, and nothing of it that came before.
    #[inline(never)]
    fn usual_header<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if let Some((header, len)) = usual_header(input.get(..N).unwrap_or(input)) {
            split_off(input, len);
            self.offset = self.offset.wrapping_add(len as u64);
            self.frame.remaining.begin(header.len());
            return Ok(Some(Step::Header(header)));
        }
        self.header(input)
    }

    /// Takes a byte that comes by itself, in the middle of a header. Whatever is not that is left alone.
    #[inline(always)]
    fn single_byte(&mut self, input: &mut &[u8]) -> bool {
        let len = self.carry.len();
        match **input {
            [byte] if byte != b'\n' && len >= 4 && len < N.saturating_sub(1) => {
                *input = &[];
                self.carry.push(byte).is_ok()
            }
            _ => false,
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(never))]
    fn header<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if FAST && self.single_byte(input) {
            return Ok(None);
        }
        let carried = self.carry.len();
        let new = part(input, 0, input.len().min(N.saturating_sub(carried)));
        // It fits.
        let _ = self.carry.extend_from_slice(new);
        let text = if carried == 0 { new } else { &self.carry };
        let found = header::find(text, carried, N);
        // What follows the header stays in the input.
        let len = if let Ok(Some(found)) = &found { found.len } else { text.len() };
        split_off(input, len.wrapping_sub(carried));
        match found {
            Ok(Some(found)) => {
                self.offset = self.offset.wrapping_add(len as u64);
                self.frame.remaining.begin(found.payload);
                Ok(Some(Step::Header(found.header)))
            }
            Ok(None) => Ok(None),
            Err(error) => self.frame.fail(self.offset.wrapping_add(error.offset), error.kind),
        }
    }

    /// Breaks the stream, for ever, where a header would begin.
    pub(crate) fn out_of_turn<T>(&mut self) -> Result<T, ProtocolError> {
        self.frame.fail(self.offset, ProtocolErrorKind::OutOfTurn)
    }

    /// The error that broke the stream.
    pub(crate) const fn broken(&self) -> Option<&ProtocolError> {
        self.frame.broken.as_ref()
    }

    /// Says that the input has ended. Between two events that is a clean end.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    pub fn end(&self) -> Result<(), ProtocolError> {
        self.frame.end(self.offset(), self.carry.len())
    }

    /// How many bytes of the stream have been consumed. After [`Step::Complete`], where the next header begins.
    pub fn offset(&self) -> u64 {
        if self.frame.remaining.has_begun() { self.offset } else { self.offset.wrapping_add(self.carry.len() as u64) }
    }
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::new(LengthUnit::default())
    }
}

/// Takes the first `len` bytes off `input`.
fn split_off<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at_checked(len).unwrap_or((input, b""));
    *input = rest;
    taken
}
