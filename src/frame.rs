//! The position in an event, and whether the stream is broken: part of both [`Decoder`](crate::Decoder) and
//! [`Session`](crate::Session). A broken stream is never repaired: whatever continues it asks here first.

use crate::wire::error::{ProtocolError, ProtocolErrorKind};
use crate::wire::length::{LengthUnit, Remaining};

/// What is being read, and the error that broke the stream.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Frame {
    /// The part of the payload that has not arrived.
    pub(crate) remaining: Remaining,
    broken: Option<ProtocolError>,
}

impl Frame {
    pub(crate) const fn new(unit: LengthUnit) -> Self {
        Self { remaining: Remaining::new(unit), broken: None }
    }

    /// Fails with the error that broke the stream, if it is broken. Every function that continues the stream calls this
    /// first.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), ProtocolError> {
        match self.broken {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Breaks the stream at the header that begins, or would begin, at offset `start`.
    pub(crate) fn fail<T>(&mut self, start: u64, kind: ProtocolErrorKind) -> Result<T, ProtocolError> {
        debug_assert!(self.broken.is_none(), "it breaks once");
        let error = ProtocolError { offset: start + kind.offset() as u64, kind };
        self.broken = Some(error);
        Err(error)
    }

    /// Ends the stream at `offset`; `held` bytes of a header have arrived. Stores no error.
    pub(crate) fn end(&self, offset: u64, held: usize) -> Result<(), ProtocolError> {
        self.check()?;
        let kind = if !self.remaining.has_begun() {
            match held {
                0 => return Ok(()),
                _ => ProtocolErrorKind::TruncatedHeader,
            }
        } else {
            match self.remaining.missing() {
                0 => return Ok(()),
                missing => ProtocolErrorKind::TruncatedPayload { missing },
            }
        };
        Err(ProtocolError { offset, kind })
    }
}
