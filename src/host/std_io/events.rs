//! The loop: carries out what the driver asks for, and waits for an event, a deadline, or a request to stop.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use super::error::{HandlerError, ServeError};
use super::losses::Losses;
use super::recording::Paced;
use super::settings::Serve;
use super::wait::Wait;
use crate::host::driver::{Driver, DriverError, Next, Replied};
use crate::{BufferTooSmall, LengthUnit, Notification, Reply};

/// The capacity of a pipe on Linux, and so the most that arrives in one read.
const PIPE: usize = 64 * 1024;

/// If nothing more of an event arrives for this long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

/// What ended the wait of [`Events::next_until`].
#[derive(Debug)]
pub enum Wake<'e> {
    /// An event. Call [`Events::reply`] once it is handled.
    Event(Notification<'e>),
    /// The deadline has passed.
    Deadline,
    /// The input has ended, or the loop was asked to [stop](Serve::stop_on).
    End,
}

/// The events of a listener, one by one, for a program with a loop of its own. It waits for an event or a deadline,
/// without threads. [`Serve::open`] makes it from standard input and output.
///
/// A listener that does something every two seconds:
///
/// ```no_run
/// use std::io::{Write, stderr};
/// use std::time::{Duration, Instant};
/// use supervisor_events::Reply;
/// use supervisor_events::host::std_io::{Serve, ServeError, Wake};
///
/// fn main() -> Result<(), ServeError> {
///     let mut events = Serve::new().open()?;
///     let mut due = Instant::now();
///     loop {
///         match events.next_until(due)? {
///             Wake::Event(event) => {
///                 let _ = writeln!(stderr(), "{}", event.header.eventname());
///                 events.reply(&Reply::OK)?;
///             }
///             Wake::Deadline => {
///                 let _ = writeln!(stderr(), "two seconds have passed");
///                 due += Duration::from_secs(2);
///             }
///             Wake::End => return Ok(()),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Events<'a, R, W> {
    settings: Serve<'a>,
    input: Paced<R>,
    wait: Wait<R>,
    output: W,
    driver: Driver<Vec<u8>>,
    stopping: bool,
    /// While an event is arriving: since when nothing more of it has come.
    quiet_since: Option<Instant>,
    /// Whether it was reported that an event did not arrive in full.
    reported: bool,
    losses: Option<Losses>,
}

/// Why [`Events::advance`] has returned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    Event,
    Deadline,
    End,
}

impl<'a, R: Read, W: Write> Events<'a, R, W> {
    pub(super) fn new(settings: Serve<'a>, input: R, wait: Wait<R>, output: W) -> Self {
        let driver = Driver::new(vec![0; PIPE], settings.unit)
            .max_rejections(settings.max_rejections)
            .result_handler(settings.result_handler);
        let input = if settings.replay { Paced::recording(input, settings.unit) } else { Paced::live(input) };
        let losses = (settings.audit == Some(true)).then(|| Losses::new(settings.resume));
        Self { settings, input, wait, output, driver, stopping: false, quiet_since: None, reported: false, losses }
    }

