//! Finds out why a process ended from supervisord's own log: the XML-RPC interface does not report signals, and forgets
//! an exit status as soon as the process is started again.

use super::Supervisord;
use crate::Failure;

/// How much of the end of the log is searched, in bytes.
const TAIL: usize = 64 << 10;

impl Supervisord {
    /// How a process last ended, or the one with this id: `exit status 3`, `terminated by SIGKILL`. `None` if the log
    /// does not say. The log has names without groups.
    pub fn exit_reason(&self, name: &str, pid: Option<u32>) -> Result<Option<String>, Failure> {
        Ok(find(&self.own_log_end(TAIL)?, name, pid).map(Into::into))
    }
}

/// The end of a process that supervisord did not stop.
pub struct End<'a> {
    /// `exit status 3`, `terminated by SIGKILL`.
    pub how: &'a str,
    /// Whether its exit code is among its `exitcodes`.
    pub expected: bool,
}

/// The ends of the processes of this name, in order.
pub fn ends<'a>(log: &'a str, name: &str) -> impl DoubleEndedIterator<Item = End<'a>> {
    messages(log).filter_map(move |message| end(message, name))
}

/// The messages of lines with date, time and level: `2026-11-27 23:06:02,467 WARN exited: NAME (exit status 3; not
/// expected)`.
fn messages(log: &str) -> impl DoubleEndedIterator<Item = &str> {
    log.lines().filter_map(|line| {
        // A debug log also contains the output of processes.
        let (date, rest) = line.split_once(' ')?;
        let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        rest.splitn(3, ' ').nth(2).filter(|_| is_date)
    })
}

fn end<'a>(message: &'a str, name: &str) -> Option<End<'a>> {
    let end = message.strip_prefix("exited: ")?.strip_prefix(name)?.strip_prefix(" (")?.strip_suffix(')')?;
    let (how, expected) = end.rsplit_once("; ")?;
    Some(End { how, expected: expected == "expected" })
}

fn find<'a>(log: &'a str, name: &str, pid: Option<u32>) -> Option<&'a str> {
    let reason = |message| end(message, name).map(|end| end.how);
    let Some(pid) = pid else { return messages(log).filter_map(reason).next_back() };
    let start = format!("spawned: '{name}' with pid {pid}");
    let mut all = messages(log);
    // If the process was started before this part of the log, its end is the first one in it.
    match all.any(|message| message == start) {
        true => all.find_map(reason),
        false => messages(log).find_map(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    const LOG: &str = "arted\n\
        2026-11-27 23:06:01,000 WARN exited: a (exit status 1; not expected)\n\
        2026-11-27 23:06:02,000 INFO spawned: 'a' with pid 7\n\
        2026-11-27 23:06:02,500 DEBG 'a' stderr output:\n\
        exited: a (terminated by SIGLIE; not expected)\n\
        2026-11-27 23:06:03,000 WARN exited: ab (exit status 5; not expected)\n\
        2026-11-27 23:06:03,000 WARN exited: a (terminated by SIGKILL; not expected)\n\
        2026-11-27 23:06:04,000 INFO spawned: 'a' with pid 8\n\
        2026-11-27 23:06:05,000 INFO exited: a (exit status 0; expected)\n";

    #[test]
    fn the_end_of_a_process_is_found_by_its_start() {
        assert_eq!(find(LOG, "a", Some(7)), Some("terminated by SIGKILL"));
        assert_eq!(find(LOG, "a", Some(8)), Some("exit status 0"));
        assert_eq!(find(LOG, "a", Some(6)), Some("exit status 1"));
        assert_eq!(find(LOG, "a", None), Some("exit status 0"));
        assert_eq!(find(LOG, "ab", Some(1)), Some("exit status 5"));
        assert_eq!(find(LOG, "c", Some(1)), None);
        assert_eq!(find("", "a", None), None);
    }
}
