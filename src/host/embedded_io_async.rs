//! A host over the traits of `embedded-io-async` 0.7, in the caller's memory: for any executor, with an operating system
//! or without.
//!
//! There is no loop here but the caller's, which can wait for other things beside the next event:
//!
//! ```
//! use supervisor_events::{LengthUnit, Reply, host::embedded_io_async::Host};
//!
//! # async fn listen() {
//! let input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
//! let mut line = [0; 64];
//! let mut host = Host::new(input, &mut line[..], [0; 256], LengthUnit::CodePoints);
//! let mut ticks = 0;
//! while let Some(notification) = host.next().await.unwrap() {
//!     assert_eq!(notification.payload, b"when:5");
//!     ticks += 1;
//!     host.reply(Reply::OK).unwrap();
//! }
//! assert_eq!(ticks, 1);
//! drop(host);
//! assert!(line.starts_with(b"READY\nRESULT 2\nOKREADY\n"));
//! # }
//! # let mut listen = std::pin::pin!(listen());
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # assert!(listen.as_mut().poll(&mut context).is_ready());
//! ```

use core::fmt;

use embedded_io_async::{Error, ErrorKind, Read, Write};

use crate::{LengthUnit, NoRoom, Notification, ProtocolError, READY, Reply, Session, State, TurnError};

/// Why a host cannot go on: the errors of the reader and the writer, the peer's, and the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HostError<R, W> {
    /// Reading failed.
    Read(R),
    /// Writing failed.
    Write(W),
    /// The writer took no byte, which its trait forbids.
    WriteZero,
    /// The input is not what supervisord sends, or ended inside an event.
    Protocol(ProtocolError),
    /// No reply is due. Nothing was changed.
    Turn(TurnError),
    /// The reply does not fit into the buffer. Nothing was changed.
    NoRoom(NoRoom),
}

impl<R: fmt::Display, W: fmt::Display> fmt::Display for HostError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read from supervisord: {error}"),
            Self::Write(error) => write!(f, "cannot write to supervisord: {error}"),
            Self::WriteZero => f.write_str("cannot write to supervisord: no byte is taken"),
            Self::Protocol(error) => error.fmt(f),
            Self::Turn(error) => error.fmt(f),
            Self::NoRoom(error) => error.fmt(f),
        }
    }
}

impl<R: core::error::Error + 'static, W: core::error::Error + 'static> core::error::Error for HostError<R, W> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Write(error) => Some(error),
            Self::WriteZero => None,
            Self::Protocol(error) => Some(error),
            Self::Turn(error) => Some(error),
            Self::NoRoom(error) => Some(error),
        }
    }
}

impl<R, W> From<ProtocolError> for HostError<R, W> {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// A listener over a reader and a writer, with `B` for the events: an array, a `&mut [u8]`, a `Vec<u8>`.
///
/// The futures of [`next`](Self::next) and [`flush`](Self::flush) can be dropped at any time, as `select!` and timeouts
/// do. What was read and how much of an answer was written is kept here, and the next call goes on from there: nothing
/// is lost, and nothing is said twice. That is as true as it is of the reader's and writer's own futures; those of
/// some drivers with DMA lose bytes when they are dropped, and say so.
///
/// Of an event that does not fit into the buffer there is the start; see [`Notification::omitted`]. Its header has to fit.
#[derive(Debug)]
pub struct Host<R, W, B> {
    input: R,
    output: W,
    session: Session<B>,
    /// The answer is at the start of the buffer, where the event was. It ends here,
    due: usize,
    /// and this much of it has been written.
    written: usize,
    /// Whether there is nothing to flush.
    flushed: bool,
}

impl<R: Read, W: Write, B: AsRef<[u8]> + AsMut<[u8]>> Host<R, W, B> {
    /// A host of a listener that has just started, of a supervisord whose `len` counts in `unit`.
    pub const fn new(input: R, output: W, buffer: B, unit: LengthUnit) -> Self {
        let session = Session::new(buffer, unit);
        Self { input, output, session, due: 0, written: 0, flushed: true }
    }

