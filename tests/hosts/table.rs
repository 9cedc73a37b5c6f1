//! All hosts behave alike: each runs the same table of cases. The asynchronous one, which can be interrupted anywhere,
//! continues where it was.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use embedded_io::{Error, ErrorKind, ErrorType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use supervisor_events::host::HostError;
use supervisor_events::host::driver::{Accepted, Driver, DriverError};
use supervisor_events::host::{embedded as blocking, embedded_async as nonblocking, std_io as hosted};
use supervisor_events::{BufferTooSmall, LengthUnit, Notification, ProtocolError, ProtocolErrorKind, Reply, TurnError};

// ---- What goes in. ----

/// What one call of a reader or a writer does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Moves at most this many bytes.
    Bytes(usize),
    /// Is interrupted.
    Interrupted,
    /// Makes an asynchronous caller wait. A blocking one skips to the next act.
    Pending,
}

const ALL: &[Act] = &[Act::Bytes(usize::MAX)];

/// A pipe that repeats its acts over and over.
#[derive(Clone, Debug)]
struct Pipe {
    /// To be read. supervisord sends no event before READY, so no read returns bytes of more than one piece.
    pieces: VecDeque<Vec<u8>>,
    written: Vec<u8>,
    unflushed: bool,
    acts: Vec<Act>,
    calls: usize,
    /// How many bytes can be read or written before it fails.
    left: usize,
}

impl Pipe {
    fn new(pieces: Vec<Vec<u8>>, acts: &[Act]) -> Self {
        let acts = acts.to_vec();
        Self { pieces: pieces.into(), written: Vec::new(), unflushed: false, acts, calls: 0, left: usize::MAX }
    }

