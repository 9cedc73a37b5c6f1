//! A loop over any [`Read`] and [`Write`], and over standard input and output.
//!
//! One read and one write per event where the pipe allows: RESULT and the next READY leave together.
//!
//! [`serve_stdio`] is all that most listeners need. [`Serve`] has the settings.

use std::boxed::Box;
use std::collections::VecDeque;
use std::eprintln;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::vec;

use crate::{LengthUnit, Notification, ProtocolError, READY, Reply, Session, TurnError};

/// What a handler may fail with: anything that `?` turns into it.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// Why a loop ended before its input did.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// Reading or writing failed.
    Io(io::Error),
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// The handler failed, and errors are not [rejected](Serve::reject_errors). The event was not answered:
    /// supervisord gives it to the next listener, or to this one once it runs again.
    Handler(HandlerError),
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
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Protocol(error) => error,
            Self::Handler(error) => error.as_ref(),
        })
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProtocolError> for ServeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
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
/// use supervisor_events::{Reply, host::std::Serve};
///
/// let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// let mut output = Vec::new();
/// Serve::new().run(input, &mut output, |notification| {
///     eprintln!("{}", notification.header.eventname());
///     Ok(Reply::OK)
/// })?;
/// assert_eq!(output, b"READY\nRESULT 2\nOKREADY\n");
/// # Ok::<(), supervisor_events::host::std::ServeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Serve<'a> {
    unit: LengthUnit,
    max_event: usize,
    reject_errors: bool,
    max_rejections: u32,
    #[cfg(unix)]
    stop: Option<std::os::fd::BorrowedFd<'a>>,
    #[cfg(not(unix))]
    stop: core::marker::PhantomData<&'a ()>,
}

/// What a pipe holds on Linux, and so what arrives in one read at most.
const PIPE: usize = 64 * 1024;

impl<'a> Serve<'a> {
    /// `len` in code points; events of up to 16 MiB; a handler's error ends the loop; an event that is rejected 3 times
    /// is accepted after that.
    pub const fn new() -> Self {
        Self {
            unit: LengthUnit::CodePoints,
            max_event: 16 * 1024 * 1024,
            reject_errors: false,
            max_rejections: 3,
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

    /// The largest event, header included, that is kept whole: so much memory is used at most. Of a larger one the
    /// handler gets the start; see [`Notification::omitted`]. At least what a pipe holds, 64 KiB.
    pub const fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Whether to reject the events for which the handler fails, up to [`max_rejections`](Self::max_rejections), and
    /// go on. supervisord sends a rejected event again at once.
    pub const fn reject_errors(mut self, reject: bool) -> Self {
        self.reject_errors = reject;
        self
    }

    /// How often one event may be rejected (FAIL). After that it is answered with OK, which is said on standard error:
    /// supervisord would send it again and again, and no other event.
    pub const fn max_rejections(mut self, times: u32) -> Self {
        self.max_rejections = times;
        self
    }

    /// Ends the loop of [`stdio`](Self::stdio), as the end of its input does, once `stop` can be read from: the reading
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
    /// What cannot be read or written, input that breaks the protocol or ends inside an event, and the handler's
    /// errors unless they are to be [rejected](Self::reject_errors).
    pub fn run<'r>(
        self,
        input: impl Read,
        output: impl Write,
        handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        self.drive(input, output, |_, _| Ok(Next::Read), handler)
    }

    /// Handles the events that come on standard input, and answers on standard output.
    ///
    /// On Unix both are [taken](take_stdio) for the protocol first, so that a `println!` or a child process cannot
    /// break it: what is printed goes to standard error. They stay taken when the loop has ended.
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
            let next = |input: &std::fs::File, idle| match stop {
                Some(stop) => wait_or_stop(input, stop, idle),
                None => Ok(Next::Read),
            };
            self.drive(input, output, next, handler)
        }
        #[cfg(not(unix))]
        self.drive(io::stdin().lock(), io::stdout().lock(), |_, _| Ok(Next::Read), handler)
    }

    /// `next` is asked before every read; it is told whether no byte of an event has arrived, and may wait.
    fn drive<'r, R: Read>(
        self,
        mut input: R,
        mut output: impl Write,
        mut next: impl FnMut(&R, bool) -> io::Result<Next>,
        mut handler: impl FnMut(&Notification<'_>) -> Result<Reply<'r>, HandlerError>,
    ) -> Result<(), ServeError> {
        let mut session = Session::new(vec![0; PIPE], self.unit);
        let mut rejections = Rejections { most: self.max_rejections, counts: VecDeque::new() };
        let mut stopping = false;
        // For the answers; a longer one makes it longer.
        let mut answer = vec![0; 64];
        session.ready().map_err(broken)?;
        write(&mut output, READY)?;
        loop {
            if !stopping {
                match next(&input, session.is_idle())? {
                    Next::Read => {}
                    Next::ReadLast => stopping = true,
                    Next::Stop => return Ok(()),
                }
            }
            let size = session.buffer_mut().len();
            if session.is_full() && size < self.max_event {
                session.buffer_mut().resize(size.saturating_mul(2).min(self.max_event), 0);
            }
            let read = match input.read(session.space()) {
                Ok(0) => return Ok(session.end()?),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(notification) = session.received(read)? else { continue };
            let reply = match handler(&notification) {
                Ok(reply) => reply,
                Err(error) if self.reject_errors => {
                    eprintln!(
                        "event {} ({}) could not be handled: {error}",
                        notification.header.serial(),
                        notification.header.eventname()
                    );
                    Reply::FAIL
                }
                Err(error) => return Err(ServeError::Handler(error)),
            };
            let reply = rejections.bound(notification.header.serial(), reply);
            let bytes = if stopping { session.reply(&reply) } else { session.reply_and_ready(&reply) };
            let bytes = match bytes {
                Ok(bytes) => bytes,
                // Asked with nothing more to read, the session says what is wrong with the input.
                Err(TurnError::UnreadInput) => {
                    return Err(session.received(0).err().map_or_else(unexpected, Into::into));
                }
                Err(error) => return Err(broken(error)),
            };
            if answer.len() < bytes.len() {
                answer.resize(bytes.len(), 0);
            }
            write(&mut output, bytes.write_to(&mut answer).map_err(io::Error::other)?)?;
            if stopping {
                return Ok(());
            }
        }
    }
}

