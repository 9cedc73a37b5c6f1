//! What supervisord knows of the process that an alert is about: how it ended, and what it said last.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sender::readable;
use crate::Failure;
use crate::log::now;
use crate::supervisord::{Stream, Supervisord, Unknown};

/// The field that names the process to ask about. It is not sent.
pub const LOOK_UP: &str = "look_up";
/// How much of a process's standard error goes into an alert, in bytes.
const TAIL: usize = 2000;
/// How long supervisord is not asked after it has not answered: the alerts that wait would each wait for it.
const REST: Duration = Duration::from_secs(30);

/// Asks for it, and not again and again where supervisord does not answer.
pub struct Evidence {
    supervisord: Supervisord,
    resting_until: Option<Instant>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self::new()
    }
}

impl Evidence {
    /// That of the supervisord that started this process.
    pub fn new() -> Self {
        Self { supervisord: Supervisord::from_env(), resting_until: None }
    }

    /// What supervisord knows of a process, by its full name, and of its end, by the id that it had; or an `error`.
    pub fn of(&mut self, full_name: &str, pid: Option<u32>) -> Value {
        let mut found = self.look_up(full_name, pid).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        // An alert may have waited, and the process may have been started again.
        found["at"] = now().into();
        found
    }

    /// The alert as it is sent: with the answers to what it asks for. What cannot be had is said in its place.
    pub(super) fn complete(&mut self, alert: Vec<u8>) -> Vec<u8> {
        let mut value = readable(&alert);
        let asked = value.as_object_mut().and_then(|fields| fields.shift_remove(LOOK_UP));
        let Some(name) = asked.as_ref().and_then(Value::as_str) else { return alert };
        let pid = value["details"]["pid"].as_u64().and_then(|pid| pid.try_into().ok());
        value["process_info"] = self.of(name, pid);
        value.to_string().into_bytes()
    }

    fn look_up(&mut self, name: &str, pid: Option<u32>) -> Result<Value, Failure> {
        if self.resting_until.is_some_and(|until| Instant::now() < until) {
            return Err("supervisord did not answer shortly before".into());
        }
        let found = ask(&self.supervisord, name, pid);
        let silent = found.as_ref().is_err_and(|error| error.is::<Unknown>());
        self.resting_until = silent.then(|| Instant::now() + REST);
        found
    }
}

fn ask(supervisord: &Supervisord, name: &str, pid: Option<u32>) -> Result<Value, Failure> {
    let ended = supervisord.process(name)?;
    let mut found =
        json!({ "state": ended.state, "exit_status": ended.kept_exit_status(), "spawn_error": ended.spawn_error });
    found["reason"] = json!(reason(supervisord, name, pid)?);
    match supervisord.log_end(name, Stream::Stderr, TAIL) {
        Ok(tail) => found["stderr"] = last_lines(&tail).into(),
        Err(error) if error.is::<Unknown>() => return Err(error),
        // The rest is still worth having.
        Err(error) => (found["stderr"], found["stderr_error"]) = (Value::Null, error.to_string().into()),
    }
    Ok(found)
}

/// How it ended, as far as supervisord's log tells.
fn reason(supervisord: &Supervisord, name: &str, pid: Option<u32>) -> Result<Option<String>, Failure> {
    match supervisord.exit_reason(name.split_once(':').map_or(name, |(_, name)| name), pid) {
        Err(error) if error.is::<Unknown>() => Err(error),
        // It keeps no log.
        Err(_) => Ok(None),
        found => found,
    }
}

/// What was cut off somewhere begins with its first whole line, if it has one.
fn last_lines(tail: &str) -> &str {
    // supervisord may have left out the start of a character, which has up to 3 bytes besides.
    let cut = tail.len() + 3 >= TAIL;
    match tail.split_once('\n') {
        Some((_, lines)) if cut && !lines.is_empty() => lines,
        _ => tail,
    }
}

#[cfg(test)]
mod tests {
    use super::{TAIL, last_lines};

    #[test]
    fn a_tail_that_was_cut_begins_with_a_line() {
        let long = "x".repeat(TAIL);
        assert_eq!(last_lines(&long), long);
        assert_eq!(last_lines("a\nb\n"), "a\nb\n");
        assert_eq!(last_lines(&format!("{}\nlast\n", &long[6..])), "last\n");
        let one = format!("{}\n", &long[1..]);
        assert_eq!(last_lines(&one), one);
    }
}
