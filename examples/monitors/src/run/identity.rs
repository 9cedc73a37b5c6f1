//! What tells this run of supervisord from any other: serials begin at 0 with each of them.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::parent_id;
use std::process;

/// The machine's boot, the process id of the supervisord that started this process, and when it was started.
///
/// A reload by SIGHUP is the same process, and goes on with the serials: the same run.
pub fn run_of_parent() -> io::Result<String> {
    let parent = parent_id();
    Ok(format!("{}-{parent}-{}", boot()?, start_time(parent)?))
}

/// A number that no other run shares, as far as can be known. None where nothing tells: in a container without a `/proc`
/// of its own, or with `hidepid`, where supervisord is always process 1 and has no socket either.
pub fn number_of_parent() -> Option<u64> {
    let by_socket = || Some(format!("{}-{}-{}", boot().unwrap_or_default(), parent_id(), socket_time()?));
    let run = run_of_parent().ok().or_else(by_socket)?;
    Some(hash(run.as_bytes()))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().into())
}

/// When the process was started, in ticks since the boot.
fn start_time(pid: u32) -> io::Result<String> {
    // Inside a process namespace, /proc may still be that of the outside: its process 1 is another one.
    let own = fs::read_link("/proc/self")?;
    if own.to_str().and_then(|own| own.parse().ok()) != Some(process::id()) {
        return Err(io::Error::other("/proc is not that of this process namespace"));
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the program's name in parentheses, may hold anything; the start is the 22nd.
    let start = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(19));
    start.map(Into::into).ok_or_else(|| io::Error::other("the format of /proc is not known"))
}

/// When supervisord made its socket: it makes a new one at each start.
fn socket_time() -> Option<String> {
    let url = env::var("SUPERVISOR_SERVER_URL").ok()?;
    let socket = fs::metadata(url.strip_prefix("unix://")?).ok()?;
    Some(format!("{}-{}-{}", socket.ino(), socket.mtime(), socket.mtime_nsec()))
}

/// FNV-1a: it has to be the same in every version of this program.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
