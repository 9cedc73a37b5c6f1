//! Judges the recorded output of a listener as supervisord would: a line for each step.
//!
//! The recording holds only one direction, so this assumes that an event was sent whenever the listener was READY.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use serde_json::json;
use supervisor_events::{
    EndlessResult, Envelope, LengthUnit, ListenerOutput, ListenerState, Quirk, Supervisor, Violation,
};

use crate::report::say;

/// How many bytes of a step are shown.
const SHOWN: usize = 100;

/// A step, and the bytes of the log that make it up.
struct Step<'a> {
    offset: u64,
    len: u64,
    step: &'a str,
    /// The first of its bytes.
    start: &'a [u8],
    remark: &'a str,
}

impl Step<'_> {
    fn say(&self, as_json: bool) -> io::Result<bool> {
        let Self { offset, len, step, start, remark } = self;
        let dots = if *len > start.len() as u64 { "[…]" } else { "" };
        let bytes = format!("{}{dots}", start.escape_ascii());
        if as_json {
            let remark = Some(remark).filter(|remark| !remark.is_empty());
            let object = json!({"offset": offset, "len": len, "step": step, "bytes": bytes, "remark": remark});
            return say(&format!("{object}\n"));
        }
        let line = format!("{offset:>8}  {step:<10} {bytes}");
        let remark = if remark.is_empty() { String::new() } else { format!("  ({remark})") };
        say(&format!("{}{remark}\n", line.trim_end()))
    }
}

/// Returns exit code 1 if supervisord would not have accepted all of it.
pub fn run(path: &OsStr, as_json: bool, result_handler: bool) -> Result<ExitCode, String> {
    let named = |error: io::Error| format!("{}: {error}", path.to_string_lossy());
    let mut log: Box<dyn Read> =
        if path == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(named)?) };
    let mut judge = Judge::new(as_json, result_handler);
    let mut buffer = vec![0; 65_536];
    loop {
        match log.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                if !judge.hear(buffer.get(..read).unwrap_or_default()).map_err(|error| error.to_string())? {
                    return Ok(judge.code());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(named(error)),
        }
    }
    judge.end().map_err(|error| error.to_string())?;
    Ok(judge.code())
}

struct Judge {
    supervisor: Supervisor,
    /// Where the next step begins, and how many of its bytes have been read.
    offset: u64,
    len: u64,
    /// The first of them, to be shown.
    start: Vec<u8>,
    failed: bool,
    as_json: bool,
    result_handler: bool,
}

impl Judge {
    fn new(as_json: bool, result_handler: bool) -> Self {
        let supervisor = Supervisor::new(LengthUnit::CodePoints);
        Self { supervisor, offset: 0, len: 0, start: Vec::new(), failed: false, as_json, result_handler }
    }

    fn code(&self) -> ExitCode {
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Returns `false` if nobody reads the verdicts any longer.
    fn hear(&mut self, piece: &[u8]) -> io::Result<bool> {
        let mut input = piece;
        while !input.is_empty() {
            let before = input;
            let heard = self.supervisor.advance(&mut input);
            let taken = before.len().saturating_sub(input.len());
            self.take(before.get(..taken).unwrap_or_default());
            if let Some(heard) = heard
                && !self.tell(heard)?
            {
                return Ok(false);
            }
            self.send_event();
        }
        // The data of a RESULT may be complete now.
        while let Some(heard) = self.supervisor.advance(&mut input) {
            if !self.tell(heard)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        let room = SHOWN.saturating_sub(self.start.len());
        self.start.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn tell(&mut self, heard: ListenerOutput<'_>) -> io::Result<bool> {
        match heard {
            ListenerOutput::Ready => self.step("READY", ""),
            ListenerOutput::ResultLine { quirk, .. } => self.step("RESULT", quirk.map_or("", remark_on_quirk)),
            ListenerOutput::ResultData(_) => Ok(true),
            ListenerOutput::Result { ok } => {
                self.failed |= !ok && !self.result_handler;
                self.step("data", if ok { "" } else { "not OK: supervisord's own result_handler rejects the event" })
            }
            ListenerOutput::Violation(violation) => {
                self.failed = true;
                self.step("violation", remark_on_violation(violation))
            }
            ListenerOutput::EndlessResult(stuck) => {
                self.failed = true;
                self.step("stuck", remark_on_endless_result(stuck))
            }
            _ => Ok(true),
        }
    }

    fn step(&mut self, step: &str, remark: &str) -> io::Result<bool> {
        let (start, len, offset) = (std::mem::take(&mut self.start), std::mem::take(&mut self.len), self.offset);
        self.offset = offset.saturating_add(len);
        Step { offset, len, step, start: &start, remark }.say(self.as_json)
    }

    /// READY → BUSY.
    fn send_event(&mut self) {
        if self.supervisor.state() == ListenerState::Ready {
            let event =
                Envelope { server: "", serial: 0, pool: "", poolserial: 0, eventname: "TICK_5", payload: b"when:0" };
            self.supervisor.notify_header(&event, &mut [0; 256]).expect("READY, and the buffer is large enough");
        }
    }

    fn end(&mut self) -> io::Result<bool> {
        let ignored = "supervisord ignores these bytes";
        let between = self.len == 0;
        match self.supervisor.state() {
            ListenerState::Unknown if !between => self.step("ignored", ignored)?,
            _ if !between => {
                self.failed = true;
                self.step("cut", "the log ends here, inside READY or a RESULT")?
            }
            _ => true,
        };
        let state = match self.supervisor.state() {
            ListenerState::Busy if between => "READY, or BUSY with an event",
            state => state.name(),
        };
        self.step("end", state)
    }
}

fn remark_on_quirk(quirk: Quirk) -> &'static str {
    match quirk {
        Quirk::Prefix => "accepted, though it does not begin with `RESULT `",
        _ => "accepted, though the number is not a plain decimal number",
    }
}

fn remark_on_violation(violation: Violation) -> &'static str {
    match violation {
        Violation::NotReady(_) => "READY was expected: the listener is UNKNOWN from here on",
        Violation::BadResultLine => {
            "a RESULT was expected, or nothing: the listener is UNKNOWN from here on, unless it was restarted here"
        }
        _ => "nothing was expected: the listener is UNKNOWN from here on",
    }
}

fn remark_on_endless_result(stuck: EndlessResult) -> &'static str {
    match stuck {
        EndlessResult::NegativeLength => "the length is negative: the RESULT never ends",
        _ => "the length is too large: the RESULT never ends",
    }
}
