//! What a check saw, and the cause that it points to.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hook::low_level::signal_name;
use supervisor_events::{LengthUnit, READY, Violation};

use crate::causes::*;

/// How many lines of standard error are shown. Some languages say what is wrong above the calls that led to it.
const LAST_WORDS: usize = 15;

/// What a check saw.
#[derive(Debug)]
pub enum Seen {
    /// Nothing more, though something was expected. `at_end`: output appeared only after the input had been closed,
    /// this long after the event.
    Silence {
        at_end: Option<Duration>,
    },
    /// Output before all of the event had been written. `answer`: it was a whole RESULT.
    Early {
        answer: bool,
    },
    /// What was expected, but only this long after the event.
    Late(Duration),
    /// The end of the process. `untouched`: it had not read a byte of the event.
    Ended {
        untouched: bool,
    },
    /// The end of the output, but not of the process.
    Closed,
    Violation(Violation),
    /// A RESULT that never ends.
    Stuck,
    /// The cause that the check itself looks for.
    Found(&'static Cause),
}

/// Something that should not have happened, and all that is known about it.
#[derive(Debug)]
pub struct Trouble {
    pub seen: Seen,
    /// The event in question; `None` before the first one.
    pub eventname: Option<String>,
    /// What the listener has written since that event, or since its start.
    pub said: Vec<u8>,
    /// How many of those bytes supervisord took for the event's RESULT, and the data of the RESULT.
    pub answer: Option<(usize, Vec<u8>)>,
    /// Whether the listener has ever been READY.
    pub was_ready: bool,
    /// Whether more than one process has written.
    pub foreign: bool,
    /// The signal that its parent received.
    pub signal: Option<i32>,
    /// How the process has ended, if it has.
    pub status: Option<ExitStatus>,
    pub stderr: String,
}

/// What the end, the silence or an early answer of the listener means in this step of a check.
#[derive(Clone, Copy)]
pub struct Topic {
    pub ended: &'static Cause,
    pub silent: &'static Cause,
    pub early: &'static Cause,
}

impl Topic {
    pub const GENERAL: Self = Self { ended: DIED, silent: NEVER_ANSWERS, early: EARLY_RESULT };

    pub const fn one(cause: &'static Cause) -> Self {
        Self { ended: cause, silent: cause, early: EARLY_RESULT }
    }
}

/// A fault of the listener, for people and for programs.
#[derive(Debug)]
pub struct Finding {
    pub cause: &'static Cause,
    pub trouble: Trouble,
}

impl Finding {
    pub fn new(trouble: Trouble, topic: Topic) -> Self {
        Self { cause: trouble.cause(topic), trouble }
    }

    /// Judges the trouble again, under another topic.
    pub fn judge_again(&mut self, topic: Topic) {
        self.cause = self.trouble.cause(topic);
    }

    pub fn failed(&self) -> bool {
        self.cause.severity == Severity::Failed
    }

    /// Whether the listener can continue after it.
    pub fn can_go_on(&self) -> bool {
        [ODD_PREFIX, ODD_NUMBER, REJECTS, REJECTS_AT_FIRST].contains(&self.cause)
    }

    /// Whether a slow machine may be the reason.
    pub fn may_be_load(&self) -> bool {
        // For output after the end of the input, see `tell_late_from_flushed`.
        let never_ready = matches!(self.trouble.seen, Seen::Silence { at_end: None }) && !self.trouble.was_ready;
        never_ready || matches!(self.trouble.seen, Seen::Late(_))
    }

    /// How long after the event output appeared, if it appeared after the input had been closed.
    pub fn came_at_end(&self) -> Option<Duration> {
        match self.trouble.seen {
            Seen::Silence { at_end } => at_end,
            _ => None,
        }
    }

    /// The same finding, if the end of the input was not the reason.
    pub fn into_late(self, after: Duration) -> Self {
        Self { cause: SLOW, trouble: Trouble { seen: Seen::Late(after), ..self.trouble } }
    }

