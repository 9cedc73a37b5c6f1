//! supervisord's information about processes.

use dxr::{TryFromValue, TryToValue};
use serde::{Deserialize, Deserializer, Serialize};
use supervisor_events::ProcessState;

use super::Supervisord;
use super::call::{Info, field};
use crate::Failure;

/// A process as supervisord sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub name: String,
    /// Its state, however the server spells it.
    #[serde(deserialize_with = "state")]
    pub state: ProcessState,
    /// 0 if there is none.
    pub pid: u32,
    /// When it was last started, in seconds since 1970; 0 if never.
    pub start: i32,
    /// When it last ended, in seconds since 1970; 0 if never.
    pub stop: i32,
    /// Its exit status: -1 for a signal, and 0 also if supervisord does not know it.
    pub exit_status: i32,
    /// Why it could not be started, or what was wrong with its end; otherwise empty.
    pub spawn_error: String,
    /// supervisord's own description of its state.
    pub description: String,
    /// Whether supervisord keeps its standard output.
    pub has_stdout: bool,
    /// Whether supervisord keeps its standard error.
    pub has_stderr: bool,
}

impl Process {
    /// `GROUP:NAME`, as supervisord expects it.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }

    /// Whether this is its full name.
    pub fn is(&self, full_name: &str) -> bool {
        full_name.split_once(':') == Some((&self.group, &self.name))
    }

    /// Whether it is RUNNING.
    pub fn runs(&self) -> bool {
        self.state == ProcessState::Running
    }

    /// Whether it is STOPPED: never started, or stopped by somebody.
    pub fn is_stopped(&self) -> bool {
        self.state == ProcessState::Stopped
    }

    /// Whether it is neither running nor about to run.
    pub fn is_down(&self) -> bool {
        matches!(self.state, ProcessState::Stopped | ProcessState::Exited | ProcessState::Fatal)
    }

    /// Its exit status: -1 for a signal. `None` if supervisord does not keep it, because the process ended too quickly
    /// or has been started again.
    pub fn kept_exit_status(&self) -> Option<i32> {
        // supervisord also reports 0 if it does not know the status.
        matches!(self.state, ProcessState::Exited | ProcessState::Stopped).then_some(self.exit_status)
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            group: String::new(),
            name: String::new(),
            state: ProcessState::Unknown,
            pid: 0,
            start: 0,
            stop: 0,
            exit_status: 0,
            spawn_error: String::new(),
            description: String::new(),
            has_stdout: false,
            has_stderr: false,
        }
    }
}

/// Finds a process by its full name.
pub fn find<'a>(processes: &'a [Process], full_name: &str) -> Option<&'a Process> {
    processes.iter().find(|process| process.is(full_name))
}

impl Supervisord {
    /// All processes, in supervisord's order.
    pub fn processes(&self) -> Result<Vec<Process>, Failure> {
        Vec::<Info>::try_from_value(&self.call("getAllProcessInfo", vec![])?)?.iter().map(process).collect()
    }

    /// One process, by its full name.
    pub fn process(&self, full_name: &str) -> Result<Process, Failure> {
        process(&self.process_info(full_name)?)
    }

    pub(super) fn process_info(&self, full_name: &str) -> Result<Info, Failure> {
        Ok(Info::try_from_value(&self.call("getProcessInfo", vec![full_name.try_to_value()?])?)?)
    }
}

/// Parses supervisord's answer.
fn process(info: &Info) -> Result<Process, Failure> {
    let pid: i32 = field(info, "pid")?;
    let state: String = field(info, "statename")?;
    Ok(Process {
        group: field(info, "group")?,
        name: field(info, "name")?,
        state: state_of(&state),
        // The Go server may report -1.
        pid: pid.try_into().unwrap_or_default(),
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

fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProcessState, D::Error> {
    String::deserialize(deserializer).map(|name| state_of(&name))
}

/// Parses the name of a state. Unknown names become UNKNOWN.
fn state_of(name: &str) -> ProcessState {
    ProcessState::from_name(name).unwrap_or(ProcessState::Unknown)
}
