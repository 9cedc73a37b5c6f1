//! Sends messages to a daemon: as datagrams to a unix socket or by UDP, or over a TCP connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

use socket2::SockRef;

use super::target::{Address, DaemonTarget};
use crate::net::{as_timeout, time_left};

/// How to reach a daemon, with the socket once it is open.
pub enum Transport {
    Unix(PathBuf, Option<UnixDatagram>),
    Udp(String, Option<UdpSocket>),
    Tcp(String, Option<TcpStream>),
}

impl Transport {
    pub fn new(target: &DaemonTarget) -> Self {
        match target {
            DaemonTarget::Journald(path) | DaemonTarget::Syslog(Address::Unix(path)) => Self::Unix(path.clone(), None),
            DaemonTarget::Syslog(Address::Udp(address)) => Self::Udp(address.clone(), None),
            DaemonTarget::Syslog(Address::Tcp(address)) => Self::Tcp(address.clone(), None),
        }
    }

    /// Sends a message, opening a socket if needed. After an error, the socket is closed.
    pub fn send(&mut self, message: &[u8], deadline: Instant) -> io::Result<()> {
        let sent = self.try_send(message, deadline);
        if sent.is_err() {
            match self {
                Self::Unix(_, socket) => drop(socket.take()),
                Self::Udp(_, socket) => drop(socket.take()),
                Self::Tcp(_, socket) => drop(socket.take()),
            }
        }
        sent.map_err(as_timeout)
    }

    fn try_send(&mut self, message: &[u8], deadline: Instant) -> io::Result<()> {
        match self {
            Self::Unix(path, socket) => {
                let socket = opened(socket, || {
                    let socket = UnixDatagram::unbound()?;
                    socket.connect(&*path)?;
                    // Makes room for a long line. The system may allow less.
                    let _ = SockRef::from(&socket).set_send_buffer_size(1 << 20);
                    Ok(socket)
                })?;
                socket.set_write_timeout(Some(time_left(deadline)?))?;
                socket.send(message).map(drop)
            }
            Self::Udp(address, socket) => {
                let socket = opened(socket, || {
                    let address = first(address)?;
                    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
                    let socket = UdpSocket::bind(any)?;
                    socket.connect(address)?;
                    Ok(socket)
                })?;
                socket.send(message).map(drop)
            }
            Self::Tcp(address, socket) => {
                if socket.as_ref().is_some_and(is_closed) {
                    *socket = None;
                }
                let socket = opened(socket, || TcpStream::connect_timeout(&first(address)?, time_left(deadline)?))?;
                // RFC 6587: a message may contain any bytes, so its length comes first. In one write, so that a partial
                // message is unlikely.
                let frame = [format!("{} ", message.len()).as_bytes(), message].concat();
                socket.set_write_timeout(Some(time_left(deadline)?))?;
                socket.write_all(&frame)
            }
        }
    }
}

fn opened<S>(socket: &mut Option<S>, open: impl FnOnce() -> io::Result<S>) -> io::Result<&mut S> {
    if socket.is_none() {
        *socket = Some(open()?);
    }
    socket.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

/// Whether the server has closed the connection; it never sends anything else. Without this check, the system would
/// accept one more message and lose it.
fn is_closed(mut socket: &TcpStream) -> bool {
    if socket.set_nonblocking(true).is_err() {
        return true;
    }
    let closed = match socket.read(&mut [0; 256]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    closed || socket.set_nonblocking(false).is_err()
}

fn first(address: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"));
    address.to_socket_addrs()?.next().ok_or_else(none)
}
