//! A blocking loop over the traits of `embedded-io` 0.7, in the caller's memory: for what has a serial line or a socket
//! and no operating system.
//!
//! The loop of [`host::std`](super) without its growing buffer and its bound on rejections. Both need the heap.

use core::fmt;

use embedded_io::{Error, ErrorKind, Read, Write};

use crate::{LengthUnit, Notification, ProtocolError, Reply, Session};

/// Why a loop ended before its input did: the errors of the reader, the writer and the handler, and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ServeError<R, W, H> {
    /// Reading failed.
    Read(R),
    /// Writing failed.
    Write(W),
    /// The writer took no byte, which its trait forbids.
    WriteZero,
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// The handler failed. The event was not answered.
    Handler(H),
}

impl<R: fmt::Display, W: fmt::Display, H: fmt::Display> fmt::Display for ServeError<R, W, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read from supervisord: {error}"),
            Self::Write(error) => write!(f, "cannot write to supervisord: {error}"),
            Self::WriteZero => f.write_str("cannot write to supervisord: no byte is taken"),
            Self::Protocol(error) => error.fmt(f),
            Self::Handler(error) => write!(f, "the event could not be handled: {error}"),
        }
    }
}

impl<R, W, H> core::error::Error for ServeError<R, W, H>
where
    R: core::error::Error + 'static,
    W: core::error::Error + 'static,
    H: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Write(error) => Some(error),
            Self::WriteZero => None,
            Self::Protocol(error) => Some(error),
            Self::Handler(error) => Some(error),
        }
    }
}

impl<R, W, H> From<ProtocolError> for ServeError<R, W, H> {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// Handles the events that come from `input` until it ends, and answers on `output`.
///
/// Of an event that does not fit into `buffer` the handler gets the start; see
/// [`Notification::omitted`]. Its header has to fit.
///
/// # Errors
///
/// What cannot be read or written, input that breaks the protocol or ends inside an event, and the handler's errors.
///
/// ```
/// use core::convert::Infallible;
/// use supervisor_events::{LengthUnit, Reply, host::embedded_io::serve};
///
/// let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// let mut line = [0; 64];
/// let mut output = &mut line[..];
/// let mut ticks = 0;
/// serve(input, &mut output, &mut [0; 256], LengthUnit::CodePoints, |_| {
///     ticks += 1;
///     Ok::<_, Infallible>(Reply::OK)
/// })
/// .unwrap();
/// assert_eq!(ticks, 1);
/// assert!(line.starts_with(b"READY\nRESULT 2\nOKREADY\n"));
/// ```
pub fn serve<'r, R: Read, W: Write, H>(
    mut input: R,
    mut output: W,
    buffer: &mut [u8],
    unit: LengthUnit,
    mut handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, H>,
) -> Result<(), ServeError<R::Error, W::Error, H>> {
    let mut session = Session::new(buffer, unit);
    if let Ok(ready) = session.ready() {
        write(&mut output, &[ready])?;
    }
    loop {
        let read = match input.read(session.space()) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(ServeError::Read(error)),
        };
        // Told of the end of the input too: where the buffer has no bytes, that is not what a read of none means.
        let notification = session.received(read)?;
        if read == 0 {
            return Ok(session.end()?);
        }
        let Some(notification) = notification else { continue };
        let reply = handler(&notification).map_err(ServeError::Handler)?;
        let Ok(answer) = session.reply_and_ready(&reply) else {
            // A reply is due, so only input after the event can be in the way. The session says what is wrong with it.
            session.received(0)?;
            continue;
        };
        // The event's memory is free now: room to put the answer together for a single write.
        match answer.write_to(session.buffer_mut()) {
            Ok(bytes) => write(&mut output, &[bytes])?,
            Err(_) => {
                let (head, data, ready) = answer.parts();
                write(&mut output, &[&head, data, ready])?;
            }
        }
    }
}

/// Writes the pieces, and flushes. The trait's `write_all` can panic.
fn write<R, W: Write, H>(output: &mut W, pieces: &[&[u8]]) -> Result<(), ServeError<R, W::Error, H>> {
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            match output.write(piece) {
                Ok(0) => return Err(ServeError::WriteZero),
                Ok(written) => piece = piece.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ServeError::Write(error)),
            }
        }
    }
    output.flush().map_err(ServeError::Write)
}
