//! A journal of alerts, for reports, shared by all monitors that use the same directory: one JSON line each, appended
//! in one write. It does not record deliveries, and it is not durable: raising an alert must not wait for a disk.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde_json::{Value, json};

use super::Alert;
use crate::log::{Level, log, monitor, now};
use crate::{files, lock, printable};

/// The size at which a new file is started. One old file is kept.
const LIMIT: u64 = 4 << 20;

/// The journal in a state directory. Without one, nothing is recorded.
#[derive(Clone, Debug)]
pub struct Journal(Option<PathBuf>);

impl Journal {
    /// The journal of this directory.
    pub fn of(directory: Option<&Path>) -> Self {
        Self(directory.map(|directory| directory.join("alerts.jsonl")))
    }

    /// Records an alert. Only the first failure is logged.
    pub(super) fn note(&self, alert: &Alert<'_>) {
        let Some(path) = &self.0 else { return };
        let (process, group) = alert.process.unzip();
        let line = json!({
            "timestamp": now(), "monitor": monitor(), "severity": alert.severity, "event": alert.event,
            "process": process, "group": group, "status": alert.status,
        });
        static SAID: Once = Once::new();
        if let Err(error) = append(path, &line) {
            let message = format!("alerts cannot be recorded, and reports lack them: {error}");
            SAID.call_once(|| log(Level::Error, message, json!({ "path": path })));
        }
    }

    /// Passes all recorded alerts to `take`. Returns `None` if nothing is recorded.
    pub fn read(&self, mut take: impl FnMut(&Value)) -> io::Result<Option<()>> {
        let Some(path) = &self.0 else { return Ok(None) };
        for path in [&files::rotated(path, 1), path] {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            for line in BufReader::new(file).split(b'\n') {
                serde_json::from_slice(&line?).iter().for_each(&mut take);
            }
        }
        Ok(Some(()))
    }
}

fn append(path: &Path, line: &Value) -> io::Result<()> {
    let mut file = files::open(path, File::options().append(true).create(true))?;
    file.write_all((printable::json(&line.to_string()) + "\n").as_bytes())?;
    // One process at a time rotates the file.
    if file.metadata()?.len() > LIMIT
        && let Some(_lock) = lock::at_once(path)?
        && fs::metadata(path)?.len() > LIMIT
    {
        fs::rename(path, files::rotated(path, 1))?;
    }
    Ok(())
}
