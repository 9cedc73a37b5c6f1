//! A loop over any [`Read`] and [`Write`], and over standard input and output.
//!
//! One read and one write per event where the pipe allows: RESULT and the next READY leave together.
//!
//! [`serve_stdio`] is all that most listeners need. [`Serve`] has the settings.

use std::boxed::Box;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::vec;
use std::vec::Vec;

use super::driver::{Driver, DriverError, Next, Replied};
use crate::{BufferTooSmall, LengthUnit, Notification, ProtocolError, Reply};

/// What a handler may fail with: anything that `?` turns into it.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What a handler that is a function or a method returns. Its reply may own its data.
///
/// ```
/// use supervisor_events::host::std_io::{HandlerResult, Serve};
/// use supervisor_events::{Notification, Reply};
///
/// # let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// # let serve = || Serve::new();
/// # let mut output = Vec::new();
/// # let output = &mut output;
/// // A closure in its place.
/// serve().run(input, &mut *output, |event| {
///     eprintln!("{}", event.header.eventname());
///     Ok(Reply::OK)
/// })?;
///
/// // A function.
/// fn handle(event: &Notification) -> HandlerResult {
///     Ok(Reply::from(event.payload.to_vec()))
/// }
/// serve().run(input, &mut *output, handle)?;
///
/// // A method.
/// struct Watcher {
///     seen: u64,
/// }
/// impl Watcher {
///     fn handle(&mut self, event: &Notification) -> HandlerResult {
///         self.seen += 1;
///         Ok(Reply::from(format!("{} is event {}", event.header.eventname(), self.seen)))
///     }
/// }
/// let mut watcher = Watcher { seen: 0 };
/// serve().run(input, &mut *output, |event| watcher.handle(event))?;
///
/// // A closure in a variable. It has to name its argument's type.
/// let handler = |event: &Notification| Ok(Reply::from(event.header.eventname().to_owned()));
/// serve().run(input, &mut *output, handler)?;
/// # let output = String::from_utf8_lossy(output);
/// # assert!(output.contains("RESULT 6\nwhen:5READY") && output.contains("RESULT 17\nTICK_5 is event 1READY"));
/// # Ok::<(), supervisor_events::host::std_io::ServeError>(())
/// ```
pub type HandlerResult = Result<Reply<'static>, HandlerError>;

/// Why a loop ended before its input did. Its `Debug` is the sentence of its `Display`, for a `main` that returns it.
#[non_exhaustive]
pub enum ServeError {
    /// Reading or writing failed.
    Io(io::Error),
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// The handler failed, and errors are not [rejected](Serve::reject_errors). The event was not answered: supervisord
    /// gives it to the next listener, or to this one when it runs again.
    Handler(HandlerError),
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot talk to supervisord: {error}"),
            Self::Protocol(error) => error.fmt(f),
            Self::Handler(error) => write!(f, "the event could not be handled: {error}"),
        }
    }
}

impl Error for ServeError {
    /// The cause of the error, unless `Display` already says it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Protocol(_) => None,
            Self::Handler(error) => error.source(),
        }
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DriverError> for ServeError {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Protocol(error) => Self::Protocol(error),
            // Cannot happen: the loop takes its turns in order, and grows its buffer.
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// Handles the events that come on standard input until it ends, with the settings of [`Serve::new`].
///
/// # Errors
///
/// As [`Serve::run`].
pub fn serve_stdio<'r>(
    handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
) -> Result<(), ServeError> {
    Serve::new().stdio(handler)
}

/// The settings of a loop.
///
/// ```
/// use supervisor_events::{Reply, host::std_io::Serve};
///
/// let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// let mut output = Vec::new();
/// Serve::new().run(input, &mut output, |notification| {
///     eprintln!("{}", notification.header.eventname());
///     Ok(Reply::OK)
/// })?;
/// assert_eq!(output, b"READY\nRESULT 2\nOKREADY\n");
/// # Ok::<(), supervisor_events::host::std_io::ServeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Serve<'a> {
    unit: LengthUnit,
    max_event: usize,
    reject_errors: bool,
    max_rejections: u32,
    result_handler: bool,
    report: fn(fmt::Arguments<'_>),
    #[cfg(unix)]
    stop: Option<std::os::fd::BorrowedFd<'a>>,
    #[cfg(not(unix))]
    stop: core::marker::PhantomData<&'a ()>,
}