    /// How many bytes of `len` this call moves.
    fn act(&mut self, len: usize) -> Poll<Result<usize, Broken>> {
        let act = self.acts[self.calls % self.acts.len()];
        self.calls += 1;
        assert!(self.calls < 100_000, "it gets nowhere");
        match act {
            Act::Pending => Poll::Pending,
            Act::Interrupted => Poll::Ready(Err(Broken(ErrorKind::Interrupted))),
            Act::Bytes(_) if self.left == 0 => Poll::Ready(Err(Broken(ErrorKind::BrokenPipe))),
            Act::Bytes(most) => {
                let count = len.min(most).min(self.left);
                self.left -= count;
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<Result<usize, Broken>> {
        let due = self.pieces.front().map_or(0, Vec::len);
        self.act(buffer.len().min(due)).map_ok(|count| {
            if let Some(mut piece) = self.pieces.pop_front() {
                buffer[..count].copy_from_slice(&piece[..count]);
                piece.drain(..count);
                if !piece.is_empty() {
                    self.pieces.push_front(piece);
                }
            }
            count
        })
    }

    fn poll_write(&mut self, bytes: &[u8]) -> Poll<Result<usize, Broken>> {
        self.act(bytes.len()).map_ok(|count| {
            self.written.extend_from_slice(&bytes[..count]);
            self.unflushed = true;
            count
        })
    }

    fn poll_flush(&mut self) -> Poll<Result<(), Broken>> {
        match self.act(0) {
            Poll::Pending => Poll::Pending,
            _ => {
                self.unflushed = false;
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Polls until it is ready, which it will be: at least one of the acts does not wait.
fn block<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    loop {
        if let Poll::Ready(value) = poll() {
            return value;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken(ErrorKind);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}

impl Error for Broken {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken.0 {
            ErrorKind::Interrupted => io::ErrorKind::Interrupted.into(),
            _ => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl ErrorType for Pipe {
    type Error = Broken;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        block(|| self.poll_read(buffer))
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        block(|| self.poll_write(bytes))
    }
    fn flush(&mut self) -> Result<(), Broken> {
        block(|| self.poll_flush())
    }
}

impl embedded_io_async::Read for Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        poll_fn(|_| self.poll_read(buffer)).await
    }
}

impl embedded_io_async::Write for Pipe {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        poll_fn(|_| self.poll_write(bytes)).await
    }
    async fn flush(&mut self) -> Result<(), Broken> {
        poll_fn(|_| self.poll_flush()).await
    }
}

impl io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(block(|| self.poll_read(buffer))?)
    }
}

impl io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(block(|| self.poll_write(bytes))?)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(block(|| self.poll_flush())?)
    }
}

// ---- What comes out. ----

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    header: String,
    payload: String,
    omitted: u64,
    retries_left: Option<u32>,
}

impl Seen {
    fn new(notification: &Notification<'_>) -> Self {
        let Notification { header, payload, omitted, retries_left, .. } = *notification;
        let (header, payload) = (header.as_str().to_owned(), String::from_utf8_lossy(payload).into());
        Self { header, payload, omitted, retries_left }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum End {
    Clean,
    BrokenPipe,
    /// Offset and kind.
    Protocol(u64, ProtocolErrorKind),
    /// How many bytes are needed.
    BufferTooSmall(usize),
}

impl From<ProtocolError> for End {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error.offset, error.kind)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    written: String,
    end: End,
}

impl Outcome {
    fn new(seen: Vec<Seen>, output: Pipe, end: End) -> Self {
        assert!(end == End::BrokenPipe || !output.unflushed, "{end:?}");
        Self { seen, written: String::from_utf8(output.written).unwrap(), end }
    }
}

/// The smallest buffer of `host::std_io`, so that all hosts cut an event in the same place.
const BUFFER: usize = 64 * 1024;

/// The answers, over and over.
type Replies = [Reply<'static>];

fn with_std(input: Pipe, mut output: Pipe, unit: LengthUnit, replies: &Replies) -> Outcome {
    let mut seen = Vec::new();
    let mut replies = replies.iter().cloned().cycle();
    let settings = hosted::Serve::new().rejection_delay(Duration::ZERO).length_unit(unit).max_event(BUFFER);
    let result = settings.run(input, &mut output, |notification| {
        seen.push(Seen::new(notification));
        Ok(replies.next().unwrap())
    });
    let end = match result {
        Ok(()) => End::Clean,
        Err(hosted::ServeError::Protocol(error)) => error.into(),
        Err(hosted::ServeError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => End::BrokenPipe,
        Err(error) => panic!("{error}"),
    };
    Outcome::new(seen, output, end)
}

fn with_embedded_io(input: Pipe, mut output: Pipe, unit: LengthUnit, replies: &Replies) -> Outcome {
    use HostError::{BufferTooSmall, Protocol, Read, Write};
    use blocking::ServeError::Host;
    let mut seen = Vec::new();
    let mut replies = replies.iter().cloned().cycle();
    let result = blocking::serve(input, &mut output, &mut [0; BUFFER], unit, |notification| {
        seen.push(Seen::new(notification));
        Ok::<_, Infallible>(replies.next().unwrap())
    });
    let end = match result {
        Ok(()) => End::Clean,
        Err(Host(Protocol(error))) => error.into(),
        Err(Host(BufferTooSmall(error))) => End::BufferTooSmall(error.needed),
        Err(Host(Read(Broken(ErrorKind::BrokenPipe)) | Write(Broken(ErrorKind::BrokenPipe)))) => End::BrokenPipe,
        Err(error) => panic!("{error}"),
    };
    Outcome::new(seen, output, end)
}

fn with_embedded_io_async(input: Pipe, output: Pipe, unit: LengthUnit, replies: &Replies) -> Outcome {
    with_interruptions(input, output, unit, replies, BUFFER, &[false])
}

/// Each time the host has to wait, `drops` tells whether its future is dropped and made anew. Each time an event has
/// arrived, it tells whether the event is dropped and asked for again.
fn with_interruptions(
    input: Pipe,
    mut output: Pipe,
    unit: LengthUnit,
    replies: &Replies,
    buffer: usize,
    drops: &[bool],
) -> Outcome {
    use HostError::{BufferTooSmall, Protocol, Read, Write};
    let mut seen = Vec::new();
    let mut replies = replies.iter().cloned().cycle();
    let mut drops = drops.iter().copied().cycle();
    let mut drop_it = || drops.next().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut host = nonblocking::Host::new(input, &mut output, vec![0; buffer], unit);
    let end = loop {
        let result = {
            let mut next = pin!(host.next());
            loop {
                match next.as_mut().poll(&mut context) {
                    Poll::Pending if drop_it() => break None,
                    Poll::Pending => {}
                    Poll::Ready(result) => break Some(result),
                }
            }
        };
        match result {
            None => continue,
            Some(Ok(Some(_))) if drop_it() => continue,
            Some(Ok(Some(notification))) => seen.push(Seen::new(&notification)),
            Some(Ok(None)) => break End::Clean,
            Some(Err(Protocol(error))) => break error.into(),
            Some(Err(Read(Broken(ErrorKind::BrokenPipe)) | Write(Broken(ErrorKind::BrokenPipe)))) => {
                break End::BrokenPipe;
            }
            Some(Err(error)) => panic!("{error}"),
        }
        match host.reply(&replies.next().unwrap()) {
            Ok(_) => {}
            Err(BufferTooSmall(error)) => break End::BufferTooSmall(error.needed),
            Err(error) => panic!("{error}"),
        }
    };
    Outcome::new(seen, output, end)
}

// ---- The table. ----

struct Case {
    name: &'static str,
    input: Pipe,
    output: Pipe,
    unit: LengthUnit,
    replies: Vec<Reply<'static>>,
    due: Outcome,
}

pub fn header(serial: usize, payload: &str) -> String {
    let len = payload.chars().count();
    format!("ver:3.0 server:é s serial:{serial} pool:p poolserial:{serial} eventname:X len:{len}")
}

pub fn events(payloads: &[&str]) -> Vec<Vec<u8>> {
    payloads.iter().enumerate().map(|(at, payload)| format!("{}\n{payload}", header(at, payload)).into()).collect()
}

impl Case {
    /// Everything goes well.
    fn new(name: &'static str, payloads: &[&str]) -> Self {
        let seen = payloads.iter().enumerate();
        let seen = seen.map(|(at, payload)| Seen {
            header: header(at, payload),
            payload: payload.to_string(),
            omitted: 0,
            retries_left: Some(3),
        });
        let written = "READY\n".to_owned() + &"RESULT 2\nOKREADY\n".repeat(payloads.len());
        Self {
            name,
            input: Pipe::new(events(payloads), ALL),
            output: Pipe::new(Vec::new(), ALL),
            unit: LengthUnit::CodePoints,
            replies: vec![Reply::OK],
            due: Outcome { seen: seen.collect(), written, end: End::Clean },
        }
    }

    fn acts(mut self, acts: &[Act]) -> Self {
        self.input.acts = acts.to_vec();
        self.output.acts = acts.to_vec();
        self
    }

    /// The case ends like this, after `seen` events and `written` bytes of answers.
    fn ends(mut self, seen: usize, written: usize, end: End) -> Self {
        self.due.seen.truncate(seen);
        self.due.written.truncate(written);
        self.due.end = end;
        self
    }
}

fn cases() -> Vec<Case> {
    use Act::{Bytes, Interrupted};
    use ProtocolErrorKind::{NotAHeader, OutOfTurn, TruncatedHeader, TruncatedPayload};
    const SOME: [&str; 5] = ["", "a", "één 日本😀", "line\nver:3.0\nRESULT 2\nOK", ""];
    const ONE: &[&str] = &["één 日本😀"];
    let (ready, answer) = (6, 17);
    let len = events(ONE)[0].len();
    let mut cases = vec![
        Case::new("nothing", &[]),
        Case::new("whole", &SOME),
        Case::new("byte by byte", &SOME).acts(&[Bytes(1)]),
        Case::new("interrupted", &SOME).acts(&[Interrupted, Bytes(1), Interrupted, Interrupted]),
        Case::new("an empty payload", &[""]),
        Case::new("not ASCII", ONE),
    ];

    let mut case = Case::new("replies", &SOME);
    case.replies = vec![Reply::FAIL, Reply::new("é\n".as_bytes()), Reply::new(b"")];
    let (fail, own, none) = ("RESULT 4\nFAILREADY\n", "RESULT 3\né\nREADY\n", "RESULT 0\nREADY\n");
    case.due.written = format!("READY\n{fail}{own}{none}{fail}{own}");
    cases.push(case);

    let mut case = Case::new("a long reply", &SOME);
    const LONG: &str = "a pool with its own result_handler may want long answers: 64 bytes would not be enough for this \
                        one, and neither would 128 bytes";
    case.replies = vec![Reply::new(LONG.as_bytes())];
    case.due.written = format!("READY\n{}", format!("RESULT {}\n{LONG}READY\n", LONG.len()).repeat(SOME.len()));
    cases.push(case);

    // The same event, again and again; and two that alternate. Any answer but OK is a rejection.
    let (no, own) = ("RESULT 4\nFAILREADY\n", "RESULT 2\nnoREADY\n");
    let ok = "RESULT 2\nOKREADY\n";
    for (serials, due, left) in [
        (&[0; 6][..], [no, own, no, ok, no, own].concat(), &[3, 2, 1, 0, 3, 2][..]),
        (&[0, 1, 0, 1, 0, 1, 0, 1], [no, own, no, own, no, own, ok, ok].concat(), &[3, 3, 2, 2, 1, 1, 0, 0]),
    ] {
        let mut case = Case::new("rejections are bounded", &vec!["a"; serials.len()]);
        case.input.pieces = serials.iter().map(|serial| format!("{}\na", header(*serial, "a")).into()).collect();
        case.due.seen.iter_mut().zip(serials).for_each(|(seen, serial)| seen.header = header(*serial, "a"));
        case.due.seen.iter_mut().zip(left).for_each(|(seen, left)| seen.retries_left = Some(*left));
        case.replies = vec![Reply::FAIL, Reply::new(b"no")];
        case.due.written = format!("READY\n{due}");
        cases.push(case);
    }

    let large = "é".repeat(BUFFER);
    // Miri is too slow for them.
    for read in [1021, usize::MAX].into_iter().filter(|_| !cfg!(miri)) {
        let mut case = Case::new("an event that does not fit", &["a", &large, "a"]);
        case.input.acts = vec![Bytes(read)];
        // An eighth of the buffer is reused for the rest of the event.
        let seen = &mut case.due.seen[1];
        let kept = BUFFER - BUFFER / 8 - seen.header.len() - 1;
        seen.payload = String::from_utf8_lossy(&large.as_bytes()[..kept]).into();
        seen.omitted = (large.len() - kept) as u64;
        cases.push(case);
    }

    // The input ends within the second event.
    for (read, kind) in [
        (11, TruncatedHeader),
        (header(1, ONE[0]).len(), TruncatedHeader),
        (header(1, ONE[0]).len() + 1, TruncatedPayload { missing: 7 }),
        (len - 1, TruncatedPayload { missing: 1 }),
    ] {
        let end = End::Protocol((len + read) as u64, kind);
        let mut case = Case::new("the end within an event", &[ONE[0], ONE[0]]).ends(1, ready + answer, end);
        case.input.pieces[1].truncate(read);
        cases.push(case);
    }

    // Counted in bytes, the payload ends 9 bytes earlier. They follow the event, or arrive where a header is expected.
    let offset = (len - 9) as u64;
    for (acts, written, kind) in [(ALL, ready, OutOfTurn), (&[Bytes(1)], ready + answer, NotAHeader)] {
        let mut case = Case::new("the wrong unit", ONE).acts(acts).ends(1, written, End::Protocol(offset, kind));
        case.unit = LengthUnit::Bytes;
        case.due.seen[0].payload = String::from_utf8_lossy(&ONE[0].as_bytes()[..7]).into();
        cases.push(case);
    }

    let mut case = Case::new("no events", &[]).ends(0, ready, End::Protocol(0, NotAHeader));
    case.input.pieces.push_back(b"hello\n".to_vec());
    cases.push(case);

    for (left, seen) in [(0, 0), (5, 0), (6, 1), (22, 1), (23, 2)] {
        let mut case = Case::new("an output that breaks", &SOME).ends(seen, left, End::BrokenPipe);
        case.output.left = left;
        cases.push(case);
    }
    let mut case = Case::new("an input that breaks", &SOME).ends(2, ready + 2 * answer, End::BrokenPipe);
    case.input.left = events(&SOME[..2]).concat().len() + 10;
    cases.push(case);
    cases
}

#[test]
fn all_hosts_do_the_same() {
    type Host = fn(Pipe, Pipe, LengthUnit, &Replies) -> Outcome;
    let hosts: [(&str, Host); 3] =
        [("std", with_std), ("embedded_io", with_embedded_io), ("embedded_io_async", with_embedded_io_async)];
    for (host, run) in hosts {
        for case in cases() {
            let outcome = run(case.input, case.output, case.unit, &case.replies);
            assert!(outcome == case.due, "{host}, {}: {outcome:?}, not {:?}", case.name, case.due);
        }
    }
}

/// The one difference: `host::std_io` enlarges its buffer, the others report how large it has to be.
#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for 64 KiB")]
fn a_reply_that_is_longer_than_the_buffer() {
    let data = "x".repeat(BUFFER);
    let replies = [Reply::from(data.clone())];
    let (input, output) = (Pipe::new(events(&["a", "b"]), ALL), Pipe::new(Vec::new(), ALL));
    let outcome = with_std(input.clone(), output.clone(), LengthUnit::Bytes, &replies);
    let answer = format!("RESULT 65536\n{data}READY\n");
    assert_eq!((outcome.end, outcome.seen.len()), (End::Clean, 2));
    assert!(outcome.written == format!("READY\n{answer}{answer}"));
    for host in [with_embedded_io, with_embedded_io_async] {
        let outcome = host(input.clone(), output.clone(), LengthUnit::Bytes, &replies);
        assert_eq!((outcome.end, outcome.written.as_str()), (End::BufferTooSmall(answer.len()), "READY\n"));
    }
}

// ---- What only some of them can do. ----

#[test]
fn one_write_per_answer() {
    // READY and a flush; the answer and a flush.
    let mut output = Pipe::new(Vec::new(), ALL);
    blocking::serve(Pipe::new(events(&["a"]), ALL), &mut output, &mut [0; 1024], LengthUnit::Bytes, |_| {
        Ok::<_, Infallible>(Reply::new(&[b'x'; 300]))
    })
    .unwrap();
    assert_eq!(output.calls, 4);
    assert_eq!(output.written, format!("READY\nRESULT 300\n{}READY\n", "x".repeat(300)).into_bytes());

    // READY goes out with the RESULT before it.
    let mut output = Pipe::new(Vec::new(), ALL);
    let input = Pipe::new(events(&["a"]), ALL);
    let mut host = nonblocking::Host::new(input, &mut output, [0; 128], LengthUnit::Bytes);
    assert!(now(host.next()).unwrap().is_some());
    host.reply(&Reply::OK).unwrap();
    assert_eq!(now(host.next()), Ok(None));
    assert_eq!((output.calls, &output.written[..]), (4, &b"READY\nRESULT 2\nOKREADY\n"[..]));
}

#[test]
fn a_handlers_error_ends_the_loop_without_an_answer() {
    let mut output = Pipe::new(Vec::new(), ALL);
    let input = Pipe::new(events(&["a"]), ALL);
    let result = blocking::serve(input, &mut output, &mut [0; 128], LengthUnit::Bytes, |_| Err("no"));
    assert_eq!(result, Err(blocking::ServeError::Handler("no")));
    assert_eq!(output.written, b"READY\n");
}

/// Whoever drives it is told of each event that was accepted instead of rejected once more.
#[test]
fn what_is_accepted_is_reported() {
    let mut output = Pipe::new(Vec::new(), ALL);
    let mut driver = Driver::new([0; 128], LengthUnit::Bytes).max_rejections(0);
    let mut accepted = Vec::new();
    let handler = |_: &Notification<'_>| Ok::<_, Infallible>(Reply::FAIL);
    let report = |event: &Accepted| accepted.push(event.serial());
    blocking::drive(&mut driver, Pipe::new(events(&["a", "b"]), ALL), &mut output, handler, report).unwrap();
    assert_eq!((accepted, &output.written[..]), (vec![0, 1], &b"READY\nRESULT 2\nOKREADY\nRESULT 2\nOKREADY\n"[..]));
}

/// Runs a future that does not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Whoever prints an error and its sources sees each cause once.
#[test]
fn a_source_says_nothing_that_the_error_has_said() {
    use std::error::Error;
    use supervisor_events::host::capture::Notifications;

    #[derive(Debug)]
    struct Cause;
    #[derive(Debug)]
    struct Outer(Cause);
    impl fmt::Display for Cause {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the cable is cut")
        }
    }
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the link is down")
        }
    }
    impl Error for Cause {}
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    /// Its reads fail.
    struct Cut;
    impl io::Read for Cut {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(failed())
        }
    }
    fn failed() -> io::Error {
        io::Error::other(Outer(Cause))
    }

