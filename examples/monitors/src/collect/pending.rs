//! Incomplete lines of each process and channel, in bounded memory.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use supervisor_events::{Channel, Data, ProcessCommunicationEvent, ProcessLogEvent};

use super::line::{Line, Source, Wholeness};
use super::literal;
use crate::log::now;
use crate::run::Context;

/// How many bytes of incomplete lines may wait, for all processes together. Beyond that, the oldest line is written as
/// unfinished.
const MOST: usize = 1 << 20;

/// Where a piece of output came from.
pub struct Output {
    timestamp: String,
    server: String,
    serial: u64,
    group: String,
    process: String,
    pid: Option<u32>,
    channel: Channel,
    source: Source,
}

/// The incomplete lines. With a state directory, they survive the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    /// The run of supervisord that they belong to.
    run: String,
    /// The last event that changed them.
    taken: Option<u64>,
    begun: Vec<Begun>,
}

/// An incomplete line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Begun {
    server: String,
    serial: u64,
    group: String,
    process: String,
    pid: Option<u32>,
    is_stderr: bool,
    /// When it began, in milliseconds since 1970.
    since: i64,
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    bytes: Vec<u8>,
}

impl Output {
    pub fn of_log(context: &Context<'_>, event: &ProcessLogEvent<'_>) -> Self {
        let process = (event.groupname.as_str(), event.processname.as_str(), event.pid);
        Self::new(context, process, event.channel, Source::Log)
    }

    pub fn of_communication(context: &Context<'_>, event: &ProcessCommunicationEvent<'_>) -> Self {
        let process = (event.groupname.as_str(), event.processname.as_str(), event.pid);
        Self::new(context, process, event.channel, Source::Communication)
    }

    fn new(context: &Context<'_>, process: (&str, &str, Option<u32>), channel: Channel, source: Source) -> Self {
        let (group, process, pid) = process;
        let (server, serial) = (context.header.server().into(), context.header.serial());
        Self { timestamp: now(), server, serial, group: group.into(), process: process.into(), pid, channel, source }
    }

    fn line(&self, bytes: &[u8], wholeness: Wholeness) -> Line {
        Line {
            timestamp: self.timestamp.clone(),
            server: self.server.clone(),
            serial: self.serial,
            group: self.group.clone(),
            process: self.process.clone(),
            pid: self.pid,
            channel: self.channel,
            source: self.source,
            wholeness,
            bytes: bytes.into(),
        }
    }

    /// Takes the lines of `text`, cut at the limit. Returns what follows the last newline.
    fn lines<'t>(&self, text: &'t [u8], limit: usize, lines: &mut Vec<Line>) -> &'t [u8] {
        let mut rest = text;
        loop {
            // Only as far as a line may reach: otherwise the rest would be searched again for each line that is cut.
            match memchr::memchr(b'\n', &rest[..rest.len().min(limit + 1)]) {
                Some(end) => {
                    let line = &rest[..end];
                    lines.push(self.line(line.strip_suffix(b"\r").unwrap_or(line), Wholeness::Whole));
                    rest = &rest[end + 1..];
                }
                _ if rest.len() > limit => {
                    let (start, after) = rest.split_at(cut(rest, limit));
                    lines.push(self.line(start, Wholeness::Cut));
                    rest = after;
                }
                _ => return rest,
            }
        }
    }
}

/// Where to cut: at the limit, or just before the character at the limit.
fn cut(text: &[u8], limit: usize) -> usize {
    let is_start = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (limit.saturating_sub(3)..=limit).rev().find(is_start).unwrap_or(limit)
}

/// The lines of a message, which is complete: text after its last newline is a line too.
pub fn whole(output: &Output, data: Data<'_>, limit: usize, lines: &mut Vec<Line>) {
    let text = literal::bytes(data);
    let rest = output.lines(&text, limit, lines);
    if !rest.is_empty() {
        lines.push(output.line(rest, Wholeness::Whole));
    }
}

impl Pending {
    /// Whether this event has already been handled here.
    pub fn has_taken(&self, run: &str, serial: u64) -> bool {
        self.run == run && self.taken == Some(serial)
    }

    pub fn taken(&mut self, serial: u64) {
        self.taken = Some(serial);
    }

    pub fn differs(&self, other: &Self) -> bool {
        self.begun != other.begun
    }

    /// A new supervisord has new processes.
    pub fn begin_run(&mut self, run: &str, lines: &mut Vec<Line>) {
        if self.run != run {
            self.finish_all(lines);
            (self.run, self.taken) = (run.into(), None);
        }
    }

    /// Adds a piece of output, and takes the lines that it completes.
    pub fn add(&mut self, output: &Output, data: Data<'_>, limit: usize, lines: &mut Vec<Line>) {
        let mut text = literal::bytes(data);
        if text.is_empty() {
            return;
        }
        let mut since = jiff::Timestamp::now().as_millisecond();
        if let Some(at) = self.begun.iter().position(|begun| begun.is_of(output)) {
            let mut begun = self.begun.remove(at);
            if begun.pid == output.pid {
                since = begun.since;
                begun.bytes.extend_from_slice(&text);
                text = begun.bytes.into();
            } else {
                // Another process by now.
                lines.push(begun.unfinished());
            }
        }
        let rest = output.lines(&text, limit, lines);
        // The rest of a line that was cut has not been waiting.
        if rest.is_empty() {
            return;
        }
        self.begun.push(Begun {
            server: output.server.clone(),
            serial: output.serial,
            group: output.group.clone(),
            process: output.process.clone(),
            pid: output.pid,
            is_stderr: output.channel == Channel::Stderr,
            since,
            bytes: rest.into(),
        });
        while self.begun.iter().map(|begun| begun.bytes.len()).sum::<usize>() > MOST {
            let oldest = (0..self.begun.len()).min_by_key(|at| self.begun[*at].since);
            lines.extend(oldest.map(|at| self.begun.remove(at).unfinished()));
        }
    }

    /// Writes the incomplete lines of a process that has ended.
    pub fn finish(&mut self, group: &str, process: &str, lines: &mut Vec<Line>) {
        self.take(lines, |begun| begun.group == group && begun.process == process);
    }

    /// Writes lines that were begun longer ago than `age`.
    pub fn finish_older(&mut self, age: Duration, lines: &mut Vec<Line>) {
        if self.begun.is_empty() {
            return;
        }
        let now = jiff::Timestamp::now().as_millisecond();
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        // A time in the future dates from before the clock was set back.
        self.take(lines, |begun| !(0..age).contains(&(now - begun.since)));
    }

    pub fn finish_all(&mut self, lines: &mut Vec<Line>) {
        self.take(lines, |_| true);
    }

    fn take(&mut self, lines: &mut Vec<Line>, which: impl Fn(&Begun) -> bool) {
        lines.extend(self.begun.extract_if(.., |begun| which(begun)).map(Begun::unfinished));
    }
}

impl Begun {
    fn is_of(&self, output: &Output) -> bool {
        self.is_stderr == (output.channel == Channel::Stderr)
            && self.group == output.group
            && self.process == output.process
    }

    fn unfinished(self) -> Line {
        Line {
            timestamp: now(),
            server: self.server,
            serial: self.serial,
            group: self.group,
            process: self.process,
            pid: self.pid,
            channel: if self.is_stderr { Channel::Stderr } else { Channel::Stdout },
            source: Source::Log,
            wholeness: Wholeness::Unfinished,
            bytes: self.bytes,
        }
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
}
