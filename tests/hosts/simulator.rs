//! The simulator: what it reports of a listener, step by step, and the process that it starts.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::support::PATIENCE;
use supervisor_events::LengthUnit;
use supervisor_events::ListenerState::{self, Acknowledged, Busy, Ready, Unknown};
use supervisor_events::simulator::{PoolEvent, Report, Simulator};
use supervisor_events::{Quirk, Violation};

const NOW: Duration = Duration::ZERO;

/// A simulator, and the two ends that its listener has.
fn with_pipes() -> (Simulator, PipeReader, PipeWriter) {
    let (listener_input, to_listener) = io::pipe().unwrap();
    let (from_listener, listener_output) = io::pipe().unwrap();
    (Simulator::new(from_listener, to_listener), listener_input, listener_output)
}

/// The same, with a listener that has been sent an event and owes the answer.
fn busy() -> (Simulator, PipeReader, PipeWriter) {
    let (mut simulator, input, mut output) = with_pipes();
    simulator.notify("TICK_5", b"when:5");
    output.write_all(b"READY\n").unwrap();
    simulator.step(PATIENCE);
    simulator.step(NOW);
    (simulator, input, output)
}

fn change(from: ListenerState, to: ListenerState) -> Report {
    Report::State { from, to }
}

fn tick(number: u64, deliveries: u32) -> PoolEvent {
    PoolEvent { serial: number, poolserial: number, eventname: "TICK_5".into(), payload: b"when:5".into(), deliveries }
}

#[test]
fn each_step_is_reported() {
    let (mut simulator, _input, mut output) = with_pipes();
    assert_eq!(simulator.step(NOW), [Report::TimedOut], "not READY yet");
    output.write_all(b"READY\n").unwrap();
    assert_eq!(simulator.step(PATIENCE), [change(Acknowledged, Ready)]);
    assert_eq!(simulator.step(NOW), [], "a listener that is READY owes nothing");
    assert_eq!(simulator.run(NOW), []);

    assert_eq!(simulator.notify("TICK_5", b"when:5"), None);
    assert_eq!(simulator.step(NOW), [Report::Sent(tick(0, 0)), change(Ready, Busy), Report::TimedOut]);
    assert_eq!(simulator.step(NOW), [Report::TimedOut], "the event is sent once");
    assert_eq!(simulator.run(NOW), [Report::TimedOut]);
    output.write_all(b"RESULT 04\nFAILREADY\n").unwrap();
    let rejected = Report::Result { serial: 0, data: b"FAIL".into(), accepted: false };
    let answered = [Report::Quirk(Quirk::Number), rejected, change(Busy, Acknowledged), change(Acknowledged, Ready)];
    assert_eq!(simulator.step(PATIENCE), answered);
    assert_eq!(simulator.pool.events().collect::<Vec<_>>(), [&tick(0, 1)]);
}

#[test]
fn a_full_pool_discards_what_is_reported() {
    let (mut simulator, _input, mut output) = with_pipes();
    simulator.pool.buffer_size = 1;
    assert_eq!(simulator.notify("TICK_5", b"when:5"), None);
    assert_eq!(simulator.notify("TICK_5", b"when:5"), Some(Report::Discarded(tick(0, 0))));
    output.write_all(b"READY\n").unwrap();
    simulator.step(PATIENCE);
    assert_eq!(simulator.step(NOW).first(), Some(&Report::Sent(tick(1, 0))));
    simulator.notify("TICK_5", b"when:5");
    // A rejected event needs room, too, at the head of the queue.
    output.write_all(b"RESULT 1\nx").unwrap();
    let reports = simulator.step(PATIENCE);
    assert!(reports.contains(&Report::Discarded(tick(2, 0))), "{reports:?}");
    assert_eq!(simulator.pool.events().collect::<Vec<_>>(), [&tick(1, 1)]);
}