    type Host = HostError<Outer, Outer>;
    type Served = blocking::ServeError<Outer, Outer, Outer>;
    let with_a_cause: [Box<dyn Error>; 8] = [
        Box::new(Host::Read(Outer(Cause))),
        Box::new(Host::Write(Outer(Cause))),
        Box::new(Served::Host(HostError::Read(Outer(Cause)))),
        Box::new(Served::Handler(Outer(Cause))),
        Box::new(hosted::ServeError::Io(failed())),
        Box::new(hosted::ServeError::Streams(failed())),
        Box::new(hosted::ServeError::Handler(Box::new(Outer(Cause)))),
        Box::new(Notifications::new(Cut, LengthUnit::Bytes).next().unwrap().unwrap_err()),
    ];
    for error in with_a_cause {
        assert!(error.to_string().ends_with("the link is down"), "{error}");
        let source = error.source().map(|source| source.to_string());
        assert_eq!(source.as_deref(), Some("the cable is cut"), "{error}");
    }

    let protocol = supervisor_events::Decoder::<8>::default().advance(&mut &b"what"[..]).unwrap_err();
    let turn = supervisor_events::Session::new([0; 8], LengthUnit::Bytes).reply(&Reply::OK).unwrap_err();
    let small = BufferTooSmall { needed: 7 };
    let alone: [(Box<dyn Error>, Box<dyn Error>); 8] = [
        (Box::new(Host::Protocol(protocol)), Box::new(protocol)),
        (Box::new(Host::Turn(turn)), Box::new(turn)),
        (Box::new(Host::BufferTooSmall(small)), Box::new(small)),
        (Box::new(Served::Host(HostError::Turn(turn))), Box::new(turn)),
        (Box::new(DriverError::Protocol(protocol)), Box::new(protocol)),
        (Box::new(DriverError::Turn(turn)), Box::new(turn)),
        (Box::new(DriverError::BufferTooSmall(small)), Box::new(small)),
        (Box::new(hosted::ServeError::Turn(turn)), Box::new(turn)),
    ];
    for (error, said) in alone {
        assert_eq!((error.to_string(), error.source().is_none()), (said.to_string(), true));
    }
    assert_eq!(Host::WriteZero.to_string(), "cannot write to supervisord: no bytes are accepted");
}

