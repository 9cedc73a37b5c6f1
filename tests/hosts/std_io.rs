//! The loop of `host::std_io`: what it reads, what it writes, and how it ends.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::events;
use crate::support::ground_truth::{Recording, recordings};
#[cfg(unix)]
use supervisor_events::host::std_io::Wake;
use supervisor_events::host::std_io::{HandlerError, Serve, ServeError};
use supervisor_events::{Decoder, LengthUnit, Notification, Position, ProtocolErrorKind, Reply, Step};

/// Longer than any event may take to arrive in full.
#[cfg(unix)]
const LONG: Duration = Duration::from_millis(2_500);

fn event(serial: u64, payload: &str) -> Vec<u8> {
    events::event(serial, "X", payload)
}

/// A supervisord of a few lines: returns one piece per read, and counts the reads.
#[derive(Default)]
struct Peer {
    pieces: VecDeque<Vec<u8>>,
    reads: usize,
    /// The most that a read had room for.
    room: usize,
}

impl Read for &mut Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.room = self.room.max(buffer.len());
        let Some(mut piece) = self.pieces.pop_front() else { return Ok(0) };
        if piece == b"EINTR" {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = piece.len().min(buffer.len());
        buffer[..size].copy_from_slice(&piece[..size]);
        if size < piece.len() {
            self.pieces.push_front(piece.split_off(size));
        }
        Ok(size)
    }
}

/// Keeps the writes apart.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl Write for &mut Writes {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.push(buffer.to_vec());
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Outcome = (Result<(), ServeError>, Vec<String>, usize);

