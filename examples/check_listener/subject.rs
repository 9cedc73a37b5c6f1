//! The listener under test: a process, the supervisor's end for it, and whatever it says.
//!
//! The simulator delivers whole events. Here they are written piece by piece, and the listener is watched in between;
//! what its bytes mean is left to [`Supervisor`] all the same.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use supervisor_events::simulator::{Pool, PoolEvent};
use supervisor_events::{Heard, LengthUnit, ListenerState, Oddity, Supervisor};

use crate::findings::{self, Cause, Finding, Seen, Topic, Trouble};

/// So much is kept of what a listener says to one event.
const KEPT: usize = 1 << 20;
/// So much is kept of the end of its standard error.
const STDERR_KEPT: usize = 4096;

/// What supervisord tells its listeners, unless the caller's environment does.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("SUPERVISOR_ENABLED", "1"),
    ("SUPERVISOR_PROCESS_NAME", "listener"),
    ("SUPERVISOR_GROUP_NAME", "listener"),
    // Nobody is there: whoever calls back finds a supervisord that has gone.
    ("SUPERVISOR_SERVER_URL", "unix:///nonexistent/supervisor.sock"),
];

/// Boxed: findings are rare, and large.
pub type Checked = Result<(), Box<Finding>>;

/// How listeners are started, and how long they are waited for.
pub struct Bench {
    command: Vec<OsString>,
    pub patience: Duration,
    /// Watch which process writes. The listener's output is a socket then, as it is not under supervisord.
    pub watch_writers: bool,
}

impl Bench {
    pub fn new(command: Vec<OsString>, patience: Duration) -> Self {
        Self { command, patience, watch_writers: false }
    }

    pub fn watching_writers(&self) -> Self {
        Self { command: self.command.clone(), watch_writers: true, ..*self }
    }

    pub fn command(&self) -> &[OsString] {
        &self.command
    }

    /// Starts the listener and ends it again.
    pub fn can_start(&self) -> Result<(), String> {
        let program = self.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
        Subject::spawn(self).map(drop).map_err(|error| format!("cannot start {program}: {error}"))
    }

    /// Starts the listener, and waits until it is READY.
    pub fn start(&self) -> Result<Subject, Box<Finding>> {
        let mut subject = Subject::spawn(self).expect("it could be started before");
        subject.wait_for(ListenerState::Ready)?;
        Ok(subject)
    }
}

/// A listener's process.
pub struct Subject {
    pub patience: Duration,
    /// What an end or a silence is to mean from now on.
    pub topic: Topic,
    /// Where events come from: names and numbers.
    pub pool: Pool,
    /// Findings that the listener can go on after.
    pub warnings: Vec<Finding>,
    child: Child,
    supervisor: Supervisor,
    input: Option<Input>,
    output: Receiver<Piece>,
    stderr: Receiver<()>,
    stderr_text: Arc<Mutex<Vec<u8>>>,
    eventname: Option<String>,
    said: Vec<u8>,
    /// Bytes since the event; `said` may hold fewer.
    heard: usize,
    data: Vec<u8>,
    answer: Option<(usize, Vec<u8>)>,
    accepted: bool,
    was_ready: bool,
    odd: Option<Oddity>,
    writers: Vec<Pid>,
    status: Option<ExitStatus>,
    output_ended: bool,
}

/// What was read at once, and who wrote it.
type Piece = (Vec<u8>, Option<Pid>);

