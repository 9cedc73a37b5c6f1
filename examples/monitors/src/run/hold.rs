//! Holds an event back until what must be done before its answer succeeds, or until SIGTERM.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use serde_json::json;
use signal_hook::consts::SIGTERM;

use crate::log::{Level, log};

/// The longest pause between two attempts. SIGTERM is noticed after the pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Set by SIGTERM.
static STOPPING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Why an event is left unanswered. supervisord sends it to the next process.
#[derive(Debug)]
pub struct Unanswered(String);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it is left unanswered, and comes again", self.0)
    }
}

impl Error for Unanswered {}

pub(super) fn end_on_sigterm() -> io::Result<()> {
    signal_hook::flag::register(SIGTERM, Arc::clone(&STOPPING)).map(drop)
}

/// Retries what has failed with `error`. Logs the beginning and the end of the wait. The event stays unanswered until
/// then, so supervisord keeps later events.
pub fn hold(failed: &str, error: io::Error, mut attempt: impl FnMut() -> io::Result<()>) -> Result<(), Unanswered> {
    log(Level::Error, format!("{failed}: {error}; the event is held until this succeeds"), json!({}));
    let (mut error, mut pause) = (error, Duration::from_millis(10));
    while !STOPPING.load(Ordering::Relaxed) {
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        match attempt() {
            Ok(()) => {
                log(Level::Info, "the event is held no longer", json!({ "after": failed }));
                return Ok(());
            }
            Err(again) => error = again,
        }
    }
    Err(Unanswered(format!("{failed}: {error}")))
}