    /// Whether another process may have written the unexpected output.
    pub fn may_be_foreign(&self) -> bool {
        [PRINT_IN_HANDLER, OUTPUT_WHILE_READY, TRAILING_NEWLINE, BANNER, ODD_PREFIX].contains(&self.cause)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "id": self.cause.id,
            "verdict": self.cause.severity.name(),
            "advice": self.cause.advice,
            "eventname": self.trouble.eventname,
            "said": self.trouble.excerpt(),
            "ended": self.trouble.status.map(|status| status.to_string()),
            "signal": self.trouble.signal.map(name_of_signal),
            "seconds": self.trouble.lateness().map(|late| late.as_secs_f64()),
            "stderr": self.trouble.stderr,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = &self.trouble;
        writeln!(f, "    {}", self.cause.advice)?;
        if let Some(eventname) = &trouble.eventname {
            writeln!(f, "    event:  {eventname}")?;
        }
        match trouble.excerpt() {
            said if said.is_empty() => writeln!(f, "    said:   nothing")?,
            said => writeln!(f, "    said:   {said}")?,
        }
        if let Some(late) = trouble.lateness() {
            writeln!(f, "    took:   {:.1} s", late.as_secs_f64())?;
        }
        if let Some(signal) = trouble.signal {
            writeln!(f, "    signal: {}", name_of_signal(signal))?;
        }
        if let Some(status) = trouble.status {
            writeln!(f, "    ended:  {status}")?;
        }
        let lines: Vec<_> = trouble.stderr.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)) {
            let shown: String = line.replace('\t', "    ").chars().map(printable).collect();
            writeln!(f, "    stderr: {shown}")?;
        }
        Ok(())
    }
}

impl Trouble {
    /// The output, escaped; of long output only the start and the end.
    fn excerpt(&self) -> String {
        const SHOWN: usize = 200;
        match self.said.len().checked_sub(SHOWN).filter(|end| *end > SHOWN).map(|end| self.said.split_at(end)) {
            Some((start, end)) => {
                let start = start.get(..SHOWN).unwrap_or(start);
                format!("{} […] {}", start.escape_ascii(), end.escape_ascii())
            }
            None => self.said.escape_ascii().to_string(),
        }
    }

    fn lateness(&self) -> Option<Duration> {
        match self.seen {
            Seen::Late(time) => Some(time),
            _ => None,
        }
    }

