//! What a handler may do, and what it should not do.
//!
//! A handler gets one event, and returns the answer. Until then, the pool's other events wait in supervisord's buffer.
//!
//! ```no_run
//! use std::fs::File;
//! use std::io::Write;
//!
//! use supervisor_events::host::std_io::{ServeError, serve_stdio};
//! use supervisor_events::{Event, ProcessState, Reply};
//!
//! fn main() -> Result<(), ServeError> {
//!     // First of all: from here on, nothing that is printed can reach supervisord.
//!     serve_stdio(|notification| {
//!         // Not `notification.event()?`.
//!         if let Ok(Event::ProcessState(event)) = notification.event()
//!             && event.state == ProcessState::Exited
//!             && event.expected == Some(false)
//!         {
//!             // An error sends the event again, a second later, up to three times.
//!             let mut log = File::options().append(true).create(true).open("/var/log/exits.log")?;
//!             writeln!(log, "{}:{} has exited", event.groupname, event.processname)?;
//!         }
//!         // All other events, too.
//!         Ok(Reply::OK)
//!     })
//! }
//! ```
//!
//! # `?` means "send the event again"
//!
//! With `host::std_io`, an error of the handler rejects the event. The loop waits a second before each rejection, and
//! accepts the event at the fourth failure; standard error has a line for each. So:
//!
//! * Use `?` for what may work a second later. Log what another try cannot cure, and return `Ok(Reply::OK)`.
//! * Write `if let Ok(…) = notification.event()`. With `notification.event()?`, an event of a type that this crate does
//!   not know is rejected, three times.
//! * [`Notification::retries_left`](crate::Notification::retries_left) tells which try is the last.
//! * What was done before the error is done again. Put what must happen once last, or make it harmless to repeat.
//!
//! # Never panic
//!
//! An `unwrap` that fails ends the process with the event unanswered. supervisord starts the listener again, and sends
//! it the same event: a restart loop. So does an error with
//! [`reject_errors(false)`](crate::host::std_io::Serve::reject_errors). `expected`, `pid` and `tries` are options
//! because not every event has them.
//!
//! `println!` and `eprintln!` panic, too, if standard error is full or closed. `writeln!(stderr(), …)` does not, if its
//! result is ignored.
//!
//! # Print nothing before the guard
//!
//! supervisord takes everything on standard output for the protocol. [`take_stdio`](crate::host::std_io::take_stdio),
//! which `serve_stdio`, [`Serve::stdio`](crate::host::std_io::Serve::stdio) and
//! [`Serve::open`](crate::host::std_io::Serve::open) call, puts the protocol on descriptors of its own. After that,
//! what the handler, a library or a child process prints goes to standard error. What is printed *before* makes the
//! listener UNKNOWN: call it first in `main`, before a configuration is read or a connection is made.
//!
//! # Slow work
//!
//! While the handler works, no other event comes, and above `buffer_size` events are lost. Give whatever can wait (a
//! request, a command, a query) a time limit of a few seconds. For work that takes longer:
//!
//! * Copy what you need and hand it to a thread through a bounded channel; answer OK at once. If the process dies, what
//!   is in the channel is lost: keep it on disk if it matters.
//! * With deadlines of your own, use [`Events::next_until`](crate::host::std_io::Events::next_until); with an executor,
//!   [`host::embedded_async`](super::recipes#tokio).
//!
//! **Never wait for another event**: it comes after this one is answered. To start or stop a process and wait until it
//! runs, ask supervisord, or wait for the event after this one. [Calls to supervisord][calls] has what deadlocks.
//!
//! # FAIL is a last resort
//!
//! supervisor has no delay: a rejected event comes again at once. It also goes to *every other pool* whose process has
//! the same priority, even if that pool never subscribed to such events, and pushes other events out of its buffer. In
//! a trial with supervisor 4.3.0, a listener that answered one event with FAIL made 39,029 rejections of it in 9
//! seconds, and the buffers of two other pools, whose listeners were busy, overflowed as often: with copies of that
//! event instead of their own.
//!
//! The hosts limit this: an event is rejected 3 times, then accepted, and `host::std_io` waits a second before each.
//! Answer FAIL only for what may succeed soon. It is no way to report an error: all that it leaves is a line in
//! supervisord's log.
//!
//! # Expect any event, any number of times
//!
//! * The same event comes again after a rejection, and after the listener was killed with it. `serial` is the same.
//! * Events of types that you did not subscribe to come when another pool rejects them. End the handler with
//!   `Ok(Reply::OK)`.
//! * An event that is larger than [`max_event`](crate::host::std_io::Serve::max_event) arrives with the start of its
//!   payload. [`Notification::omitted`](crate::Notification::omitted) tells how much is missing.
//! * A name may hold spaces, colons and any other character. Pass it as an argument, not through a shell.
//!
#![doc = include_str!("links.md")]
