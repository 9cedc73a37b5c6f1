//! What can be wrong with a listener, how it shows, and how to mend it.

use std::fmt;
use std::process::ExitStatus;

use serde_json::{Value, json};
use supervisor_events::{LengthUnit, READY, Violation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// supervisord copes, but somebody should look at it.
    Warned,
    Failed,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Failed => "failed",
        }
    }
}

/// A known mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    pub id: &'static str,
    pub severity: Severity,
    pub advice: &'static str,
}

macro_rules! causes {
    ($($name:ident $severity:ident $id:literal: $advice:literal;)*) => {
        $(pub const $name: &Cause = &Cause { id: $id, severity: Severity::$severity, advice: $advice };)*
    };
}

causes! {
    TRAILING_NEWLINE Failed "trailing-newline":
        "A newline follows READY or the data of RESULT, as println or print adds it: write the exact bytes, and nothing behind them.";
    READY_TWICE Failed "ready-twice":
        "READY was said while READY: say it once at the start, and once after each RESULT.";
    BANNER Failed "banner-before-ready":
        "Something was written before the first READY: standard output is for the protocol alone; a banner, a log or a byte order mark belongs on standard error or nowhere.";
    READY_CRLF Failed "ready-crlf":
        "READY ends with a carriage return and a newline: end it with a newline alone; set the output to binary or to Unix newlines.";
    LENGTH_IN_CHARACTERS Failed "result-length-in-characters":
        "The number after RESULT counts characters: encode the data first, and count its bytes.";
    RESULT_LENGTH Failed "result-length-wrong":
        "The number after RESULT is not that of the bytes that follow: count the bytes of the data, without a newline.";
    BAD_RESULT_LINE Failed "bad-result-line":
        "The answer is not a RESULT: write `RESULT`, a space, the number of bytes in decimal digits, a newline, and those bytes.";
    ODD_PREFIX Failed "odd-prefix":
        "The answer's line does not begin with `RESULT `: supervisor 4.3.0 happens not to look at it, but the protocol wants it in capitals.";
    ODD_NUMBER Warned "odd-number":
        "The number after RESULT is more than decimal digits: supervisor 4.3.0 takes it as Python would, others need not.";
    EARLY_RESULT Failed "early-result":
        "The event was answered before all of it was written: read the whole payload first, also of events that do not matter; supervisord can die of this.";
    PRINT_IN_HANDLER Failed "print-in-handler":
        "Something else than the answer was written while the event was handled: print and log to standard error.";
    INHERITED_STDOUT Failed "inherited-stdout":
        "Another process writes to the listener's standard output: give every child process a standard output of its own.";
    OUTLIVED_STDOUT Warned "stdout-outlives-listener":
        "The listener has ended, but a process that it started still holds its standard output: give every child process one of its own.";
    OUTPUT_WHILE_READY Failed "output-while-ready":
        "Something was written while no event was there: nothing may be written between READY and the next event, not from a thread or a timer either.";
    UNASKED_RESULT Failed "unasked-result":
        "A RESULT was written where READY is due, or while no event was there: answer each event once, and say READY after it.";
    CLOSED_OUTPUT Failed "closed-output":
        "The listener closed its standard output and runs on: supervisord cannot hear it any more.";
    NO_FLUSH Failed "no-flush":
        "READY came only when the listener ended: flush standard output after each write.";
    NEVER_READY Failed "never-ready":
        "The listener runs, but nothing arrives. First see whether standard output is flushed after READY; then, whether READY is written at all.";
    NO_READY_AGAIN Failed "no-ready-again":
        "The event was answered, but READY did not follow: say READY after each RESULT, and flush.";
    ANSWERS_AT_END Failed "answers-only-at-end":
        "The answer came only when the input ended: flush standard output after each answer, and read exactly as much as `len` says (not a line, not to the end).";
    NEVER_ANSWERS Failed "never-answers":
        "The event was never answered. First see whether standard output is flushed after each answer; then, whether every event gets one.";
    DIED Failed "died":
        "The listener ended where it should have handled an event: see its standard error. If it calls supervisord back, start this with SUPERVISOR_SERVER_URL set to one that runs.";
    DIED_AT_START Failed "died-at-start":
        "The listener ended before it said READY: see its standard error.";

    CRASH_ON_NON_ASCII Failed "crash-on-non-ascii":
        "The listener ended at an event that is not ASCII: read and write bytes, or UTF-8 whatever the locale says.";
    LENGTH_IN_BYTES Failed "length-in-bytes":
        "`len` is taken for a number of bytes: supervisor 4 counts code points, so read that many characters of UTF-8.";
    HANG_ON_NON_ASCII Failed "hang-on-non-ascii":
        "An event that is not ASCII was not answered: `len` counts code points; the last one ends with its own last byte, not with the next one's first.";
    CRASH_ON_SPACE Failed "crash-on-space-in-identifier":
        "supervisord's identifier may hold spaces: do not split the header at every space, but look for ` serial:` after `server:`.";
    SPLIT_ON_EVERY_COLON Failed "split-on-every-colon":
        "supervisord's identifier may hold colons, as in host:9001: split a token at its first colon only.";
    EMPTY_IDENTIFIER Failed "empty-identifier":
        "supervisord's identifier may be empty: allow for `server:` without a value.";
    NON_ASCII_IDENTIFIER Failed "non-ascii-identifier":
        "supervisord's identifier may be any UTF-8: read the header as such.";
    EXIT_AT_UNKNOWN_EVENT Failed "exit-at-unknown-event":
        "The listener ended at an event of a type that it does not know: answer OK and go on; plugins and newer versions send others.";
    IGNORES_UNKNOWN_EVENT Failed "unknown-event-unanswered":
        "An event of an unknown type was not answered: answer OK to every event.";
    UNKNOWN_TOKEN Warned "unknown-token":
        "The listener does not get past a token that supervisor 4.3.0 does not send: skip what is unknown; newer versions may send more.";
    EMPTY_PAYLOAD Failed "empty-payload":
        "An event without a payload, or without data, was not handled: with `len:0` nothing is to be read.";
    LARGE_PAYLOAD Failed "large-payload":
        "A large event was not handled: it comes in pieces, so read until all of it is there.";
    CHUNKING Failed "chunking":
        "An event that came in pieces was not handled: one read need not give a whole header or payload; read on until it is there.";
    REDELIVERY Failed "redelivery":
        "An event that came again, or whose serial is not the next one, was not handled: numbers may repeat, jump and go back.";

    REJECTS Warned "rejects":
        "An event was answered with something else than OK: unless the pool has a result_handler of its own, supervisord sends it again at once, for ever, and to other pools.";
    OUTPUT_AFTER_END Failed "output-after-end":
        "Something was written after the input had ended: end without a word.";
    HALF_EVENT Warned "answers-half-an-event":
        "The input ended inside an event, and the listener took it for a whole one: compare what was read with `len`, and do not act on less.";
    RUNS_ON Failed "runs-on-at-end-of-input":
        "The listener runs on after its input has ended: a read of no bytes is the end, and supervisord is gone.";
    BAD_EXIT Warned "exit-code-at-end":
        "The input ended between two events, and the listener did not end with exit code 0: take the end of input there for a clean end.";
    IGNORES_SIGTERM Failed "ignores-sigterm":
        "The listener runs on after SIGTERM: supervisord kills it after stopwaitsecs, and with it what it was doing.";
}

