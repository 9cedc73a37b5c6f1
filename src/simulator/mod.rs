//! A supervisord with one event listener and no processes, for tests of listeners (feature `simulator`).
//!
//! [`Pool`] does what supervisor 4.3.0's pools do: it numbers events, keeps them in a bounded queue, and puts rejected
//! ones back at its head. [`Simulator`] connects a pool to a listener: a program that it starts, or anything that can
//! be read from and written to. It judges what the listener writes as supervisord does, with [`Supervisor`].
//!
//! Enable it for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! supervisor-events = { version = "0.1", features = ["simulator"] }
//! ```
//!
//! A test of a handler, in one process. (If the handler rejects, `Serve::rejection_delay` makes the test faster.)
//!
//! ```
//! use std::time::Duration;
//! use supervisor_events::host::std_io::Serve;
//! use supervisor_events::simulator::{Report, Simulator};
//! use supervisor_events::Reply;
//!
//! let (listener_input, to_listener) = std::io::pipe()?;
//! let (from_listener, listener_output) = std::io::pipe()?;
//! let listener = std::thread::spawn(|| {
//!     Serve::new().run(listener_input, listener_output, |notification| {
//!         // The handler to be tested.
//!         Ok(if notification.payload == b"when:5" { Reply::OK } else { Reply::FAIL })
//!     })
//! });
//!
//! let mut simulator = Simulator::new(from_listener, to_listener);
//! simulator.notify("TICK_5", b"when:5");
//! let reports = simulator.run(Duration::from_secs(10));
//! assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })));
//!
//! // The end of its input ends the listener.
//! simulator.close_input();
//! listener.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Simulator::spawn`] tests a program in the same way.

mod pool;

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::string::String;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use crate::{EndlessResult, LengthUnit, ListenerOutput, ListenerState, Quirk, Supervisor, Violation};

pub use pool::{Pool, PoolEvent};

/// What happened between the simulator and its listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// An event was sent.
    Sent(PoolEvent),
    /// The listener changed its state.
    State {
        /// The state before.
        from: ListenerState,
        /// The state after.
        to: ListenerState,
    },
    /// The listener answered an event.
    Result {
        /// The event's number.
        serial: u64,
        /// The data of its RESULT.
        data: Vec<u8>,
        /// Whether that is `OK`. If not, the event has gone back to the head of the queue.
        accepted: bool,
    },
    /// The line of a RESULT was odd, but accepted.
    Quirk(Quirk),
    /// The listener broke the protocol. An event that it had has gone back to the head of the queue.
    Violation(Violation),
    /// The listener announced a RESULT that never ends.
    EndlessResult(EndlessResult),
    /// The listener rejects one event again and again: [`Simulator::run`] returns. The event is at the head of the queue.
    EndlessRejection {
        /// The event's number.
        serial: u64,
        /// How often it was rejected.
        rejections: u32,
    },
    /// The queue was full: this event is lost.
    Discarded(PoolEvent),
    /// The listener closed its output. An event that it had has gone back to the head of the queue.
    Ended,
    /// The time ran out, and the listener is not READY.
    TimedOut,
}

/// How often [`Simulator::run`] sends one event.
const MAX_REJECTIONS: u32 = 100;

/// A pool with one listener.
///
/// Threads do the reading and writing, so a listener that does not read, or writes nothing, cannot block the caller.
#[derive(Debug)]
pub struct Simulator {
    /// The waiting events, and the pool's names and limits.
    pub pool: Pool,
    supervisor: Supervisor,
    current: Option<PoolEvent>,
    data: Vec<u8>,
    input: Option<Sender<Vec<u8>>>,
    output: Receiver<Vec<u8>>,
    child: Option<Child>,
}

impl Simulator {
    /// A simulator for the listener that writes to `output` and reads from `input`.
    pub fn new(output: impl Read + Send + 'static, input: impl Write + Send + 'static) -> Self {
        Self {
            pool: Pool::default(),
            supervisor: Supervisor::new(LengthUnit::CodePoints),
            current: None,
            data: Vec::new(),
            input: Some(writer(input)),
            output: reader(output),
            child: None,
        }
    }

