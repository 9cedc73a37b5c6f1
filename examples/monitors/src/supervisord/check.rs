//! Checks at a monitor's start: whether supervisord can be called, and whether it has what the settings name.

use std::env;

use serde_json::json;

use super::{Fault, Misconfigured, Process, Supervisord, fault_of, find};
use crate::Failure;
use crate::log::{Level, log};
use crate::names::{ProcessName, ProcessPattern};

/// How many processes an error message lists.
const LISTED: usize = 20;

impl Supervisord {
    /// The supervisord that started this process. Fails if it cannot be called, or lacks something that `named`
    /// requires.
    ///
    /// A supervisord that does not answer in time, or is shutting down, only causes a warning. Without a supervisord,
    /// as in a test, nothing is checked.
    pub fn at_start(named: impl FnOnce(&mut Names<'_>)) -> Result<Self, Failure> {
        let this = Self::from_env();
        if this.url.is_none() {
            return match env::var_os("SUPERVISOR_ENABLED") {
                None => Ok(this),
                Some(_) => Err(Misconfigured(NO_SERVER.into()).into()),
            };
        }
        match this.processes() {
            Ok(processes) => {
                let mut names = Names { processes: &processes, missing: Vec::new() };
                named(&mut names);
                names.are_there()?;
            }
            Err(error) if error.is::<Misconfigured>() => return Err(error),
            Err(error) => {
                log(Level::Warning, format!("{error}: the names in the settings were not checked"), json!({}))
            }
        }
        Ok(this)
    }
}

/// Compares names in settings with supervisord's processes.
pub struct Names<'a> {
    processes: &'a [Process],
    /// Settings, with the names that supervisord does not have.
    missing: Vec<(String, Vec<String>)>,
}

impl Names<'_> {
    /// All processes of supervisord.
    pub fn listed(&self) -> &[Process] {
        self.processes
    }

    /// Requires each pattern of a setting to match a process.
    pub fn processes<'a>(&mut self, setting: &str, patterns: impl IntoIterator<Item = &'a ProcessPattern>) {
        for pattern in patterns {
            let is_there = self.processes.iter().any(|process| pattern.names(process));
            self.need(is_there, "process", pattern.to_string(), setting);
        }
    }

    /// Requires the process that a setting names.
    pub fn process(&mut self, setting: &str, name: &ProcessName) {
        let full_name = name.to_string();
        self.need(find(self.processes, &full_name).is_some(), "process", full_name, setting);
    }

    /// Requires the group that a setting names.
    pub fn group(&mut self, setting: &str, group: &str) {
        let is_there = self.processes.iter().any(|process| process.group == group);
        self.need(is_there, "group", group.into(), setting);
    }

    fn need(&mut self, is_there: bool, kind: &str, name: String, setting: &str) {
        if is_there {
            return;
        }
        let what = format!("{kind} {name:?}");
        match self.missing.iter_mut().find(|(named_by, _)| named_by == setting) {
            Some((_, names)) if names.contains(&what) => {}
            Some((_, names)) => names.push(what),
            None => self.missing.push((setting.into(), vec![what])),
        }
    }

    fn are_there(&self) -> Result<(), Failure> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let mut there: Vec<_> = self.processes.iter().take(LISTED).map(Process::full_name).collect();
        if let Some(further @ 1..) = self.processes.len().checked_sub(LISTED) {
            there.push(format!("and {further} more"));
        }
        let missing = self.missing.iter().map(|(setting, names)| format!("{setting} names {}", names.join(", ")));
        let (missing, there) = (missing.collect::<Vec<_>>().join("; "), there.join(", "));
        Err(format!(
            "{missing}: supervisord has no such process or group. Its processes are {there}. Correct the setting, or its \
             default if you have not set it: --help shows both names of a setting and its default"
        )
        .into())
    }
}

const NO_SERVER: &str = "supervisord has no HTTP server, so it cannot be called. Add to its configuration: \
    [unix_http_server] with file = /run/supervisor.sock, and [rpcinterface:supervisor] with \
    supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface; then restart it";

/// Logs a failed call. If supervisord is shutting down or restarting, logs that instead, once and not as an error.
pub fn log_failure(level: Level, error: &Failure, message: impl AsRef<str>, fields: serde_json::Value) {
    static SAID: std::sync::Once = std::sync::Once::new();
    if fault_of(error) == Some(Fault::ShutdownState) {
        SAID.call_once(|| {
            log(Level::Info, "supervisord is shutting down or restarting, and accepts no calls", json!({}))
        });
    } else {
        log(level, message, fields);
    }
}
