//! A monitor's state in files, which survives the process and is shared by the processes of a pool.

mod by_turns;
mod journal;

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::log::{Level, log};
use crate::settings::Common;
use crate::{Failure, files};
use by_turns::{ByTurns, Found};
pub use journal::{Apply, Journaled};

/// A value shared by a monitor's pool: in `STATE_DIR/MONITOR.0.json` and `….1.json`, or only in memory without a
/// directory.
pub struct State<T> {
    kept: Option<ByTurns>,
    value: T,
    /// Whether the value could not be written. The value in memory is then newer than the files, and is kept.
    leads: bool,
}

impl<T: Default + Serialize + DeserializeOwned> State<T> {
    /// The value with this `name` in the monitor's pool. The only value of a monitor has an empty name.
    pub fn open(settings: &Common, name: &str) -> Result<Self, Failure> {
        Self::shared(settings, &format!("{}{name}", files::of_pool()))
    }

    /// The value with this `name`, shared by all monitors.
    pub fn shared(settings: &Common, name: &str) -> Result<Self, Failure> {
        let open = |directory: &PathBuf| {
            // It may be locked: other processes of the pool are using it.
            let opened = files::make_directory(directory);
            let opened = opened.and_then(|()| ByTurns::open(&directory.join(name)));
            opened.map_err(|error| format!("--state-dir {directory:?} must be a writable directory: {error}"))
        };
        let kept = settings.state_dir.as_ref().map(open).transpose()?;
        Ok(Self { kept, value: T::default(), leads: false })
    }

    /// Reads or changes the value while no other process accesses it. If the files cannot be read or written, logs that
    /// once, and keeps the value in memory until they can.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let Some(kept) = &mut self.kept else { return change(&mut self.value) };
        let locked = kept.lock();
        let loaded = match &locked {
            Ok(()) => load(kept).map(|value| {
                if let (Some(value), false) = (value, self.leads) {
                    self.value = value;
                }
            }),
            Err(_) => Ok(()),
        };
        let result = change(&mut self.value);
        let text = serde_json::to_vec(&self.value).map_err(io::Error::other);
        let written = locked.and(loaded).and(text).and_then(|text| kept.write(text));
        kept.unlock();
        self.note(written);
        result
    }

    /// A copy of the value. A caller that acts on it first, and then calls [`State::set`], acts again if this process
    /// is killed in between.
    pub fn get(&mut self) -> T
    where
        T: Clone,
    {
        self.update(|value| value.clone())
    }

    /// Replaces the value.
    pub fn set(&mut self, value: T) {
        self.update(|kept| *kept = value);
    }

    fn note(&mut self, written: io::Result<()>) {
        let path = self.kept.as_ref().map(ByTurns::path);
        match (&written, self.leads) {
            (Err(error), false) => {
                let message = format!("cannot keep state: {error}; until it can, it is kept in memory");
                log(Level::Error, message, json!({ "path": path }));
            }
            (Ok(()), true) => log(Level::Info, "state can be saved again", json!({ "path": path })),
            _ => {}
        }
        self.leads = written.is_err();
    }
}

/// The value, if it differs from what was last read or written.
fn load<T: Default + DeserializeOwned>(kept: &mut ByTurns) -> io::Result<Option<T>> {
    let why = match kept.read()? {
        Found::Unchanged => return Ok(None),
        Found::New(text) => match serde_json::from_slice(text) {
            Ok(value) => return Ok(Some(value)),
            // Written by another version.
            Err(error) => error.to_string(),
        },
        // Written by another program, or damaged by a crash of the machine.
        Found::Broken => "neither file is intact".into(),
    };
    let aside = kept.keep_aside()?;
    log(
        Level::Warning,
        format!("the saved state is unusable, starting without it: {why}"),
        json!({ "path": kept.path(), "kept_as": aside }),
    );
    Ok(Some(T::default()))
}
