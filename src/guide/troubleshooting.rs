//! What is wrong, by what you see.
//!
//! Look in this order:
//!
//! 1. `supervisorctl status`.
//! 2. supervisord's log: lines with the listener's name.
//! 3. The listener's `stderr_logfile`. `host::std_io` writes one line there for whatever it cannot continue with, and
//!    what to do about it.
//! 4. The listener's `stdout_logfile`: what supervisord has read, byte by byte. The example `check_listener` explains
//!    it: `check_listener --judge FILE`.
//!
//! # It is RUNNING, and no events come
//!
//! * **supervisord's log says `has entered the UNKNOWN state`**: the protocol was broken. See the
//!   [next section](#supervisords-log-says-unknown).
//! * **`stderr_logfile` says `the server counts bytes`**: the first event that is not ASCII came, and the unit is wrong.
//!   Set [`Serve::length_unit`](crate::host::std_io::Serve::length_unit) to [bytes](super::protocol#what-len-counts).
//! * **`stderr_logfile` says `an event has arrived in part`**: the server has stopped, or a plugin's `len` is wrong.
//! * **Events came, and then no more**: the handler does not return. Give [slow work](super::handler#slow-work) a time
//!   limit.
//! * **Other types come, but not PROCESS_LOG or PROCESS_COMMUNICATION**: the process's section does not
//!   [enable them](super::configuration).
//! * **It has a loop of its own**: READY may be in a buffer that was not flushed.
//!   [`host::driver`](crate::host::driver) says when to flush.
//! * **None of these**: `events` does not name the type, or nothing happens. `events = EVENT` shows all.
//!
//! # supervisord's log says UNKNOWN
//!
//! `has entered the UNKNOWN state and will no longer receive events`: supervisord has read something that is no answer.
//! While the process runs, `supervisorctl` still shows it as RUNNING. Mend the cause and restart it; nothing else helps.
//! What `stdout_logfile` has tells the cause:
//!
//! * **A text before READY**: the program printed it before the guard, or a shell in `command` did. If the guard still
//!   finds it in the pipe, the start fails, and `stderr_logfile` says `… bytes were printed to standard output before the
//!   listener started`. If supervisord was faster, the listener cannot know, and stays RUNNING.
//! * **`standard output and standard error are the same pipe or file`**: there is `2>&1` in `command`. This message is in
//!   `stdout_logfile` because that is where standard error goes.
//! * **A newline after `OK`**: a listener by hand that prints its answer with a line end. supervisord accepts that
//!   answer, and not the next READY.
//! * **A text between answers**: a listener by hand that prints, or its child process, which inherited standard output.
//! * **RESULT without a number, READY twice**: a listener by hand that is out of turn.
//!
//! With `serve_stdio`, only the first two can happen. [Porting] says what replaces what in a listener by hand.
//!
//! # Events are lost
//!
//! * `event buffer overflowed, discarding event` in supervisord's log, or `… events were lost` in `stderr_logfile`:
//!   raise [`buffer_size`](super::configuration#buffer_size), or handle events faster.
//! * The log also says `event was rejected`, again and again: a listener answers FAIL, maybe that of another pool. Its
//!   rejected events go to all pools and fill their buffers. See [FAIL is a last
//!   resort](super::handler#fail-is-a-last-resort).
//! * Nothing is logged, and the pool has several processes: another one has them.
//! * After a reload of supervisord's configuration, `poolserial` begins at 0 again. That is no loss.
//!
//! # It restarts again and again, or is FATAL
//!
//! It is FATAL if it ended too soon each time. `supervisorctl start` tries again.
//!
//! * **`exit status 1`, and `stderr_logfile` has `Error: …`**: that line is the reason: streams that are not supervisord's,
//!   a stream that is not the protocol, or an error of `main`.
//! * **`exit status 1`, always at the same event**: `reject_errors(false)`, and an error that stays. Leave it at `true`.
//! * **`exit status 101`, and `stderr_logfile` has `panicked at`**: the handler panics, and the same event comes again.
//!   [Never panic](super::handler#never-panic).
//! * **`exit status 1`, and `standard input is closed, or '/dev/null'`**: there is `</dev/null` in `command`, for example.
//! * **`exit status 0; not expected`**: its input ended at once: a command such as `true | my-listener`.
//! * **`can't find command`**: write the whole path of the program.
//!
//! # It has ended and is not restarted
//!
//! `EXITED`, and the log says `exit status 0; expected`: `autorestart` is `unexpected`, its default. Set `autorestart =
//! true`.
//!
//! # The same event comes twice
//!
//! It was rejected, or the process died with it: [expect that](super::handler#expect-any-event-any-number-of-times). If
//! `serial` is the same and both times it was accepted, the pool's `events` name a type and its parent.
//!
//! # It does not start in a terminal
//!
//! `this is an event listener, and its standard input is a terminal`: supervisord starts listeners. To try it, use
//! `check_listener` or the example `own_supervisor`. With a [capture](super::recipes#replay-a-capture) as standard input, it
//! has to be told so ([`Serve::replay`](crate::host::std_io::Serve::replay)), and its answers have to go somewhere:
//! `my-listener <capture.bin | cat`.
//!
//! # Errors of the stream
//!
//! They end the listener, with the offset of the fault in what it has read. supervisord starts it again.
//!
//! * **`no header where one was expected`, `input before READY was sent`**: bytes are left over after a payload. That is the
//!   wrong [length unit](super::protocol#what-len-counts), text that somebody sent to the listener (`supervisorctl fg`,
//!   `sendProcessStdin`), or a plugin's wrong `len`. A recording needs
//!   [`Serve::replay`](crate::host::std_io::Serve::replay).
//! * **`the header does not end within …`**: the buffer of a listener in its own memory is too small.
//! * **`header: …`**: a header that no known server writes.
//! * **`the input ends inside a …`**: supervisord was killed while it wrote.
//!
#![doc = include_str!("links.md")]
