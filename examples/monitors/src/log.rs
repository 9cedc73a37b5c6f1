//! The log: JSON lines on standard error.

use std::io::{self, Write};
use std::sync::OnceLock;

use serde_json::{Map, Value};

static MONITOR: OnceLock<&str> = OnceLock::new();

/// Says once which monitor this is.
pub fn set_monitor(name: &'static str) {
    let _ = MONITOR.set(name);
}

/// Which monitor this is.
pub fn monitor() -> &'static str {
    MONITOR.get().copied().unwrap_or(env!("CARGO_PKG_NAME"))
}

/// Writes one line: when, how grave, which monitor, what, and the fields.
///
/// In one write, which supervisord can take for one piece of output, and without a panic when nobody reads it.
pub fn log(level: &str, message: impl Into<String>, fields: Value) {
    let mut line = Map::new();
    line.insert("timestamp".into(), now().into());
    line.insert("level".into(), level.into());
    line.insert("monitor".into(), monitor().into());
    line.insert("message".into(), message.into().into());
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    drop(io::stderr().write_all((Value::Object(line).to_string() + "\n").as_bytes()));
}

/// This moment, as RFC 3339 has it, in UTC.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}
