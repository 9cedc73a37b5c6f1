//! Checks a WireGuard tunnel by its latest handshakes: its interface is up even if no peer answers.
//!
//! Only root may read them from the kernel. `wg show INTERFACE latest-handshakes` prints them: for each peer a line
//! with its key, a tab, and seconds since 1970, or 0 for never.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::Failure;
use crate::net::Until;
use crate::secrets;

/// How much output is read: enough for thousands of peers.
const LIMIT: u64 = 1 << 20;

/// Fails unless all peers, or the one named, have had a recent handshake.
pub fn check(
    command: &str,
    interface: &str,
    peer: Option<&str>,
    max_age: Duration,
    deadline: Instant,
) -> Result<(), Failure> {
    let (status, said) = run(command, interface, deadline)?;
    if !status.success() {
        return Err(why(said.trim(), interface, status).into());
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    judge(&said, peer, max_age, now).map_err(|error| format!("{interface}: {error}").into())
}

/// Explains the command's failure.
fn why(said: &str, interface: &str, status: ExitStatus) -> String {
    let said = said.lines().next().unwrap_or_default();
    let is = |reasons: [&str; 2]| reasons.iter().any(|reason| said.contains(reason));
    if is(["Operation not permitted", "Permission denied"]) {
        format!(
            "only root, or a process with CAP_NET_ADMIN, may ask for the handshakes of {interface}: set --wg-command 'sudo -n wg'"
        )
    } else if is(["No such device", "Protocol not supported"]) {
        // The second means that the kernel has no WireGuard.
        format!("no WireGuard interface {interface}: {said}")
    } else {
        format!("the command for the handshakes of {interface} fails, {status}: {said}")
    }
}

/// Judges the output at time `now`, since 1970.
fn judge(printed: &str, peer: Option<&str>, max_age: Duration, now: Duration) -> Result<(), String> {
    let mut found = false;
    for line in printed.lines() {
        let handshake = line.split_once('\t').and_then(|(key, at)| Some((key, at.trim().parse::<u64>().ok()?)));
        let (key, at) = handshake.ok_or_else(|| format!("that is not a peer and its last handshake: {line:?}"))?;
        if peer.is_some_and(|peer| peer != key) {
            continue;
        }
        found = true;
        if at == 0 {
            return Err(format!("no handshake yet with {key}"));
        }
        // If the clock was set back, a handshake may be in the future.
        let age = now.saturating_sub(Duration::from_secs(at));
        if age > max_age {
            return Err(format!("the last handshake with {key} was {} s ago", age.as_secs()));
        }
    }
    match (found, peer) {
        (true, _) => Ok(()),
        (false, Some(peer)) => Err(format!("there is no peer {peer}")),
        (false, None) => Err("there is no peer".into()),
    }
}

/// The exit status of the command, and its output. It is killed at the deadline.
fn run(command: &str, interface: &str, deadline: Instant) -> Result<(ExitStatus, String), Failure> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("--wg-command is empty")?;
    // A socket instead of a pipe, because it supports a deadline.
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let mut child = {
        let mut command = Command::new(program);
        secrets::withhold(&mut command);
        command.args(words).args(["show", interface, "latest-handshakes"]).env("LC_ALL", "C").stdin(Stdio::null());
        let command = command.stdout(theirs.try_clone()?).stderr(theirs);
        command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {program}: install wireguard-tools, or set --wg-command"),
            _ => format!("{program} cannot be run: {error}"),
        })?
    };
    let mut said = String::new();
    let read = Until::new(ours, deadline).take(LIMIT).read_to_string(&mut said);
    if read.is_err() {
        // It has not ended, and may never do so.
        let _ = child.kill();
    }
    let status = child.wait()?;
    read.map_err(|error| format!("{program}: {error}"))?;
    Ok((status, said))
}