/// The capacity of a pipe on Linux, and so the most that arrives in one read.
const PIPE: usize = 64 * 1024;

impl<'a> Serve<'a> {
    /// `len` in code points; events of up to 16 MiB; a handler's error ends the loop; an event may be rejected 3 times,
    /// and is accepted after that.
    pub const fn new() -> Self {
        Self {
            unit: LengthUnit::CodePoints,
            max_event: 16 * 1024 * 1024,
            reject_errors: false,
            max_rejections: 3,
            result_handler: false,
            report: to_stderr,
            #[cfg(unix)]
            stop: None,
            #[cfg(not(unix))]
            stop: core::marker::PhantomData,
        }
    }

    /// What the server's `len` counts.
    pub const fn length_unit(mut self, unit: LengthUnit) -> Self {
        self.unit = unit;
        self
    }

    /// The largest event, header included, that is kept whole. A larger one is delivered with the start of its payload;
    /// see [`Notification::omitted`]. The buffer is never smaller than 64 KiB, and a reply that does not fit makes it
    /// larger than this limit.
    pub const fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Whether to reject an event if the handler fails, up to [`max_rejections`](Self::max_rejections) times, and
    /// continue. supervisord sends a rejected event again at once.
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

    /// Whether the pool has a `result_handler` of its own, which knows other answers than OK and FAIL. If so, no answer
    /// counts as a rejection.
    pub const fn result_handler(mut self, own: bool) -> Self {
        self.result_handler = own;
        self
    }

    /// Where the loop reports events that it rejects or accepts by itself: one line, without the line end. Standard
    /// error by default; if that is full or closed, the report is lost and the loop continues.
    pub const fn report(mut self, sink: fn(fmt::Arguments<'_>)) -> Self {
        self.report = sink;
        self
    }

    /// Ends the loop of [`stdio`](Self::stdio), as the end of its input does, when `stop` becomes readable: the reading
    /// end of a pipe that a signal handler writes to. An event that has begun to arrive is read, handled and answered
    /// first. Costs a `poll` per read.
    #[cfg(unix)]
    pub const fn stop_on(mut self, stop: std::os::fd::BorrowedFd<'a>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Handles the events that come from `input` until it ends, and answers on `output`.
    ///
    /// # Errors
    ///
    /// Errors of reading and writing, input that breaks the protocol or ends inside an event, and the handler's errors
    /// unless they are [rejected](Self::reject_errors).
    pub fn run<'r>(
        self,
        input: impl Read,
        output: impl Write,
        handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        self.drive(input, output, |_, _| Ok(Wait::Read), handler)
    }

    /// Handles the events that come on standard input, and answers on standard output.
    ///
    /// On Unix both are first [taken](take_stdio) for the protocol, so that a `println!` or a child process cannot
    /// break it: printed text goes to standard error. They stay taken after the loop has ended.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn stdio<'r>(
        self,
        handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        #[cfg(unix)]
        {
            let (input, output) = take_stdio()?;
            let stop = self.stop;
            let wait = |input: &std::fs::File, idle| match stop {
                Some(stop) => wait_or_stop(input, stop, idle),
                None => Ok(Wait::Read),
            };
            self.drive(input, output, wait, handler)
        }
        #[cfg(not(unix))]
        self.drive(io::stdin().lock(), io::stdout().lock(), |_, _| Ok(Wait::Read), handler)
    }

