//! The error of the hosts over `embedded-io` and `embedded-io-async`.

use core::fmt;

use super::driver::DriverError;
use crate::{BufferTooSmall, ProtocolError, TurnError};

/// Why a host cannot continue: an error of the reader or the writer, of the peer, or of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HostError<R, W> {
    /// Reading failed.
    Read(R),
    /// Writing failed.
    Write(W),
    /// The writer accepted no bytes, which its trait forbids.
    WriteZero,
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// No reply is due. The call changed nothing.
    Turn(TurnError),
    /// The reply does not fit into the buffer. The call changed nothing.
    BufferTooSmall(BufferTooSmall),
}

impl<R: fmt::Display, W: fmt::Display> fmt::Display for HostError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read from supervisord: {error}"),
            Self::Write(error) => write!(f, "cannot write to supervisord: {error}"),
            Self::WriteZero => f.write_str("cannot write to supervisord: no bytes are accepted"),
            Self::Protocol(error) => error.fmt(f),
            Self::Turn(error) => error.fmt(f),
            Self::BufferTooSmall(error) => error.fmt(f),
        }
    }
}

impl<R: core::error::Error + 'static, W: core::error::Error + 'static> core::error::Error for HostError<R, W> {
    /// The cause of the error, unless `Display` already says it.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Write(error) => error.source(),
            Self::WriteZero | Self::Protocol(_) | Self::Turn(_) | Self::BufferTooSmall(_) => None,
        }
    }
}

impl<R, W> From<DriverError> for HostError<R, W> {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Protocol(error) => Self::Protocol(error),
            DriverError::Turn(error) => Self::Turn(error),
            DriverError::BufferTooSmall(error) => Self::BufferTooSmall(error),
        }
    }
}