#[test]
fn a_buffer_that_is_too_small_is_not_the_end_of_the_input() {
    for size in [0, 1, 5, 6, 60] {
        let result = blocking::serve(
            Pipe::new(events(&["a"]), ALL),
            Pipe::new(Vec::new(), ALL),
            &mut vec![0; size],
            LengthUnit::Bytes,
            |_| Ok::<_, Infallible>(Reply::OK),
        );
        let error = match result {
            Err(blocking::ServeError::Host(HostError::BufferTooSmall(error))) => {
                assert!(size < error.needed && error.needed == 6);
                continue;
            }
            Err(blocking::ServeError::Host(HostError::Protocol(error))) => error,
            other => panic!("{size}: {other:?}"),
        };
        assert_eq!(error.kind, ProtocolErrorKind::HeaderTooLong { limit: size - 1 });

        let input = Pipe::new(events(&["a"]), ALL);
        let mut host = nonblocking::Host::new(input, Pipe::new(Vec::new(), ALL), vec![0; size], LengthUnit::Bytes);
        match now(host.next()) {
            Err(HostError::Protocol(again)) => {
                assert_eq!(again.kind, error.kind);
                assert_eq!(now(host.next()), Err(HostError::Protocol(again)), "it stays broken");
            }
            other => panic!("{size}: {other:?}"),
        }
    }
}

