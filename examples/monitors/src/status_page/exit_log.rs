//! Finds out from supervisord's own log how a process ended. After an exit, supervisord restarts a process at once, and
//! its answers then describe the new one: only the log still has the reason.
//!
//! ```text
//! 2026-11-27 22:36:49,123 WARN exited: worker (exit status 3; not expected)
//! 2026-11-27 22:36:49,123 WARN exited: worker (terminated by SIGKILL; not expected)
//! ```

use crate::supervisord::{End, ends};

/// How the process of this name last exited, according to the log: the status, or -1 for a signal, and the reason. The
/// log does not contain groups.
pub fn last_exit(log: &str, name: &str, expected: bool) -> Option<(i32, String)> {
    let End { how, .. } = ends(log, name).next_back().filter(|end| end.expected == expected)?;
    if let Some(status) = how.strip_prefix("exit status ") {
        let status = status.parse().ok()?;
        return Some((status, format!("exit code {status}")));
    }
    Some((-1, format!("killed by {}", how.strip_prefix("terminated by ")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_exit_is_read_from_the_log() {
        let log = "torn (exit status 9; not expected)\n\
                   2026-11-27 22:36:49,123 WARN exited: a (exit status 3; not expected)\n\
                   2026-11-27 22:36:49,124 INFO spawned: 'a' with pid 5\n\
                   2026-11-27 22:36:49,125 INFO exited: a (exit status 0; expected)\n\
                   2026-11-27 22:36:49,126 WARN exited: b (terminated by SIGSEGV (core dumped); not expected)\n\
                   2026-11-27 22:36:49,127 WARN stopped: c (terminated by SIGKILL)\n\
                   2026-11-27 22:36:49,128 WARN exited: d (unknown termination cause 0x7; not expected)\n\
                   2026-11-27 22:36:49,129 WARN exited: e (exit st";
        assert_eq!(last_exit(log, "a", true), Some((0, "exit code 0".into())));
        // The last entry is about a different exit.
        assert_eq!(last_exit(log, "a", false), None);
        assert_eq!(last_exit(log, "b", false), Some((-1, "killed by SIGSEGV (core dumped)".into())));
        for name in ["c", "d", "e", "torn", "exited: a", ""] {
            assert_eq!(last_exit(log, name, false), None, "{name}");
        }
    }
}
