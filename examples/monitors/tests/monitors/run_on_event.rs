//! `run_on_event` if commands take longer than events.

use std::fs;

use super::programs::{Driven, levels};
use crate::support::wait_for;
use tempfile::TempDir;

/// Runs until the file `go` exists, and prints its event.
const SLOW: &str = "sh -c 'echo begin $SUPERVISOR_EVENT_SERIAL >> runs; until [ -e go ]; do sleep 0.01; done; \
                    echo end $SUPERVISOR_EVENT_SERIAL >> runs'";

fn exited(process: &str) -> String {
    format!("processname:{process} groupname:g from_state:RUNNING expected:0 pid:42")
}

#[test]
fn events_wait_are_skipped_or_give_way_as_it_was_set() {
    for (when_busy, expected) in [
        ("wait", &["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"][..]),
        ("skip", &["begin 0", "end 0"]),
        ("latest", &["begin 0", "end 0", "begin 3", "end 3"]),
    ] {
        let directory = TempDir::new().unwrap();
        let settings = ["--on-event", SLOW, "--when-busy", when_busy];
        let mut listener = Driven::start("run_on_event", directory.path(), &settings);
        let runs = || fs::read_to_string(directory.path().join("runs")).unwrap_or_default();
        // No event waits for a command.
        for _ in 0..4 {
            listener.send("PROCESS_STATE_EXITED", &exited("a"));
        }
        wait_for("the first", || runs().contains("begin 0").then_some(()));
        fs::write(directory.path().join("go"), "").unwrap();
        wait_for(when_busy, || (runs().lines().count() >= expected.len()).then_some(()));
        // Nothing else was waiting.
        listener.end();
        assert_eq!(runs().lines().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn as_many_run_at_once_as_it_was_set_and_what_is_not_run_is_said() {
    let directory = TempDir::new().unwrap();
    let settings = ["--on-event", SLOW, "--jobs", "2", "--waiting", "3", "--processes", "g:*"];
    let mut listener = Driven::start("run_on_event", directory.path(), &settings);
    let runs = || fs::read_to_string(directory.path().join("runs")).unwrap_or_default();
    for process in 0..10 {
        listener.send("PROCESS_STATE_EXITED", &exited(&format!("p{process}")));
    }
    listener.send("PROCESS_STATE_EXITED", &exited("other").replace("groupname:g", "groupname:h"));
    wait_for("two", || (runs().lines().count() == 2).then_some(()));
    fs::write(directory.path().join("go"), "").unwrap();
    wait_for("the rest", || (runs().matches("end").count() == 5).then_some(()));
    // The newest: 7, 8 and 9.
    assert!(runs().contains("end 9") && !runs().contains("end 10") && !runs().contains("begin 6"), "{}", runs());
    let errors = levels(&listener.lines(), "ERROR");
    assert!(errors[0].starts_with("too many commands are waiting: the oldest are NOT run"), "{errors:?}");
    listener.end();
}
