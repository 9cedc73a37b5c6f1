//! The settings of a loop.

use std::fmt;
use std::io::{self, Write};
use std::string::ToString;
use std::time::Duration;

use super::error::{HandlerError, ServeError};
use super::wait::Stop;
use crate::{LengthUnit, Notification, Position, Reply};

/// The settings of a loop.
///
/// ```
/// use supervisor_events::{Reply, host::std_io::Serve};
///
/// let sent = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// let mut output = Vec::new();
/// let mut names = Vec::new();
/// Serve::new().max_event(1024 * 1024).run(sent, &mut output, |notification| {
///     names.push(notification.header.eventname().to_string());
///     Ok(Reply::OK)
/// })?;
/// assert_eq!(names, ["TICK_5"]);
/// assert_eq!(output, b"READY\nRESULT 2\nOKREADY\n");
/// # Ok::<(), supervisor_events::host::std_io::ServeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Serve<'a> {
    pub(super) unit: LengthUnit,
    pub(super) max_event: usize,
    pub(super) reject_errors: bool,
    pub(super) max_rejections: u32,
    pub(super) rejection_delay: Duration,
    pub(super) result_handler: bool,
    pub(super) replay: bool,
    pub(super) audit: Option<bool>,
    pub(super) resume: Option<Position>,
    pub(super) report: fn(fmt::Arguments<'_>),
    pub(super) stop: Stop<'a>,
}

impl<'a> Serve<'a> {
    /// `len` in code points; events of up to 16 MiB; a handler's error rejects the event; an event may be rejected 3
    /// times, each time a second later, and is accepted after that.
    pub const fn new() -> Self {
        Self {
            unit: LengthUnit::CodePoints,
            max_event: 16 * 1024 * 1024,
            reject_errors: true,
            max_rejections: 3,
            rejection_delay: Duration::from_secs(1),
            result_handler: false,
            replay: false,
            audit: None,
            resume: None,
            report: to_stderr,
            stop: None,
        }
    }

    /// What the server's `len` counts.
    pub const fn length_unit(mut self, unit: LengthUnit) -> Self {
        self.unit = unit;
        self
    }

    /// The largest event in bytes, header included, that is kept whole. A larger one is delivered with the start of its
    /// payload; see [`Notification::omitted`]. A header may have up to 64 KiB, whatever this limit is. The buffer is
    /// never smaller than 64 KiB, and a reply that does not fit makes it larger than this limit.
    pub const fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Whether to reject an event if the handler fails, up to [`max_rejections`](Self::max_rejections) times, and
    /// continue; true by default. If false, the error ends the loop. supervisord then starts the listener again and
    /// sends it the same event, so a lasting error makes a restart loop.
    pub const fn reject_errors(mut self, reject: bool) -> Self {
        self.reject_errors = reject;
        self
    }

    /// How often one event may be rejected, by FAIL or any other answer but OK. After that it is answered with OK,
    /// which is [reported](Self::report): supervisord would send it again and again, and no other event.
    pub const fn max_rejections(mut self, times: u32) -> Self {
        self.max_rejections = times;
        self
    }

    /// How long to wait before an event is rejected, a second by default: supervisord sends it again at once.
    /// Meanwhile, other events wait in supervisord's buffer for this pool.
    pub const fn rejection_delay(mut self, delay: Duration) -> Self {
        self.rejection_delay = delay;
        self
    }

    /// Whether the input is a recording, in which the next event does not wait for the answer to the last one. The
    /// handler acts as always.
    pub const fn replay(mut self, recording: bool) -> Self {
        self.replay = recording;
        self
    }

    /// Whether the pool has a `result_handler` of its own, which knows other answers than OK and FAIL. If so, no answer
    /// counts as a rejection.
    pub const fn result_handler(mut self, own: bool) -> Self {
        self.result_handler = own;
        self
    }

    /// Whether to report events that were lost because the pool's buffer overflowed. By default, the loop does so on
    /// standard input if the names that supervisord gives this process show that it is the only one of its pool: in a
    /// larger pool, other processes get the events that are missing here. An event counts as lost if it does not arrive
    /// within 16 other events or 5 seconds: supervisord sends some out of order.
    pub const fn audit(mut self, audit: bool) -> Self {
        self.audit = Some(audit);
        self
    }

    /// The newest event that an earlier process of this listener answered, to [report](Self::audit) events that were
    /// lost since then as well. Its numbers are in its header, and in
    /// [`SequenceAudit::position`](crate::SequenceAudit::position). Without an audit, it has no effect.
    pub const fn resume(mut self, newest: Position) -> Self {
        self.resume = Some(newest);
        self
    }

    /// Where the loop sends its [reports](super#what-is-reported): one line each, without the newline. Standard error
    /// by default; if that is full or closed, the report is lost and the loop continues.
    pub const fn report(mut self, sink: fn(fmt::Arguments<'_>)) -> Self {
        self.report = sink;
        self
    }

    /// Ends the loop, as the end of its input does, when `stop` becomes readable: the read end of a pipe that a signal
    /// handler writes to. An event that has begun to arrive is read, handled and answered first. If nothing more of it
    /// arrives for 2 seconds, the loop ends with [`ServeError::Incomplete`]. Costs a `poll` per read.
    /// [`run`](Self::run), which cannot wait for two things, ignores it.
    #[cfg(unix)]
    pub const fn stop_on(mut self, stop: std::os::fd::BorrowedFd<'a>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The reply to an event on which the handler failed; an error if errors end the loop.
    pub(super) fn reject(&self, event: &Notification<'_>, error: HandlerError) -> Result<Reply<'static>, ServeError> {
        if !self.reject_errors {
            return Err(ServeError::Handler(error));
        }
        let (serial, eventname) = (event.header.serial(), event.header.eventname());
        let rejected = if event.retries_left == Some(0) { "" } else { ", and is rejected" };
        (self.report)(format_args!("event {serial} ({eventname}) could not be handled{rejected}: {error}"));
        Ok(Reply::FAIL)
    }
}

impl Default for Serve<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Not `eprintln!`, which panics if standard error is full or closed. A handler's error may have several lines.
fn to_stderr(report: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{}", report.to_string().trim_end().replace('\n', "; "));
}
