//! Lines of JSON on standard error. Standard output belongs to the protocol.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Failure;

/// Writes a line: time, level, message and the fields of `details`, an object.
///
/// In one write, which supervisord can take for one piece of output, and without a panic when nobody reads it.
pub fn log(level: &str, message: &str, details: Value) {
    let line = joined(json!({ "timestamp": now(), "level": level, "message": message }), details);
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Says why a program ends, if it has failed.
pub fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    log("error", "it ends", json!({ "error": error.to_string() }));
    ExitCode::FAILURE
}

/// Two objects as one.
pub fn joined(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

/// The time, by RFC 3339, in microseconds.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}