    /// `wait` is called before every read until the loop is stopped. Its flag tells whether no byte of an event has
    /// arrived.
    fn drive<'r, R: Read>(
        self,
        mut input: R,
        mut output: impl Write,
        mut wait: impl FnMut(&R, bool) -> io::Result<Wait>,
        mut handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        let mut driver = Driver::new(vec![0; PIPE], self.unit)
            .max_rejections(self.max_rejections)
            .result_handler(self.result_handler);
        let mut stopping = false;
        loop {
            self.grow(&mut driver);
            let idle = driver.is_idle();
            match driver.next()? {
                Next::Write(bytes) => match output.write(bytes) {
                    Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    Ok(written) => driver.written(written),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                },
                Next::Flush => {
                    output.flush()?;
                    driver.flushed();
                }
                Next::Read(space) => {
                    let wait = if stopping { Wait::Read } else { wait(&input, idle)? };
                    if wait != Wait::Stop {
                        match input.read(space) {
                            Ok(read) => driver.received(read),
                            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                            Err(error) => return Err(error.into()),
                        }
                    }
                    if wait != Wait::Read {
                        driver.stop();
                        stopping = true;
                    }
                }
                Next::Handle(event) => {
                    let reply = self.handle(&event, &mut handler)?;
                    self.answer(&mut driver, &reply)?;
                }
                Next::End => return Ok(()),
            }
        }
    }

    /// Makes a full buffer larger, up to the limit.
    fn grow(&self, driver: &mut Driver<Vec<u8>>) {
        let size = driver.buffer_mut().len();
        if driver.is_full() && size < self.max_event {
            driver.buffer_mut().resize(size.saturating_mul(2).min(self.max_event), 0);
        }
    }

    fn handle<'r>(
        &self,
        event: &Notification<'_>,
        handler: &mut impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<Reply<'r>, ServeError> {
        match handler(event) {
            Err(error) if self.reject_errors => {
                let header = &event.header;
                (self.report)(format_args!(
                    "event {} ({}) could not be handled, and is rejected: {error}",
                    header.serial(),
                    header.eventname()
                ));
                Ok(Reply::FAIL)
            }
            result => result.map_err(ServeError::Handler),
        }
    }

    /// Answers. Grows the buffer for a reply that does not fit.
    fn answer(&self, driver: &mut Driver<Vec<u8>>, reply: &Reply<'_>) -> Result<(), ServeError> {
        let answered = match driver.reply(reply) {
            Err(DriverError::BufferTooSmall(BufferTooSmall { needed })) => {
                driver.buffer_mut().resize(needed, 0);
                driver.reply(reply)
            }
            answered => answered,
        };
        if let Replied::Accepted(accepted) = answered? {
            (self.report)(format_args!("{accepted}"));
        }
        Ok(())
    }
}

impl Default for Serve<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Not `eprintln!`, which panics if standard error is full or closed.
fn to_stderr(report: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{report}");
}

/// Takes standard input and output for the protocol, and returns them on descriptors that child processes do not
/// inherit. Descriptor 0 then reads from `/dev/null`, and descriptor 1 writes to standard error.
///
/// Stray output between two answers puts the listener into UNKNOWN, and a child process that reads from an inherited
/// standard input takes events away; after this call neither can happen. Call it before anything is read:
/// [`std::io::stdin`] buffers, and may have taken more from the descriptor than it returned.
///
/// # Errors
///
/// If the output cannot be flushed, `/dev/null` cannot be opened, or the descriptors cannot be duplicated: standard
/// input, output or error is closed, or there are too many open files.
#[cfg(unix)]
pub fn take_stdio() -> io::Result<(std::fs::File, std::fs::File)> {
    use std::os::fd::AsFd;

    io::stdout().flush()?;
    let null = std::fs::File::open("/dev/null")?;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(null)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((input.into(), output.into()))
}

/// What to do about a read.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is waited for but input"))]
enum Wait {
    /// Read.
    Read,
    /// Read, and stop with the event that is arriving.
    ReadLast,
    /// Stop; no event is arriving.
    Stop,
}

/// Waits until `input` or `stop` is readable. Available input comes first: supervisord considers the listener busy with
/// it.
#[cfg(unix)]
fn wait_or_stop(input: &std::fs::File, stop: std::os::fd::BorrowedFd<'_>, idle: bool) -> io::Result<Wait> {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let mut waiting = [PollFd::new(input, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        match poll(&mut waiting, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [input, stop] = waiting.map(|waiting| !waiting.revents().is_empty());
        return Ok(match (stop, idle && !input) {
            (false, _) => Wait::Read,
            (true, false) => Wait::ReadLast,
            (true, true) => Wait::Stop,
        });
    }
}
