//! What a monitor knows, kept in a file: it outlives the process, and the processes of one pool share it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::Failure;
use crate::lock;
use crate::log::{Level, log, monitor};
use crate::settings::Common;

/// A value of a monitor: `STATE_DIR/MONITOR.json`, or in memory alone where no directory is set.
pub struct State<T> {
    path: Option<PathBuf>,
    value: T,
}

impl<T: Default + Serialize + DeserializeOwned> State<T> {
    /// The value that this monitor calls `name`: empty for its only one.
    pub fn open(settings: &Common, name: &str) -> Result<Self, Failure> {
        let directory = settings.state_dir.as_ref();
        let path = directory.map(|directory| directory.join(format!("{}{name}.json", monitor())));
        let this = Self { path, value: T::default() };
        if let (Some(directory), Some(path)) = (directory, &this.path) {
            let explain = |error| format!("--state-dir {directory:?} has to be a directory to write in: {error}");
            // It may be locked: the other processes of the pool are at work.
            fs::create_dir_all(directory).and_then(|()| lock::beside(path)).map_err(explain)?;
        }
        Ok(this)
    }

    /// Looks at the value, or changes it, alone among the processes that share it. Where the file cannot be read or
    /// written, that is logged, and the value in memory serves.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let Some(path) = &self.path else { return change(&mut self.value) };
        let complain =
            |error: io::Error| log(Level::Error, format!("cannot keep state: {error}"), json!({ "path": path }));
        let lock = lock::soon(path).map_err(complain);
        let mut stored = Vec::new();
        if lock.is_ok() {
            match load(path) {
                Ok((value, text)) => (self.value, stored) = (value, text),
                Err(error) => complain(error),
            }
        }
        let result = change(&mut self.value);
        if lock.is_ok() {
            let text = serde_json::to_vec(&self.value).unwrap_or_default();
            if text != stored {
                // Not made durable at once: with the machine, what it is about goes down as well.
                write_beside(path, &text).and_then(|(_, new)| fs::rename(new, path)).unwrap_or_else(complain);
            }
        }
        result
    }
}

/// The value, and the text that it was read from.
fn load<T: Default + DeserializeOwned>(path: &Path) -> io::Result<(T, Vec<u8>)> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&text) {
        Ok(value) => Ok((value, text)),
        Err(error) => {
            // Another version's, or another program's, or cut off by a crash of the machine.
            let aside = path.with_extension("unreadable");
            log(Level::Warning, format!("state begins anew: {error}"), json!({ "path": path, "kept_as": aside }));
            fs::rename(path, aside)?;
            Ok(Default::default())
        }
    }
}

/// Puts a file in the place of another in one step: whoever reads, after a crash too, finds the old one or the new one.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let (file, new) = write_beside(path, text)?;
    file.sync_data()?;
    fs::rename(new, path)?;
    sync_directory_of(path)
}

/// Makes the name of a new or renamed file durable.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

fn write_beside(path: &Path, text: &[u8]) -> io::Result<(File, PathBuf)> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text)?;
    Ok((file, new))
}
