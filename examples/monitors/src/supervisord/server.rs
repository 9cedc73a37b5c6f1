//! Ends or restarts supervisord, by a call or by a signal.

use std::fs;
use std::io;
use std::path::Path;
use std::process;

use rustix::process::{Pid, Signal, kill_process};

use super::{Fault, Supervisord, fault_of};
use crate::{Failure, machine};

impl Supervisord {
    /// Tells supervisord to stop all processes and end. It is not an error if it is already ending.
    pub fn shut_down(&self) -> Result<(), Failure> {
        match self.call("shutdown", Vec::new()) {
            Err(error) if fault_of(&error) == Some(Fault::ShutdownState) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Tells supervisord to stop all processes and start again with its current configuration, like `supervisorctl
    /// reload`.
    pub fn restart_supervisord(&self) -> Result<(), Failure> {
        self.call("restart", Vec::new()).map(drop)
    }
}

/// The process id in supervisord's `pidfile`.
pub fn pid_in(file: &Path) -> Result<u32, Failure> {
    let read = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| read(&error))?;
    text.trim()
        .parse()
        .map_err(|_| format!("{} contains {:?}, which is not a process id", file.display(), text.trim()).into())
}

/// Sends SIGTERM to supervisord. It must be an ancestor of this process: the file may be old, and its number may belong
/// to another program by now.
pub fn signal_to_end(pid: u32) -> Result<(), Failure> {
    if let Ok(ancestors) = ancestors()
        && !ancestors.contains(&pid)
    {
        return Err(format!("process {pid} is not the supervisord that started this one").into());
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("0 is not a process id")?;
    Ok(kill_process(pid, Signal::TERM)?)
}

/// The ancestors of this process. A shell may be among them, if the listener's command uses one.
fn ancestors() -> io::Result<Vec<u32>> {
    machine::check_proc()?;
    let mut ancestors = Vec::new();
    let mut pid = process::id();
    while pid != 0 && !ancestors.contains(&pid) {
        ancestors.push(pid);
        // The parent is the fourth field; the first two are the id and the name.
        let parent = machine::stat(pid)?.get(1).and_then(|parent| parent.parse().ok());
        pid = parent.ok_or_else(machine::unknown_format)?;
    }
    Ok(ancestors)
}
