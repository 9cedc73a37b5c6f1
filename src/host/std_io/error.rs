//! What a handler may return, and why a loop ends before its input does.

use std::boxed::Box;
use std::error::Error;
use std::fmt;
use std::io;

use crate::host::driver::DriverError;
use crate::{ProtocolError, Reply, TurnError};

/// The error of a handler. `?` converts any error into it.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// The return type of a handler that is a function or a method. The reply may own its data.
///
/// ```
/// use supervisor_events::host::std_io::{HandlerResult, Serve};
/// use supervisor_events::{Notification, Reply};
///
/// # let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// # let serve = || Serve::new().rejection_delay(std::time::Duration::ZERO);
/// # let mut output = Vec::new();
/// # let output = &mut output;
/// // A closure as the argument.
/// serve().run(input, &mut *output, |event| {
///     Ok(if event.omitted == 0 { Reply::OK } else { Reply::new(b"too large") })
/// })?;
///
/// // A function.
/// fn handle(event: &Notification) -> HandlerResult {
///     Ok(Reply::from(event.payload.to_vec()))
/// }
/// serve().run(input, &mut *output, handle)?;
///
/// // A method.
/// struct Watcher {
///     seen: u64,
/// }
/// impl Watcher {
///     fn handle(&mut self, event: &Notification) -> HandlerResult {
///         self.seen += 1;
///         Ok(Reply::from(format!("{} is event {}", event.header.eventname(), self.seen)))
///     }
/// }
/// let mut watcher = Watcher { seen: 0 };
/// serve().run(input, &mut *output, |event| watcher.handle(event))?;
///
/// // A closure in a variable. It has to name its argument's type.
/// let handler = |event: &Notification| Ok(Reply::from(event.header.eventname().to_owned()));
/// serve().run(input, &mut *output, handler)?;
/// # let output = String::from_utf8_lossy(output);
/// # assert!(output.contains("RESULT 6\nwhen:5READY") && output.contains("RESULT 17\nTICK_5 is event 1READY"));
/// # Ok::<(), supervisor_events::host::std_io::ServeError>(())
/// ```
pub type HandlerResult = Result<Reply<'static>, HandlerError>;

/// Why a loop ended before its input did. `Debug` prints the same sentence as `Display`, for a `main` that returns it.
#[non_exhaustive]
pub enum ServeError {
    /// Standard input and output cannot be [taken](super::take_stdio) for the protocol.
    Streams(io::Error),
    /// Reading or writing failed.
    Io(io::Error),
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// The handler failed, and errors are not [rejected](super::Serve::reject_errors). The event was not answered:
    /// supervisord gives it to the next listener, or to this one when it runs again.
    Handler(HandlerError),
    /// No reply is due. The call changed nothing. Only [`Events::reply`](super::Events::reply) returns this error.
    Turn(TurnError),
    /// The loop was [stopped](super::Serve::stop_on) while an event was arriving, and the rest of it did not come.
    Incomplete(ProtocolError),
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streams(error) => error.fmt(f),
            Self::Io(error) => write!(f, "cannot talk to supervisord: {error}"),
            Self::Protocol(error) => error.fmt(f),
            Self::Handler(error) => write!(f, "the event could not be handled: {error}"),
            Self::Turn(error) => error.fmt(f),
            Self::Incomplete(error) => write!(f, "stopped while waiting for the rest of an event: {error}"),
        }
    }
}

impl Error for ServeError {
    /// The cause of the error, unless `Display` already says it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Streams(error) | Self::Io(error) => error.source(),
            Self::Protocol(_) | Self::Turn(_) | Self::Incomplete(_) => None,
            Self::Handler(error) => error.source(),
        }
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DriverError> for ServeError {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Protocol(error) => Self::Protocol(error),
            DriverError::Turn(error) => Self::Turn(error),
            // Cannot happen: the loop grows its buffer.
            DriverError::BufferTooSmall(error) => Self::Io(io::Error::other(error)),
        }
    }
}
