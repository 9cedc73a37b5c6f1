//! Mail by a command, as `sendmail` and its like have it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lettre::Address;

use super::Undelivered;
use super::letter::Letter;
use crate::command::{CommandLine, End, Ended, Limits, Stream, run};

/// How much of what it says is kept, in bytes.
const EXCERPT: usize = 1000;

/// A program and its arguments. It is given `-i -f FROM -- TO…` as well.
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
    /// Gives it the letter, and waits until it ends; kills it when its time is up.
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
        // Lines as on the rest of the system.
        let text = String::from_utf8_lossy(&letter.bytes).replace("\r\n", "\n");
        // It may leave somebody behind who sends the mail on.
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
            // The codes of sysexits.h for a message, a user and a host that are wrong, and stay so.
            Some(65 | 67 | 68) => Err(Undelivered::ForGood(why())),
            _ => Err(Undelivered::ForNow(why())),
        }
    }
}