    /// Waits for the next event; `None` if the input has ended, or the loop was asked to [stop](Serve::stop_on). Called
    /// again before the event is answered, it returns the same event.
    ///
    /// # Errors
    ///
    /// Errors of reading and writing, and input that breaks the protocol or ends inside an event.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Result<Option<Notification<'_>>, ServeError> {
        self.advance(None)?;
        self.event()
    }

    /// Waits for the next event or for `deadline`, whichever comes first. Part of an event is not an event: the
    /// deadline may come while one arrives.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn next_until(&mut self, deadline: Instant) -> Result<Wake<'_>, ServeError> {
        if self.advance(Some(deadline))? == Woken::Deadline {
            return Ok(Wake::Deadline);
        }
        Ok(self.event()?.map_or(Wake::End, Wake::Event))
    }

    /// Answers the event. A rejection is held back for the [delay](Serve::rejection_delay). The next call of
    /// [`next`](Self::next) or [`next_until`](Self::next_until) sends the answer, in one write with READY.
    ///
    /// # Errors
    ///
    /// If no event is waiting for its answer.
    pub fn reply(&mut self, reply: &Reply<'_>) -> Result<(), ServeError> {
        if self.driver.rejects(reply) {
            self.pause(self.settings.rejection_delay)?;
        }
        let replied = match self.driver.reply(reply) {
            Err(DriverError::BufferTooSmall(BufferTooSmall { needed })) => {
                self.driver.buffer_mut().resize(needed, 0);
                self.driver.reply(reply)
            }
            replied => replied,
        };
        if let Replied::Accepted(accepted) = replied? {
            (self.settings.report)(format_args!("{accepted}"));
        }
        Ok(())
    }

    /// Writes what is left of the last answer, without a new READY. Call it last if the program ends before the input
    /// does: without READY, supervisord gives the next event to another listener.
    ///
    /// # Errors
    ///
    /// Errors of writing.
    pub fn flush(&mut self) -> Result<(), ServeError> {
        while let Some(next) = self.driver.unsent() {
            match next {
                Next::Write(bytes) => match self.output.write(bytes) {
                    Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    Ok(written) => self.driver.written(written),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                },
                _ => {
                    self.output.flush()?;
                    self.driver.flushed();
                }
            }
        }
        Ok(())
    }

    /// Passes all events to `handler` until the input ends.
    pub(super) fn handle<'r>(
        mut self,
        mut handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        let settings = self.settings.clone();
        loop {
            let reply = match self.next()? {
                None => return Ok(()),
                Some(event) => match handler(&event) {
                    Ok(reply) => reply,
                    Err(error) => settings.reject(&event, error)?,
                },
            };
            self.reply(&reply)?;
        }
    }

    /// Does what the driver asks for, until there is an event, the deadline has passed, or nothing is left to do.
    fn advance(&mut self, deadline: Option<Instant>) -> Result<Woken, ServeError> {
        loop {
            self.grow();
            match self.driver.next()? {
                Next::Write(_) | Next::Flush => self.flush()?,
                Next::Read(_) => {
                    if let Some(woken) = self.read(deadline)? {
                        return Ok(woken);
                    }
                }
                Next::Handle(event) => {
                    // The next event may be late for another reason.
                    self.reported = false;
                    // An event that is seen again changes nothing.
                    if let Some(losses) = &mut self.losses {
                        losses.observe(&event.header);
                    }
                    self.report_losses();
                    return Ok(Woken::Event);
                }
                Next::End => return Ok(Woken::End),
            }
        }
    }

    /// The event that is to be handled. Asked again, because a borrow made in a loop cannot be returned from it.
    fn event(&mut self) -> Result<Option<Notification<'_>>, ServeError> {
        Ok(match self.driver.next()? {
            Next::Handle(event) => Some(event),
            _ => None,
        })
    }

    /// Reads once, when there is input. Something else may come first: the deadline, a request to stop, or the time
    /// limit for an event that does not arrive in full.
    fn read(&mut self, deadline: Option<Instant>) -> Result<Option<Woken>, ServeError> {
        let arriving = !self.driver.is_idle();
        let patience = (arriving && (self.stopping || !self.reported))
            .then(|| *self.quiet_since.get_or_insert_with(Instant::now) + PATIENCE);
        let losses = self.losses.as_ref().and_then(Losses::until);
        let until = [deadline, patience, losses].into_iter().flatten().min();
        let stop = if self.stopping { None } else { self.settings.stop };
        let mut stopped = false;
        if !self.input.has_more() && (until.is_some() || stop.is_some()) {
            let ready = (self.wait)(self.input.get_ref(), stop, until)?;
            stopped = ready.stop;
            if !ready.input && !ready.stop {
                self.report_losses();
                let now = Instant::now();
                if patience.is_some_and(|patience| patience <= now) {
                    self.incomplete()?;
                }
                return Ok(deadline.filter(|deadline| *deadline <= now).map(|_| Woken::Deadline));
            }
            if !ready.input {
                self.stop();
                return Ok(None);
            }
        }
        // Available input comes before a request to stop: supervisord considers the listener busy with it.
        self.quiet_since = None;
        if let Next::Read(space) = self.driver.next()? {
            match self.input.read(space) {
                Ok(read) => self.driver.received(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if stopped {
            self.stop();
        }
        Ok(None)
    }

    fn stop(&mut self) {
        self.driver.stop();
        self.stopping = true;
    }

    /// The event that is arriving is not complete in time. Reports that, or ends the loop if it was asked to stop.
    fn incomplete(&mut self) -> Result<(), ServeError> {
        if self.stopping {
            self.driver.received(0);
            return match self.driver.next() {
                Err(DriverError::Protocol(error)) => Err(ServeError::Incomplete(error)),
                other => other.map(|_| ()).map_err(ServeError::from),
            };
        }
        self.reported = true;
        if self.driver.is_whole_in_bytes() {
            (self.settings.report)(format_args!(
                "an event has as many bytes as its 'len' says, but fewer characters, and nothing more arrives: the \
                 server counts bytes; set the length unit to '{}'",
                LengthUnit::Bytes
            ));
        } else {
            (self.settings.report)(format_args!(
                "an event has arrived in part, and nothing more has come for {} s: the server has stopped, or has sent \
                 less than the event's 'len' says",
                PATIENCE.as_secs()
            ));
        }
        Ok(())
    }

    fn report_losses(&mut self) {
        if let Some(lost) = self.losses.as_mut().and_then(Losses::take) {
            (self.settings.report)(format_args!(
                "{lost}; the pool's buffer was full: raise 'buffer_size' in its section (10 unless it is set)"
            ));
        }
    }

    /// Waits for this long, or until a request to stop.
    fn pause(&self, time: Duration) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(stop) = self.settings.stop {
            // If the time is too long for an `Instant`, only the request ends the wait.
            super::wait::wait_for_input(&stop, None, Instant::now().checked_add(time))?;
            return Ok(());
        }
        thread::sleep(time);
        Ok(())
    }

    /// Enlarges a full buffer, up to the limit.
    fn grow(&mut self) {
        let size = self.driver.buffer_mut().len();
        if self.driver.is_full() && size < self.settings.max_event {
            self.driver.buffer_mut().resize(size.saturating_mul(2).min(self.settings.max_event), 0);
        }
    }
}