/// What a check saw.
#[derive(Debug)]
pub enum Seen {
    /// Nothing more, while it was due. `at_end`: but something came once the input was closed.
    Silence {
        at_end: bool,
    },
    /// Something before the event had been written to its end. `answer`: a whole RESULT.
    Early {
        answer: bool,
    },
    /// The end of the process.
    Ended(ExitStatus),
    /// The end of the output, but not of the process.
    Closed,
    Violation(Violation),
    /// A RESULT that never ends.
    Stuck,
    /// What the check itself is about.
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
    /// How much of that supervisord took for the event's RESULT, with its data.
    pub answer: Option<(usize, Vec<u8>)>,
    /// Whether the listener was READY at some time.
    pub was_ready: bool,
    /// Whether more than one process has written.
    pub foreign: bool,
    pub stderr: String,
}

/// What an end or a silence means in a check that is about one thing.
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

/// What is wrong, for people and for programs.
#[derive(Debug)]
pub struct Finding {
    pub cause: &'static Cause,
    pub trouble: Trouble,
    /// Nothing else can be tried.
    pub hopeless: bool,
}

impl Finding {
    pub fn new(trouble: Trouble, topic: Topic) -> Self {
        let silent_or_gone = matches!(trouble.seen, Seen::Silence { .. } | Seen::Ended(_) | Seen::Closed);
        let cause = trouble.cause(topic);
        let hopeless = silent_or_gone && trouble.answer.is_none();
        Self { cause, hopeless, trouble }
    }