    fn cause(&self, topic: Topic) -> &'static Cause {
        if self.signal.is_some() {
            return SIGNALS_PARENT;
        }
        if self.foreign {
            return INHERITED_STDOUT;
        }
        match self.seen {
            Seen::Found(cause) => cause,
            Seen::Closed => CLOSED_OUTPUT,
            Seen::Stuck => RESULT_LENGTH,
            Seen::Early { answer: true } => topic.early,
            // The second READY met an event that was on its way.
            Seen::Early { answer: false } if self.said == READY => READY_TWICE,
            Seen::Early { answer: false } => PRINT_IN_HANDLER,
            Seen::Late(_) => SLOW,
            Seen::Ended { .. } if !self.was_ready => DIED_AT_START,
            // It took the rest of an event for the next header, possibly after an early answer.
            Seen::Ended { untouched } if topic.ended == LENGTH_IN_BYTES && !self.ended_in_peace(untouched) => {
                LENGTH_IN_BYTES
            }
            Seen::Ended { .. } if self.answer.is_some() && !self.said.ends_with(READY) => ENDS_AFTER_ANSWER,
            Seen::Ended { .. } if self.answer.is_some() || self.eventname.is_none() => ENDS_WHILE_READY,
            // It was READY for this event, but did not wait for it.
            Seen::Ended { untouched: true } => ENDS_WHILE_READY,
            Seen::Ended { .. } => topic.ended,
            Seen::Silence { at_end } => self.silence(at_end.is_some(), topic),
            Seen::Violation(violation) => match self.violation(violation) {
                // It took the rest of an event for another one.
                UNASKED_RESULT if topic.early == LENGTH_IN_BYTES => LENGTH_IN_BYTES,
                cause => cause,
            },
        }
    }

    /// Whether the process ended between two events as if all were well.
    fn ended_in_peace(&self, untouched: bool) -> bool {
        self.status.is_some_and(|status| status.success()) && (untouched || self.answer.is_some())
    }

    fn silence(&self, at_end: bool, topic: Topic) -> &'static Cause {
        match &self.answer {
            _ if !self.was_ready => [NEVER_READY, NO_FLUSH][usize::from(at_end)],
            // The start of READY went into the data.
            Some((_, data)) if (1..=READY.len()).any(|len| READY.get(..len).is_some_and(|r| data.ends_with(r))) => {
                RESULT_LENGTH
            }
            Some(_) => NO_READY_AGAIN,
            None if at_end => ANSWERS_AT_END,
            // All of it did.
            None if self.said.ends_with(READY) => RESULT_LENGTH,
            None => topic.silent,
        }
    }

    fn violation(&self, violation: Violation) -> &'static Cause {
        // The output where READY was expected, or from the start.
        let rest = match &self.answer {
            Some((len, _)) => self.said.get(*len..).unwrap_or_default(),
            None => &self.said,
        };
        match violation {
            Violation::NotReady(bytes) if bytes.starts_with(b"READY\r") => READY_CRLF,
            Violation::NotReady(_) if !self.was_ready => {
                let goes_on = self.status.is_none() || find(&self.said, READY);
                if goes_on { BANNER } else { DIED_AT_START }
            }
            Violation::NotReady(_) | Violation::Spurious(_) if newline_only(rest) => TRAILING_NEWLINE,
            Violation::NotReady(bytes) => self.not_ready_again(bytes, rest),
            Violation::Spurious(_) => match rest.strip_prefix(READY).unwrap_or(rest) {
                more if more.starts_with(b"RESULT") => UNASKED_RESULT,
                more if more.starts_with(READY) => READY_TWICE,
                _ => OUTPUT_WHILE_READY,
            },
            // Either a second READY crossed the event, which was answered later, or nothing but READY was written.
            Violation::BadResultLine if self.said.starts_with(READY) => {
                if find(&self.said, b"RESULT ") {
                    READY_TWICE
                } else {
                    READY_INSTEAD
                }
            }
            // The newline met an event that was on its way.
            Violation::BadResultLine if self.said.starts_with(b"\n") => TRAILING_NEWLINE,
            Violation::BadResultLine if self.said.starts_with(b"RESULT") => BAD_RESULT_LINE,
            Violation::BadResultLine if find(&self.said, b"RESULT ") => PRINT_IN_HANDLER,
            _ => BAD_RESULT_LINE,
        }
    }

    /// The cause if `rest` follows a RESULT instead of READY; `bytes` are its first six.
    fn not_ready_again(&self, bytes: [u8; 6], rest: &[u8]) -> &'static Cause {
        let (_, data) = self.answer.clone().unwrap_or_default();
        let more = rest.strip_suffix(READY).unwrap_or(rest);
        let whole = [data.as_slice(), more].concat();
        if !whole.is_ascii() && LengthUnit::CodePoints.measure(&whole) == data.len() as u64 {
            LENGTH_IN_CHARACTERS
        } else if whole == b"OK" || whole == b"FAIL" {
            RESULT_LENGTH
        } else if bytes.starts_with(b"RESULT") {
            UNASKED_RESULT
        } else {
            PRINT_IN_HANDLER
        }
    }
}

fn printable(char: char) -> char {
    if char.is_control() { '\u{fffd}' } else { char }
}

fn name_of_signal(signal: i32) -> String {
    signal_name(signal).map_or_else(|| signal.to_string(), str::to_owned)
}

/// Whether these bytes are correct except for newlines around READY.
fn newline_only(bytes: &[u8]) -> bool {
    let without: Vec<u8> = bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    bytes != READY && !bytes.is_empty() && (without.is_empty() || without == b"READY")
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
