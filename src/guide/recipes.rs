//! Programs to copy from. All are built and run by the tests of this crate.
//!
//! * [Write to a file, and restart a process](#write-to-a-file-and-restart-a-process),
//!   [end a container](#end-a-container)
//! * [Wait for an event or a deadline](#wait-for-an-event-or-a-deadline), [end at a signal](#end-at-a-signal)
//! * [tokio](#tokio), [other loops](#other-loops)
//! * [Replay a capture](#replay-a-capture), [send an event](#send-an-event), [test](#test)
//!
//! # Write to a file, and restart a process
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/restart_fatal.rs"), "```")]
//!
//! Each call starts `supervisorctl`, a Python program. It has to be in the `PATH` that supervisord was started with (with
//! supervisor in a virtual environment, it often is not; standard error then says `No such file or directory`), and the
//! configuration needs a server for it: `[unix_http_server]` and `[rpcinterface:supervisor]`. The module `supervisord` of the
//! monitors' package calls supervisord itself, typed and with deadlines: [calls to supervisord][calls].
//!
//! # End a container
//!
//! This one needs `supervisorctl` and the server, too.
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/exit_on_fatal.rs"), "```")]
//!
//! # Wait for an event or a deadline
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/watchdog.rs"), "```")]
//!
//! # End at a signal
//!
//! SIGTERM ends a process that does nothing about it. The event at hand stays unanswered, and the next process gets it.
//! This listener answers it first. In `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! signal-hook = "0.4"
//! supervisor-events = "0.1"
//! ```
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/stop_on_signal.rs"), "```")]
//!
//! # tokio
//!
//! The streams are taken once, and become tokio's pipes. `embedded-io-adapters` turns those into the traits of
//! `embedded-io-async`. In `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! embedded-io-adapters = { version = "0.7", features = ["tokio-1"] }
//! supervisor-events = { version = "0.1", features = ["embedded-io-async"] }
//! tokio = { version = "1", features = ["macros", "net", "rt", "signal", "time"] }
//! ```
//!
//! ```ignore
//! //! The smallest listener on tokio: names each event, answers it, ends at Ctrl-C or SIGTERM.
//!
//! use std::io::Write;
//! use std::time::Duration;
//!
//! use embedded_io_adapters::tokio_1::FromTokio;
//! use supervisor_events::host::embedded_async::Host;
//! use supervisor_events::host::std_io::take_stdio;
//! use supervisor_events::{LengthUnit, Reply};
//! use tokio::net::unix::pipe::{Receiver, Sender};
//! use tokio::signal::unix::{SignalKind, signal};
//! use tokio::time::timeout;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (input, output) = take_stdio()?;
//!     let (input, output) = (Receiver::from_file(input)?, Sender::from_file(output)?);
//!     let (input, output) = (FromTokio::new(input), FromTokio::new(output));
//!     let mut host = Host::new(input, output, vec![0; 64 * 1024], LengthUnit::CodePoints);
//!     let mut interrupt = signal(SignalKind::interrupt())?;
//!     let mut terminate = signal(SignalKind::terminate())?;
//!     loop {
//!         tokio::select! {
//!             event = host.next() => match event? {
//!                 Some(event) => {
//!                     // The event borrows from the host until it is answered.
//!                     writeln!(std::io::stderr(), "{}", event.header.eventname())?;
//!                     host.reply(&Reply::OK)?;
//!                 }
//!                 None => return Ok(()),
//!             },
//!             _ = interrupt.recv() => break,
//!             _ = terminate.recv() => break,
//!         }
//!     }
//!     // An event that has begun to arrive is answered, if the rest of it arrives.
//!     host.stop();
//!     while let Ok(Some(_event)) = timeout(Duration::from_secs(1), host.next()).await? {
//!         host.reply(&Reply::OK)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Other loops
//!
//! [`host::driver`](crate::host::driver) says what to do next (write this, read here, handle this event), for `poll`,
//! `mio`, interrupts. [`host::embedded`](crate::host::embedded) is a blocking loop over `embedded-io`.
//!
//! # Replay a capture
//!
//! A capture is what a listener has read from its standard input. `tee` makes one. Here the listener itself is
//! supervisord's child, so that its end is noticed, as it is without `tee`:
//!
//! ```ini
//! command = bash -c 'exec /usr/local/bin/my-listener < <(exec tee -a /tmp/capture.bin)'
//! ```
//!
//! This prints it:
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/read_capture.rs"), "```")]
//!
//! To run a handler over a capture, answers and all, use [`Serve::replay`](crate::host::std_io::Serve::replay):
//!
//! ```
//! use supervisor_events::Reply;
//! use supervisor_events::host::std_io::{Serve, ServeError};
//!
//! # fn replay(capture: &[u8]) -> Result<u32, ServeError> {
//! // let capture = std::fs::File::open("/tmp/capture.bin")?;
//! let mut events = 0;
//! Serve::new().replay(true).run(capture, std::io::sink(), |_notification| {
//!     events += 1;
//!     Ok(Reply::OK)
//! })?;
//! # Ok(events)
//! # }
//! # let event = "ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";
//! # assert_eq!(replay(event.repeat(3).as_bytes())?, 3);
//! # Ok::<(), ServeError>(())
//! ```
//!
//! # Send an event
//!
//! What a program writes between two tags becomes a PROCESS_COMMUNICATION event:
//!
#![doc = concat!("```no_run\n", include_str!("../../examples/send_message.rs"), "```")]
//!
//! # Test
//!
//! A handler needs no supervisord for its test: [`Serve::run`](crate::host::std_io::Serve::run) takes any reader and
//! writer, so a slice and a `Vec` do. [`Envelope`](crate::Envelope) writes an event from its parts:
//!
//! ```
//! use supervisor_events::host::std_io::{HandlerResult, Serve};
//! use supervisor_events::{Envelope, LengthUnit, Notification, Reply};
//!
//! fn handler(notification: &Notification) -> HandlerResult {
//!     // The handler to be tested.
//!     Ok(if notification.payload == b"when:5" { Reply::OK } else { Reply::FAIL })
//! }
//!
//! let event = Envelope {
//!     server: "supervisor",
//!     serial: 0,
//!     pool: "my-listener",
//!     poolserial: 0,
//!     eventname: "TICK_5",
//!     payload: b"when:5",
//! };
//! let mut buffer = [0; 200];
//! let input = event.write_to(LengthUnit::CodePoints, &mut buffer)?;
//! let mut output = Vec::new();
//! Serve::new().run(&*input, &mut output, handler)?;
//! assert_eq!(output, b"READY\nRESULT 2\nOKREADY\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The feature `simulator` has a supervisord with one listener: see [`simulator`](crate::simulator).
//!
#![doc = include_str!("links.md")]