fn serve(
    settings: Serve<'_>,
    pieces: Vec<Vec<u8>>,
    handler: impl FnMut(&Notification<'_>) -> Result<Reply<'static>, HandlerError>,
) -> Outcome {
    let mut peer = Peer { pieces: pieces.into(), ..Peer::default() };
    let mut writes = Writes::default();
    let result = settings.run(&mut peer, &mut writes, handler);
    let writes = writes.0.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    (result, writes, peer.reads)
}

/// What a test's loop reports, and the sink for it, which has to be a plain function.
macro_rules! reports {
    () => {{
        static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let sink: fn(std::fmt::Arguments<'_>) = |report| REPORTS.lock().unwrap().push(report.to_string());
        (&REPORTS, sink)
    }};
}

/// Settings without a wait before each rejection.
fn at_once() -> Serve<'static> {
    Serve::new().rejection_delay(Duration::ZERO)
}

#[test]
fn one_read_and_one_write_per_event() {
    // Miri is slow.
    const EVENTS: u64 = if cfg!(miri) { 10 } else { 100 };
    let mut seen = Vec::new();
    let pieces = (0..EVENTS).map(|serial| event(serial, "é")).collect();
    let (result, writes, reads) = serve(Serve::new(), pieces, |notification| {
        seen.push((notification.header.serial(), notification.payload.to_vec()));
        Ok(Reply::OK)
    });
    result.unwrap();
    assert_eq!(seen, (0..EVENTS).map(|serial| (serial, "é".as_bytes().to_vec())).collect::<Vec<_>>());
    assert_eq!(writes[0], "READY\n");
    assert!(writes[1..].iter().all(|write| write == "RESULT 2\nOKREADY\n"));
    assert_eq!(
        (writes.len(), reads),
        (EVENTS as usize + 1, EVENTS as usize + 1),
        "one more read for the end of the input"
    );
}

#[test]
fn any_pieces_and_interruptions() {
    let bytes = event(1, "日本");
    let mut pieces: Vec<_> = bytes.chunks(1).flat_map(|byte| [b"EINTR".to_vec(), byte.to_vec()]).collect();
    pieces.push(event(2, ""));
    let mut seen = Vec::new();
    let (result, writes, _) = serve(Serve::new(), pieces, |notification| {
        seen.push((notification.header.serial(), notification.payload.to_vec()));
        Ok(Reply::new(b"mine"))
    });
    result.unwrap();
    assert_eq!(seen, [(1, "日本".as_bytes().to_vec()), (2, Vec::new())]);
    assert_eq!(writes, ["READY\n", "RESULT 4\nmineREADY\n", "RESULT 4\nmineREADY\n"]);
}

#[test]
fn large_events_are_kept_whole_up_to_the_limit_and_cut_beyond() {
    // Miri is slow.
    let size = if cfg!(miri) { 4_000 } else { 400_000 };
    let large = "é".repeat(size / 2);
    let mut kept = Vec::new();
    let pieces = vec![event(1, &large), event(2, "small")];
    let (result, writes, _) = serve(Serve::new(), pieces.clone(), |notification| {
        kept.push((notification.payload.len(), notification.omitted));
        Ok(Reply::OK)
    });
    result.unwrap();
    assert_eq!(kept, [(size, 0), (5, 0)]);
    assert_eq!(writes.len(), 3);

    kept.clear();
    let (result, writes, _) = serve(Serve::new().max_event(size / 4), pieces, |notification| {
        assert!(
            notification.payload.len() < size / 4 && large.as_bytes().starts_with(notification.payload)
                || notification.omitted == 0
        );
        kept.push((notification.payload.len(), notification.omitted));
        Ok(Reply::OK)
    });
    result.unwrap();
    assert_eq!(kept[0].0 as u64 + kept[0].1, size as u64);
    assert!(kept[0].0 > size / 5);
    assert_eq!(kept[1], (5, 0));
    assert_eq!(writes.len(), 3);
}

#[test]
fn small_events_need_no_more_than_the_first_buffer() {
    let mut peer = Peer { pieces: (0..9).map(|serial| event(serial, "é")).collect(), ..Peer::default() };
    Serve::new().run(&mut peer, io::sink(), |_| Ok(Reply::OK)).unwrap();
    assert_eq!((peer.reads, peer.room), (10, 64 * 1024));
}

#[test]
fn a_broken_stream_is_an_error_after_what_was_complete() {
    let mut stream = event(1, "whole");
    stream.extend_from_slice(&event(2, "cut")[..40]);
    let mut seen = 0;
    let (result, writes, _) = serve(Serve::new(), vec![event(1, "whole"), stream[..20].to_vec()], |_| {
        seen += 1;
        Ok(Reply::OK)
    });
    let Err(ServeError::Protocol(error)) = result else { panic!() };
    assert_eq!((error.kind, error.offset), (ProtocolErrorKind::TruncatedHeader, event(1, "whole").len() as u64 + 20));
    assert_eq!((seen, writes.len()), (1, 2));

    // The wrong unit: the end of the payload arrives where a header is expected, in the same read or the next.
    for pieces in [vec![event(1, "één")], event(1, "één").chunks(4).map(<[u8]>::to_vec).collect()] {
        let mut seen = 0;
        let (result, _, _) = serve(Serve::new().length_unit(LengthUnit::Bytes), pieces, |_| {
            seen += 1;
            Ok(Reply::OK)
        });
        let Err(ServeError::Protocol(error)) = result else { panic!() };
        assert_eq!(error.offset, event(1, "één").len() as u64 - 2);
        assert!(error.to_string().contains("length unit"), "{error}");
        assert_eq!(seen, 1);
    }
}

#[test]
fn a_handlers_error_ends_the_loop_without_an_answer() {
    let settings = Serve::new().reject_errors(false);
    let (result, writes, _) = serve(settings, vec![event(1, "")], |_| Err("no".into()));
    assert!(matches!(result, Err(ServeError::Handler(error)) if error.to_string() == "no"));
    assert_eq!(writes, ["READY\n"]);
}

#[test]
fn rejections_are_bounded() {
    let again = |times| vec![event(7, ""); times];
    let settings = at_once().max_rejections(2);
    let (result, writes, _) = serve(settings.clone(), again(5), |_| Err("no".into()));
    result.unwrap();
    let (fail, ok) = ("RESULT 4\nFAILREADY\n", "RESULT 2\nOKREADY\n");
    // After it was accepted, the same serial would be a new event: the count starts again.
    assert_eq!(writes[1..], [fail, fail, ok, fail, fail]);

    // The same limit holds for a handler that rejects, and for events that alternate.
    let pieces = (0..6).map(|index| event(index % 2, "")).collect();
    let (result, writes, _) = serve(settings, pieces, |_| Ok(Reply::FAIL));
    result.unwrap();
    assert_eq!(writes[1..], [fail, fail, fail, fail, ok, ok]);
}

#[test]
fn answers_to_a_result_handler_are_not_rejections() {
    let settings = Serve::new().result_handler(true).max_rejections(0);
    let (result, writes, _) = serve(settings, vec![event(7, ""); 3], |_| Ok(Reply::from(String::from("mine"))));
    result.unwrap();
    assert_eq!(writes[1..], ["RESULT 4\nmineREADY\n"; 3]);
}

#[test]
fn reports_go_to_the_sink() {
    let (reported, sink) = reports!();
    let settings = at_once().max_rejections(1).report(sink);
    let (result, _, _) = serve(settings, vec![event(7, ""); 2], |_| Err("no".into()));
    result.unwrap();
    let reports = reported.lock().unwrap();
    let failed = ["event 7 (X) could not be handled, and is rejected: no", "event 7 (X) could not be handled: no"];
    assert_eq!(reports[..2], failed);
    assert!(reports[2].starts_with("event 7 (X) was rejected once, and is accepted now: "), "{reports:?}");
    assert_eq!(reports.len(), 3);
}

/// Runs itself again, with a standard error that accepts nothing.
#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(miri, ignore = "Miri starts no process")]
fn a_standard_error_that_is_full_loses_reports_and_no_more() {
    use std::process::{Command, Stdio};
    const NAME: &str = "std_io::a_standard_error_that_is_full_loses_reports_and_no_more";
    const MARK: &str = "STANDARD_ERROR_IS_FULL";
    if std::env::var_os(MARK).is_some() {
        let (result, writes, _) = serve(at_once().max_rejections(0), vec![event(7, "")], |_| Ok(Reply::FAIL));
        assert!(result.is_ok() && writes[1] == "RESULT 2\nOKREADY\n");
        return;
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]).env(MARK, "1").stdout(Stdio::null()).stderr(full);
    assert!(again.status().unwrap().success());
}