#[test]
fn a_refused_reply_changes_nothing() {
    let mut output = Pipe::new(Vec::new(), ALL);
    let input = Pipe::new(events(&["a", "b"]), ALL);
    let mut host = nonblocking::Host::new(input, &mut output, [0; 128], LengthUnit::Bytes);
    assert!(matches!(host.reply(&Reply::OK), Err(HostError::Turn(TurnError::NoEvent(_)))));
    assert!(host.is_idle());
    assert_eq!(now(host.next()).unwrap().unwrap().payload, b"a");
    assert!(!host.is_idle());
    let large = [b'x'; 128];
    assert!(matches!(host.reply(&Reply::new(&large)), Err(HostError::BufferTooSmall(error)) if error.needed == 145));
    assert_eq!(now(host.next()).unwrap().unwrap().payload, b"a", "the event is still waiting");
    host.reply(&Reply::FAIL).unwrap();
    assert!(matches!(host.reply(&Reply::OK), Err(HostError::Turn(TurnError::NoEvent(_)))));
    assert_eq!(now(host.next()).unwrap().unwrap().payload, b"b");
    // The last answer, without READY: no further event is asked for.
    host.reply(&Reply::OK).unwrap();
    assert!(host.is_idle());
    now(host.flush()).unwrap();
    now(host.flush()).unwrap();
    assert_eq!(output.written, b"READY\nRESULT 4\nFAILREADY\nRESULT 2\nOK");
    assert!(!output.unflushed);
}

