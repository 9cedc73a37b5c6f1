//! What supervisord knows about the process that an alert is about: how it ended, and its last output.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sender::readable;
use crate::Failure;
use crate::log::now;
use crate::supervisord::{Stream, Supervisord, Unknown};

/// The field that names the process to look up. It is not sent.
pub const LOOK_UP: &str = "look_up";
/// How much of a process's standard error an alert contains, in bytes.
const TAIL: usize = 2000;
/// After a failed call, supervisord is left alone for this long: otherwise each waiting alert would wait for the
/// timeout.
const REST: Duration = Duration::from_secs(30);

/// Looks up processes, with a pause after supervisord has not answered.
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
    /// Asks the supervisord that started this process.
    pub fn new() -> Self {
        Self { supervisord: Supervisord::from_env(), resting_until: None }
    }

    /// What supervisord knows about a process, by its full name, and about its end, by its process id; or an `error`.
    pub fn of(&mut self, full_name: &str, pid: Option<u32>) -> Value {
        let mut found = self.look_up(full_name, pid).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        // The alert may have been waiting, and the process may have been restarted since.
        found["at"] = now().into();
        found
    }

    /// Completes an alert with the results of its look-up. If the look-up fails, the alert contains the error instead.
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
            return Err("supervisord did not answer a moment ago".into());
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
        // The other fields are still useful.
        Err(error) => (found["stderr"], found["stderr_error"]) = (Value::Null, error.to_string().into()),
    }
    Ok(found)
}

/// How the process ended, according to supervisord's log.
fn reason(supervisord: &Supervisord, name: &str, pid: Option<u32>) -> Result<Option<String>, Failure> {
    match supervisord.exit_reason(name.split_once(':').map_or(name, |(_, name)| name), pid) {
        Err(error) if error.is::<Unknown>() => Err(error),
        // supervisord keeps no log.
        Err(_) => Ok(None),
        found => found,
    }
}

/// Drops the partial first line of a tail that was cut off, unless it is the only line.
fn last_lines(tail: &str) -> &str {
    // supervisord may have dropped the first bytes of a character: up to 3.
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