#[test]
fn an_error_is_a_sentence_without_a_source() {
    let (result, _, _) = serve(Serve::new().reject_errors(false), vec![event(1, "")], |_| Err("no".into()));
    let error = result.unwrap_err();
    assert_eq!(format!("{error:?}"), "the event could not be handled: no");
    assert!(error.source().is_none(), "the message has it");
    let (result, _, _) = serve(Serve::new(), vec![b"hello\n".to_vec()], |_| Ok(Reply::OK));
    let error = result.unwrap_err();
    assert!(format!("{error:?}").starts_with("byte 0: no header where one was expected"), "{error:?}");
    assert!(error.source().is_none());
}

#[test]
fn what_cannot_be_written_ends_the_loop() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let result = Serve::new().run(&event(1, "")[..], Full, |_| Ok(Reply::OK));
    assert!(matches!(result, Err(ServeError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn a_write_is_tried_again_if_it_was_interrupted_but_not_if_it_wrote_nothing() {
    /// The first write is interrupted, the others write a byte each, or nothing.
    struct Odd<'a> {
        written: &'a mut Vec<u8>,
        interrupted: bool,
        nothing: bool,
    }
    impl Write for Odd<'_> {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.interrupted, true) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = usize::from(!self.nothing);
            self.written.extend_from_slice(&buffer[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for nothing in [false, true] {
        let mut written = Vec::new();
        let output = Odd { written: &mut written, interrupted: false, nothing };
        match Serve::new().run(&event(1, "")[..], output, |_| Ok(Reply::OK)) {
            Ok(()) => assert!(!nothing && written == b"READY\nRESULT 2\nOKREADY\n"),
            Err(ServeError::Io(error)) => assert!(nothing && error.kind() == io::ErrorKind::WriteZero),
            Err(error) => panic!("{error}"),
        }
    }
}

// ---- Recordings. ----

#[test]
fn a_recording_is_replayed_to_its_end() {
    for Recording { name, bytes, unit, .. } in recordings() {
        let mut decoder = Decoder::new(unit);
        let (mut events, mut input) = (0, &bytes[..]);
        let end = loop {
            match decoder.advance(&mut input) {
                Ok(Some(Step::Complete)) => events += 1,
                Ok(Some(_)) => {}
                Ok(None) => break decoder.end(),
                Err(error) => break Err(error),
            }
        };
        // In reads of a few bytes, of a pipe's capacity, and of everything at once.
        for size in [7, 64 * 1024, usize::MAX].into_iter().skip(if cfg!(miri) { 2 } else { 0 }) {
            let pieces = bytes.chunks(size.min(bytes.len().max(1))).map(Vec::from).collect();
            let mut seen = 0;
            let (result, _, _) = serve(at_once().length_unit(unit).replay(true), pieces, |_| {
                seen += 1;
                Ok(Reply::OK)
            });
            assert_eq!(seen, events, "{name}");
            match (result, end) {
                (Ok(()), Ok(())) => {}
                (Err(ServeError::Protocol(error)), Err(expected)) => {
                    assert_eq!(error.offset, expected.offset, "{name}")
                }
                (result, end) => panic!("{name}: {result:?}, {end:?}"),
            }
        }
    }
}

#[test]
fn a_header_in_a_recording_may_have_64_kib() {
    // Miri is slow.
    let server = "s".repeat(if cfg!(miri) { 2_000 } else { 65_000 });
    let long = events::event_in(LengthUnit::CodePoints, &server, 0, "X", "");
    let mut seen = Vec::new();
    let (result, _, _) = serve(at_once().replay(true), vec![[long, event(1, "")].concat()], |event| {
        seen.push(event.header.serial());
        Ok(Reply::OK)
    });
    result.unwrap();
    assert_eq!(seen, [0, 1]);
}

/// All of it arrives in one read, and nothing more comes.
#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn a_recording_that_arrived_at_once_is_not_waited_for() {
    use std::os::unix::net::UnixStream;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(&[event(0, ""), event(1, "")].concat()).unwrap();
    let mut events = Serve::new().replay(true).over(&ours, &ours);
    for serial in [0, 1] {
        let Ok(Wake::Event(event)) = events.next_until(Instant::now() + LONG) else { panic!("an event") };
        assert_eq!(event.header.serial(), serial);
        events.reply(&Reply::OK).unwrap();
    }
}

#[test]
fn without_a_replay_a_recording_is_input_out_of_turn() {
    let (result, writes, _) = serve(at_once(), vec![[event(0, ""), event(1, "")].concat()], |_| Ok(Reply::OK));
    let Err(ServeError::Protocol(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind, ProtocolErrorKind::OutOfTurn);
    assert!(error.to_string().contains("replay"), "{error}");
    assert_eq!(writes, ["READY\n"]);
}

// ---- Rejections. ----

#[test]
fn rejections_are_spaced_and_a_handler_knows_the_last_try() {
    let delay = Duration::from_millis(50);
    let mut left = Vec::new();
    let since = Instant::now();
    let settings = Serve::new().rejection_delay(delay).max_rejections(2);
    let (result, writes, _) = serve(settings, vec![event(7, ""); 3], |event| {
        left.push(event.retries_left);
        Err("no".into())
    });
    result.unwrap();
    assert_eq!(left, [Some(2), Some(1), Some(0)]);
    assert_eq!(writes[3], "RESULT 2\nOKREADY\n");
    // Not less; how much more depends on the machine.
    assert!(since.elapsed() >= 2 * delay);
}

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn rejections_are_spaced_while_a_request_to_stop_may_come() {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let (stop, _asker) = UnixStream::pair().unwrap();
    // Longer than it is by default.
    let delay = Duration::from_millis(1_100);
    let mut events = Serve::new().rejection_delay(delay).stop_on(stop.as_fd()).over(&ours, &ours);
    peer.write_all(&event(0, "")).unwrap();
    assert!(matches!(events.next(), Ok(Some(_))));
    let since = Instant::now();
    events.reply(&Reply::FAIL).unwrap();
    assert!(since.elapsed() >= delay);
}

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn a_delay_that_is_too_long_ends_with_a_request_to_stop() {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let (stop, mut asker) = UnixStream::pair().unwrap();
    peer.write_all(&event(0, "")).unwrap();
    let mut events = Serve::new().rejection_delay(Duration::MAX).stop_on(stop.as_fd()).over(&ours, &ours);
    assert!(matches!(events.next(), Ok(Some(_))));
    asker.write_all(b"x").unwrap();
    events.reply(&Reply::FAIL).unwrap();
    assert!(matches!(events.next(), Ok(None)));
}

// ---- A loop of the program's own. ----

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn events_and_deadlines_come_in_one_loop() {
    use std::os::unix::net::UnixStream;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut events = Serve::new().over(&ours, &ours);
    let past = Instant::now();
    assert!(matches!(events.next_until(past), Ok(Wake::Deadline)));
    let mut ready = [0; 6];
    peer.read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"READY\n");

    // An event that has arrived comes before a deadline that has passed.
    peer.write_all(&event(3, "é")).unwrap();
    let Ok(Wake::Event(first)) = events.next_until(past) else { panic!("an event") };
    assert_eq!(first.header.serial(), 3);
    // The same event until it is answered, and one answer.
    assert_eq!(events.next().unwrap().map(|event| event.header.serial()), Some(3));
    events.reply(&Reply::OK).unwrap();
    assert!(matches!(events.reply(&Reply::OK), Err(ServeError::Turn(_))));
    assert!(matches!(events.next_until(past), Ok(Wake::Deadline)));
    let mut answer = [0; 17];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"RESULT 2\nOKREADY\n");

    // Without READY at the end, for a program that ends before its input.
    peer.write_all(&event(4, "")).unwrap();
    assert!(matches!(events.next(), Ok(Some(_))));
    events.reply(&Reply::OK).unwrap();
    events.flush().unwrap();
    drop(peer.shutdown(std::net::Shutdown::Write));
    drop(events);
    drop(ours);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"RESULT 2\nOK");
}

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn a_request_to_stop_ends_a_loop_that_waits() {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let (stop, mut asker) = UnixStream::pair().unwrap();
    asker.write_all(b"x").unwrap();
    let mut events = Serve::new().stop_on(stop.as_fd()).over(&ours, &ours);
    // Available input comes first. No further event is asked for.
    peer.write_all(&event(0, "")).unwrap();
    assert!(matches!(events.next(), Ok(Some(_))));
    events.reply(&Reply::OK).unwrap();
    assert!(matches!(events.next(), Ok(None)));
    let mut written = [0; 16];
    peer.read_exact(&mut written).unwrap();
    assert_eq!(&written, b"READY\nRESULT 2\nO");
    assert!(matches!(events.next(), Ok(None)), "once more");
    peer.set_nonblocking(true).unwrap();
    assert!(matches!(peer.read(&mut written), Ok(1)));

    // An event whose rest does not arrive.
    let mut events = Serve::new().stop_on(stop.as_fd()).over(&ours, &ours);
    peer.write_all(&event(1, "payload")[..70]).unwrap();
    // Also for a loop whose deadlines have always passed.
    let error = loop {
        match events.next_until(Instant::now()) {
            Ok(Wake::Deadline) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ServeError::Incomplete(_)), "{error}");
    assert!(error.to_string().starts_with("stopped while waiting for the rest of an event: "), "{error}");
}

// ---- Events that do not arrive in full. ----

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn an_event_that_arrives_in_part_is_reported_once() {
    use std::os::unix::net::UnixStream;
    let (reported, sink) = reports!();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut events = Serve::new().report(sink).over(&ours, &ours);
    let mut wait = |time| matches!(events.next_until(Instant::now() + time), Ok(Wake::Deadline));
    assert!(wait(LONG) && reported.lock().unwrap().is_empty(), "nothing has begun to arrive");
    let event = event(1, "payload");
    let (first, rest) = event.split_at(event.len() - 3);
    peer.write_all(first).unwrap();
    assert!(wait(LONG));
    let expected = "an event has arrived in part, and nothing more has come for 2 s: ";
    assert!(matches!(&reported.lock().unwrap()[..], [report] if report.starts_with(expected)));
    // More of it, and then nothing again.
    peer.write_all(&rest[..1]).unwrap();
    assert!(wait(LONG));
    assert_eq!(reported.lock().unwrap().len(), 1);
    peer.write_all(&rest[1..]).unwrap();
    assert_eq!(events.next().unwrap().unwrap().payload, b"payload");
    // The next event may be late for another reason.
    events.reply(&Reply::OK).unwrap();
    peer.write_all(&events::event_in(LengthUnit::Bytes, "s", 2, "X", "é")).unwrap();
    assert!(matches!(events.next_until(Instant::now() + LONG), Ok(Wake::Deadline)));
    let reports = reported.lock().unwrap();
    assert!(matches!(&reports[..], [_, report] if report.ends_with("set the length unit to 'bytes'")), "{reports:?}");
}

/// A slow sender is not a silent one.
#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn an_event_that_arrives_slowly_is_not_reported() {
    use std::os::unix::net::UnixStream;
    let (reported, sink) = reports!();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut events = Serve::new().report(sink).over(&ours, &ours);
    let bytes = event(1, "payload");
    let (since, mut slowest) = (Instant::now(), Duration::ZERO);
    for byte in bytes[..bytes.len() - 1].chunks(1) {
        let before = Instant::now();
        peer.write_all(byte).unwrap();
        let pause = LONG / bytes.len() as u32;
        assert!(matches!(events.next_until(Instant::now() + pause), Ok(Wake::Deadline)));
        slowest = slowest.max(before.elapsed());
    }
    assert!(since.elapsed() > Duration::from_secs(2));
    peer.write_all(&bytes[bytes.len() - 1..]).unwrap();
    assert!(matches!(events.next(), Ok(Some(_))));
    // On a machine that gives this thread no time, an event does stand still.
    if slowest < Duration::from_secs(1) {
        assert_eq!(*reported.lock().unwrap(), [""; 0]);
    }
}

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn a_server_that_counts_bytes_is_reported() {
    use std::os::unix::net::UnixStream;
    let (reported, sink) = reports!();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut events = Serve::new().report(sink).over(&ours, &ours);
    peer.write_all(&events::event_in(LengthUnit::Bytes, "s", 1, "X", "é")).unwrap();
    assert!(matches!(events.next_until(Instant::now() + LONG), Ok(Wake::Deadline)));
    let expected = "an event has as many bytes as its 'len' says, but fewer characters, and nothing more arrives: the \
                    server counts bytes; set the length unit to 'bytes'";
    assert_eq!(*reported.lock().unwrap(), [expected]);
}

