//! How many alerts each monitor has sent: in files beside its state, for whoever wants to show them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::settings::Common;
use crate::state::State;
use crate::{Failure, files};

/// What the files are called, after the monitor's name.
const NAME: &str = ".sent";

/// What became of a monitor's alerts, since there is a directory for its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Its receiver took them.
    pub sent: u64,
    /// Its receiver did not want them, or they were dropped because too many waited.
    pub failed: u64,
    /// They waited when one was last tried.
    pub waiting: usize,
}

/// The counts of this monitor's pool. Nothing is counted where there is no directory.
pub struct Tally(Option<Mutex<State<Counts>>>);

impl Tally {
    /// Makes the files, so that a monitor that has sent none is known.
    pub fn open(common: &Common) -> Result<Self, Failure> {
        if common.state_dir.is_none() {
            return Ok(Self(None));
        }
        let mut counts = State::open(common, NAME)?;
        counts.update(|_: &mut Counts| {});
        Ok(Self(Some(counts.into())))
    }

    /// Counts.
    pub fn note(&self, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = &self.0 {
            counts.lock().unwrap_or_else(PoisonError::into_inner).update(change);
        }
    }
}

/// The counts of all monitors that have the same directory for their state, by the names of their files.
pub fn of_all(common: &Common) -> Option<BTreeMap<String, Counts>> {
    let directory = common.state_dir.as_deref()?;
    let names = files::of(directory).unwrap_or_default().into_iter().filter_map(|path| monitor_of(&path));
    let counts = names.filter_map(|monitor| {
        let counts = State::shared(common, &format!("{monitor}{NAME}")).ok()?.get();
        Some((monitor, counts))
    });
    Some(counts.collect())
}

fn monitor_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_suffix(".0.json")?.strip_suffix(NAME)?.to_owned())
}