impl Subject {
    fn spawn(bench: &Bench) -> io::Result<Self> {
        let (program, arguments) = bench.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, value) in ENVIRONMENT.iter().filter(|(name, _)| env::var_os(name).is_none()) {
            command.env(name, value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // As supervisord does. What the listener starts can be ended with it.
        command.process_group(0);
        let socket = if bench.watch_writers { Some(writers::socket(&mut command)?) } else { None };
        let mut child = command.spawn()?;
        // It holds a copy of the socket's other end.
        drop(command);
        let missing = || io::Error::other("the listener's standard streams are not there");
        let output = match socket {
            Some(socket) => reader(move |buffer| writers::read(&socket, buffer)),
            None => {
                let mut output = child.stdout.take().ok_or_else(missing)?;
                reader(move |buffer| Ok((output.read(buffer)?, None)))
            }
        };
        let stderr_text = Arc::default();
        Ok(Self {
            patience: bench.patience,
            topic: Topic::GENERAL,
            pool: Pool::default(),
            warnings: Vec::new(),
            supervisor: Supervisor::new(LengthUnit::CodePoints),
            input: Some(Input::new(child.stdin.take().ok_or_else(missing)?)?),
            output,
            stderr: collect(child.stderr.take().ok_or_else(missing)?, Arc::clone(&stderr_text)),
            stderr_text,
            child,
            eventname: None,
            said: Vec::new(),
            heard: 0,
            data: Vec::new(),
            answer: None,
            accepted: false,
            was_ready: false,
            odd: None,
            writers: Vec::new(),
            status: None,
            output_ended: false,
        })
    }

    /// For how long a listener must say nothing before it counts as quiet: 250 ms unless asked for more patience.
    fn quiet(&self) -> Duration {
        self.patience / 20
    }

    // ---- Events. ----

    /// Writes an event in one piece, and waits until it is answered and the listener is READY again.
    pub fn deliver(&mut self, eventname: &str, payload: &[u8]) -> Checked {
        let bytes = self.begin(eventname, payload)?;
        self.write(&bytes);
        self.answered()
    }

    /// Makes an event: READY → BUSY. The bytes are for the check to write, in its own way.
    pub fn begin(&mut self, eventname: &str, payload: &[u8]) -> Result<Vec<u8>, Box<Finding>> {
        self.pool.accept(eventname, payload);
        let event = self.pool.next_event().expect("it was put in just now");
        self.begin_event(&event)
    }

    /// As [`begin`](Self::begin), for an event that is there already.
    pub fn begin_event(&mut self, event: &PoolEvent) -> Result<Vec<u8>, Box<Finding>> {
        // supervisord looks at what was said before it sends anything.
        while let Ok(piece) = self.output.try_recv() {
            self.hear(piece)?;
        }
        let envelope = self.pool.envelope(event);
        let mut buffer = [0; 1024];
        let header = self.supervisor.notify_header(&envelope, &mut buffer).expect("READY, and names are short");
        let bytes = [header, &event.payload].concat();
        self.eventname = Some(event.eventname.clone());
        self.said.clear();
        self.heard = 0;
        self.answer = None;
        self.odd = None;
        Ok(bytes)
    }

    /// Writes bytes, without waiting until they are read.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            input.write(bytes);
        }
    }

    /// Waits until the listener has read all that was written, but not for long: not every one reads on at once.
    pub fn let_read(&mut self) {
        let since = Instant::now();
        while since.elapsed() < self.quiet() && self.input.as_ref().is_some_and(Input::is_unread) {
            thread::sleep(Duration::from_micros(50));
        }
    }

    /// Waits for the RESULT and the READY of the event that was written.
    pub fn answered(&mut self) -> Checked {
        self.wait_for(ListenerState::Ready)?;
        if self.odd == Some(Oddity::Prefix) {
            return Err(self.finding(Seen::Found(findings::ODD_PREFIX)));
        }
        if self.odd == Some(Oddity::Number) {
            self.warn(findings::ODD_NUMBER);
        }
        if !self.accepted {
            self.warn(findings::REJECTS);
        }
        Ok(())
    }

    /// Notes something that the listener can go on after, once for each type of event.
    pub fn warn(&mut self, cause: &'static Cause) {
        let known = |warning: &Finding| warning.cause == cause && warning.trouble.eventname == self.eventname;
        if !self.warnings.iter().any(known) {
            let finding = self.finding(Seen::Found(cause));
            self.warnings.push(*finding);
        }
    }

    /// Nothing is due: looks for a while whether something comes all the same.
    pub fn stays_quiet(&mut self) -> Checked {
        self.stays_quiet_for(self.quiet())
    }

    pub fn stays_quiet_for(&mut self, time: Duration) -> Checked {
        match self.next_piece(time) {
            Some(piece) => {
                let busy = self.supervisor.state() == ListenerState::Busy;
                let heard = self.hear(piece);
                if busy && !self.more_than_one_writer() {
                    self.linger();
                    let answer = self.answer.is_some() || self.said.starts_with(b"RESULT ");
                    return Err(self.finding(Seen::Early { answer }));
                }
                // Without an event, anything is a violation.
                heard
            }
            None if self.output_ended => Err(self.gone()),
            None => Ok(()),
        }
    }

    // ---- The end. ----

    pub fn close_input(&mut self) {
        self.input = None;
    }

    pub fn terminate(&mut self) {
        if let Some(pid) = self.pid().filter(|_| self.status.is_none()) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }

    /// Waits until the process has ended, and at least what it wrote itself is heard. `None` if it runs on.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Box<Finding>> {
        let since = Instant::now();
        while self.exit_status().is_none() && since.elapsed() < self.patience {
            if let Some(piece) = self.next_piece(Duration::from_millis(2)) {
                self.hear(piece)?;
            } else if self.output_ended {
                thread::sleep(Duration::from_micros(500));
            }
        }
        while let Some(piece) = self.next_piece(self.quiet()) {
            self.hear(piece)?;
        }
        Ok(self.status)
    }

    /// Whether somebody else holds the output of a process that has ended.
    pub fn output_is_held(&self) -> bool {
        self.status.is_some() && !self.output_ended
    }

    /// Whether the last event that was begun got a RESULT.
    pub fn has_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// How many bytes were said since the last event was begun.
    pub fn heard(&self) -> usize {
        self.heard
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id().try_into().ok()?)
    }

    // ---- What the listener says. ----

    fn next_piece(&mut self, time: Duration) -> Option<Piece> {
        match self.output.recv_timeout(time) {
            Ok(piece) => Some(piece),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.output_ended = true;
                None
            }
        }
    }

    fn wait_for(&mut self, state: ListenerState) -> Checked {
        let since = Instant::now();
        while self.supervisor.state() != state {
            let left = self.patience.saturating_sub(since.elapsed());
            // In slices: the process may end while somebody else holds its output.
            match self.next_piece(left.min(Duration::from_millis(50))) {
                Some(piece) => self.hear(piece)?,
                None if self.output_ended => return Err(self.gone()),
                None if self.exit_status().is_some() => {
                    self.linger();
                    return Err(self.gone());
                }
                None if left.is_zero() => return Err(self.silent()),
                None => {}
            }
        }
        Ok(())
    }

    fn hear(&mut self, (bytes, writer): Piece) -> Checked {
        self.note(&bytes, writer);
        let before = self.heard.saturating_sub(bytes.len());
        let mut input = bytes.as_slice();
        while let Some(heard) = self.supervisor.advance(&mut input) {
            match heard {
                Heard::Ready => self.was_ready = true,
                Heard::ResultLine { oddity, .. } => {
                    self.odd = oddity;
                    self.data.clear();
                }
                Heard::ResultData(data) => self.data.extend_from_slice(data),
                Heard::Result { ok } => {
                    self.accepted = ok;
                    let end = before.saturating_add(bytes.len().saturating_sub(input.len()));
                    self.answer = Some((end, std::mem::take(&mut self.data)));
                }
                Heard::Violation(violation) => {
                    self.linger();
                    return Err(self.finding(Seen::Violation(violation)));
                }
                _ => return Err(self.finding(Seen::Stuck)),
            }
        }
        if self.more_than_one_writer() {
            return Err(self.finding(Seen::Found(findings::INHERITED_STDOUT)));
        }
        Ok(())
    }

    fn note(&mut self, bytes: &[u8], writer: Option<Pid>) {
        self.heard = self.heard.saturating_add(bytes.len());
        let room = KEPT.saturating_sub(self.said.len());
        self.said.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if let Some(writer) = writer.filter(|writer| !self.writers.contains(writer)) {
            self.writers.push(writer);
        }
    }

    fn more_than_one_writer(&self) -> bool {
        self.writers.len() > 1
    }

    /// Takes what else is said, to show it.
    fn linger(&mut self) {
        while self.said.len() < KEPT
            && let Some((bytes, writer)) = self.next_piece(Duration::from_millis(100))
        {
            self.note(&bytes, writer);
        }
    }

    fn gone(&mut self) -> Box<Finding> {
        let since = Instant::now();
        while self.exit_status().is_none() && since.elapsed() < self.quiet() {
            thread::sleep(Duration::from_millis(1));
        }
        self.finding(self.status.map_or(Seen::Closed, Seen::Ended))
    }

    /// What is still in a buffer of the listener's comes out when it ends.
    fn silent(&mut self) -> Box<Finding> {
        let before = self.heard;
        self.close_input();
        let since = Instant::now();
        let patience = self.patience.min(Duration::from_secs(2));
        while self.heard == before && !self.output_ended && since.elapsed() < patience {
            if let Some((bytes, writer)) = self.next_piece(Duration::from_millis(50)) {
                self.note(&bytes, writer);
            }
        }
        self.linger();
        self.finding(Seen::Silence { at_end: self.heard > before })
    }

    /// A finding about this moment.
    pub fn finding(&mut self, seen: Seen) -> Box<Finding> {
        if matches!(seen, Seen::Ended(_)) {
            // Its last words, if nobody else holds the stream.
            let _ = self.stderr.recv_timeout(self.quiet());
        }
        let stderr = String::from_utf8_lossy(&self.stderr_text.lock().unwrap()).into_owned();
        let trouble = Trouble {
            seen,
            eventname: self.eventname.clone(),
            said: self.said.clone(),
            answer: self.answer.clone(),
            was_ready: self.was_ready,
            foreign: self.more_than_one_writer(),
            stderr,
        };
        Box::new(Finding::new(trouble, self.topic))
    }
}