#[test]
fn a_host_that_is_stopped_answers_the_event_under_way() {
    let mut output = Pipe::new(Vec::new(), ALL);
    let input = Pipe::new(events(&["a", "b"]), &[Act::Bytes(20), Act::Pending]);
    let mut host = nonblocking::Host::new(input, &mut output, [0; 128], LengthUnit::Bytes);
    // It waits in the middle of the header, and is dropped there.
    assert!(pin!(host.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(!host.is_idle());
    host.stop();
    let payload = block(|| {
        let mut next = pin!(host.next());
        next.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .map(|event| event.unwrap().unwrap().payload.to_vec())
    });
    assert_eq!(payload, b"a");
    host.reply(&Reply::FAIL).unwrap();
    assert_eq!(now(host.next()), Ok(None));
    assert_eq!(output.written, b"READY\nRESULT 4\nFAIL");
    assert!(!output.unflushed);
}

// ---- Interruptions. ----

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (1usize..40).prop_map(Act::Bytes),
        3 => Just(Act::Pending),
        1 => Just(Act::Interrupted),
    ];
    // At least one moves bytes, or the pipe would get stuck.
    vec(act, 0..12).prop_map(|mut acts| {
        acts.push(Act::Bytes(7));
        acts
    })
}

proptest! {
    /// A host whose futures are dropped wherever they wait reads and writes what an undisturbed one does: no byte is
    /// lost, no event comes twice, no part of an answer is written twice or left out.
    #[test]
    fn a_dropped_future_loses_nothing_and_repeats_nothing(
        payloads in vec("[a-zé日😀\n]{0,90}", 0..6),
        cut: Option<Index>,
        unit in prop_oneof![4 => Just(LengthUnit::CodePoints), 1 => Just(LengthUnit::Bytes)],
        replies in vec(prop_oneof![Just("OK"), Just(""), Just("a longer one, to be written in pieces")], 1..4),
        buffer in 128usize..512,
        reads in acts(), writes in acts(), drops in vec(any::<bool>(), 0..20),
    ) {
        let payloads: Vec<_> = payloads.iter().map(String::as_str).collect();
        let mut pieces = events(&payloads);
        if let (Some(cut), Some(last)) = (cut, pieces.last_mut()) {
            last.truncate(cut.index(last.len()).max(1));
        }
        let replies: Vec<_> = replies.iter().map(|data| Reply::new(data.as_bytes())).collect();
        // Not always, or the host would get nowhere.
        let drops: Vec<_> = drops.into_iter().chain([false]).collect();
        let run = |waits: bool, drops: &[bool]| {
            let acts = |acts: &[Act]| acts.iter().copied().filter(|act| waits || *act != Act::Pending).collect::<Vec<_>>();
            let (input, output) = (Pipe::new(pieces.clone(), &acts(&reads)), Pipe::new(Vec::new(), &acts(&writes)));
            with_interruptions(input, output, unit, &replies, buffer, drops)
        };
        prop_assert_eq!(run(true, &drops), run(false, &[false]));
    }
}

/// The worst case: everything moves byte by byte, and every call waits first and is dropped there.
#[test]
fn dropped_at_every_single_wait() {
    let payloads = ["one", "", "日本"];
    let run = |acts: &[Act], drops: &[bool]| {
        let (input, output) = (Pipe::new(events(&payloads), acts), Pipe::new(Vec::new(), acts));
        with_interruptions(input, output, LengthUnit::CodePoints, &[Reply::OK], 128, drops)
    };
    let undisturbed = run(ALL, &[false]);
    assert_eq!(undisturbed.seen.len(), 3);
    assert_eq!(run(&[Act::Pending, Act::Bytes(1)], &[true, true, true, false]), undisturbed);
}
