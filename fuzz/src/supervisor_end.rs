//! The supervisor's end against a plain model of the rules recorded from supervisor 4.3.0: a buffer of the listener's
//! output, examined anew after each write.

use arbitrary::Arbitrary;
use supervisor_events::{LengthUnit, ListenerOutput, ListenerState, READY, Supervisor};

use super::conserve::notify;

/// What a listener writes, and when events are sent to it.
#[derive(Debug, Arbitrary)]
pub struct Input<'a> {
    /// Whether an event is sent after each write that leaves the listener READY, or only where the script says so.
    always: bool,
    script: Vec<Turn<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Turn<'a> {
    Ready,
    Ok,
    /// The line of a RESULT, with this text as its number.
    Line(&'a str),
    Any(&'a [u8]),
    Event,
}

impl Input<'_> {
    /// Plays the script.
    pub fn check(self) {
        let mut ends = Ends::default();
        for turn in self.script {
            match turn {
                Turn::Ready => ends.hear(READY),
                Turn::Ok => ends.hear(b"RESULT 2\nOK"),
                Turn::Line(number) => ends.hear(format!("RESULT {number}\n").as_bytes()),
                Turn::Any(bytes) => ends.hear(bytes),
                Turn::Event => ends.send(),
            }
            if self.always {
                ends.send();
            }
        }
    }
}

/// The machine and the model.
pub struct Ends {
    supervisor: Supervisor,
    data: Vec<u8>,
    heard: Vec<Heard>,
    model: Model,
}

/// What supervisord acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Ready,
    Result(Vec<u8>),
    Unknown,
}

impl Default for Ends {
    fn default() -> Self {
        let model = Model {
            state: ListenerState::Acknowledged,
            buffer: Vec::new(),
            due: None,
            data: Vec::new(),
            heard: Vec::new(),
        };
        Self { supervisor: Supervisor::new(LengthUnit::CodePoints), data: Vec::new(), heard: Vec::new(), model }
    }
}

impl Ends {
    /// Both hear what the listener has written, and must agree.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.model.buffer.extend_from_slice(bytes);
        while self.model.step() {}
        let mut input = bytes;
        while let Some(heard) = self.supervisor.advance(&mut input) {
            match heard {
                ListenerOutput::Ready => self.heard.push(Heard::Ready),
                ListenerOutput::ResultLine { .. } => self.data.clear(),
                ListenerOutput::ResultData(data) => self.data.extend_from_slice(data),
                ListenerOutput::Result { ok } => {
                    assert_eq!(ok, self.data == b"OK");
                    self.heard.push(Heard::Result(std::mem::take(&mut self.data)));
                }
                ListenerOutput::Violation(_) => self.heard.push(Heard::Unknown),
                ListenerOutput::EndlessResult(_) => assert!(matches!(self.model.due, Some(Due::Never))),
                other => panic!("what is {other:?}?"),
            }
        }
        assert!(input.is_empty());
        assert_eq!(self.heard, self.model.heard);
        assert_eq!(self.supervisor.state(), self.model.state);
        assert_eq!(self.supervisor.pending(), self.model.buffer.len() as u64);
    }

    /// Sends an event if the listener is READY.
    pub fn send(&mut self) {
        if self.model.state == ListenerState::Ready {
            notify(&mut self.supervisor);
            self.model.state = ListenerState::Busy;
        }
    }
}

struct Model {
    state: ListenerState,
    /// Bytes that have not been acted on.
    buffer: Vec<u8>,
    /// The length of the RESULT's data, once its line is complete.
    due: Option<Due>,
    data: Vec<u8>,
    heard: Vec<Heard>,
}

#[derive(Clone, Copy)]
enum Due {
    Is(u64),
    /// A negative number, or more than can be written.
    Never,
}

impl Model {
    /// Acts on the buffer once. Returns whether it may act again.
    fn step(&mut self) -> bool {
        if self.buffer.is_empty() {
            return false;
        }
        match self.state {
            ListenerState::Acknowledged if self.buffer.len() < READY.len() => return false,
            ListenerState::Acknowledged if self.buffer.starts_with(READY) => {
                self.buffer.drain(..READY.len());
                self.state = ListenerState::Ready;
                self.heard.push(Heard::Ready);
            }
            ListenerState::Acknowledged | ListenerState::Ready => self.violate(),
            ListenerState::Unknown => self.buffer.clear(),
            ListenerState::Busy => return self.result(),
        }
        true
    }

    fn result(&mut self) -> bool {
        match self.due {
            None => {
                let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else { return false };
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                self.due = int(line[..end].get(7..).unwrap_or_default());
                if self.due.is_none() {
                    self.violate();
                }
            }
            Some(Due::Never) => self.buffer.clear(),
            Some(Due::Is(due)) => {
                let missing = (due - self.data.len() as u64).min(self.buffer.len() as u64);
                self.data.extend(self.buffer.drain(..missing as usize));
                if self.data.len() as u64 == due {
                    self.heard.push(Heard::Result(std::mem::take(&mut self.data)));
                    self.due = None;
                    self.state = ListenerState::Acknowledged;
                }
            }
        }
        true
    }

    fn violate(&mut self) {
        self.buffer.clear();
        self.state = ListenerState::Unknown;
        self.heard.push(Heard::Unknown);
    }
}

/// Python's `int()` of bytes.
fn int(text: &[u8]) -> Option<Due> {
    let is_space = |byte: &u8| matches!(byte, b' ' | 0x09..=0x0d);
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))? + 1;
    let text = &text[start..end];
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let groups = digits.split(|byte| *byte == b'_');
    let is_number = groups.into_iter().all(|group| !group.is_empty() && group.iter().all(u8::is_ascii_digit));
    let digits: String = digits.iter().filter(|byte| **byte != b'_').map(|byte| char::from(*byte)).collect();
    if !is_number || digits.len() > 4300 {
        return None;
    }
    Some(match digits.parse::<u64>() {
        Ok(0) => Due::Is(0),
        Ok(number) if !is_negative && number < u64::MAX => Due::Is(number),
        _ => Due::Never,
    })
}
