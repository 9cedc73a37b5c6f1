//! The supervisor's end of the protocol: judges what a listener writes as supervisor 4.3.0 does.
//!
//! ```text
//!    start ▶ ACKNOWLEDGED ──── "READY\n" ───▶ READY ──── notify() ───▶ BUSY
//!              │   ▲                            │                       │ │
//!              │   └────── RESULT, all of it ───┼───────────────────────┘ │
//!              │ any other 6 bytes              │ any byte                │ a line without a number at its end
//!              ▼                                ▼                         ▼
//!           UNKNOWN: permanent; the listener gets no more events, but is still shown as RUNNING
//! ```
//!
//! A RESULT that never ends, of negative length for instance, leaves the listener BUSY for good. If the `result_handler`
//! fails on a RESULT, supervisord goes to UNKNOWN as well; who runs one says so ([`Supervisor::handler_failed`]).
//!
//! For tests and tools. The machine reads the listener's output byte by byte, with no I/O and no buffer. Each step
//! tells what supervisord makes of it, with all of supervisord's leniency, and what a stricter server would object to.

use core::fmt;

use crate::listener_state::ListenerState;
use crate::wire::envelope::Envelope;
use crate::wire::error::BufferTooSmall;
use crate::wire::length::LengthUnit;
use crate::wire::reply::READY;
use crate::wire::result_line::{Line, Number, Quirk};

/// Something that a listener wrote, and its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenerOutput<'i> {
    /// READY: ACKNOWLEDGED → READY.
    Ready,
    /// The line of a RESULT, which says how many bytes of data follow.
    ResultLine {
        /// The number at the end of the line.
        len: u64,
        /// What is odd about the line, though supervisord accepts it.
        quirk: Option<Quirk>,
    },
    /// The next piece of the RESULT's data, borrowed from the input; never empty.
    ResultData(&'i [u8]),
    /// All data of the RESULT has arrived: BUSY → ACKNOWLEDGED.
    Result {
        /// Whether the data is exactly `OK`, which means success to supervisord's own `result_handler`. Anything else
        /// is a rejection, and the event goes back to the head of the queue.
        ok: bool,
    },
    /// The listener broke the protocol: → UNKNOWN. An event that it was BUSY with goes back to the head of the queue.
    Violation(Violation),
    /// A RESULT that never ends: the listener stays BUSY.
    EndlessResult(EndlessResult),
}

/// How a listener broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// ACKNOWLEDGED: these 6 bytes instead of READY. If the first one is a newline, the listener probably printed the
    /// last RESULT with a newline after it.
    NotReady([u8; 6]),
    /// READY: a byte, although no event was sent.
    Spurious(u8),
    /// BUSY: a line without a number where RESULT has one.
    BadResultLine,
    /// BUSY: the `result_handler` failed on the RESULT.
    HandlerFailed,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(bytes) => {
                write!(f, "'{}' instead of READY", bytes.escape_ascii())?;
                if bytes.starts_with(b"\n") {
                    f.write_str("; the last RESULT was probably printed with a newline after it")
                } else {
                    Ok(())
                }
            }
            Self::Spurious(byte) => write!(f, "'{}', although no event was sent", byte.escape_ascii()),
            Self::BadResultLine => f.write_str("a line without a length instead of RESULT"),
            Self::HandlerFailed => f.write_str("the result_handler failed"),
        }
    }
}

/// Why a RESULT never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EndlessResult {
    /// Its length is negative.
    NegativeLength,
    /// Its length is more than any listener can write.
    HugeLength,
}

impl fmt::Display for EndlessResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NegativeLength => "a RESULT of negative length never ends",
            Self::HugeLength => "a RESULT that is longer than any listener can write never ends",
        })
    }
}

/// Why an event was not sent. The call changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NotifyError {
    /// Only a READY listener may be sent an event; this one is in this state.
    NotReady(ListenerState),
    /// The buffer is too small.
    BufferTooSmall(BufferTooSmall),
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(state) => write!(f, "no event may be sent: the listener is {state}"),
            Self::BufferTooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NotifyError {}

