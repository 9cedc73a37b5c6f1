//! Sockets with a deadline for the whole exchange, however slowly bytes arrive.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Type};

pub trait Socket: Read + Write {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout)).and_then(|()| self.set_write_timeout(Some(timeout)))
    }
}

impl Socket for UnixStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout)).and_then(|()| self.set_write_timeout(Some(timeout)))
    }
}

/// A socket with a deadline.
pub struct Until<S> {
    socket: S,
    deadline: Instant,
}

impl<S: Socket> Until<S> {
    pub fn new(socket: S, deadline: Instant) -> Self {
        Self { socket, deadline }
    }

    fn within<T>(&mut self, act: impl FnOnce(&mut S) -> io::Result<T>) -> io::Result<T> {
        self.socket.set_timeout(time_left(self.deadline)?)?;
        act(&mut self.socket).map_err(as_timeout)
    }
}

impl<S: Socket> Read for Until<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.within(|socket| socket.read(buffer))
    }
}

impl<S: Socket> Write for Until<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.within(|socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Connects to the socket at a path.
pub fn connect_unix(path: &str, deadline: Instant) -> io::Result<Until<UnixStream>> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // If the server's backlog is full, connecting waits as long as a write may.
    socket.set_write_timeout(Some(time_left(deadline)?))?;
    socket.connect(&SockAddr::unix(path)?).map_err(as_timeout)?;
    Ok(Until::new(OwnedFd::from(socket).into(), deadline))
}

/// Connects to `HOST:PORT`.
pub fn connect(address: &str, deadline: Instant) -> io::Result<Until<TcpStream>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, time_left(deadline)?) {
            Ok(stream) => return Ok(Until::new(stream, deadline)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time until a deadline. Fails with `TimedOut` if it has passed.
pub fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The system reports a socket's timeout as `WouldBlock`.
pub fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_accepts_no_connection_is_not_waited_for() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("socket");
        let address = SockAddr::unix(&path).unwrap();
        let server = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        server.bind(&address).unwrap();
        server.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            if socket.connect(&address).is_err() {
                break;
            }
            waiting.push(socket);
        }
        let deadline = Instant::now() + Duration::from_millis(50);
        let error = connect_unix(path.to_str().unwrap(), deadline).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(server.accept().unwrap());
        connect_unix(path.to_str().unwrap(), Instant::now() + Duration::from_secs(60)).map(drop).unwrap();
    }
}
