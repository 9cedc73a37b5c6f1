//! Mail by a command, as `sendmail` and its like have it.

use std::convert::Infallible;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use lettre::Address;
use rustix::process::{Pid, Signal, kill_process_group};

use super::Undelivered;
use super::letter::Letter;
use crate::alerts::secrets;

/// How often it is looked whether the command has ended.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long the last words of a command are waited for that has ended: a daemon that it left may hold its output.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How much of what it says is kept, in bytes.
const EXCERPT: u64 = 1000;

/// A program and its arguments. It is given `-i -f FROM -- TO…` as well.
#[derive(Clone, Debug)]
pub struct Command(Vec<String>);

impl FromStr for Command {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split_whitespace().map(String::from).collect()))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.first().map_or("", String::as_str))
    }
}

impl Command {
    /// Gives it the letter, and waits until it ends; kills it when its time is up.
    pub fn deliver(
        &self,
        from: &Address,
        to: &[Address],
        letter: &Letter,
        timeout: Duration,
    ) -> Result<(), Undelivered> {
        let deadline = Instant::now() + timeout;
        let (status, said) =
            self.run(from, to, letter, deadline).map_err(|error| Undelivered::ForNow(format!("{self}: {error}")))?;
        let why = || format!("{self}: {status}: {}", said.trim());
        match status.code() {
            Some(0) => Ok(()),
            // The codes of sysexits.h for a message, a user and a host that are wrong, and stay so.
            Some(65 | 67 | 68) => Err(Undelivered::ForGood(why())),
            _ => Err(Undelivered::ForNow(why())),
        }
    }

    fn run(
        &self,
        from: &Address,
        to: &[Address],
        letter: &Letter,
        deadline: Instant,
    ) -> io::Result<(ExitStatus, String)> {
        let (program, arguments) = self.0.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut command = process::Command::new(program);
        let (from, to): (&str, Vec<&str>) = (from.as_ref(), to.iter().map(AsRef::as_ref).collect());
        command.args(arguments).args(["-i", "-f", from, "--"]).args(to);
        secrets::withhold(&mut command);
        // Standard output is the protocol's. The group is what is killed.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let result = talk(&mut child, letter).and_then(|said| Ok((wait(&mut child, deadline)?, said)));
        if result.is_err() {
            kill(&mut child);
        }
        let (status, said) = result?;
        Ok((status, said.recv_timeout(LAST_WORDS).unwrap_or_default()))
    }
}

/// Gives it the letter, and takes what it says about that, in threads: it may read late, or never.
fn talk(child: &mut Child, letter: &Letter) -> io::Result<Receiver<String>> {
    let (told, said) = sync_channel(1);
    if let Some(mut input) = child.stdin.take() {
        // Lines as on the rest of the system.
        let text = String::from_utf8_lossy(&letter.bytes).replace("\r\n", "\n");
        start("alerts-mail", move || drop(input.write_all(text.as_bytes())))?;
    }
    if let Some(mut errors) = child.stderr.take() {
        start("alerts-mail-errors", move || {
            let mut start = Vec::new();
            let _ = errors.by_ref().take(EXCERPT).read_to_end(&mut start);
            let _ = told.send(String::from_utf8_lossy(&start).into_owned());
            // It is not to wait for us.
            let _ = io::copy(&mut errors, &mut io::sink());
        })?;
    }
    Ok(said)
}

fn start(name: &str, act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(128 << 10).spawn(act).map(drop)
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status),
            None if Instant::now() >= deadline => return Err(io::Error::other("timed out")),
            None => thread::sleep(INTERVAL),
        }
    }
}

/// It and all that it started. It is not waited for before, so the number is still its own.
fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
