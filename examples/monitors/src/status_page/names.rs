//! What requests name, and answers in JSON to them.

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::http::{Request, Response, response};
use crate::names::ProcessName;

/// The process that a part of a path names: `GROUP:NAME`, percent-encoded.
pub fn process(part: &str) -> Option<ProcessName> {
    decode(part)?.parse().ok()
}

/// A part of a path, without its percent-encoding.
pub fn decode(part: &str) -> Option<String> {
    Some(percent_decode_str(part).decode_utf8().ok()?.into_owned())
}

/// A parameter of the query.
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decode(value))
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: &Value) -> Response {
    response(status, "application/json", body.to_string())
}

/// Why there is no other answer.
pub fn error(status: StatusCode, why: &str) -> Response {
    json(status, &json!({ "error": why }))
}

/// Nothing is called so.
pub fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "a process is named by GROUP:NAME, percent-encoded")
}
