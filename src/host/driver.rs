//! Decides what a host does next, with no I/O of its own.
//!
//! ```text
//!          ┌────────────────────────── next() ──────────────────────────┐
//!          ▼              ▼             ▼              ▼                ▼
//!    Write(bytes)       Flush      Read(space)   Handle(event)         End
//!          │              │             │              │
//!     written(n)      flushed()    received(n)   reply(&reply)      stop(), at any time
//!          └──────────────┴──────┬──────┴──────────────┘
//!                                ▼
//!                             next() …
//! ```
//!
//! A [`Driver`] holds a [`Session`], the answer that is being written, the limit on rejections, and whether to stop.
//! The hosts of this crate are loops around it. You can write your own loop, with `poll`, interrupts or deadlines.

use core::fmt;

use super::rejections::Rejections;
use crate::{BufferTooSmall, LengthUnit, ListenerState, Notification, ProtocolError, READY, Reply, Session, TurnError};

pub use super::rejections::Accepted;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Write these bytes, or some of them; then call [`Driver::written`].
    Write(&'a [u8]),
    /// Flush the output, then call [`Driver::flushed`].
    Flush,
    /// Read into this space, then call [`Driver::received`].
    Read(&'a mut [u8]),
    /// Handle this event, then call [`Driver::reply`].
    Handle(Notification<'a>),
    /// There is nothing left to do: the input has ended between two events, or the driver was [stopped](Driver::stop).
    End,
}

/// Why a driver cannot continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DriverError {
    /// The peer's fault: the input is not what supervisord sends, or ended inside an event. Every further call of
    /// [`Driver::next`] returns the same error.
    Protocol(ProtocolError),
    /// The caller's fault: no answer is due. The call changed nothing.
    Turn(TurnError),
    /// The caller's fault: the answer does not fit into the buffer. The call changed nothing.
    BufferTooSmall(BufferTooSmall),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Turn(error) => error.fmt(f),
            Self::BufferTooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DriverError {}

/// How [`Driver::reply`] answered the event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Replied {
    /// With the reply that was given.
    AsGiven,
    /// With OK: the reply was a rejection, and the event had been rejected too often already.
    Accepted(Accepted),
}

/// Decides what a listener does next. It reads and writes nothing itself.
///
/// `B` is the caller's memory: an array, a `&mut [u8]`, a `Vec<u8>`. Answers are assembled in it, so it must have room
/// for the answer with the next READY, and for a header with a byte to spare. An event that does not fit is delivered
/// with the start of its payload; see [`Notification::omitted`].
///
/// Until an instruction is carried out, [`next`](Self::next) returns the same one again, so a wait can be abandoned at
/// any time.
///
/// ```
/// use std::io::{Read, Write};
/// use supervisor_events::host::driver::{Driver, Next, Replied};
/// use supervisor_events::{LengthUnit, Reply};
///
/// # let mut input = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
/// # let mut output = Vec::new();
/// let mut names = Vec::new();
/// let mut driver = Driver::new([0; 1024], LengthUnit::CodePoints);
/// loop {
///     match driver.next()? {
///         Next::Write(bytes) => {
///             let written = output.write(bytes)?;
///             driver.written(written);
///         }
///         Next::Flush => {
///             output.flush()?;
///             driver.flushed();
///         }
///         Next::Read(space) => {
///             let read = input.read(space)?;
///             driver.received(read);
///         }
///         Next::Handle(event) => {
///             names.push(event.header.eventname().to_string());
///             if let Replied::Accepted(accepted) = driver.reply(&Reply::OK)? {
///                 names.push(accepted.to_string());
///             }
///         }
///         Next::End => break,
///     }
/// }
/// # assert_eq!((&output[..], &names[..]), (&b"READY\nRESULT 2\nOKREADY\n"[..], &["TICK_5".to_string()][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Driver<B> {
    session: Session<B>,
    rejections: Rejections,
    result_handler: bool,
    /// Length of the output: the answer and READY, at the start of the buffer, where the event was.
    output_len: usize,
    /// How much of that output has been written.
    written: usize,
    /// Whether nothing is left to flush.
    flushed: bool,
    stopping: bool,
    /// Whether the input has ended between two events.
    ended: bool,
    /// The peer's fault, kept for every further call.
    broken: Option<ProtocolError>,
}

