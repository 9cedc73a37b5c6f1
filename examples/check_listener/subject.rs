//! The listener under test: its process, the supervisor's end for it, and its output.
//!
//! The simulator delivers whole events. Here they are written piece by piece, and the listener is watched in between.
//! As in the simulator, [`Supervisor`] decides what the listener's bytes mean.

use std::io::{self, Read, pipe};
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use supervisor_events::simulator::{Pool, PoolEvent};
use supervisor_events::{LengthUnit, ListenerOutput, ListenerState, Quirk, READY, Supervisor, Violation};

use crate::bench::{self, Bench};
use crate::causes::{self, Cause};
use crate::events::Sample;
use crate::findings::{Finding, Seen, Topic, Trouble};
use crate::parent::Parent;
use crate::streams::{self, Input, Piece};

/// How many bytes of a listener's output are kept for one event.
const KEPT: usize = 1 << 20;

/// How often a rejected event is sent again.
const REDELIVERIES: usize = 2;

/// A listener counts as quiet if it writes nothing for this many times its slowest answer, and for this long at least.
const SLOWEST_ANSWERS: u32 = 8;
const QUIET_AT_LEAST: Duration = Duration::from_millis(100);

/// Boxed: findings are rare, and large.
pub type Checked = Result<(), Box<Finding>>;

/// A listener's process.
pub struct Subject<'b> {
    pub bench: &'b Bench,
    /// What an end or a silence means from now on.
    pub topic: Topic,
    /// The source of the events' names and numbers.
    pub pool: Pool,
    /// Findings after which the listener can continue.
    pub noted: Vec<Finding>,
    parent: Parent,
    supervisor: Supervisor,
    input: Option<Input>,
    output: Receiver<Piece>,
    stderr: Receiver<()>,
    stderr_text: Arc<Mutex<Vec<u8>>>,
    /// When the listener was started, or was last sent an event.
    since: Instant,
    /// When something was last written to it.
    written: Instant,
    /// The longest time that an answer has taken after that.
    slowest: Option<Duration>,
    /// The last event, and how many of its bytes have been written.
    event: Option<(PoolEvent, usize)>,
    said: Vec<u8>,
    /// Bytes since the event; `said` may hold fewer.
    heard: usize,
    data: Vec<u8>,
    answer: Option<(usize, Vec<u8>)>,
    accepted: bool,
    was_ready: bool,
    odd: Option<Quirk>,
    writers: Vec<Pid>,
    output_ended: bool,
}

impl<'b> Subject<'b> {
    /// Starts the listener.
    pub fn spawn(bench: &'b Bench) -> io::Result<Self> {
        let (stdin, input) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        let (output, stdout) = Self::output(bench.watch_writers)?;
        let parent = Parent::start(&bench.command, bench::environment(), &[stdin.into(), stdout, their_stderr.into()])?;
        let stderr_text = Arc::default();
        Ok(Self {
            bench,
            topic: Topic::GENERAL,
            pool: Pool::default(),
            noted: Vec::new(),
            parent,
            supervisor: Supervisor::new(LengthUnit::CodePoints),
            input: Some(Input::new(input)?),
            output,
            stderr: streams::collect(stderr, Arc::clone(&stderr_text)),
            stderr_text,
            since: Instant::now(),
            written: Instant::now(),
            slowest: None,
            event: None,
            said: Vec::new(),
            heard: 0,
            data: Vec::new(),
            answer: None,
            accepted: false,
            was_ready: false,
            odd: None,
            writers: Vec::new(),
            output_ended: false,
        })
    }

    /// The listener's output, and the end that the listener writes to.
    fn output(watch_writers: bool) -> io::Result<(Receiver<Piece>, OwnedFd)> {
        if watch_writers {
            let (ours, theirs) = streams::socket()?;
            return Ok((streams::reader(move |buffer| streams::read_from_socket(&ours, buffer)), theirs.into()));
        }
        let (mut ours, theirs) = pipe()?;
        Ok((streams::reader(move |buffer| Ok((ours.read(buffer)?, None))), theirs.into()))
    }

    /// How long to wait for something that need not happen: 250 ms with the default timeout.
    fn short_while(&self) -> Duration {
        self.bench.patience / 20
    }