    /// Starts a listener. Its standard error goes where `command` sends it.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("the listener's standard streams are missing");
        let output = child.stdout.take().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let mut simulator = Self::new(output, input);
        simulator.child = Some(child);
        Ok(simulator)
    }

    /// Sets what `len` counts. Call it before the first event: it resets the listener's state.
    pub fn length_unit(mut self, unit: LengthUnit) -> Self {
        self.supervisor = Supervisor::new(unit);
        self
    }

    /// The listener's state.
    pub fn state(&self) -> ListenerState {
        self.supervisor.state()
    }

    /// Puts an event into the queue. Returns a report if another event is discarded for it.
    pub fn notify(&mut self, eventname: &str, payload: &[u8]) -> Option<Report> {
        self.pool.accept(eventname, payload).map(Report::Discarded)
    }

    /// Sends events and takes answers until the queue is empty and the listener is READY again, or can never be READY
    /// again. Waits at most `patience` for each piece of output.
    ///
    /// supervisord would send a rejected event again and again, endlessly. This method stops after 100 times, more than
    /// enough for a listener that rejects only what may succeed soon, and returns [`Report::EndlessRejection`] last.
    /// Another call continues.
    pub fn run(&mut self, patience: Duration) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            let new = self.step(patience);
            let stop =
                new.iter().any(|report| matches!(report, Report::Ended | Report::TimedOut | Report::EndlessResult(_)));
            let rejected = new.iter().any(|report| matches!(report, Report::Result { accepted: false, .. }));
            reports.extend(new);
            if rejected && let Some(endless) = self.endless_rejection() {
                reports.push(endless);
                return reports;
            }
            let idle = self.state() == ListenerState::Ready && self.pool.waiting() == 0;
            if stop || idle || self.state() == ListenerState::Unknown {
                return reports;
            }
        }
    }

    /// Whether an event was just rejected once too often.
    fn endless_rejection(&self) -> Option<Report> {
        let PoolEvent { serial, deliveries, .. } = *self.pool.events().next()?;
        (deliveries % MAX_REJECTIONS == 0).then_some(Report::EndlessRejection { serial, rejections: deliveries })
    }

    /// Sends the next event if the listener is READY, then waits for the listener's output, at most for `patience`.
    pub fn step(&mut self, patience: Duration) -> Vec<Report> {
        let mut reports = Vec::new();
        if self.state() == ListenerState::Ready
            && let Some(event) = self.pool.next_event()
        {
            self.send(event, &mut reports);
        }
        match self.output.recv_timeout(patience) {
            Ok(said) => self.hear(&said, &mut reports),
            Err(RecvTimeoutError::Timeout) if self.state() == ListenerState::Ready && self.current.is_none() => {}
            Err(RecvTimeoutError::Timeout) => reports.push(Report::TimedOut),
            Err(RecvTimeoutError::Disconnected) => {
                self.take_back(&mut reports);
                reports.push(Report::Ended);
            }
        }
        reports
    }

    fn send(&mut self, event: PoolEvent, reports: &mut Vec<Report>) {
        let envelope = self.pool.envelope(&event);
        // Room for the names, the keys and the numbers.
        let names = [&self.pool.server, &self.pool.name, &event.eventname].map(String::len);
        let mut header = vec![0; names.iter().fold(256, |sum, len| sum.saturating_add(*len))];
        let Ok(header) = self.supervisor.notify_header(&envelope, &mut header) else { return };
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(&event.payload);
        // If the listener is gone, `step` will see its output end.
        let _ = self.input.as_ref().map(|input| input.send(bytes));
        reports.push(Report::Sent(event.clone()));
        reports.push(Report::State { from: ListenerState::Ready, to: ListenerState::Busy });
        self.current = Some(event);
    }

    fn hear(&mut self, said: &[u8], reports: &mut Vec<Report>) {
        let mut said = said;
        loop {
            let from = self.state();
            let Some(heard) = self.supervisor.advance(&mut said) else { return };
            match heard {
                ListenerOutput::Ready => {}
                ListenerOutput::ResultLine { quirk, .. } => reports.extend(quirk.map(Report::Quirk)),
                ListenerOutput::ResultData(data) => self.data.extend_from_slice(data),
                ListenerOutput::Result { ok: accepted } => {
                    let serial = self.current.as_ref().map_or(0, |event| event.serial);
                    reports.push(Report::Result { serial, data: std::mem::take(&mut self.data), accepted });
                    if accepted {
                        self.current = None;
                    } else {
                        self.take_back(reports);
                    }
                }
                ListenerOutput::Violation(violation) => {
                    reports.push(Report::Violation(violation));
                    self.take_back(reports);
                }
                ListenerOutput::EndlessResult(stuck) => reports.push(Report::EndlessResult(stuck)),
            }
            let to = self.state();
            if from != to {
                reports.push(Report::State { from, to });
            }
        }
    }

    fn take_back(&mut self, reports: &mut Vec<Report>) {
        if let Some(mut event) = self.current.take() {
            event.deliveries = event.deliveries.saturating_add(1);
            reports.extend(self.pool.take_back(event).map(Report::Discarded));
        }
    }

    /// Writes bytes to the listener that belong to no event, as `supervisor.sendProcessStdin` does, or parts of an
    /// event that a test builds itself.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.input.as_ref().map(|input| input.send(bytes.into()));
    }

    /// Closes the listener's input, as happens when supervisord ends.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// The id of the spawned process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The standard error of the spawned process, if `command` piped it. Only the first call returns it.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.as_mut()?.stderr.take()
    }

    /// Asks the spawned process to end, as `supervisorctl stop` does: SIGTERM, with its input left open.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> io::Result<()> {
        let pid = self.pid().and_then(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("no process was spawned"))?;
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
    }

    /// Waits until the spawned process has ended, at most for `patience`. `None` if it has not.
    ///
    /// # Errors
    ///
    /// If the system does not let it wait for the process.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let since = Instant::now();
        let left = || patience.saturating_sub(since.elapsed());
        // The output ends before the process does, and can be waited for without polling.
        while self.output.recv_timeout(left()).is_ok() {}
        loop {
            match child.try_wait()? {
                Some(status) => return Ok(Some(status)),
                None if left().is_zero() => return Ok(None),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Simulator {
    /// Kills the spawned process.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a thread that writes what is sent, and closes `input` when the sender is dropped.
fn writer(mut input: impl Write + Send + 'static) -> Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in receiver {
            if input.write_all(&bytes).and_then(|()| input.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Starts a thread that reads, and sends a piece for each read.
fn reader(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    if sender.send(buffer.get(..read).unwrap_or_default().into()).is_err() {
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
