//! Identifies this run of supervisord: each run's serials begin at 0.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::parent_id;

use crate::machine;

/// Combines the machine's boot, the process id of the supervisord that started this process, and its start time.
///
/// A reload by SIGHUP keeps the process and its serials: it is the same run.
pub fn run_of_parent() -> io::Result<String> {
    let parent = parent_id();
    Ok(format!("{}-{parent}-{}", boot()?, start_time(parent)?))
}

/// A number that, as far as is known, no other run shares. `None` if the run cannot be identified: in a container
/// without a `/proc` of its own, or with `hidepid`, if supervisord is process 1 and has no socket.
pub fn number_of_parent() -> Option<u64> {
    let by_socket = || Some(format!("{}-{}-{}", boot().unwrap_or_default(), parent_id(), socket_time()?));
    let run = run_of_parent().ok().or_else(by_socket)?;
    Some(hash(run.as_bytes()))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().into())
}

/// When the process was started, in ticks since boot.
fn start_time(pid: u32) -> io::Result<String> {
    machine::check_proc()?;
    // The 22nd field; the first two are the id and the name.
    machine::stat(pid)?.into_iter().nth(19).ok_or_else(machine::unknown_format)
}

/// When supervisord created its socket: it does that at each start.
fn socket_time() -> Option<String> {
    let url = env::var("SUPERVISOR_SERVER_URL").ok()?;
    let socket = fs::metadata(url.strip_prefix("unix://")?).ok()?;
    Some(format!("{}-{}-{}", socket.ino(), socket.mtime(), socket.mtime_nsec()))
}

/// FNV-1a: the hash must be the same in every version of this program.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
