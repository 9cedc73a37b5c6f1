//! The protocol in one page.
//!
//! supervisord starts a listener as a child process. On its standard output the listener says READY, supervisord sends
//! one event to its standard input, the listener answers with RESULT, and says READY again:
//!
//! ```text
//! listener       READY⏎
//! supervisord    ver:3.0 server:supervisor serial:21 pool:watch poolserial:10
//!                  eventname:PROCESS_STATE_EXITED len:66⏎      (one line with the above)
//! supervisord    processname:web groupname:web from_state:RUNNING expected:0 pid:27
//! listener       RESULT 2⏎
//! listener       OKREADY⏎
//! ```
//!
//! There is no newline after a payload, nor after the data of a RESULT. Only one event is ever under way: supervisord
//! sends the next one after READY.
//!
//! # The states
//!
//! Each end keeps the listener's state:
//!
//! <div>
#![doc = include_str!("../../docs/pictures/states.svg")]
//! </div>
//!
//! supervisord never tells a listener that it is UNKNOWN, and never sends it an event again. Only a new process gets
//! out of that state. The listener's end refuses what would lead there: [`Listener`](crate::Listener) and
//! [`Session`](crate::Session) return a [`TurnError`](crate::TurnError), and change nothing. The hosts only take valid
//! turns. [`Supervisor`](crate::Supervisor) is the other end.
//!
//! # The header
//!
//! One line of `key:value` tokens, in this order, separated by spaces. [`Header`](crate::Header) has a method for each.
//!
//! * `ver`: `3.0`, whatever the version of the server.
//! * `server`: supervisord's `identifier`. Nobody checks it: it may hold spaces, colons, even newlines.
//! * `serial`: the event's number. One count for all pools.
//! * `pool`: the name of the listener's section.
//! * `poolserial`: the event's number in this pool. One that never comes is a lost event:
//!   [`SequenceAudit`](crate::SequenceAudit).
//! * `eventname`: the event's type, [`EventType`](crate::EventType).
//! * `len`: the length of the payload.
//!
//! # What `len` counts
//!
//! supervisor's documentation says bytes. supervisor 4 sends the number of **Unicode code points**. supervisor 3, on
//! Python 2, and the Go server send bytes. All of them say `ver:3.0`, so it is a setting:
//!
//! | server | [`LengthUnit`](crate::LengthUnit) |
//! |---|---|
//! | supervisor 4, on Python 3 | `CodePoints`, the default |
//! | supervisor 3; the Go server | `Bytes` |
//! | supervisor 4 on Python 2 | neither: 4.2.5 counts log output in code points and remote events in bytes |
//!
//! While everything is ASCII, both are right. With the wrong unit, the first event that is not ASCII shows it: the
//! stream breaks with an error that says so, or, if the event never ends, `host::std_io` reports it after two seconds.
//!
//! # The payload
//!
//! [`Event`](crate::Event) is the payload with its types. [`Notification::event`](crate::Notification::event) reads it
//! when asked, so an event of an unknown type is delivered all the same, with its name and its bytes.
//!
//! * `PROCESS_STATE_…`: `processname:… groupname:… from_state:…`, and `tries`, or `expected` and `pid`, or `pid`,
//!   depending on the state.
//! * `PROCESS_LOG_…`: `processname:… groupname:… pid:… channel:…`, a newline, and what the process wrote: any piece of
//!   it, not a line.
//! * `PROCESS_COMMUNICATION_…`: `processname:… groupname:… pid:…`, a newline, and what the process wrote between two
//!   [tags](crate::communication).
//! * `REMOTE_COMMUNICATION`: `type:…`, a newline, and the data.
//! * `TICK_…`: `when:…`, in seconds since 1970.
//! * `PROCESS_GROUP_…`: `groupname:…` and a newline.
//! * `SUPERVISOR_STATE_CHANGE_…`: nothing.
//!
//! A subscription to a parent, such as `PROCESS_STATE`, is one to all its children; `EVENT` is the parent of all.
//!
//! # The answer
//!
//! `RESULT`, a length in bytes, a newline, the data. [`Reply`](crate::Reply) counts.
//!
//! * Exactly `OK` accepts the event.
//! * Anything else rejects it: `FAIL`, `ok`, nothing at all. The event goes back to the head of the queue, and comes
//!   again at once. See [`handler`](super::handler#fail-is-a-last-resort).
//! * A pool with a `result_handler` of its own may know other answers:
//!   [`Serve::result_handler`](crate::host::std_io::Serve::result_handler).
//!
//! The answer may not come before the payload's last byte is read. supervisor 4.3.0 can exit if it does: it sends the
//! next event into a pipe that is still full.
//!
//! # The queue
//!
//! supervisord keeps the events of a pool in a buffer of [`buffer_size`](super::configuration#buffer_size), 10 by
//! default. It discards the oldest for a new one. If a listener dies while it is BUSY, the pool's next process gets the
//! same event, whole.
//!
//! The transcript above, fed to a [`Session`](crate::Session):
//!
//! ```
//! use supervisor_events::{Event, LengthUnit, ProcessState, Reply, Session};
//!
//! let event = "ver:3.0 server:supervisor serial:21 pool:watch poolserial:10 \
//!              eventname:PROCESS_STATE_EXITED len:66\n\
//!              processname:web groupname:web from_state:RUNNING expected:0 pid:27";
//! let mut session = Session::new([0; 1024], LengthUnit::CodePoints);
//! assert_eq!(session.ready()?, b"READY\n");
//!
//! session.space()[..event.len()].copy_from_slice(event.as_bytes());
//! let notification = session.received(event.len())?.expect("it is complete");
//! let Event::ProcessState(exited) = notification.event()? else { panic!("it is another event") };
//! assert_eq!((exited.state, exited.expected), (ProcessState::Exited, Some(false)));
//!
//! let mut answer = [0; 32];
//! assert_eq!(session.reply_and_ready(&Reply::OK)?.write_to(&mut answer)?, b"RESULT 2\nOKREADY\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
#![doc = include_str!("links.md")]
