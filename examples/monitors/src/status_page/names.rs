//! Parses names in requests, and builds JSON responses.

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::http::{Request, Response, response};
use crate::names::ProcessName;

/// Parses a part of a path that names a process: `GROUP:NAME`, percent-encoded.
pub fn process(part: &str) -> Option<ProcessName> {
    decode(part)?.parse().ok()
}

/// Decodes a percent-encoded part of a path.
pub fn decode(part: &str) -> Option<String> {
    Some(percent_decode_str(part).decode_utf8().ok()?.into_owned())
}

/// A parameter of the query.
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decode(value))
}

/// A JSON response.
pub fn json(status: StatusCode, body: &Value) -> Response {
    response(status, "application/json", body.to_string())
}

/// A JSON response with an error.
pub fn error(status: StatusCode, why: &str) -> Response {
    json(status, &json!({ "error": why }))
}

/// The response to an invalid name.
pub fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "a process is named by GROUP:NAME, percent-encoded")
}