/// The supervisor's end for one listener.
///
/// supervisord reads all available input before it sends anything: call [`advance`](Self::advance) until it returns
/// `None`, then [`notify`](Self::notify).
///
/// ```
/// use supervisor_events::{Envelope, ListenerOutput, LengthUnit, ListenerState, Supervisor};
///
/// let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
/// assert_eq!(supervisor.advance(&mut &b"READY\n"[..]), Some(ListenerOutput::Ready));
///
/// let envelope = Envelope {
///     server: "s",
///     serial: 0,
///     pool: "p",
///     poolserial: 0,
///     eventname: "TICK_5",
///     payload: b"when:5",
/// };
/// let mut buffer = [0; 128];
/// let bytes = supervisor.notify(&envelope, &mut buffer)?;
/// assert!(bytes.ends_with(b" len:6\nwhen:5"));
///
/// // A newline after the RESULT: accepted for this event, and fatal at the next READY.
/// let mut said = &b"RESULT 2\nOK\nREADY\n"[..];
/// while let Some(heard) = supervisor.advance(&mut said) {
///     println!("{heard:?}");
/// }
/// assert_eq!(supervisor.state(), ListenerState::Unknown);
/// # Ok::<(), supervisor_events::NotifyError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Supervisor {
    unit: LengthUnit,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Phase {
    /// ACKNOWLEDGED: the bytes of READY that have arrived, and how many.
    Acknowledged([u8; 6], u8),
    Ready,
    /// BUSY: in the line.
    Line(Line),
    /// BUSY: in the data. `ok` tells whether the data so far is a prefix of `OK`.
    Data {
        len: u64,
        read: u64,
        ok: bool,
    },
    /// BUSY for good.
    EndlessResult,
    Unknown,
}

const START: Phase = Phase::Acknowledged([0; 6], 0);
const OK: &[u8] = b"OK";

impl Supervisor {
    /// The supervisor's end for a listener that has just started. `unit` is what `len` counts in the notifications.
    pub const fn new(unit: LengthUnit) -> Self {
        Self { unit, phase: START }
    }

    /// The listener's state.
    pub const fn state(&self) -> ListenerState {
        match self.phase {
            Phase::Acknowledged(..) => ListenerState::Acknowledged,
            Phase::Ready => ListenerState::Ready,
            Phase::Line(_) | Phase::Data { .. } | Phase::EndlessResult => ListenerState::Busy,
            Phase::Unknown => ListenerState::Unknown,
        }
    }

    /// How many of the bytes consumed so far supervisord has not acted on: the start of a READY or of a RESULT's line.
    pub const fn pending(&self) -> u64 {
        match self.phase {
            Phase::Acknowledged(_, count) => count as u64,
            Phase::Line(line) => line.len,
            _ => 0,
        }
    }

