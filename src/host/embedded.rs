//! A blocking loop over the traits of `embedded-io` 0.7, in the caller's memory: for devices with a serial line or a
//! socket, but no operating system.
//!
//! [`serve`] is all that most listeners need; [`drive`] takes a [`Driver`] with settings. On a microcontroller, with the
//! two halves of a UART and a relay:
//!
//! ```
//! use core::convert::Infallible;
//! use embedded_io::{Read, Write};
//! use supervisor_events::host::embedded::{ServeError, serve};
//! use supervisor_events::{Event, LengthUnit, ProcessState, Reply};
//!
//! fn listen<R: Read, W: Write>(
//!     receiver: R,
//!     transmitter: W,
//!     mut relay: impl FnMut(bool),
//! ) -> Result<(), ServeError<R::Error, W::Error, Infallible>> {
//!     serve(receiver, transmitter, &mut [0; 1024], LengthUnit::CodePoints, |notification| {
//!         if let Ok(Event::ProcessState(event)) = notification.event() {
//!             relay(event.state != ProcessState::Fatal);
//!         }
//!         Ok(Reply::OK)
//!     })
//! }
//! # let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:PROCESS_STATE_FATAL len:48\n\
//! #     processname:feed groupname:g from_state:BACKOFF "[..];
//! # let (mut line, mut relays) = ([0; 64], Vec::new());
//! # listen(input, &mut line[..], |on| relays.push(on)).unwrap();
//! # assert_eq!(relays, [false]);
//! ```

use core::fmt;

use embedded_io::{Error, ErrorKind, Read, Write};

use super::HostError;
use super::driver::{Accepted, Driver, DriverError, Next, Replied};
use crate::{LengthUnit, Notification, Reply};

/// Why a loop ended before its input did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ServeError<R, W, H> {
    /// The host cannot continue.
    Host(HostError<R, W>),
    /// The handler failed. The event was not answered.
    Handler(H),
}

impl<R: fmt::Display, W: fmt::Display, H: fmt::Display> fmt::Display for ServeError<R, W, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
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
    /// The cause of the error, unless `Display` already says it.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Host(error) => error.source(),
            Self::Handler(error) => error.source(),
        }
    }
}

impl<R, W, H> From<HostError<R, W>> for ServeError<R, W, H> {
    fn from(error: HostError<R, W>) -> Self {
        Self::Host(error)
    }
}

impl<R, W, H> From<DriverError> for ServeError<R, W, H> {
    fn from(error: DriverError) -> Self {
        Self::Host(error.into())
    }
}

/// Handles the events that arrive on `input` until it ends, and answers on `output`.
///
/// An event that does not fit into `buffer` is delivered with the start of its payload; see [`Notification::omitted`].
/// Its header has to fit, with a byte to spare, and so does every answer with the next READY. An event may be rejected
/// 3 times; after that, it is accepted without notice. [`drive`] reports it.
///
/// # Errors
///
/// Errors of reading and writing, input that breaks the protocol or ends inside an event, a reply that does not fit
/// into `buffer`, and the handler's errors.
///
/// ```
/// use core::convert::Infallible;
/// use supervisor_events::{LengthUnit, Reply, host::embedded::serve};
///
/// let sent = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// let mut line = [0; 64];
/// let mut output = &mut line[..];
/// let mut ticks = 0;
/// serve(sent, &mut output, &mut [0; 256], LengthUnit::CodePoints, |_| {
///     ticks += 1;
///     Ok::<_, Infallible>(Reply::OK)
/// })
/// .unwrap();
/// assert_eq!(ticks, 1);
/// assert!(line.starts_with(b"READY\nRESULT 2\nOKREADY\n"));
/// ```
pub fn serve<'r, R: Read, W: Write, H>(
    input: R,
    output: W,
    buffer: &mut [u8],
    unit: LengthUnit,
    handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, H>,
) -> Result<(), ServeError<R::Error, W::Error, H>> {
    drive(&mut Driver::new(buffer, unit), input, output, handler, |_| {})
}

/// [`serve`] with the settings of a [`Driver`]. Calls `report` for each event that was accepted instead of rejected
/// once more.
///
/// # Errors
///
/// Those of [`serve`].
pub fn drive<'r, R: Read, W: Write, H, B: AsRef<[u8]> + AsMut<[u8]>>(
    driver: &mut Driver<B>,
    mut input: R,
    mut output: W,
    mut handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, H>,
    mut report: impl FnMut(&Accepted),
) -> Result<(), ServeError<R::Error, W::Error, H>> {
    loop {
        match driver.next()? {
            Next::Write(bytes) => match output.write(bytes) {
                Ok(0) => return Err(HostError::WriteZero.into()),
                Ok(written) => driver.written(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HostError::Write(error).into()),
            },
            Next::Flush => {
                output.flush().map_err(HostError::Write)?;
                driver.flushed();
            }
            Next::Read(space) => match input.read(space) {
                Ok(read) => driver.received(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HostError::Read(error).into()),
            },
            Next::Handle(event) => {
                let reply = handler(&event).map_err(ServeError::Handler)?;
                if let Replied::Accepted(accepted) = driver.reply(&reply)? {
                    report(&accepted);
                }
            }
            Next::End => return Ok(()),
        }
    }
}
