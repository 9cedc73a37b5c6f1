//! The listener's streams, each with a thread of its own, so that nothing the listener does can block the checker.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::Pid;

/// The bytes of one read, and the process that wrote them.
pub type Piece = (Vec<u8>, Option<Pid>);

/// How much is kept of the end of standard error.
const STDERR_KEPT: usize = 4096;

/// The listener's standard input.
pub struct Input {
    sender: Sender<Vec<u8>>,
    sent: usize,
    written: Arc<AtomicUsize>,
    pipe: OwnedFd,
}

impl Input {
    pub fn new(mut pipe: impl Write + AsFd + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>();
        let written = Arc::new(AtomicUsize::new(0));
        let input = Self { sender, sent: 0, written: Arc::clone(&written), pipe: pipe.as_fd().try_clone_to_owned()? };
        thread::spawn(move || {
            for bytes in receiver {
                if pipe.write_all(&bytes).is_err() {
                    return;
                }
                written.fetch_add(bytes.len(), Ordering::Release);
            }
        });
        Ok(input)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.sent = self.sent.saturating_add(bytes.len());
        // If the listener is gone, the end of its output shows that.
        let _ = self.sender.send(bytes.into());
    }

    /// Whether everything was written, or never will be.
    pub fn is_settled(&self) -> bool {
        // The thread's copy goes with the thread.
        self.written.load(Ordering::Acquire) == self.sent || Arc::strong_count(&self.written) == 1
    }

    /// How many bytes the listener has not read.
    pub fn unread(&self) -> usize {
        let in_pipe = rustix::io::ioctl_fionread(&self.pipe).ok().and_then(|unread| unread.try_into().ok());
        self.sent.saturating_sub(self.written.load(Ordering::Acquire)).saturating_add(in_pipe.unwrap_or(0))
    }
}

/// Reads standard output, and sends a piece for each read.
pub fn reader(mut read: impl FnMut(&mut [u8]) -> io::Result<(usize, Option<Pid>)> + Send + 'static) -> Receiver<Piece> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match read(&mut buffer) {
                Ok((0, _)) => return,
                Ok((len, writer)) => {
                    if sender.send((buffer.get(..len).unwrap_or_default().into(), writer)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

/// Keeps the last bytes of standard error. The receiver is disconnected at its end.
pub fn collect(mut stderr: impl Read + Send + 'static, kept: Arc<Mutex<Vec<u8>>>) -> Receiver<()> {
    let (ended, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stderr.read(&mut buffer) {
            let mut kept = kept.lock().unwrap();
            kept.extend_from_slice(buffer.get(..len).unwrap_or_default());
            let excess = kept.len().saturating_sub(STDERR_KEPT);
            kept.drain(..excess);
        }
        drop(ended);
    });
    receiver
}

/// Linux tells which process wrote to a socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod writers {
    use super::*;
    use rustix::net::{self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    pub const CAN_BE_TOLD: bool = true;

    /// The checker's end and the listener's.
    pub fn socket() -> io::Result<(UnixStream, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        net::sockopt::set_socket_passcred(&ours, true)?;
        Ok((ours, theirs))
    }

    pub fn read(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Pid>)> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [io::IoSliceMut::new(buffer)];
        let read = net::recvmsg(socket, &mut buffers, &mut ancillary, RecvFlags::empty())?.bytes;
        let writer = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
            _ => None,
        });
        Ok((read, writer))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod writers {
    use super::*;

    pub const CAN_BE_TOLD: bool = false;

    pub fn socket() -> io::Result<(UnixStream, UnixStream)> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub fn read(_: &UnixStream, _: &mut [u8]) -> io::Result<(usize, Option<Pid>)> {
        Ok((0, None))
    }
}

pub use writers::{CAN_BE_TOLD as WRITERS_CAN_BE_TOLD, read as read_from_socket, socket};