    /// Writes a notification to the start of `buffer`, and returns the bytes to send: READY → BUSY.
    ///
    /// # Errors
    ///
    /// If the listener is not READY, or the notification does not fit. An error changes nothing.
    pub fn notify<'b>(&mut self, envelope: &Envelope<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], NotifyError> {
        self.may_notify()?;
        let bytes = envelope.write_to(self.unit, buffer).map_err(NotifyError::BufferTooSmall)?;
        self.phase = Phase::Line(Line::new());
        Ok(bytes)
    }

    /// Like [`notify`](Self::notify), but writes only the header. The caller sends the payload after it, unchanged.
    ///
    /// # Errors
    ///
    /// Those of `notify`.
    pub fn notify_header<'b>(
        &mut self,
        envelope: &Envelope<'_>,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], NotifyError> {
        self.may_notify()?;
        let bytes = envelope.header_to(self.unit, buffer).map_err(NotifyError::BufferTooSmall)?;
        self.phase = Phase::Line(Line::new());
        Ok(bytes)
    }

    fn may_notify(&self) -> Result<(), NotifyError> {
        match self.state() {
            ListenerState::Ready => Ok(()),
            state => Err(NotifyError::NotReady(state)),
        }
    }

    /// Reports that the `result_handler` failed on the RESULT that was just [heard](ListenerOutput::Result): → UNKNOWN,
    /// and the event goes back to the head of the queue.
    pub fn handler_failed(&mut self) -> ListenerOutput<'static> {
        self.violation(Violation::HandlerFailed)
    }

    /// Takes one step, and moves `input`, which is the listener's output, past the bytes that it consumed. Returns
    /// `None` if all input is consumed and the next step needs more.
    ///
    /// However the stream is split into inputs, only the sizes of the data's pieces change.
    pub fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<ListenerOutput<'i>> {
        if let Phase::Data { len, read, .. } = self.phase
            && len == read
            && len != 0
        {
            return Some(self.result());
        }
        loop {
            let (&byte, rest) = input.split_first()?;
            let heard = match &mut self.phase {
                Phase::Acknowledged(..) => {
                    *input = rest;
                    self.byte_of_ready(byte)
                }
                Phase::Ready => Some(self.violation(Violation::Spurious(byte))),
                Phase::Line(line) => {
                    *input = rest;
                    if byte == b'\n' {
                        let line = *line;
                        Some(self.end_of_line(line))
                    } else {
                        line.put(byte);
                        None
                    }
                }
                // supervisord acts on a RESULT without data only when the next byte arrives.
                Phase::Data { len: 0, .. } => Some(self.result()),
                Phase::Data { .. } => self.piece_of_data(input),
                Phase::EndlessResult | Phase::Unknown => {
                    // Read and dropped.
                    *input = b"";
                    None
                }
            };
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// ACKNOWLEDGED → READY at the sixth byte, or → UNKNOWN.
    fn byte_of_ready(&mut self, byte: u8) -> Option<ListenerOutput<'static>> {
        let Phase::Acknowledged(bytes, count) = &mut self.phase else { return None };
        if let Some(slot) = bytes.get_mut(usize::from(*count)) {
            *slot = byte;
        }
        *count = count.saturating_add(1);
        if usize::from(*count) < bytes.len() {
            return None;
        }
        if bytes.as_slice() == READY {
            self.phase = Phase::Ready;
            return Some(ListenerOutput::Ready);
        }
        let bytes = *bytes;
        Some(self.violation(Violation::NotReady(bytes)))
    }

    /// BUSY: from the line to the data, or BUSY for good, or → UNKNOWN.
    fn end_of_line(&mut self, line: Line) -> ListenerOutput<'static> {
        match line.end() {
            Number::None => self.violation(Violation::BadResultLine),
            Number::Negative => self.stuck(EndlessResult::NegativeLength),
            Number::Huge => self.stuck(EndlessResult::HugeLength),
            Number::Is(len) => {
                self.phase = Phase::Data { len, read: 0, ok: len == OK.len() as u64 };
                ListenerOutput::ResultLine { len, quirk: line.quirk() }
            }
        }
    }

    /// BUSY: takes as much of the data as has arrived.
    fn piece_of_data<'i>(&mut self, input: &mut &'i [u8]) -> Option<ListenerOutput<'i>> {
        let Phase::Data { len, read, ok } = &mut self.phase else { return None };
        let missing = usize::try_from(len.saturating_sub(*read)).unwrap_or(usize::MAX);
        let (data, rest) = input.split_at_checked(missing).unwrap_or((input, b""));
        *input = rest;
        if *ok {
            let expected = OK.get(*read as usize..).unwrap_or_default();
            *ok = expected.starts_with(data);
        }
        *read = read.saturating_add(data.len() as u64);
        Some(ListenerOutput::ResultData(data))
    }

    fn result(&mut self) -> ListenerOutput<'static> {
        let ok = matches!(self.phase, Phase::Data { ok: true, .. });
        self.phase = START;
        ListenerOutput::Result { ok }
    }

    fn violation(&mut self, violation: Violation) -> ListenerOutput<'static> {
        self.phase = Phase::Unknown;
        ListenerOutput::Violation(violation)
    }

    fn stuck(&mut self, stuck: EndlessResult) -> ListenerOutput<'static> {
        self.phase = Phase::EndlessResult;
        ListenerOutput::EndlessResult(stuck)
    }
}