    /// How long a listener must write nothing to count as quiet. Premature output takes no longer than an answer, and
    /// both take longer on a busy machine.
    fn quiet(&self) -> Duration {
        let longest = self.short_while();
        self.slowest.map_or(longest, |slowest| (slowest * SLOWEST_ANSWERS).max(QUIET_AT_LEAST).min(longest))
    }

    // ---- Events. ----

    /// Writes an event in one piece, and waits until it is answered and the listener is READY again.
    pub fn deliver(&mut self, event: &Sample) -> Checked {
        let bytes = self.begin(event)?;
        self.write(&bytes);
        self.answered()
    }

    /// Makes an event: READY → BUSY. The check writes its bytes, in its own way.
    pub fn begin(&mut self, event: &Sample) -> Result<Vec<u8>, Box<Finding>> {
        self.pool.accept(event.eventname, &event.payload);
        let event = self.pool.next_event().expect("it was put in just now");
        self.begin_event(&event)
    }

    /// Like [`begin`](Self::begin), for an event that exists already.
    pub fn begin_event(&mut self, event: &PoolEvent) -> Result<Vec<u8>, Box<Finding>> {
        // supervisord reads all output before it sends anything.
        while let Ok(piece) = self.output.try_recv() {
            self.hear(piece)?;
        }
        let envelope = self.pool.envelope(event);
        let mut buffer = [0; 1024];
        let header = self.supervisor.notify_header(&envelope, &mut buffer).expect("READY, and names are short");
        let bytes = [header, &event.payload].concat();
        self.event = Some((event.clone(), 0));
        // Earlier output no longer matters.
        self.since = Instant::now();
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
        if let Some((_, written)) = &mut self.event {
            *written = written.saturating_add(bytes.len());
        }
        self.written = Instant::now();
    }

    /// Waits until the listener has read everything that was written, but not for long: some listeners read only later.
    pub fn let_read(&mut self) {
        self.let_read_for(self.short_while());
    }

    pub fn let_read_for(&mut self, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time
            && self.input.as_ref().is_some_and(|input| input.unread() != 0)
            && self.parent.status().is_none()
        {
            thread::sleep(Duration::from_micros(50));
        }
    }

    /// Waits for the RESULT and the READY of the event that was written.
    pub fn answered(&mut self) -> Checked {
        self.wait_for(ListenerState::Ready)?;
        if self.parent.signal().is_some() {
            return Err(self.finding(Seen::Found(causes::SIGNALS_PARENT)));
        }
        match self.odd {
            Some(Quirk::Prefix) => self.note(causes::ODD_PREFIX),
            Some(_) => self.note(causes::ODD_NUMBER),
            None => {}
        }
        if !self.accepted && !self.bench.result_handler && !self.bench.known.contains(&causes::REJECTS) {
            self.redeliver()?;
        }
        Ok(())
    }

    /// supervisord sends a rejected event again, at once.
    fn redeliver(&mut self) -> Checked {
        let Some((event, _)) = self.event.clone() else { return Ok(()) };
        let rejection = self.finding(Seen::Found(causes::REJECTS));
        for _ in 0..REDELIVERIES {
            let bytes = self.begin_event(&event)?;
            self.write(&bytes);
            self.wait_for(ListenerState::Ready)?;
            if self.accepted {
                break;
            }
        }
        let cause = if self.accepted { causes::REJECTS_AT_FIRST } else { causes::REJECTS };
        self.add(Finding { cause, ..*rejection });
        Ok(())
    }

    /// Notes a cause after which the listener can continue.
    pub fn note(&mut self, cause: &'static Cause) {
        let finding = self.finding(Seen::Found(cause));
        self.add(*finding);
    }

    /// Adds a finding once for each type of event, unless its cause is known already.
    fn add(&mut self, finding: Finding) {
        let same =
            |noted: &Finding| noted.cause == finding.cause && noted.trouble.eventname == finding.trouble.eventname;
        if !self.bench.known.contains(&finding.cause) && !self.noted.iter().any(same) {
            self.noted.push(finding);
        }
    }

