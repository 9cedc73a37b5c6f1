//! The functions that run a loop, with its settings, over standard input and output or any others.

#[cfg(unix)]
use std::fs::File;
#[cfg(not(unix))]
use std::io;
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::fd::AsFd;

use super::error::{HandlerError, ServeError};
use super::events::Events;
#[cfg(unix)]
use super::losses::is_alone;
use super::settings::Serve;
#[cfg(unix)]
use super::wait::wait_for_input;
use super::wait::wait_in_read;
use crate::{Notification, Reply};

/// Handles the events that arrive on standard input until it ends, with the settings of [`Serve::new`].
///
/// If the handler fails, by `?` for example, the event is rejected and comes again: up to 3 times, a second apart. Then
/// it is accepted, and one line on standard error says so. See [`Serve::reject_errors`] for the alternative, and what
/// it costs. A handler that is a function or a method returns a [`HandlerResult`](super::HandlerResult), which has
/// examples of all forms. A closure in a variable has to name its argument's type: `|event: &Notification| …`. A
/// handler that panics ends the process with the event unanswered: supervisord starts it again, and sends it the same
/// event.
///
/// Call this first in `main`, before anything is printed: supervisord would take it for an answer.
///
/// ```no_run
/// use supervisor_events::Reply;
/// use supervisor_events::host::std_io::{ServeError, serve_stdio};
///
/// fn main() -> Result<(), ServeError> {
///     serve_stdio(|notification| {
///         std::fs::write("last-event", notification.header.eventname())?;
///         Ok(Reply::OK)
///     })
/// }
/// ```
///
/// # Errors
///
/// Those of [`Serve::stdio`].
pub fn serve_stdio<'r>(
    handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
) -> Result<(), ServeError> {
    Serve::new().stdio(handler)
}

impl<'a> Serve<'a> {
    /// Handles the events that arrive on `input` until it ends, and answers on `output`.
    ///
    /// It waits only inside the reads of `input`. So it has no time limits, and does not notice that the rest of an
    /// event fails to arrive. [`over`](Self::over) does, for input with a file descriptor.
    ///
    /// # Errors
    ///
    /// Errors of reading and writing, and input that breaks the protocol or ends inside an event. The handler's errors
    /// only if they are not [rejected](Self::reject_errors).
    pub fn run<'r>(
        self,
        input: impl Read,
        output: impl Write,
        handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        Events::new(self, input, wait_in_read, output).handle(handler)
    }

    /// Handles the events that arrive on standard input, and answers on standard output.
    ///
    /// On Unix both are first [taken](super::take_stdio) for the protocol, so that a `println!` or a child process
    /// cannot break it: printed text goes to standard error. They stay taken after the loop has ended.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run). On Unix also those of [`take_stdio`](super::take_stdio).
    pub fn stdio<'r>(
        self,
        handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        #[cfg(unix)]
        return self.open()?.handle(handler);
        #[cfg(not(unix))]
        self.run(io::stdin().lock(), io::stdout().lock(), handler)
    }

    /// The events that arrive on standard input, for a loop of your own. Standard input and output are first
    /// [taken](super::take_stdio) for the protocol.
    ///
    /// # Errors
    ///
    /// Those of [`take_stdio`](super::take_stdio).
    #[cfg(unix)]
    pub fn open(self) -> Result<Events<'a, File, File>, ServeError> {
        let (input, output) = super::take_stdio()?;
        let audit = self.audit.unwrap_or_else(is_alone);
        Ok(self.audit(audit).over(input, output))
    }

    /// The events that arrive on `input`, for a loop of your own.
    #[cfg(unix)]
    pub fn over<R: Read + AsFd, W: Write>(self, input: R, output: W) -> Events<'a, R, W> {
        Events::new(self, input, wait_for_input::<R>, output)
    }
}
