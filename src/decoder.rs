//! Splits a stream of notifications into pieces, without copying the payloads.
//!
//! The decoder knows where headers and payloads begin and end, and nothing else. [`Listener`](crate::Listener), which
//! is built on it, knows whose turn it is; [`Event`](crate::Event) knows what a payload means. On its own, a decoder
//! reads captured streams.
//!
//! ```text
//!             ┌──────────────── Step::Complete ────────────────┐
//!             ▼                                                │
//!        in a header ──────────── Step::Header ─────────▶ in a payload ──▶ Step::Payload (any number)
//!             │
//!             └───▶ broken: always the same error
//! ```

use heapless::Vec;

use crate::frame::Frame;
use crate::wire::bytes::{SMALL, subslice};
use crate::wire::error::{ProtocolError, ProtocolErrorKind};
use crate::wire::fields::Fields;
use crate::wire::framing;
use crate::wire::header::Header;
use crate::wire::key::Key;
use crate::wire::length::LengthUnit;

/// One piece of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A header: borrowed from the input, or from the decoder if it arrived in more than one piece.
    Header(Header<'a>),
    /// The next piece of the payload, never empty, borrowed from the input. An empty payload has none.
    Payload(&'a [u8]),
    /// The event is complete. Now, and only now, a reply is due.
    Complete,
}

/// An incremental decoder of a stream of notifications.
///
/// A header that arrives in more than one piece is assembled in a buffer of `N` bytes. A longer header is an error,
/// however it arrives. supervisord's headers have no upper bound, but with ordinary names they are 80 to 150 bytes
/// long.
///
/// ```
/// use supervisor_events::{Decoder, LengthUnit, Step};
///
/// let mut input: &[u8] =
///     b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:15\nwhen:1705063880";
/// let mut decoder = Decoder::new(LengthUnit::CodePoints);
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
    /// Stream offset of the current header, or of the next byte of the payload.
    offset: u64,
    /// The first bytes of a header whose end has not arrived.
    carry: Vec<u8, N>,
}

impl Decoder {
    /// A decoder at the start of a stream whose `len` counts in `unit`. It accepts headers of up to 1024 bytes.
    pub const fn new(unit: LengthUnit) -> Self {
        Self::with_header_limit(unit)
    }
}

impl<const N: usize> Decoder<N> {
    /// Like [`new`](Decoder::new), for headers of up to `N` bytes.
    ///
    /// ```
    /// use supervisor_events::{Decoder, LengthUnit};
    ///
    /// let decoder = Decoder::<256>::with_header_limit(LengthUnit::CodePoints);
    /// # let _ = decoder;
    /// ```
    pub const fn with_header_limit(unit: LengthUnit) -> Self {
        Self { frame: Frame::new(unit), offset: 0, carry: Vec::new() }
    }

    /// Takes one step, and moves `input` past the bytes that it consumed. Returns `None` if all input is consumed and
    /// the next step needs more.
    ///
    /// However the stream is split into inputs, only the sizes of the payload's pieces change.
    ///
    /// # Errors
    ///
    /// The input is not a header, or the header cannot be read or is too long. Every further call returns the same
    /// error.
    #[inline]
    pub fn advance<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        self.frame.check()?;
        self.step(input)
    }

    /// Takes one step of a stream that is not [broken](Frame::check).
    #[inline]
    pub(crate) fn step<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        if !self.frame.remaining.has_begun() {
            if self.single_byte(input) {
                return Ok(None);
            }
            return self.header(input);
        }
        let piece = split_off(input, self.frame.remaining.take(input));
        if !piece.is_empty() {
            self.offset += piece.len() as u64;
            return Ok(Some(Step::Payload(piece)));
        }
        if !self.frame.remaining.is_done() {
            return Ok(None);
        }
        self.frame.remaining.finish();
        self.carry.clear();
        Ok(Some(Step::Complete))
    }

    /// Reads a header: from the input if all of it is there, otherwise from the carry.
    #[inline(never)]
    fn header<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Step<'a>>, ProtocolError> {
        let carried = self.carry.len();
        let new = input.get(..N - carried).unwrap_or(input);
        if carried > 0 {
            carry(&mut self.carry, new);
        } else if let Some((fields, len)) = framing::usual_header(new) {
            // Returned here, so that `fields` is not moved once more.
            self.offset += len as u64;
            self.frame.remaining.begin(fields.len);
            let line = subslice(split_off(input, len), 0, len - 1);
            return Ok(Some(Step::Header(Header::new(line, fields))));
        }
        let mut fields = Fields::NONE;
        let found = framing::header(if carried > 0 { &self.carry } else { new }, carried, N, &mut fields);
        match found {
            Ok(Some(len)) => {
                // Bytes after the header stay in the input.
                split_off(input, len - carried);
                self.offset += len as u64;
                self.frame.remaining.begin(fields.len);
                let text = if carried > 0 { &self.carry } else { new };
                Ok(Some(Step::Header(Header::new(subslice(text, 0, len - 1), fields))))
            }
            Ok(None) => {
                if carried == 0 {
                    carry(&mut self.carry, new);
                }
                split_off(input, new.len());
                Ok(None)
            }
            Err(kind) => self.frame.fail(self.offset, kind),
        }
    }

    /// Takes a single byte in the middle of a header that cannot end it. Leaves any other input alone.
    #[inline(always)]
    fn single_byte(&mut self, input: &mut &[u8]) -> bool {
        match **input {
            [byte]
                if !SMALL && byte != b'\n' && self.carry.len() >= Key::Ver.tag().len() && self.carry.len() + 1 < N =>
            {
                *input = &[];
                self.carry.push(byte).is_ok()
            }
            _ => false,
        }
    }

    /// Breaks the stream at the offset where the next header would begin.
    pub(crate) fn out_of_turn<T>(&mut self) -> Result<T, ProtocolError> {
        self.frame.fail(self.offset, ProtocolErrorKind::OutOfTurn)
    }

    pub(crate) const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Reports that the input has ended. Between two events, that is a clean end.
    ///
    /// # Errors
    ///
    /// The stream ended inside a header or a payload, or was broken before.
    pub fn end(&self) -> Result<(), ProtocolError> {
        self.frame.end(self.offset(), self.carry.len())
    }

    /// How many bytes of the stream have been consumed. After [`Step::Complete`], this is where the next header begins.
    pub fn offset(&self) -> u64 {
        if self.frame.remaining.has_begun() { self.offset } else { self.offset + self.carry.len() as u64 }
    }
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::with_header_limit(LengthUnit::default())
    }
}

fn carry<const N: usize>(carry: &mut Vec<u8, N>, bytes: &[u8]) {
    let carried = carry.extend_from_slice(bytes);
    debug_assert!(carried.is_ok(), "the caller passes no more than fits");
}

/// Takes the first `len` bytes off `input`.
fn split_off<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    debug_assert!(len <= input.len());
    let (taken, rest) = input.split_at_checked(len).unwrap_or((input, b""));
    *input = rest;
    taken
}
