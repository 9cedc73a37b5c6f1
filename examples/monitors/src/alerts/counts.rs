//! Counts the alerts that each monitor has sent, in files beside its state, so that others can show them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::settings::Common;
use crate::state::State;
use crate::sync::lock;
use crate::{Failure, files};

/// The suffix of the files' names.
const NAME: &str = ".sent";

/// What happened to a monitor's alerts since its state directory was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Accepted by the receiver.
    pub sent: u64,
    /// Rejected by the receiver, or dropped because too many were waiting.
    pub failed: u64,
    /// How many were waiting at the last attempt to send one.
    pub waiting: usize,
}

/// The counts of this monitor's pool. Without a state directory, nothing is counted.
pub struct Tally(Option<Mutex<State<Counts>>>);

impl Tally {
    /// Creates the files, so that a monitor that has not sent any alerts is known as well.
    pub fn open(common: &Common) -> Result<Self, Failure> {
        if common.state_dir.is_none() {
            return Ok(Self(None));
        }
        let mut counts = State::open(common, NAME)?;
        counts.update(|_: &mut Counts| {});
        Ok(Self(Some(counts.into())))
    }

    /// Changes the counts.
    pub fn note(&self, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = &self.0 {
            lock(counts).update(change);
        }
    }
}

/// The counts of all monitors that share the state directory, by the names of their files.
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
