//! Formats lines as syslog messages of RFC 5424:
//!
//! ```text
//! <134>1 2026-11-27T12:00:00.123456Z HOST GROUP:NAME PID stdout [meta sequenceId="7"] line
//! ```
//!
//! MSGID is the channel and the marks: `stdout`, `stderr-cut`; `-truncated` if the end of the line does not fit into a
//! datagram. A gap in `sequenceId` shows a loss in transit.

use std::fmt::Write;
use std::str::FromStr;

use supervisor_events::Channel;

use super::line::Line;
use crate::machine::host_name;
use crate::printable;

/// What kind of program sends the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    pub fn number(self) -> u8 {
        self.0
    }
}

impl FromStr for Facility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Self(1)),
            "daemon" => Ok(Self(3)),
            _ => {
                let number = text.strip_prefix("local").and_then(|number| number.parse().ok());
                let number: Option<u8> = number.filter(|number| *number < 8);
                let wrong = || format!("is user, daemon or local0 to local7, not {text:?}");
                number.map(|number| Self(16 + number)).ok_or_else(wrong)
            }
        }
    }
}

/// Informational for standard output, warning for standard error.
pub fn severity(channel: Channel) -> u8 {
    match channel {
        Channel::Stderr => 4,
        _ => 6,
    }
}

/// Formats and numbers messages.
pub struct Syslog {
    facility: Facility,
    host: String,
    sequence: u32,
    /// The longest line, in bytes.
    room: usize,
}

impl Syslog {
    /// `room` is the longest line in a message.
    pub fn new(facility: Facility, room: usize) -> Self {
        Self { facility, host: header_field(&host_name(), 255), sequence: 0, room }
    }

    pub fn message(&mut self, line: &Line) -> Vec<u8> {
        // The range that the RFC allows.
        self.sequence = if self.sequence >= i32::MAX as u32 { 1 } else { self.sequence + 1 };
        let priority = self.facility.0 * 8 + severity(line.channel);
        let pid = line.pid.map_or_else(|| "-".into(), |pid| pid.to_string());
        let mut kind = line.channel.name().to_owned();
        for mark in line.marks() {
            let _ = write!(kind, "-{mark}");
        }
        let mut text = printable::text(&line.text());
        if text.len() > self.room {
            text.truncate(text.floor_char_boundary(self.room));
            kind += "-truncated";
        }
        let (name, kind) = (header_field(&line.full_name(), 48), header_field(&kind, 32));
        let Self { host, sequence, .. } = self;
        let Line { timestamp, .. } = line;
        format!("<{priority}>1 {timestamp} {host} {name} {pid} {kind} [meta sequenceId=\"{sequence}\"] {text}")
            .into_bytes()
    }
}

/// Printable ASCII without spaces, at most `most` characters.
fn header_field(text: &str, most: usize) -> String {
    let field: String = text.chars().map(|char| if char.is_ascii_graphic() { char } else { '_' }).take(most).collect();
    if field.is_empty() { "-".into() } else { field }
}
