//! The log: JSON lines on standard error.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// Writes one line: when, how grave, which monitor, what, and the fields.
///
/// In one write, which supervisord can take for one piece of output, and without a panic when nobody reads it.
pub fn log(level: &str, message: impl Into<String>, fields: Value) {
    let mut line = Map::new();
    line.insert("timestamp".into(), now().into());
    line.insert("level".into(), level.into());
    line.insert("monitor".into(), env!("CARGO_CRATE_NAME").into());
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