    /// Writes what is due, READY last, and waits for the next event. `None` if the input has ended.
    ///
    /// RESULT and READY leave in one write. Called again before the event was answered, it returns the same event.
    ///
    /// # Errors
    ///
    /// What cannot be read or written, input that breaks the protocol or ends inside an event.
    pub async fn next(&mut self) -> Result<Option<Notification<'_>>, HostError<R::Error, W::Error>> {
        if self.session.notification().is_none() {
            // If the stream is broken, or input follows the last event, the session says so here.
            self.session.received(0)?;
            self.say_ready()?;
            self.flush().await?;
            self.receive().await?;
        }
        Ok(self.session.notification())
    }

    /// Answers the event. The answer leaves with the next call of [`next`](Self::next) or [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// If no event is waiting for an answer, or the answer does not fit into the buffer. Nothing is changed then.
    pub fn reply(&mut self, reply: Reply<'_>) -> Result<(), HostError<R::Error, W::Error>> {
        let needed = reply.and_ready().len();
        // Out of turn comes first: it is wrong with any reply.
        if self.session.notification().is_some() && needed > self.session.buffer_mut().as_mut().len() {
            return Err(HostError::NoRoom(NoRoom { needed }));
        }
        let answer = self.session.reply(&reply).map_err(HostError::Turn)?;
        // The event's memory is free now. The answer goes there, so that it need not live as long as its writing takes.
        let bytes = answer.write_to(self.session.buffer_mut().as_mut()).map_err(HostError::NoRoom)?;
        self.due = bytes.len();
        self.written = 0;
        Ok(())
    }

    /// Writes what is due except READY: the last thing to do before a listener ends. supervisord then gives
    /// the next event to another one.
    ///
    /// # Errors
    ///
    /// What cannot be written. Another call goes on from there.
    pub async fn flush(&mut self) -> Result<(), HostError<R::Error, W::Error>> {
        while self.written < self.due {
            self.flushed = false;
            let buffer: &[u8] = self.session.buffer_mut().as_mut();
            match self.output.write(buffer.get(self.written..self.due).unwrap_or_default()).await {
                Ok(0) => return Err(HostError::WriteZero),
                Ok(written) => self.written = self.written.saturating_add(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HostError::Write(error)),
            }
        }
        if !self.flushed {
            self.output.flush().await.map_err(HostError::Write)?;
            self.flushed = true;
        }
        Ok(())
    }

    /// Whether no event has begun to arrive since the last answer: the listener can end after a [`flush`](Self::flush).
    /// Otherwise supervisord has sent at least a part of an event, which [`next`](Self::next) will return.
    pub fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    /// Appends READY to what is to be written, if it is due.
    fn say_ready(&mut self) -> Result<(), HostError<R::Error, W::Error>> {
        if self.session.state() != State::Acknowledged {
            return Ok(());
        }
        if self.written == self.due {
            (self.written, self.due) = (0, 0);
        }
        let end = self.due.saturating_add(READY.len());
        let Some(place) = self.session.buffer_mut().as_mut().get_mut(self.due..end) else {
            return Err(HostError::NoRoom(NoRoom { needed: end }));
        };
        place.iter_mut().zip(READY).for_each(|(place, byte)| *place = *byte);
        self.session.ready().map_err(HostError::Turn)?;
        self.due = end;
        Ok(())
    }

    /// Reads until an event is complete, or the input ends.
    async fn receive(&mut self) -> Result<(), HostError<R::Error, W::Error>> {
        loop {
            let read = match self.input.read(self.session.space()).await {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(HostError::Read(error)),
            };
            if self.session.received(read)?.is_some() {
                return Ok(());
            }
            if read == 0 {
                return Ok(self.session.end()?);
            }
        }
    }
}

#[cfg(feature = "defmt")]
impl<R, W, B> defmt::Format for Host<R, W, B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.session.format(f);
    }
}