impl Drop for Subject {
    /// Ends the process, and what it has started, unless all of it has ended.
    fn drop(&mut self) {
        if self.exit_status().is_none() || !self.output_ended {
            let _ = self.pid().map(|group| rustix::process::kill_process_group(group, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

/// The listener's input: written to in a thread, so that a listener that does not read keeps nobody waiting.
struct Input {
    sender: Sender<Vec<u8>>,
    sent: usize,
    written: Arc<AtomicUsize>,
    pipe: OwnedFd,
}

impl Input {
    fn new(mut pipe: impl Write + AsFd + Send + 'static) -> io::Result<Self> {
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

    fn write(&mut self, bytes: &[u8]) {
        self.sent = self.sent.saturating_add(bytes.len());
        // A listener that has gone is noticed by the end of its output.
        let _ = self.sender.send(bytes.into());
    }

    fn is_unread(&self) -> bool {
        self.written.load(Ordering::Acquire) != self.sent
            || rustix::io::ioctl_fionread(&self.pipe).is_ok_and(|unread| unread != 0)
    }
}

/// Reads in a thread: a piece for each read.
fn reader(mut read: impl FnMut(&mut [u8]) -> io::Result<(usize, Option<Pid>)> + Send + 'static) -> Receiver<Piece> {
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

/// Keeps the end of what is written to standard error. The receiver is told when that has ended.
fn collect(mut stderr: impl Read + Send + 'static, kept: Arc<Mutex<Vec<u8>>>) -> Receiver<()> {
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

/// Linux says who wrote to a socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod writers {
    use super::*;
    use rustix::net::{self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    pub const CAN_BE_TOLD: bool = true;

    /// Makes the command write to a socket; returns the end to read from.
    pub fn socket(command: &mut Command) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        net::sockopt::set_socket_passcred(&ours, true)?;
        command.stdout(OwnedFd::from(theirs));
        Ok(ours)
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

    pub fn socket(_: &mut Command) -> io::Result<UnixStream> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub fn read(_: &UnixStream, _: &mut [u8]) -> io::Result<(usize, Option<Pid>)> {
        Ok((0, None))
    }
}

pub use writers::CAN_BE_TOLD as WRITERS_CAN_BE_TOLD;