    /// Whether it may be another process that wrote what should not be there.
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
            "ended": match &self.trouble.seen {
                Seen::Ended(status) => Some(status.to_string()),
                _ => None,
            },
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
        if let Seen::Ended(status) = &trouble.seen {
            writeln!(f, "    ended:  {status}")?;
        }
        let lines: Vec<_> = trouble.stderr.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(5)) {
            let shown: String = line.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
            writeln!(f, "    stderr: {shown}")?;
        }
        Ok(())
    }
}

impl Trouble {
    /// What was said, escaped; of much only the start and the end.
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

    fn cause(&self, topic: Topic) -> &'static Cause {
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
            Seen::Ended(_) if !self.was_ready => DIED_AT_START,
            Seen::Ended(_) => topic.ended,
            Seen::Silence { at_end } => self.silence(at_end, topic),
            Seen::Violation(violation) => self.violation(violation),
        }
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
        // What stands where READY was due, or nothing: after the RESULT, or at the start.
        let rest = match &self.answer {
            Some((len, _)) => self.said.get(*len..).unwrap_or_default(),
            None => &self.said,
        };
        match violation {
            Violation::NotReady(bytes) if bytes.starts_with(b"READY\r") => READY_CRLF,
            Violation::NotReady(_) if !self.was_ready => BANNER,
            Violation::NotReady(_) | Violation::Spurious(_) if newline_only(rest) => TRAILING_NEWLINE,
            Violation::NotReady(bytes) => {
                let (_, data) = self.answer.clone().unwrap_or_default();
                let behind = rest.strip_suffix(READY).unwrap_or(rest);
                let whole = [data.as_slice(), behind].concat();
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
            // READY has been said, once or more.
            Violation::Spurious(_) if self.said.windows(2 * READY.len()).any(|two| two == [READY, READY].concat()) => {
                READY_TWICE
            }
            Violation::Spurious(b'R') if self.said.ends_with(READY) => READY_TWICE,
            Violation::Spurious(_) if rest.starts_with(b"RESULT") => UNASKED_RESULT,
            Violation::Spurious(_) => OUTPUT_WHILE_READY,
            // The second READY, or the newline, met an event that was on its way.
            Violation::BadResultLine if self.said.starts_with(READY) => READY_TWICE,
            Violation::BadResultLine if self.said.starts_with(b"\n") => TRAILING_NEWLINE,
            Violation::BadResultLine if self.said.starts_with(b"RESULT") => BAD_RESULT_LINE,
            Violation::BadResultLine if find(&self.said, b"RESULT ") => PRINT_IN_HANDLER,
            _ => BAD_RESULT_LINE,
        }
    }
}

/// Whether these bytes are right but for newlines around READY.
fn newline_only(bytes: &[u8]) -> bool {
    let without: Vec<u8> = bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    bytes != READY && !bytes.is_empty() && (without.is_empty() || without == b"READY")
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
