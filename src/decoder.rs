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
use crate::wire::header::{End, Header, HeaderEnd, usual_header};
use crate::wire::length::{LengthUnit, Remaining};
use crate::wire::scan::FAST;

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
    unit: LengthUnit,
    phase: Phase,
    /// Where in the stream the header begins that is being read, or the payload goes on.
    offset: u64,
    /// The header's first bytes, while the others are still to come.
    carry: Vec<u8, N>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    Header(HeaderEnd),
    Payload(Remaining),
    Broken(ProtocolError),
}

impl Phase {
    /// Breaks the stream, for ever.
    fn fail<T>(&mut self, offset: u64, kind: ProtocolErrorKind) -> Result<T, ProtocolError> {
        let error = ProtocolError { offset, kind };
        *self = Self::Broken(error);
        Err(error)
    }
}

impl<const N: usize> Decoder<N> {
    /// A decoder at the start of a stream whose `len` counts in `unit`.
    pub const fn new(unit: LengthUnit) -> Self {
        Self { unit, phase: Phase::Header(HeaderEnd::new()), offset: 0, carry: Vec::new() }
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
        match &mut self.phase {
            Phase::Header(_) if FAST && self.carry.is_empty() => self.usual_header(input),
            Phase::Header(_) => self.header(input),
            Phase::Payload(remaining) => {
                if !remaining.is_done() {
                    let piece = split_off(input, remaining.take(input));
                    self.offset = self.offset.wrapping_add(piece.len() as u64);
                    if !piece.is_empty() {
                        return Ok(Some(Step::Payload(piece)));
                    }
                    if !remaining.is_done() {
                        return Ok(None);
                    }
                }
                self.phase = Phase::Header(HeaderEnd::new());
                self.carry.clear();
                Ok(Some(Step::Complete))
            }
            Phase::Broken(error) => Err(*error),
        }
    }

    /// The usual case: a whole header, and nothing of it that came before.
    #[inline(never)]
    fn usual_header<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if let Some((header, len)) = usual_header(input.get(..N).unwrap_or(input)) {
            split_off(input, len);
            self.offset = self.offset.wrapping_add(len as u64);
            self.phase = Phase::Payload(Remaining::new(self.unit, header.len()));
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

    #[inline(never)]
    fn header<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if FAST && self.single_byte(input) {
            return Ok(None);
        }
        let Phase::Header(end) = &mut self.phase else { return Ok(None) };
        let carried = self.carry.len();
        let new = input.get(..N.saturating_sub(carried)).unwrap_or(input);
        let found = if carried == 0 {
            end.find(new, 0)
        } else {
            // It fits.
            let _ = self.carry.extend_from_slice(new);
            end.find(&self.carry, carried)
        };
        // What follows the header stays in the input.
        let len = if let End::At(len) = found { len } else { carried.wrapping_add(new.len()) };
        let new = split_off(input, len.wrapping_sub(carried));
        let (at, kind) = match found {
            End::At(_) => {
                let text = if carried == 0 { new } else { &self.carry };
                let line = text.get(..len.wrapping_sub(1)).unwrap_or_default();
                let mut header = Header::unread(line);
                match header.read(line) {
                    Ok(()) => {
                        self.offset = self.offset.wrapping_add(len as u64);
                        self.phase = Phase::Payload(Remaining::new(self.unit, header.len()));
                        return Ok(Some(Step::Header(header)));
                    }
                    Err(error) => (error.offset, ProtocolErrorKind::Header(error)),
                }
            }
            End::NotAHeader => (0, ProtocolErrorKind::NotAHeader),
            End::NotYet if len >= N => (N, ProtocolErrorKind::HeaderTooLong { limit: N }),
            End::NotYet => {
                if carried == 0 {
                    let _ = self.carry.extend_from_slice(new);
                }
                return Ok(None);
            }
        };
        self.phase.fail(self.offset.wrapping_add(at as u64), kind)
    }

    /// Breaks the stream, for ever, where a header would begin.
    pub(crate) fn out_of_turn<T>(&mut self) -> Result<T, ProtocolError> {
        self.phase.fail(self.offset, ProtocolErrorKind::OutOfTurn)
    }

    /// The error that broke the stream.
    pub(crate) const fn broken(&self) -> Option<&ProtocolError> {
        match &self.phase {
            Phase::Broken(error) => Some(error),
            _ => None,
        }
    }

    /// Says that the input has ended. Between two events that is a clean end.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    #[inline(never)]
    pub fn end(&self) -> Result<(), ProtocolError> {
        let kind = match &self.phase {
            Phase::Header(_) if self.carry.is_empty() => return Ok(()),
            Phase::Header(_) => ProtocolErrorKind::TruncatedHeader,
            Phase::Payload(remaining) if remaining.is_done() => return Ok(()),
            Phase::Payload(remaining) => ProtocolErrorKind::TruncatedPayload { missing: remaining.missing() },
            Phase::Broken(error) => return Err(*error),
        };
        Err(ProtocolError { offset: self.offset(), kind })
    }

    /// How many bytes of the stream have been consumed. After [`Step::Complete`], where the next header begins.
    pub fn offset(&self) -> u64 {
        match self.phase {
            Phase::Header(_) => self.offset.wrapping_add(self.carry.len() as u64),
            _ => self.offset,
        }
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
