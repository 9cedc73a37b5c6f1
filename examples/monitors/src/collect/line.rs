//! A line of a process's output, and its format in files.

use anstream::adapter::strip_bytes;
use serde::Serialize;
use serde_json::{Value, json};
use supervisor_events::Channel;

use crate::printable;

/// The kind of event that a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// PROCESS_LOG: ordinary output.
    Log,
    /// PROCESS_COMMUNICATION: output between the tags.
    Communication,
}

/// Whether a line is everything the process wrote up to a newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// It is.
    Whole,
    /// It was too long, and continues in the next line.
    Cut,
    /// It has no newline.
    Unfinished,
}

/// A line of a process's output.
#[derive(Clone, Debug)]
pub struct Line {
    /// When its last byte arrived: RFC 3339, UTC.
    pub timestamp: String,
    /// supervisord's identifier.
    pub server: String,
    /// The event that contained its last byte.
    pub serial: u64,
    pub group: String,
    pub process: String,
    pub pid: Option<u32>,
    pub channel: Channel,
    pub source: Source,
    pub wholeness: Wholeness,
    /// Without its newline.
    pub bytes: Vec<u8>,
}

impl Line {
    /// The line as text. Invalid UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What a reader must know about the text: `cut`, `unfinished`, `undecodable`.
    pub fn marks(&self) -> impl Iterator<Item = &'static str> {
        let wholeness = match self.wholeness {
            Wholeness::Whole => None,
            Wholeness::Cut => Some("cut"),
            Wholeness::Unfinished => Some("unfinished"),
        };
        let undecodable = str::from_utf8(&self.bytes).is_err().then_some("undecodable");
        wholeness.into_iter().chain(undecodable)
    }

    /// `GROUP:NAME`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.group, self.process)
    }

    /// Removes terminal escape sequences.
    pub fn strip_ansi(&mut self) {
        if self.bytes.contains(&0x1b) {
            self.bytes = strip_bytes(&self.bytes).into_vec();
        }
    }

    /// The record of a JSON file, with its newline.
    pub fn json(&self) -> String {
        let mut record = json!({
            "timestamp": self.timestamp, "server": self.server, "serial": self.serial, "group": self.group,
            "process": self.process, "pid": self.pid, "channel": self.channel, "source": self.source,
            "line": self.text(),
        });
        for mark in self.marks() {
            record[mark] = Value::Bool(true);
        }
        printable::json(&record.to_string()) + "\n"
    }

    /// The line of a text file, with its newline.
    pub fn plain(&self) -> String {
        let marks: String = self.marks().map(|mark| format!(" {mark}")).collect();
        let Self { timestamp, channel, .. } = self;
        // A name may contain any character.
        let name = printable::text(&self.full_name()).replace('\n', "\\n");
        format!("{timestamp} {name} {channel}{marks}: {}\n", printable::text(&self.text()))
    }
}
