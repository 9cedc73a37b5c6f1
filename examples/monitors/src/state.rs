//! What a monitor knows, kept in a file: it outlives the process, and the processes of one pool share it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::log::{Level, log, monitor};
use crate::settings::Common;
use crate::{Failure, files, lock};

/// A value of a monitor: `STATE_DIR/MONITOR.json`, or in memory alone where no directory is set.
pub struct State<T> {
    path: Option<PathBuf>,
    value: T,
    /// Whether the value could not be written. What is in the file is older then, and is not read.
    leads: bool,
}

impl<T: Default + Serialize + DeserializeOwned> State<T> {
    /// The value that this monitor calls `name`: empty for its only one.
    pub fn open(settings: &Common, name: &str) -> Result<Self, Failure> {
        let directory = settings.state_dir.as_ref();
        let path = directory.map(|directory| directory.join(format!("{}{name}.json", monitor())));
        let this = Self { path, value: T::default(), leads: false };
        if let (Some(directory), Some(path)) = (directory, &this.path) {
            let explain = |error| format!("--state-dir {directory:?} has to be a directory to write in: {error}");
            // It may be locked: the other processes of the pool are at work.
            files::make_directory(directory).and_then(|()| lock::beside(path)).map_err(explain)?;
        }
        Ok(this)
    }

    /// Looks at the value, or changes it, alone among the processes that share it. Where the file cannot be read or
    /// written, that is logged once, and the value in memory leads until it can be written.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let Some(path) = self.path.clone() else { return change(&mut self.value) };
        let lock = lock::soon(&path);
        let mut stored = Vec::new();
        let loaded = match &lock {
            Ok(_) if !self.leads => load(&path).map(|(value, text)| (self.value, stored) = (value, text)),
            _ => Ok(()),
        };
        let result = change(&mut self.value);
        let text = serde_json::to_vec(&self.value).unwrap_or_default();
        let kept = match (lock, loaded) {
            (Ok(_), Ok(())) if text == stored => Ok(()),
            // Not made durable at once: with the machine, what it is about goes down as well.
            (Ok(_lock), Ok(())) => files::put(&path, &text),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.note(&path, kept);
        result
    }

    fn note(&mut self, path: &Path, kept: io::Result<()>) {
        match (&kept, self.leads) {
            (Err(error), false) => {
                let message = format!("cannot keep state: {error}; until it can, it is in memory alone");
                log(Level::Error, message, json!({ "path": path }));
            }
            (Ok(()), true) => log(Level::Info, "state is kept again", json!({ "path": path })),
            _ => {}
        }
        self.leads = kept.is_err();
    }
}

/// The value, and the text that it was read from.
fn load<T: Default + DeserializeOwned>(path: &Path) -> io::Result<(T, Vec<u8>)> {
    let mut text = Vec::new();
    match files::open(path, File::options().read(true)) {
        Ok(mut file) => file.read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&text) {
        Ok(value) => Ok((value, text)),
        Err(error) => {
            // Another version's, or another program's, or cut off by a crash of the machine.
            let aside = files::beside(path, ".unreadable");
            log(Level::Warning, format!("state begins anew: {error}"), json!({ "path": path, "kept_as": aside }));
            fs::rename(path, aside)?;
            Ok(Default::default())
        }
    }
}
