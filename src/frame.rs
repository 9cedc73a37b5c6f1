//! Where in an event the stream is, and whether it is broken. [`Decoder`](crate::Decoder) and [`Session`](crate::Session)
//! both keep this. All of what "broken" means is here: nothing ever mends a stream.

use crate::wire::error::{ProtocolError, ProtocolErrorKind};
use crate::wire::length::{LengthUnit, Remaining};

/// What is being read, and the error that ended the reading.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Frame {
    /// What of the payload is still to come.
    pub(crate) remaining: Remaining,
    broken: Option<ProtocolError>,
}

impl Frame {
    pub(crate) const fn new(unit: LengthUnit) -> Self {
        Self { remaining: Remaining::new(unit), broken: None }
    }

    /// The error that broke the stream, if one did. To be called first by everything that goes on with the stream.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), ProtocolError> {
        match self.broken {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Breaks the stream at the header that begins at `start`, or would begin there.
    pub(crate) fn fail<T>(&mut self, start: u64, kind: ProtocolErrorKind) -> Result<T, ProtocolError> {
        debug_assert!(self.broken.is_none(), "it breaks once");
        let error = ProtocolError { offset: start + kind.place() as u64, kind };
        self.broken = Some(error);
        Err(error)
    }

    /// Ends the stream at `offset`, where `held` bytes of a header have arrived.
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
