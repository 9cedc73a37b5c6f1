//! Sends mail through a command, such as `sendmail`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lettre::Address;

use super::Undelivered;
use super::letter::Letter;
use crate::command::{CommandLine, End, Ended, Limits, Stream, run};

/// How much of its error output is kept, in bytes.
const EXCERPT: usize = 1000;

/// A program and its arguments. `-i -f FROM -- TO…` is appended.
#[derive(Clone, Debug)]
pub struct Command(CommandLine);

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Command {
    /// Passes the mail to the command and waits for it to end; kills it after the timeout.
    pub fn deliver(
        &self,
        from: &Address,
        to: &[Address],
        letter: &Letter,
        timeout: Duration,
    ) -> Result<(), Undelivered> {
        let mut command = self.0.command();
        let (from, to): (&str, Vec<&str>) = (from.as_ref(), to.iter().map(AsRef::as_ref).collect());
        command.args(["-i", "-f", from, "--"]).args(to);
        // With the system's line endings.
        let text = String::from_utf8_lossy(&letter.bytes).replace("\r\n", "\n");
        // The command may leave a process that sends the mail later.
        let limits = Limits { timeout, grace: Duration::ZERO, kills_rest: false };
        let mut said = Vec::new();
        let mut hear = |stream, bytes: &[u8]| {
            if stream == Stream::Stderr {
                said.extend_from_slice(&bytes[..bytes.len().min(EXCERPT - said.len())]);
            }
        };
        let ended = run(command, text.as_bytes(), &limits, &End::default(), &mut hear);
        let status = match ended {
            Ok(Ended::ByItself(status)) => status,
            Ok(Ended::TimedOut | Ended::Interrupted) => return Err(Undelivered::ForNow(format!("{self}: timed out"))),
            Err(error) => return Err(Undelivered::ForNow(format!("{self}: {error}"))),
        };
        let why = || format!("{self}: {status}: {}", String::from_utf8_lossy(&said).trim());
        match status.code() {
            Some(0) => Ok(()),
            // The codes in sysexits.h for a message, user or host that is permanently wrong.
            Some(65 | 67 | 68) => Err(Undelivered::ForGood(why())),
            _ => Err(Undelivered::ForNow(why())),
        }
    }
}
