//! A host over the traits of `embedded-io-async` 0.7, in the caller's memory: for any executor, with or without an
//! operating system.
//!
//! On tokio, wrap a `tokio::net::unix::pipe::Receiver` and `Sender` in `embedded_io_adapters::tokio_1::FromTokio`.
//! Their `from_file` takes the two files that `host::std_io::take_stdio` returns: see `examples/tokio`.
//!
//! The caller writes the loop, and can wait for other things besides the next event:
//!
//! ```
//! use supervisor_events::{LengthUnit, Reply, host::embedded_async::Host};
//!
//! # async fn listen() {
//! let sent = &b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5"[..];
//! let mut line = [0; 64];
//! let mut host = Host::new(sent, &mut line[..], [0; 256], LengthUnit::CodePoints);
//! let mut ticks = 0;
//! while let Some(notification) = host.next().await.unwrap() {
//!     assert_eq!(notification.payload, b"when:5");
//!     ticks += 1;
//!     host.reply(&Reply::OK).unwrap();
//! }
//! assert_eq!(ticks, 1);
//! drop(host);
//! assert!(line.starts_with(b"READY\nRESULT 2\nOKREADY\n"));
//! # }
//! # let mut listen = std::pin::pin!(listen());
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # assert!(listen.as_mut().poll(&mut context).is_ready());
//! ```

use embedded_io_async::{Error, ErrorKind, Read, Write};

use super::HostError;
use super::driver::{Driver, Next, Replied};
use crate::{LengthUnit, Notification, Reply};

/// A listener over a reader and a writer. `B` is the memory for events: an array, a `&mut [u8]`, a `Vec<u8>`.
///
/// The futures of [`next`](Self::next) and [`flush`](Self::flush) can be dropped at any time, as `select!` and timeouts
/// do. The host keeps what was read and how much of an answer was written, and the next call continues from there:
/// nothing is lost, and nothing is sent twice. This requires that the futures of the reader and the writer can be
/// dropped too; dropping those of some DMA drivers loses bytes, as their documentation says.
///
/// An event that does not fit into the buffer is delivered with the start of its payload; see
/// [`Notification::omitted`]. Its header has to fit, with a byte to spare, and so does every answer with the next
/// READY.
#[derive(Debug)]
pub struct Host<R, W, B> {
    input: R,
    output: W,
    driver: Driver<B>,
}

impl<R: Read, W: Write, B: AsRef<[u8]> + AsMut<[u8]>> Host<R, W, B> {
    /// A host of a listener that has just started, under a supervisord whose `len` counts in `unit`. An event may be
    /// rejected 3 times; after that, it is accepted.
    pub const fn new(input: R, output: W, buffer: B, unit: LengthUnit) -> Self {
        Self::with_driver(input, output, Driver::new(buffer, unit))
    }

    /// A host with the settings of a driver.
    pub const fn with_driver(input: R, output: W, driver: Driver<B>) -> Self {
        Self { input, output, driver }
    }

    /// Writes the pending output, READY last, and waits for the next event. Returns `None` if the input has ended, or
    /// the host was [stopped](Self::stop).
    ///
    /// RESULT and READY go out in one write. Called again before the event is answered, it returns the same event.
    ///
    /// # Errors
    ///
    /// Errors of reading and writing, input that breaks the protocol or ends inside an event, and a buffer without room
    /// for READY.
    pub async fn next(&mut self) -> Result<Option<Notification<'_>>, HostError<R::Error, W::Error>> {
        loop {
            match self.driver.next()? {
                Next::Handle(_) => break,
                Next::End => return Ok(None),
                Next::Read(space) => match self.input.read(space).await {
                    Ok(read) => self.driver.received(read),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(HostError::Read(error)),
                },
                Next::Write(_) | Next::Flush => self.flush().await?,
            }
        }
        // Asked again, because a borrow made in the loop cannot be returned from it.
        Ok(match self.driver.next()? {
            Next::Handle(event) => Some(event),
            _ => None,
        })
    }

    /// Answers the event. The next call of [`next`](Self::next) or [`flush`](Self::flush) sends the answer. The result
    /// tells whether OK replaced a rejection.
    ///
    /// # Errors
    ///
    /// If no event is waiting for its answer, or the answer and READY do not fit into the buffer. An error changes
    /// nothing.
    pub fn reply(&mut self, reply: &Reply<'_>) -> Result<Replied, HostError<R::Error, W::Error>> {
        Ok(self.driver.reply(reply)?)
    }

    /// Writes the pending output, without a new READY. Call it last if the listener ends before [`next`](Self::next)
    /// has returned `None`: without READY, supervisord gives the next event to another listener.
    ///
    /// # Errors
    ///
    /// Errors of writing. Another call continues from there.
    pub async fn flush(&mut self) -> Result<(), HostError<R::Error, W::Error>> {
        while let Some(next) = self.driver.unsent() {
            let Next::Write(bytes) = next else {
                self.output.flush().await.map_err(HostError::Write)?;
                self.driver.flushed();
                continue;
            };
            match self.output.write(bytes).await {
                Ok(0) => return Err(HostError::WriteZero),
                Ok(written) => self.driver.written(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(HostError::Write(error)),
            }
        }
        Ok(())
    }

    /// Sends no further READY: [`next`](Self::next) returns `None` when no event is under way and everything is
    /// written. An event that has begun to arrive is delivered first.
    pub fn stop(&mut self) {
        self.driver.stop();
    }

    /// Whether no event has begun to arrive since the last answer. If so, the listener can end after a
    /// [`flush`](Self::flush); if not, [`next`](Self::next) will return the event that is arriving.
    pub const fn is_idle(&self) -> bool {
        self.driver.is_idle()
    }
}

#[cfg(feature = "defmt")]
impl<R, W, B> defmt::Format for Host<R, W, B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.driver.format(f);
    }
}
