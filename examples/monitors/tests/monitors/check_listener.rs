//! Every monitor passes `check_listener`.

use std::ffi::OsStr;
use std::process::Command;

use crate::support::examples::example;
use crate::support::parallel::four_at_a_time;
use crate::support::program;
use tempfile::TempDir;

/// Runs a monitor with settings that keep it inside its directory and off the network.
///
/// Each process has its own directory: waiting for another process's lock is not tested here.
const MONITORS: [(&str, &[&str]); 13] = [
    ("failure_monitor", &[]),
    ("performance_monitor", &["--interval", "0.01"]),
    ("comm_monitor", &["--audit-file", "audit.jsonl"]),
    ("heartbeat_monitor", &["--vpn-interface", "lo"]),
    ("startup_monitor", &["--state-dir", "state"]),
    ("maintenance_monitor", &["--audit-file", "audit.jsonl"]),
    ("trading_monitor", &["--listen", "127.0.0.1:0"]),
    ("log_collector", &["--log-to", "json:all.jsonl"]),
    ("run_on_event", &["--on-event", "true"]),
    ("memory_guard", &["--limits", "*=1GB"]),
    ("http_guard", &["--endpoints", "nobody=tcp://127.0.0.1:9#process=web", "--deadline", "0.1"]),
    ("crash_report", &[]),
    ("critical_exit", &["--processes", "nothing"]),
];

/// The supervisord named by the tool cannot be called.
const UNDER_NO_SUPERVISORD: &str =
    r#"unset SUPERVISOR_ENABLED SUPERVISOR_SERVER_URL; mkdir -p "$0/$$" && cd "$0/$$" && exec "$@""#;

#[test]
fn all_monitors_pass() {
    let tool = example("check_listener");
    four_at_a_time(&MONITORS, |(name, settings)| {
        let directory = TempDir::new().unwrap();
        let mut command = Command::new(&tool);
        // The machine may be busy with other tests: being late is not a failure.
        command.args(["--timeout", "15", "--", "sh", "-c", UNDER_NO_SUPERVISORD]);
        command.args([directory.path().as_os_str(), program(name).as_os_str()]);
        command.args(settings.iter().map(OsStr::new));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.ends_with(" passed, 0 failed\n"), "{name}: {text}");
    });
}
