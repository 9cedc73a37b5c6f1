//! What the hosts make of readers and writers that fail in unusual ways.

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io::{ErrorKind, ErrorType};
use supervisor_events::host::std_io::{Serve, ServeError};
use supervisor_events::host::{HostError, embedded, embedded_async};
use supervisor_events::{LengthUnit, OwnedNotification, Reply};

use crate::support::events::event;

/// A writer that takes nothing, or takes everything and cannot be flushed.
#[derive(Clone, Copy)]
struct Sink {
    takes: bool,
}

#[derive(Debug)]
struct Stuck;

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stuck")
    }
}

impl std::error::Error for Stuck {}

impl embedded_io::Error for Stuck {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Sink {
    type Error = Stuck;
}

impl embedded_io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Stuck> {
        Ok(if self.takes { bytes.len() } else { 0 })
    }
    fn flush(&mut self) -> Result<(), Stuck> {
        Err(Stuck)
    }
}

impl embedded_io_async::Write for Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Stuck> {
        embedded_io::Write::write(self, bytes)
    }
    async fn flush(&mut self) -> Result<(), Stuck> {
        Err(Stuck)
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(if self.takes { bytes.len() } else { 0 })
    }
    fn flush(&mut self) -> io::Result<()> {
        Err(io::Error::other("stuck"))
    }
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_writer_that_takes_nothing_or_cannot_be_flushed_ends_the_loop() {
    for (takes, expected) in
        [(false, "cannot write to supervisord: no bytes are accepted"), (true, "cannot write to supervisord: stuck")]
    {
        let sink = Sink { takes };
        let result =
            embedded::serve(&b""[..], sink, &mut [0; 64], LengthUnit::Bytes, |_| Ok::<_, Infallible>(Reply::OK));
        let Err(embedded::ServeError::Host(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.to_string(), expected);

        let mut host = embedded_async::Host::new(&b""[..], sink, [0; 64], LengthUnit::Bytes);
        let error = now(host.next()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(matches!(error, HostError::WriteZero), !takes);
        assert!(error.source().is_none(), "the message has it");

        let error = Serve::default().run(&event(1, "X", "")[..], sink, |_| Ok(Reply::OK)).unwrap_err();
        let ServeError::Io(error) = error else { panic!("{error}") };
        assert_eq!(error.kind() == io::ErrorKind::WriteZero, !takes, "{error}");
    }
}

#[test]
fn a_recording_that_cannot_be_read_is_an_error() {
    struct Cut;
    impl io::Read for Cut {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let result = Serve::new().replay(true).run(Cut, io::sink(), |_| Ok(Reply::OK));
    assert!(matches!(result, Err(ServeError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset));
}

#[test]
fn a_header_that_does_not_fit_is_not_owned() {
    let bytes = event(1, "X", "");
    let mut notifications = supervisor_events::host::capture::Notifications::new(&bytes[..], LengthUnit::Bytes);
    let captured = notifications.next().unwrap().unwrap();
    let needed = bytes.len();
    for result in [OwnedNotification::<8>::new(&captured.header()), (&captured.notification()).try_into()] {
        assert_eq!(result.map(|_| ()).unwrap_err().needed, needed);
    }
}