impl Default for Serve<'_> {
    fn default() -> Self {
        Self::new()
    }
}

fn write(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}

/// The loop above takes its turns in order; only a broken stream is left.
fn broken(error: TurnError) -> ServeError {
    match error {
        TurnError::Broken(error) => error.into(),
        error => io::Error::other(error).into(),
    }
}

fn unexpected() -> ServeError {
    io::Error::other(TurnError::UnreadInput).into()
}

/// How often each of the last few events was rejected. With more than one listener in a pool, several rejected events
/// can take turns.
struct Rejections {
    most: u32,
    counts: VecDeque<(u64, u32)>,
}

impl Rejections {
    const KEPT: usize = 64;

    /// Turns the reply into OK if the event was rejected too often.
    fn bound<'r>(&mut self, serial: u64, reply: Reply<'r>) -> Reply<'r> {
        if self.counts.is_empty() && reply == Reply::OK {
            return reply;
        }
        let known = self.counts.iter().position(|count| count.0 == serial);
        let before = known.and_then(|at| self.counts.remove(at)).map_or(0, |count| count.1);
        if reply != Reply::FAIL {
            return reply;
        }
        if before >= self.most {
            eprintln!(
                "event {serial} was rejected {before} times, and is accepted now: supervisord would send it again and again"
            );
            return Reply::OK;
        }
        if self.counts.len() >= Self::KEPT {
            self.counts.pop_front();
        }
        self.counts.push_back((serial, before.saturating_add(1)));
        reply
    }
}

/// Takes standard input and output for the protocol, and returns them on descriptors that child processes do not
/// inherit. Descriptor 0 then reads from `/dev/null`, and descriptor 1 writes to standard error.
///
/// A line that something prints between two answers ends in UNKNOWN, and a child process that reads from an inherited
/// standard input takes events away; after this neither can happen. What was read through [`std::io::stdin`] before
/// may have taken more from the descriptor than it returned.
///
/// # Errors
///
/// If the descriptors cannot be duplicated: standard input, output or error is closed, or there are too many open
/// files.
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

/// What to do before a read.
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is waited for but input"))]
enum Next {
    /// Read on.
    Read,
    /// Read on to the end of the event that is arriving; it is the last.
    ReadLast,
    /// Stop; no event is arriving.
    Stop,
}

/// Waits until `input` or `stop` can be read from. Input that is there comes first: supervisord takes the listener to be
/// busy with it.
#[cfg(unix)]
fn wait_or_stop(input: &std::fs::File, stop: std::os::fd::BorrowedFd<'_>, idle: bool) -> io::Result<Next> {
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
            (false, _) => Next::Read,
            (true, false) => Next::ReadLast,
            (true, true) => Next::Stop,
        });
    }
}
