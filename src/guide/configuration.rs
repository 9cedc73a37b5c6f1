//! The listener's section in supervisord's configuration.
//!
//! ```ini
//! [eventlistener:fatal-watch]
//! command = /usr/local/bin/fatal-watch
//! events = PROCESS_STATE_FATAL
//! buffer_size = 100
//! autorestart = true
//! stderr_logfile = /var/log/fatal-watch.log
//! ```
//!
//! * **`command`** without `2>&1`, and without a shell that prints: standard output belongs to the protocol.
//! * **`events`**: types or parents of types, separated by commas. `EVENT` is all of them.
//! * **`buffer_size`** is 10 by default, which is too small for most: see [below](#buffer_size).
//! * **`autorestart`**: its default, `unexpected`, does not restart a listener that has ended with exit code 0.
//! * **`stderr_logfile`**: the listener's log. supervisord refuses `redirect_stderr = true` in this section.
//! * **`stdout_logfile`**: what supervisord has read, for [troubleshooting](super::troubleshooting). `NONE` keeps nothing.
//! * **`startsecs`**: events wait until the listener is RUNNING, 1 second by default.
//! * **`environment`**: secrets belong here or in a file, not in `command`, which every user of the machine can see.
//!
//! Some events need a setting of the process that they are about, in its `[program:…]` section:
//!
//! * `PROCESS_LOG_STDOUT` and `PROCESS_LOG_STDERR`: `stdout_events_enabled = true`, `stderr_events_enabled = true`.
//! * `PROCESS_COMMUNICATION_STDOUT` and `PROCESS_COMMUNICATION_STDERR`: `stdout_capture_maxbytes = 1MB`,
//!   `stderr_capture_maxbytes = 1MB`.
//!
//! A listener that subscribes to `PROCESS_LOG_STDERR`, logs each event and has `stderr_events_enabled = true` itself feeds
//! itself without end.
//!
//! # `buffer_size`
//!
//! It is how many events wait while the listener is starting, busy or being restarted. Add up:
//!
//! * **Twice the number of processes**, for a start of supervisord. A listener of `PROCESS_STATE` gets STARTING and
//!   RUNNING for each, nearly at once. In a trial with 32 processes and supervisor 4.3.0, 53 of these 64 events were
//!   lost with the default of 10, and none with `buffer_size = 64`.
//! * **The events per second, times the seconds that the slowest event takes.** A handler that fails takes 3 seconds
//!   and four times its own time.
//! * **The events of a restart**, one or two seconds, if they matter.
//!
//! An entry costs supervisord the memory of one event. `buffer_size = 1000` is no trouble for events of state.
//! `PROCESS_LOG` events carry what processes write, so their number and size are those of the output.
//!
//! `host::std_io` reports lost events on standard error if the process is its pool's only one
//! ([`Serve::audit`](crate::host::std_io::Serve::audit)), and supervisord's log has a line for each: `pool … event
//! buffer overflowed, discarding event …`.
//!
//! # Several processes in a pool
//!
//! With `numprocs` and a `process_name` for each, supervisord gives each event to one process that is READY, so slow
//! events hold up others less. The order of events is not kept, and a gap in `poolserial` no longer means a loss.
//!
//! # Check it
//!
//! `check_listener`, an example of this crate, runs a listener in any language as supervisord would, with odd names and
//! identifiers, events in pieces, and an input that ends anywhere. [The README][readme] has its command.
//!
#![doc = include_str!("links.md")]
