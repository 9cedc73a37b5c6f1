//! A loop over any [`Read`](std::io::Read) and [`Write`](std::io::Write), and over standard input and output.
//!
//! * [`serve_stdio`] is all that most listeners need. [`Serve`] has the settings.
//! * [`Events`] waits for an event or a deadline, for a program with a loop of its own.
//! * [`take_stdio`] takes standard input and output for the protocol, for any other host.
//!
//! One read and one write per event where the pipe allows: RESULT and the next READY leave together.
//!
//! # If the handler fails
//!
//! An error that a handler returns, by `?` for example, rejects the event: supervisord sends it again at once. The loop
//! waits a second before each rejection, and accepts the event when it has been rejected three times. Each of these is a
//! line on standard error. So a failure that passes costs nothing, and one that stays costs one event.
//! [`Notification::retries_left`](crate::Notification::retries_left) tells a handler that a try is the last one.
//!
//! With [`reject_errors(false)`](Serve::reject_errors), an error ends the loop, and the event is not answered.
//! supervisord starts the listener again and sends it the same event: an error that stays makes a restart loop.
//!
//! # What is reported
//!
//! Each failure of the handler is one line. What cannot continue says so, once and in one line, through one replaceable [sink](Serve::report):
//!
//! * a payload that is complete in bytes but not in code points: the server counts bytes;
//! * an event that did not arrive whole;
//! * an event that was accepted because it had been rejected too often;
//! * lost events, if this process is its pool's only one (see [`Serve::audit`]);
//! * and, as an error at the start, standard streams that are not supervisord's: see [`take_stdio`].

mod error;
mod events;
mod losses;
mod recording;
mod serve;
#[cfg(unix)]
mod stdio;
mod wait;

pub use error::{HandlerError, HandlerResult, ServeError};
pub use events::{Events, Wake};
pub use serve::{Serve, serve_stdio};
#[cfg(unix)]
pub use stdio::take_stdio;
