//! Waits for input, a request to stop, or a point in time.

use std::io;
use std::time::Instant;

/// What asks a loop to stop by becoming readable.
#[cfg(unix)]
pub(super) type Stop<'a> = Option<std::os::fd::BorrowedFd<'a>>;
#[cfg(not(unix))]
pub(super) type Stop<'a> = Option<&'a std::convert::Infallible>;

/// What ended a wait. Neither, if it was the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// Input, or its end.
    pub(super) input: bool,
    /// The request to stop.
    pub(super) stop: bool,
}

/// Waits until there is input, a request to stop, or the time has come.
pub(super) type Wait<R> = fn(&R, Stop<'_>, Option<Instant>) -> io::Result<Ready>;

/// Leaves the waiting to the read itself, for input without a file descriptor.
pub(super) fn wait_in_read<R>(_: &R, _: Stop<'_>, _: Option<Instant>) -> io::Result<Ready> {
    Ok(Ready { input: true, stop: false })
}

/// Waits with `poll`.
#[cfg(unix)]
pub(super) fn wait_for_input<R: std::os::fd::AsFd>(
    input: &R,
    stop: Stop<'_>,
    until: Option<Instant>,
) -> io::Result<Ready> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let input = Some(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN));
    let stop = stop.map(|stop| PollFd::from_borrowed_fd(stop, PollFlags::IN));
    let mut waiting: heapless::Vec<PollFd<'_>, 2> = input.into_iter().chain(stop).collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut waiting, left.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| waiting.get(at).is_some_and(|waiting| !waiting.revents().is_empty());
        return Ok(Ready { input: is_ready(0), stop: is_ready(1) });
    }
}
