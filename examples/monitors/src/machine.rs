//! The machine that this process runs on: its name, and its processes in Linux's `/proc`.

use std::fs;
use std::io;
use std::process;

/// Its host name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The fields of `/proc/PID/stat` after the program's name: the state, the parent, and so on.
pub fn stat(pid: u32) -> io::Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in parentheses, and may contain anything.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(unknown_format)?;
    Ok(fields.split_whitespace().map(Into::into).collect())
}

/// Fails if `/proc` belongs to another process namespace, in which ids mean other processes.
pub fn check_proc() -> io::Result<()> {
    let own = fs::read_link("/proc/self")?;
    match own.to_str().and_then(|own| own.parse().ok()) == Some(process::id()) {
        true => Ok(()),
        false => Err(io::Error::other("/proc belongs to another process namespace")),
    }
}

/// `/proc` is not as expected.
pub fn unknown_format() -> io::Error {
    io::Error::other("the format of /proc is unknown")
}
