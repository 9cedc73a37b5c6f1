//! Adds and removes groups while supervisord is running: the individual steps of `supervisorctl update`.

use dxr::{TryFromValue, TryToValue};

use super::Supervisord;
use crate::Failure;

/// Changes in supervisord's configuration, as names of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// To be added with [`Supervisord::add_group`].
    pub added: Vec<String>,
    /// To be stopped, removed, and added again.
    pub changed: Vec<String>,
    /// To be stopped, and removed with [`Supervisord::remove_group`].
    pub removed: Vec<String>,
}

impl Supervisord {
    /// Tells supervisord to read its configuration again. This starts and stops nothing: the rest is up to you.
    pub fn reload_config(&self) -> Result<Reloaded, Failure> {
        let answer = Vec::<Vec<Vec<String>>>::try_from_value(&self.call("reloadConfig", vec![])?)?;
        match <[Vec<String>; 3]>::try_from(answer.into_iter().flatten().collect::<Vec<_>>()) {
            Ok([added, changed, removed]) => Ok(Reloaded { added, changed, removed }),
            Err(_) => Err("supervisord: reloadConfig: the answer is not three lists".into()),
        }
    }

    /// Adds a group from the configuration, and starts those of its processes that have `autostart`.
    pub fn add_group(&self, group: &str) -> Result<(), Failure> {
        self.call("addProcessGroup", vec![group.try_to_value()?]).map(drop)
    }

    /// Removes a group without running processes.
    pub fn remove_group(&self, group: &str) -> Result<(), Failure> {
        self.call("removeProcessGroup", vec![group.try_to_value()?]).map(drop)
    }
}
