//! A loop over any [`Read`](std::io::Read) and [`Write`](std::io::Write), and over standard input and output.
//!
//! * [`serve_stdio`] is all that most listeners need. [`Serve`] has the settings.
//! * [`Events`] waits for an event or a deadline, for a program with a loop of its own.
//! * [`take_stdio`] takes standard input and output for the protocol, for any other host.
//!
//! One read and one write per event if the pipe allows it: RESULT and the next READY go out together.
//!
//! # If the handler fails
//!
//! An error that a handler returns, by `?` for example, rejects the event: supervisord sends it again at once. The loop
//! waits a second before each rejection, and accepts the event once it has been rejected three times. It reports each
//! of these in a line on standard error. So a temporary failure costs nothing, and a lasting one costs one event.
//! [`Notification::retries_left`](crate::Notification::retries_left) tells a handler which try is the last one.
//!
//! With [`reject_errors(false)`](Serve::reject_errors), an error ends the loop, and the event is not answered.
//! supervisord starts the listener again and sends it the same event: a lasting error makes a restart loop.
//!
//! # What is reported
//!
//! Each of these is one line, sent to a replaceable [sink](Serve::report):
//!
//! * every failure of the handler;
//! * every event that was accepted because it had been rejected too often;
//! * lost events, if this process is its pool's only one, or if [`Serve::audit`] says so;
//! * once for each event that does not arrive in full: its payload is complete in bytes but not in code points (the server
//!   counts bytes), or a part of it is missing.
//!
//! Standard streams that are not supervisord's are an error at the start: see [`take_stdio`].

mod error;
mod events;
mod losses;
mod recording;
mod serve;
mod settings;
#[cfg(unix)]
mod stdio;
mod wait;

pub use error::{HandlerError, HandlerResult, ServeError};
pub use events::{Events, Wake};
pub use serve::serve_stdio;
pub use settings::Serve;
#[cfg(unix)]
pub use stdio::take_stdio;
