//! Notifications that own their bytes, so that an interrupt handler or a reader can pass them to another task.
//!
//! A [`Notification`] borrows from the buffer that it was read into, and the next event needs that buffer.

use core::fmt;

use heapless::Vec;

use crate::notification::{Held, Notification};
use crate::wire::error::BufferTooSmall;
use crate::wire::header::Header;

/// A notification of up to `N` bytes, its header's newline included. Put it into a queue, such as
/// `heapless::spsc::Queue`, and borrow the notification at the other end.
///
/// ```
/// use heapless::spsc::Queue;
/// use supervisor_events::{Event, LengthUnit, OwnedNotification, Reply, Session};
///
/// # let input = b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";
/// let mut queue: Queue<OwnedNotification<256>, 4> = Queue::new();
/// let (mut sender, mut receiver) = queue.split();
///
/// let mut session = Session::new([0; 256], LengthUnit::CodePoints);
/// session.ready()?;
/// session.space()[..input.len()].copy_from_slice(input);
/// if let Some(notification) = session.received(input.len())? {
///     let reply = match sender.enqueue((&notification).try_into()?) {
///         Ok(()) => Reply::OK,
///         Err(_full) => Reply::FAIL,
///     };
///     let _bytes_to_write = session.reply_and_ready(&reply)?;
/// }
///
/// // Elsewhere, and later.
/// while let Some(owned) = receiver.dequeue() {
///     let Event::Tick(tick) = owned.notification().event()? else { continue };
///     assert_eq!(tick.when, 5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedNotification<const N: usize> {
    /// The header with its newline, and as much of the payload as fitted.
    bytes: Vec<u8, N>,
    held: Held,
}

impl<const N: usize> OwnedNotification<N> {
    /// A notification with this header, and no payload yet.
    ///
    /// # Errors
    ///
    /// If the header does not fit into `N` bytes.
    pub fn new(header: &Header<'_>) -> Result<Self, BufferTooSmall> {
        let line = header.as_bytes();
        let too_small = BufferTooSmall { needed: line.len().saturating_add(1) };
        let mut bytes = Vec::new();
        bytes.extend_from_slice(line).map_err(|_| too_small)?;
        bytes.push(b'\n').map_err(|_| too_small)?;
        Ok(Self { held: Held::of_header(header), bytes })
    }

    /// Appends a piece of the payload, such as one from [`Step::Payload`](crate::Step::Payload). Bytes that do not fit
    /// are counted as [omitted](Notification::omitted), and so is everything after them.
    pub fn push(&mut self, piece: &[u8]) {
        let kept = self.held.keep(piece, N.saturating_sub(self.bytes.len()));
        let pushed = self.bytes.extend_from_slice(kept);
        debug_assert!(pushed.is_ok(), "it fits");
    }

    /// The notification, borrowed.
    pub fn notification(&self) -> Notification<'_> {
        self.held.notification(&self.bytes)
    }
}

impl<const N: usize> TryFrom<&Notification<'_>> for OwnedNotification<N> {
    type Error = BufferTooSmall;

    /// Fails unless all of the notification fits. To keep the part that fits, use [`OwnedNotification::new`] and
    /// [`OwnedNotification::push`].
    fn try_from(notification: &Notification<'_>) -> Result<Self, BufferTooSmall> {
        let needed = notification.header.as_bytes().len() + 1 + notification.payload.len();
        if needed > N {
            return Err(BufferTooSmall { needed });
        }
        let mut owned = Self::new(&notification.header)?;
        owned.push(notification.payload);
        owned.held.omitted = notification.omitted;
        Ok(owned)
    }
}

impl<const N: usize> fmt::Debug for OwnedNotification<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notification().fmt(f)
    }
}
