//! Which run of supervisord this is: serials begin at 0 with each.

use std::fs;
use std::io;
use std::os::unix::process::parent_id;

/// What tells the supervisord that started this process from all others: the machine's boot, its process id, and when it
/// was started.
///
/// A reload by SIGHUP is the same process, and goes on with the serials: the same run.
pub fn run_of_parent() -> io::Result<String> {
    let pid = parent_id();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the program's name, may hold anything; the start is the 22nd.
    let start = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(19));
    let start = start.ok_or_else(|| io::Error::other("its format is not known"))?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(format!("{}-{pid}-{start}", boot.trim()))
}