    /// Watches for a while whether the listener writes something, though nothing is expected.
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
        self.since = Instant::now();
    }

    pub fn terminate(&mut self) {
        self.since = Instant::now();
        if self.parent.status().is_none() {
            let _ = rustix::process::kill_process(self.parent.listener(), Signal::TERM);
        }
    }

    /// Waits until the process has ended and its own output has been read. `None` if it keeps running.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Box<Finding>> {
        self.exits_within(self.bench.patience)?;
        if self.parent.status().is_none() {
            self.exits_within(self.bench.grace)?;
            if self.parent.status().is_some() {
                return Err(self.finding(Seen::Late(self.since.elapsed())));
            }
        }
        let status = self.parent.status();
        // The output ends with the process, unless another process holds it.
        let since = Instant::now();
        while status.is_some() && !self.output_ended && since.elapsed() < self.bench.patience {
            if let Some(piece) = self.next_piece(Duration::from_millis(50)) {
                self.hear(piece)?;
            }
        }
        Ok(status)
    }

    fn exits_within(&mut self, time: Duration) -> Checked {
        let since = Instant::now();
        // Without its parent, nobody can tell how it ended.
        let gone =
            |subject: &mut Self| subject.parent.status().is_some() || subject.output_ended && subject.has_signalled();
        while !gone(self) && since.elapsed() < time {
            if let Some(piece) = self.next_piece(Duration::from_millis(2)) {
                self.hear(piece)?;
            } else if self.output_ended {
                thread::sleep(Duration::from_micros(500));
            }
        }
        Ok(())
    }

    /// Whether the process does not end, whatever it says meanwhile.
    pub fn runs_on(&mut self) -> bool {
        let since = Instant::now();
        while self.parent.status().is_none() && since.elapsed() < self.bench.patience {
            if let Some((bytes, writer)) = self.next_piece(Duration::from_millis(2)) {
                self.keep(&bytes, writer);
            } else if self.output_ended {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.parent.status().is_none()
    }

    /// Whether another process holds the output of a listener that has ended.
    pub fn output_is_held(&mut self) -> bool {
        self.parent.status().is_some() && !self.output_ended
    }

    /// Whether the last event that was begun got a RESULT.
    pub fn has_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// How many bytes the listener has written since the last event was begun.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Whether the listener has sent its parent a signal.
    pub fn has_signalled(&mut self) -> bool {
        self.parent.signal().is_some()
    }

    // ---- The listener's output. ----

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

    /// Waits until the listener is in this state.
    pub fn wait_for(&mut self, state: ListenerState) -> Checked {
        if self.reaches(state, self.bench.patience)? {
            if self.event.is_some() {
                self.slowest = self.slowest.max(Some(self.written.elapsed()));
            }
            return Ok(());
        }
        if self.reaches(state, self.bench.grace)? {
            return Err(self.finding(Seen::Late(self.since.elapsed())));
        }
        Err(self.silent())
    }

    /// Whether the listener gets into this state within the time.
    pub fn reaches(&mut self, state: ListenerState, time: Duration) -> Result<bool, Box<Finding>> {
        let since = Instant::now();
        while self.supervisor.state() != state {
            let left = time.saturating_sub(since.elapsed());
            // In short waits: the process may end while another process holds its output.
            match self.next_piece(left.min(Duration::from_millis(50))) {
                Some(piece) => self.hear(piece)?,
                None if self.output_ended => return Err(self.gone()),
                None if self.parent.status().is_some() => {
                    self.linger();
                    return Err(self.gone());
                }
                None if left.is_zero() => return Ok(false),
                None => {}
            }
        }
        Ok(true)
    }

    fn hear(&mut self, (bytes, writer): Piece) -> Checked {
        self.keep(&bytes, writer);
        let before = self.heard.saturating_sub(bytes.len());
        let mut input = bytes.as_slice();
        while let Some(heard) = self.supervisor.advance(&mut input) {
            match heard {
                ListenerOutput::Ready => self.was_ready = true,
                ListenerOutput::ResultLine { quirk, .. } => {
                    self.odd = quirk;
                    self.data.clear();
                }
                ListenerOutput::ResultData(data) => self.data.extend_from_slice(data),
                ListenerOutput::Result { ok } => {
                    self.accepted = ok;
                    let end = before.saturating_add(bytes.len().saturating_sub(input.len()));
                    self.answer = Some((end, std::mem::take(&mut self.data)));
                }
                ListenerOutput::Violation(violation) => {
                    self.see_it_through(violation);
                    return Err(self.finding(Seen::Violation(violation)));
                }
                _ => return Err(self.finding(Seen::Stuck)),
            }
        }
        if self.more_than_one_writer() {
            return Err(self.finding(Seen::Found(causes::INHERITED_STDOUT)));
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8], writer: Option<Pid>) {
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

    /// Waits for the bytes that tell one cause of a violation from another, and keeps all further output, to show it.
    fn see_it_through(&mut self, violation: Violation) {
        let awaited: &[u8] = match violation {
            // These bytes are enough.
            Violation::NotReady(bytes) if bytes.starts_with(b"READY\r") => return self.linger(),
            // Is it a listener with a banner, or not a listener at all? And what is the rest of an answer?
            Violation::NotReady(_) => READY,
            // Was it written instead of the RESULT, or before it?
            Violation::BadResultLine if !self.said.starts_with(b"RESULT") => b"RESULT ",
            _ => return self.linger(),
        };
        let since = Instant::now();
        let has_come = |said: &[u8]| said.windows(awaited.len()).any(|window| window == awaited);
        while !has_come(&self.said)
            && self.said.len() < KEPT
            && since.elapsed() < self.bench.patience
            && !self.output_ended
        {
            if let Some((bytes, writer)) = self.next_piece(Duration::from_millis(50)) {
                self.keep(&bytes, writer);
            }
        }
        self.linger();
        if self.output_ended {
            self.reap();
        }
    }

    fn linger(&mut self) {
        while self.said.len() < KEPT
            && let Some((bytes, writer)) = self.next_piece(Duration::from_millis(100))
        {
            self.keep(&bytes, writer);
        }
    }

    /// The output has ended. Has the process?
    fn reap(&mut self) -> bool {
        let since = Instant::now();
        while self.parent.status().is_none() && !self.has_signalled() && since.elapsed() < self.bench.patience {
            thread::sleep(Duration::from_millis(1));
        }
        self.parent.status().is_some()
    }

    fn gone(&mut self) -> Box<Finding> {
        if !self.reap() {
            return self.finding(Seen::Closed);
        }
        let since = Instant::now();
        while self.input.as_ref().is_some_and(|input| !input.is_settled()) && since.elapsed() < self.bench.patience {
            thread::sleep(Duration::from_millis(1));
        }
        let unread = self.input.as_ref().filter(|input| input.is_settled()).map_or(0, Input::unread);
        let untouched = self.event.as_ref().is_some_and(|(_, written)| unread >= *written);
        self.finding(Seen::Ended { untouched })
    }

    /// Closes the input: output that is still in a buffer of the listener appears when it ends.
    fn silent(&mut self) -> Box<Finding> {
        let before = self.heard;
        let due = self.since;
        let mut at_end = None;
        self.close_input();
        let since = Instant::now();
        let patience = self.bench.patience.min(Duration::from_secs(5));
        while self.heard == before && !self.output_ended && since.elapsed() < patience {
            if let Some((bytes, writer)) = self.next_piece(Duration::from_millis(50)) {
                at_end = Some(due.elapsed());
                self.keep(&bytes, writer);
            }
        }
        self.linger();
        self.finding(Seen::Silence { at_end })
    }

    /// A finding about this moment.
    pub fn finding(&mut self, seen: Seen) -> Box<Finding> {
        // If a silent listener has ended, then because its input was closed.
        let status = self.parent.status().filter(|_| !matches!(seen, Seen::Silence { .. }));
        let signal = self.parent.signal();
        if status.is_some() {
            // The end of its standard error, unless another process holds that.
            let _ = self.stderr.recv_timeout(self.bench.patience);
        }
        let stderr = String::from_utf8_lossy(&self.stderr_text.lock().unwrap()).into_owned();
        let trouble = Trouble {
            seen,
            eventname: self.event.as_ref().map(|(event, _)| event.eventname.clone()),
            said: self.said.clone(),
            answer: self.answer.clone(),
            was_ready: self.was_ready,
            foreign: self.more_than_one_writer(),
            signal,
            status,
            stderr,
        };
        Box::new(Finding::new(trouble, self.topic))
    }
}

impl Drop for Subject<'_> {
    fn drop(&mut self) {
        self.parent.end(!self.output_ended);
    }
}
