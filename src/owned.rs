//! Notifications that own their bytes: what goes from an interrupt or a reader to another task.
//!
//! A [`Notification`] borrows from the buffer that it was read into, and that buffer is needed for the next event.

use core::fmt;

use heapless::Vec;

use crate::error::{NoRoom, TokenError};
use crate::session::Notification;
use crate::wire::header::Header;

/// A notification of up to `N` bytes, its header's newline included. Can be put into a queue, as
/// `heapless::spsc::Queue`, and be borrowed from again.
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
///     let _bytes_to_write = session.reply_and_ready(reply)?;
/// }
///
/// // Elsewhere, and later.
/// while let Some(owned) = receiver.dequeue() {
///     let Event::Tick(tick) = owned.notification()?.event()? else { continue };
///     assert_eq!(tick.when, 5);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedNotification<const N: usize> {
    /// The header with its newline, and as much of the payload as fitted.
    bytes: Vec<u8, N>,
    extent: Extent,
}

impl<const N: usize> OwnedNotification<N> {
    /// A notification with this header, and no payload yet.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    pub fn new(header: &Header<'_>) -> Result<Self, NoRoom> {
        let line = header.as_str().as_bytes();
        let no_room = NoRoom { needed: line.len().saturating_add(1) };
        let mut bytes = Vec::new();
        bytes.extend_from_slice(line).map_err(|_| no_room)?;
        bytes.push(b'\n').map_err(|_| no_room)?;
        Ok(Self { extent: Extent { header: bytes.len(), end: bytes.len(), omitted: 0 }, bytes })
    }

    /// Puts a piece behind the payload, such as [`Step::Payload`](crate::Step::Payload) brings. What does not fit is
    /// counted as [omitted](Notification::omitted), and so is all that comes after it.
    pub fn push(&mut self, piece: &[u8]) {
        let room = if self.extent.omitted == 0 { N.saturating_sub(self.bytes.len()) } else { 0 };
        let (kept, omitted) = piece.split_at_checked(room).unwrap_or((piece, b""));
        // It fits.
        let _ = self.bytes.extend_from_slice(kept);
        self.extent.end = self.bytes.len();
        self.extent.omitted = self.extent.omitted.saturating_add(omitted.len() as u64);
    }

    /// The notification, borrowed.
    ///
    /// # Errors
    ///
    /// None in practice: those of [`Header::parse`], for a header that was read before.
    pub fn notification(&self) -> Result<Notification<'_>, TokenError> {
        self.extent.notification(&self.bytes)
    }
}

impl<const N: usize> TryFrom<&Notification<'_>> for OwnedNotification<N> {
    type Error = NoRoom;

    /// Fails where not all of it fits. [`OwnedNotification::new`] and [`OwnedNotification::push`] keep what does.
    fn try_from(notification: &Notification<'_>) -> Result<Self, NoRoom> {
        let needed = Extent::of(notification).end;
        if needed > N {
            return Err(NoRoom { needed });
        }
        let mut owned = Self::new(&notification.header)?;
        owned.push(notification.payload);
        owned.extent.omitted = notification.omitted;
        Ok(owned)
    }
}

impl<const N: usize> fmt::Debug for OwnedNotification<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notification() {
            Ok(notification) => notification.fmt(f),
            Err(error) => error.fmt(f),
        }
    }
}

/// Where the parts of a notification are in the memory that holds it from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// How long the header is, with its newline.
    header: usize,
    /// Where the part of the payload ends that is there.
    end: usize,
    omitted: u64,
}

impl Extent {
    pub(crate) fn of(notification: &Notification<'_>) -> Self {
        let header = notification.header.as_str().len().saturating_add(1);
        Self { header, end: header.saturating_add(notification.payload.len()), omitted: notification.omitted }
    }

    /// The notification again.
    pub(crate) fn notification<'a>(&self, bytes: &'a [u8]) -> Result<Notification<'a>, TokenError> {
        let (line, payload) =
            bytes.get(..self.end).unwrap_or_default().split_at_checked(self.header).unwrap_or_default();
        Ok(Notification { header: Header::parse(line)?, payload, omitted: self.omitted })
    }
}
