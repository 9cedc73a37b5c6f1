//! Formats lines for systemd's journal, in its native protocol: fields are `NAME=value` lines. A value that contains a
//! newline, as a process's name may, is written as name, length in eight bytes, and value.

use super::line::Line;
use super::syslog::{Facility, severity};

/// The datagram for a line.
pub fn message(line: &Line, facility: Facility) -> Vec<u8> {
    let mut message = Vec::with_capacity(line.bytes.len() + 256);
    let mut field = |name: &str, value: &[u8]| {
        message.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            message.push(b'\n');
            message.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            message.push(b'=');
        }
        message.extend_from_slice(value);
        message.push(b'\n');
    };
    // The journal accepts any bytes.
    field("MESSAGE", &line.bytes);
    field("PRIORITY", severity(line.channel).to_string().as_bytes());
    field("SYSLOG_FACILITY", facility.number().to_string().as_bytes());
    field("SYSLOG_IDENTIFIER", line.full_name().as_bytes());
    field("SUPERVISOR_SERVER", line.server.as_bytes());
    field("SUPERVISOR_GROUP", line.group.as_bytes());
    field("SUPERVISOR_PROCESS", line.process.as_bytes());
    field("SUPERVISOR_CHANNEL", line.channel.name().as_bytes());
    field("SUPERVISOR_SERIAL", line.serial.to_string().as_bytes());
    if let Some(pid) = line.pid {
        field("SUPERVISOR_PID", pid.to_string().as_bytes());
    }
    for mark in line.marks() {
        field("SUPERVISOR_MARK", mark.as_bytes());
    }
    message
}
