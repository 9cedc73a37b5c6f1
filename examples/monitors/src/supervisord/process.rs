//! A process, as supervisord tells it.

use std::collections::HashMap;

use dxr::Value;
use serde::{Deserialize, Serialize};

use super::field;
use crate::Failure;

/// A process as supervisord sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    pub group: String,
    pub name: String,
    /// `RUNNING` and so on.
    pub state: String,
    /// 0 where there is none.
    pub pid: u32,
    /// When it was started last, in seconds since 1970; 0 if never.
    pub start: i32,
    /// When it ended last, in seconds since 1970; 0 if never.
    pub stop: i32,
    /// What it ended with: -1 for a signal, and 0 also where supervisord does not know.
    pub exit_status: i32,
    /// Why it could not be started, or what was wrong with its end; otherwise empty.
    pub spawn_error: String,
    /// supervisord's own words for its state.
    pub description: String,
    /// Whether supervisord keeps what it writes to its standard output, and to its standard error.
    pub has_stdout: bool,
    pub has_stderr: bool,
}

impl Process {
    /// `GROUP:NAME`, as supervisord wants it.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }

    pub fn runs(&self) -> bool {
        self.state == "RUNNING"
    }

    pub fn is_stopped(&self) -> bool {
        self.state == "STOPPED"
    }

    /// Whether it neither runs nor is about to.
    pub fn is_down(&self) -> bool {
        matches!(self.state.as_str(), "STOPPED" | "EXITED" | "FATAL")
    }
}

/// From supervisord's answer.
pub fn process(info: &HashMap<String, Value>) -> Result<Process, Failure> {
    let pid: i32 = field(info, "pid")?;
    Ok(Process {
        group: field(info, "group")?,
        name: field(info, "name")?,
        state: field(info, "statename")?,
        pid: pid.try_into()?,
        start: field(info, "start")?,
        stop: field(info, "stop")?,
        exit_status: field(info, "exitstatus")?,
        // Not every server has these.
        spawn_error: field(info, "spawnerr").unwrap_or_default(),
        description: field(info, "description").unwrap_or_default(),
        has_stdout: field(info, "stdout_logfile").is_ok_and(|path: String| !path.is_empty()),
        has_stderr: field(info, "stderr_logfile").is_ok_and(|path: String| !path.is_empty()),
    })
}
