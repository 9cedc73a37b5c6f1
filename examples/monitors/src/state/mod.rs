//! What a monitor knows, kept in files: it outlives the process, and the processes of one pool share it.

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

/// A value of a monitor's pool: in `STATE_DIR/MONITOR.0.json` and `….1.json`, or in memory alone where no directory is set.
pub struct State<T> {
    kept: Option<ByTurns>,
    value: T,
    /// Whether the value could not be written. What is in the files is older then, and is not taken.
    leads: bool,
}

impl<T: Default + Serialize + DeserializeOwned> State<T> {
    /// The value that this monitor's pool calls `name`: empty for its only one.
    pub fn open(settings: &Common, name: &str) -> Result<Self, Failure> {
        Self::shared(settings, &format!("{}{name}", files::of_pool()))
    }

    /// The value that all monitors call `name`.
    pub fn shared(settings: &Common, name: &str) -> Result<Self, Failure> {
        let open = |directory: &PathBuf| {
            // It may be locked: the other processes of the pool are at work.
            let opened = files::make_directory(directory);
            let opened = opened.and_then(|()| ByTurns::open(&directory.join(name)));
            opened.map_err(|error| format!("--state-dir {directory:?} has to be a directory to write in: {error}"))
        };
        let kept = settings.state_dir.as_ref().map(open).transpose()?;
        Ok(Self { kept, value: T::default(), leads: false })
    }

    /// Looks at the value, or changes it, alone among the processes that share it. Where the files cannot be read or
    /// written, that is logged once, and the value in memory leads until they can.
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

    /// A copy of the value. To act on it first, and [`State::set`] what follows then, is to act again if this process is
    /// killed in between.
    pub fn get(&mut self) -> T
    where
        T: Clone,
    {
        self.update(|value| value.clone())
    }

    /// Puts another value in its place.
    pub fn set(&mut self, value: T) {
        self.update(|kept| *kept = value);
    }

    fn note(&mut self, written: io::Result<()>) {
        let path = self.kept.as_ref().map(ByTurns::path);
        match (&written, self.leads) {
            (Err(error), false) => {
                let message = format!("cannot keep state: {error}; until it can, it is in memory alone");
                log(Level::Error, message, json!({ "path": path }));
            }
            (Ok(()), true) => log(Level::Info, "state can be saved again", json!({ "path": path })),
            _ => {}
        }
        self.leads = written.is_err();
    }
}

/// The value, if it is another one than was last read or written.
fn load<T: Default + DeserializeOwned>(kept: &mut ByTurns) -> io::Result<Option<T>> {
    let why = match kept.read()? {
        Found::Unchanged => return Ok(None),
        Found::New(text) => match serde_json::from_slice(text) {
            Ok(value) => return Ok(Some(value)),
            // Another version's.
            Err(error) => error.to_string(),
        },
        // Another program's, or a crash of the machine.
        Found::Broken => "neither file is whole".into(),
    };
    let aside = kept.keep_aside()?;
    log(
        Level::Warning,
        format!("the saved state is not usable, starting without it: {why}"),
        json!({ "path": kept.path(), "kept_as": aside }),
    );
    Ok(Some(T::default()))
}