// ---- Lost events. ----

#[cfg(unix)]
#[test]
#[cfg_attr(miri, ignore = "Miri cannot write to a socket")]
fn what_does_not_come_in_time_is_reported_while_nothing_else_happens() {
    use std::os::unix::net::UnixStream;
    let (reported, sink) = reports!();
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut events = Serve::new().report(sink).audit(true).over(&ours, &ours);
    let since = Instant::now();
    for serial in [1, 3] {
        peer.write_all(&event(serial, "")).unwrap();
        assert!(matches!(events.next(), Ok(Some(_))));
        // The same event, seen twice, is one.
        assert!(matches!(events.next(), Ok(Some(_))));
        events.reply(&Reply::OK).unwrap();
    }
    let mut wait =
        |seconds| matches!(events.next_until(Instant::now() + Duration::from_secs(seconds)), Ok(Wake::Deadline));
    assert!(wait(1));
    // On a busy machine, its time may be over.
    if since.elapsed() < Duration::from_secs(3) {
        assert!(reported.lock().unwrap().is_empty(), "it may still come");
    }
    assert!(wait(5));
    let reports = reported.lock().unwrap();
    assert!(matches!(&reports[..], [report] if report.starts_with("1 event was lost: poolserial 2; ")), "{reports:?}");
}

#[test]
fn events_that_were_lost_between_two_processes_are_reported() {
    let (reported, sink) = reports!();
    let settings = at_once().report(sink).audit(true).resume(Position { serial: 3, poolserial: 3 });
    // 4 to 6 are missing, and are given up after 16 other events.
    let pieces = (7..24).map(|serial| event(serial, "")).collect();
    let (result, _, _) = serve(settings, pieces, |_| Ok(Reply::OK));
    result.unwrap();
    let reports = reported.lock().unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("3 events were lost: poolserial 4 to 6; "), "{reports:?}");
}
