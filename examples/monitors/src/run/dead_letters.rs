//! Sets aside events that cannot be handled, because every process that tried has died or the payload cannot be parsed,
//! so that later events can be handled.

use std::path::PathBuf;

use base64::Engine;
use serde_json::{Value, json};
use supervisor_events::Notification;

use super::hold::{Unanswered, hold};
use crate::log::{Level, log, monitor, now};
use crate::settings::Common;
use crate::trail::Trail;

pub struct DeadLetters(Option<Trail>);

impl DeadLetters {
    pub fn new(settings: &Common) -> Self {
        let path = |directory: &PathBuf| directory.join(format!("{}.dead-letters.jsonl", monitor()));
        Self(settings.state_dir.as_ref().map(|directory| Trail::private(path(directory))))
    }

    /// Sets an event aside, in the log and in the file. Returns once it is on disk.
    pub fn keep(&self, notification: &Notification<'_>, run: &str, why: &str) -> Result<(), Unanswered> {
        let header = &notification.header;
        let letter = json!({
            "timestamp": now(), "server": header.server(), "run": run, "serial": header.serial(), "pool": header.pool(),
            "poolserial": header.poolserial(), "eventname": header.eventname(), "why": why,
            "payload": text(notification.payload), "omitted": notification.omitted,
        });
        let path = self.0.as_ref().map(Trail::path);
        let message = format!("an event is set aside, and NOT acted on: {why}");
        log(Level::Critical, message, json!({ "kept_in": path, "event": letter }));
        let Some(letters) = &self.0 else { return Ok(()) };
        let letter = [letter];
        letters
            .append(&letter)
            .or_else(|error| hold("a dead letter cannot be stored", error, || letters.append(&letter)))
    }
}

/// UTF-8 text unchanged, and anything else in base64.
fn text(payload: &[u8]) -> Value {
    str::from_utf8(payload).map_or_else(
        |_| json!({ "base64": base64::engine::general_purpose::STANDARD.encode(payload) }),
        |text| json!(text),
    )
}