/// The next instruction, before anything is borrowed for it.
enum Step {
    Write,
    Flush,
    Read,
    Handle,
    End,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Driver<B> {
    /// A driver of a listener that has just started, under a supervisord whose `len` counts in `unit`. An event may be
    /// rejected 3 times; after that, it is accepted.
    pub const fn new(buffer: B, unit: LengthUnit) -> Self {
        Self {
            session: Session::new(buffer, unit),
            rejections: Rejections::new(3),
            result_handler: false,
            output_len: 0,
            written: 0,
            flushed: true,
            stopping: false,
            ended: false,
            broken: None,
        }
    }

    /// How often one event may be rejected. After that, OK replaces a rejection: supervisord would send the event again
    /// and again. The driver remembers the last 16 rejected events.
    pub const fn max_rejections(mut self, times: u32) -> Self {
        self.rejections.most = times;
        self
    }

    /// Whether the pool has a `result_handler` of its own. Without one, any answer but OK is a rejection. With one, no
    /// answer counts as a rejection.
    pub const fn result_handler(mut self, own: bool) -> Self {
        self.result_handler = own;
        self
    }

    /// What to do next. READY is appended to the answer, so that one write can send both.
    ///
    /// # Errors
    ///
    /// The peer's: input that breaks the protocol or ends inside an event. The caller's: a buffer without room for
    /// READY.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Result<Next<'_>, DriverError> {
        let step = self.decide()?;
        Ok(self.borrow(step))
    }