#[test]
fn a_report_prints_the_start_of_a_payload_as_text() {
    let shown = |payload: Vec<u8>| format!("{:?}", Report::Sent(PoolEvent { payload, ..tick(1, 2) }));
    let head = r#"Sent(PoolEvent { serial: 1, poolserial: 1, eventname: "TICK_5", payload"#;
    assert_eq!(shown(b"when:5".into()), format!(r#"{head}: "when:5", deliveries: 2 }})"#));
    let longest = "x".repeat(256);
    assert_eq!(shown(longest.clone().into()), format!(r#"{head}: "{longest}", deliveries: 2 }})"#));
    let start = format!(r#"{head}_start: "{longest}", payload_len: 257, deliveries: 2 }})"#);
    assert_eq!(shown(vec![b'x'; 257]), start);
}

#[test]
fn a_run_ends_with_the_first_fault() {
    let (mut simulator, _input, mut output) = busy();
    output.write_all(b"RESULT two\n").unwrap();
    assert_eq!(simulator.run(PATIENCE), [Report::Violation(Violation::BadResultLine), change(Busy, Unknown)]);
    assert_eq!((simulator.state(), simulator.pool.waiting()), (Unknown, 1));

    let (mut simulator, _input, mut output) = busy();
    output.write_all(b"RESULT 99999999999999999999999\n").unwrap();
    let reports = simulator.run(PATIENCE);
    assert!(matches!(reports[..], [Report::EndlessResult(_)]), "{reports:?}");
}

#[test]
fn an_end_while_busy_gives_the_event_back() {
    let (mut simulator, _input, output) = busy();
    drop(output);
    assert_eq!(simulator.run(PATIENCE), [Report::Ended]);
    assert_eq!(simulator.pool.events().collect::<Vec<_>>(), [&tick(0, 1)]);
}

#[test]
fn the_listener_reads_events_and_what_is_written_between_them() {
    let (simulator, mut input, mut output) = with_pipes();
    let mut simulator = simulator.length_unit(LengthUnit::Bytes);
    simulator.pool.server = "s".repeat(1000);
    simulator.notify("REMOTE_COMMUNICATION", "type:é\n".as_bytes());
    output.write_all(b"READY\n").unwrap();
    simulator.step(PATIENCE);
    simulator.step(NOW);
    simulator.write(b"hello");
    simulator.close_input();
    let mut read = String::new();
    input.read_to_string(&mut read).unwrap();
    let server = &simulator.pool.server;
    let header =
        format!("ver:3.0 server:{server} serial:0 pool:listener poolserial:0 eventname:REMOTE_COMMUNICATION len:8\n");
    assert_eq!(read, header + "type:é\nhello");
}

#[test]
fn only_an_interrupted_read_is_tried_again() {
    struct Output(Vec<io::Result<&'static [u8]>>);
    impl Read for Output {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.pop().expect("no read follows an error")?;
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }
    let reads = vec![Err(io::ErrorKind::Other.into()), Ok(&b"READY\n"[..]), Err(io::ErrorKind::Interrupted.into())];
    let mut simulator = Simulator::new(Output(reads), io::sink());
    assert_eq!(simulator.step(PATIENCE), [change(Acknowledged, Ready)]);
    assert_eq!(simulator.step(PATIENCE), [Report::Ended]);
    assert!(simulator.pid().is_none() && simulator.take_stderr().is_none());
    assert_eq!(simulator.wait(PATIENCE).unwrap(), None);
}

/// Its first read is interrupted, and the next one fails, as its writes do. It tells when it is dropped.
struct Gone {
    interrupted: bool,
    _dropped: Sender<()>,
}

impl Read for Gone {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        Err(if self.interrupted { io::ErrorKind::Interrupted } else { io::ErrorKind::ConnectionReset }.into())
    }
}

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_listener_that_is_gone_has_ended() {
    let (sender, dropped) = channel();
    let gone = || Gone { interrupted: false, _dropped: sender.clone() };
    let mut simulator = Simulator::new(gone(), gone());
    drop(sender);
    assert_eq!(simulator.step(PATIENCE), [Report::Ended]);
    simulator.write(b"x");
    // Both ends are let go.
    assert!(dropped.recv().is_err());
}

#[test]
fn a_simulator_that_is_gone_reads_no_further() {
    let (from_listener, mut listener_output) = io::pipe().unwrap();
    drop(Simulator::new(from_listener, io::sink()));
    while listener_output.write_all(b"x").is_ok() {}
}

// Miri starts no process.
#[cfg(unix)]
mod process {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    fn shell(script: &str) -> (Simulator, impl BufRead) {
        let mut command = Command::new("sh");
        let mut simulator = Simulator::spawn(command.args(["-c", script]).stderr(Stdio::piped())).unwrap();
        let stderr = BufReader::new(simulator.take_stderr().unwrap());
        assert!(simulator.take_stderr().is_none());
        (simulator, stderr)
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error() {
        assert!(Simulator::spawn(&mut Command::new("/nowhere")).is_err());
    }

    #[test]
    fn a_process_that_goes_on_is_waited_for_no_longer_than_asked() {
        let mut simulator = Simulator::spawn(Command::new("sleep").arg("600")).unwrap();
        assert!(matches!(simulator.wait(NOW), Ok(None)));
        assert!(simulator.pid().is_some());
    }

    #[test]
    fn a_process_may_end_after_its_output() {
        let mut simulator = Simulator::spawn(Command::new("sh").args(["-c", "exec >&-; sleep 0.3"])).unwrap();
        assert!(simulator.wait(PATIENCE).unwrap().unwrap().success());
    }

    #[test]
    fn a_program_ends_with_its_input() {
        let (mut simulator, mut stderr) = shell("echo $$ >&2; echo READY; cat >&2; exit 3");
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line.trim().parse().ok(), simulator.pid());
        assert_eq!(simulator.step(PATIENCE), [change(Acknowledged, Ready)]);
        assert_eq!(simulator.wait(NOW).unwrap(), None);
        simulator.write(b"hello\n");
        line.clear();
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
        simulator.close_input();
        assert_eq!(simulator.wait(PATIENCE).unwrap().unwrap().code(), Some(3));
    }

    #[test]
    fn a_program_is_terminated() {
        let (mut simulator, _stderr) = shell("echo READY; exec sleep 600");
        simulator.step(PATIENCE);
        simulator.terminate().unwrap();
        let status = simulator.wait(PATIENCE).unwrap().unwrap();
        assert_eq!(status.signal(), Some(15));
        let (mut without, ..) = with_pipes();
        assert!(without.terminate().is_err());
    }

    #[test]
    fn a_program_may_outlive_its_output() {
        let (mut simulator, _stderr) = shell("exec >&-; sleep 0.3; exit 3");
        assert_eq!(simulator.step(PATIENCE), [Report::Ended]);
        assert_eq!(simulator.wait(PATIENCE).unwrap().unwrap().code(), Some(3));
    }

    #[test]
    fn a_program_does_not_outlive_the_simulator() {
        let (simulator, _stderr) = shell("exec sleep 600");
        let pid = simulator.pid().unwrap();
        let is_alive = || {
            let mut kill = Command::new("sh");
            kill.args(["-c", &format!("kill -0 {pid}")]).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(is_alive());
        drop(simulator);
        assert!(!is_alive());
    }
}
