//! Groups that come and go while supervisord runs: what `supervisorctl update` does, in its steps.

use dxr::{TryFromValue, TryToValue};

use super::Supervisord;
use crate::Failure;

/// What has changed in supervisord's configuration, by the names of groups.
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
    /// Has supervisord read its configuration again. Nothing starts or stops by that: what follows from it is up to you.
    pub fn reload_config(&self) -> Result<Reloaded, Failure> {
        let answer = Vec::<Vec<Vec<String>>>::try_from_value(&self.call("reloadConfig", vec![])?)?;
        match <[Vec<String>; 3]>::try_from(answer.into_iter().flatten().collect::<Vec<_>>()) {
            Ok([added, changed, removed]) => Ok(Reloaded { added, changed, removed }),
            Err(_) => Err("supervisord: reloadConfig: the answer is not three lists".into()),
        }
    }

    /// Adds a group that the configuration has, and starts those of its processes that are to start by themselves.
    pub fn add_group(&self, group: &str) -> Result<(), Failure> {
        self.call("addProcessGroup", vec![group.try_to_value()?]).map(drop)
    }

    /// Removes a group of which nothing runs.
    pub fn remove_group(&self, group: &str) -> Result<(), Failure> {
        self.call("removeProcessGroup", vec![group.try_to_value()?]).map(drop)
    }
}
