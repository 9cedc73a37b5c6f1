//! The page's files, embedded in the program.

use hyper::StatusCode;

use crate::http::{Response, response};

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        const FILES: &[(&str, &str, &str)] = &[$((concat!("/", $name), $kind, include_str!(concat!("assets/", $name)))),*];
    };
}

files! {
    "page.css": "text/css; charset=utf-8",
    "page.js": SCRIPT,
    "actions.js": SCRIPT,
    "board.js": SCRIPT,
    "details.js": SCRIPT,
    "dom.js": SCRIPT,
    "events.js": SCRIPT,
    "filter.js": SCRIPT,
    "logs.js": SCRIPT,
    "notify.js": SCRIPT,
    "peers.js": SCRIPT,
    "row.js": SCRIPT,
    "text.js": SCRIPT,
}

/// The page itself, with placeholders.
pub const INDEX: &str = include_str!("assets/index.html");

/// The file at a path.
pub fn file(path: &str) -> Option<Response> {
    let (_, kind, text) = FILES.iter().find(|(name, ..)| *name == path)?;
    Some(response(StatusCode::OK, kind, *text))
}