    /// What is left to do for the last answer: [`Next::Write`] or [`Next::Flush`], without a new READY. Carry it out
    /// before you drop a driver whose input has not ended: without READY, supervisord gives the next event to another
    /// listener.
    pub fn unsent(&mut self) -> Option<Next<'_>> {
        let step = self.output()?;
        Some(self.borrow(step))
    }

    /// Records that the first `count` bytes of [`Next::Write`] were written.
    pub fn written(&mut self, count: usize) {
        self.written = self.written.saturating_add(count).min(self.output_len);
    }

    /// Records that the output was flushed.
    pub fn flushed(&mut self) {
        self.flushed = self.written == self.output_len;
    }

    /// Takes the `count` bytes that were read to the start of [`Next::Read`]. A `count` of 0 means that the input has
    /// ended. If anything is wrong with them, [`next`](Self::next) reports it.
    pub fn received(&mut self, count: usize) {
        let end = match self.session.received(count) {
            Ok(_) if count == 0 => self.session.end(),
            Ok(_) => return,
            Err(error) => Err(error),
        };
        match end {
            Ok(()) => self.ended = true,
            Err(error) => self.broken = self.broken.or(Some(error)),
        }
    }

    /// Answers the event. [`next`](Self::next) has the answer written; after that, the buffer is free for the next
    /// event.
    ///
    /// # Errors
    ///
    /// If the stream is broken, if no event is waiting for its answer, or if the answer and READY do not fit into the
    /// buffer. An error changes nothing.
    pub fn reply(&mut self, reply: &Reply<'_>) -> Result<Replied, DriverError> {
        self.check()?;
        let Some(event) = self.session.notification() else {
            return Err(DriverError::Turn(TurnError::NoEvent(self.session.state())));
        };
        let serial = event.header.serial();
        let rejected = self.rejects(reply);
        let accepted = (!rejected && self.is_rejection(reply)).then(|| self.rejections.accept(&event));
        let reply = if accepted.is_some() { &Reply::OK } else { reply };
        let needed = reply.encode_with_ready().len();
        if needed > self.session.buffer_mut().as_mut().len() {
            return Err(DriverError::BufferTooSmall(BufferTooSmall { needed }));
        }
        let answer = self.session.reply(reply).map_err(DriverError::Turn)?;
        // The event's memory is free now. The answer is copied there, so that the reply need not outlive the writing.
        let bytes = answer.write_to(self.session.buffer_mut().as_mut()).map_err(DriverError::BufferTooSmall)?;
        (self.written, self.output_len, self.flushed) = (0, bytes.len(), false);
        self.rejections.note(serial, rejected);
        Ok(accepted.map_or(Replied::AsGiven, Replied::Accepted))
    }

    /// Whether this reply would reject the event that is waiting for its answer, so that supervisord would send it
    /// again at once. False if the event was rejected too often already.
    pub fn rejects(&self, reply: &Reply<'_>) -> bool {
        let event = self.session.notification();
        self.is_rejection(reply) && event.is_some_and(|event| self.rejections.left(event.header.serial()) > 0)
    }

    /// Sends no further READY. [`Next::End`] comes when no event is under way: an event that has begun to arrive is
    /// read, handled and answered first. A READY that [`next`](Self::next) has already offered is still written.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether no byte of an event has arrived since the last answer.
    pub const fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    /// Whether the buffer is full and the event in it is incomplete: the moment to enlarge the buffer.
    pub fn is_full(&self) -> bool {
        self.session.is_full()
    }

    /// Whether the payload has as many bytes as its `len` says, but fewer code points. If nothing more arrives, the
    /// server counts bytes.
    pub fn is_whole_in_bytes(&self) -> bool {
        self.session.is_whole_in_bytes()
    }

    /// The buffer, to enlarge it. The bytes that it holds have to stay where they are.
    pub fn buffer_mut(&mut self) -> &mut B {
        self.session.buffer_mut()
    }

    fn is_rejection(&self, reply: &Reply<'_>) -> bool {
        !self.result_handler && *reply != Reply::OK
    }

    /// Fails if the stream is broken.
    fn check(&self) -> Result<(), DriverError> {
        self.broken.map_or(Ok(()), |error| Err(DriverError::Protocol(error)))
    }

    fn decide(&mut self) -> Result<Step, DriverError> {
        self.check()?;
        if self.session.notification().is_some() {
            return Ok(Step::Handle);
        }
        if self.session.state() == ListenerState::Acknowledged {
            self.check_unread()?;
            if !self.stopping && !self.ended {
                self.append_ready()?;
            }
        }
        if let Some(step) = self.output() {
            return Ok(step);
        }
        Ok(if self.ended || self.stopping && self.is_idle() { Step::End } else { Step::Read })
    }

    fn borrow(&mut self, step: Step) -> Next<'_> {
        match step {
            Step::Write => {
                let buffer: &[u8] = self.session.buffer_mut().as_mut();
                Next::Write(buffer.get(self.written..self.output_len).unwrap_or_default())
            }
            Step::Flush => Next::Flush,
            Step::Read => Next::Read(self.session.space()),
            Step::Handle => self.session.notification().map_or(Next::End, |mut event| {
                event.retries_left = (!self.result_handler).then(|| self.rejections.left(event.header.serial()));
                Next::Handle(event)
            }),
            Step::End => Next::End,
        }
    }

    fn output(&self) -> Option<Step> {
        match (self.written < self.output_len, self.flushed) {
            (true, _) => Some(Step::Write),
            (false, false) => Some(Step::Flush),
            (false, true) => None,
        }
    }

    /// Fails if input follows the last event. The end of its payload was then probably misjudged, so the answer is not
    /// sent.
    fn check_unread(&mut self) -> Result<(), DriverError> {
        self.session.received(0).map(|_| ()).map_err(|error| {
            self.broken = Some(error);
            DriverError::Protocol(error)
        })
    }

    /// Appends READY to the answer, whose length [`reply`](Self::reply) has checked with this in mind.
    fn append_ready(&mut self) -> Result<(), DriverError> {
        let end = self.output_len.saturating_add(READY.len());
        let Some(slot) = self.session.buffer_mut().as_mut().get_mut(self.output_len..end) else {
            return Err(DriverError::BufferTooSmall(BufferTooSmall { needed: end }));
        };
        slot.iter_mut().zip(READY).for_each(|(slot, byte)| *slot = *byte);
        self.session.ready().map_err(DriverError::Turn)?;
        (self.output_len, self.flushed) = (end, false);
        Ok(())
    }
}

// Without the buffer, which may be large.
#[cfg(feature = "defmt")]
impl<B> defmt::Format for Driver<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.session.format(f);
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Next<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Write(bytes) => defmt::write!(f, "Write({=[u8]:a})", bytes),
            Self::Flush => defmt::write!(f, "Flush"),
            Self::Read(space) => defmt::write!(f, "Read({=usize})", space.len()),
            Self::Handle(event) => event.format(f),
            Self::End => defmt::write!(f, "End"),
        }
    }
}
