//! Invalid settings of the ready-made listeners, and their error messages.

use std::process::Stdio;

use super::fake_supervisord::FakeSupervisord;
use super::programs::program;
use serde_json::Value;
use tempfile::TempDir;

type Case = (&'static str, &'static [&'static str], &'static str);

fn refusals(cases: &[Case], environment: &[(String, String)]) {
    let directory = TempDir::new().unwrap();
    for (name, settings, why) in cases {
        let mut command = program(name);
        command.args(*settings).envs(environment.iter().cloned()).current_dir(directory.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let line: Value =
            serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{name} {settings:?}: {output:?}"));
        let message = line["message"].as_str().unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{name}: {message}");
        assert!(message.contains(why), "{name} {settings:?}: {message}");
    }
}

const WEB: &str = "web=http://127.0.0.1/#process=web";

#[test]
fn wrong_settings_are_named() {
    refusals(
        &[
            ("critical_exit", &["--lost-when", "STOPPED"], "--lost-when is FATAL or FATAL,EXITED"),
            ("critical_exit", &["--end-by", "kill"], "--end-by is shutdown or signal"),
            ("critical_exit", &["--exit-code", "0"], "--exit-code 0 is not in 1..="),
            ("critical_exit", &["--grace", "soon"], "--grace is a number of seconds"),
            ("critical_exit", &["--grace", "1e19"], "--grace is at most 3153600000 seconds"),
            ("critical_exit", &["--exit-code-file", "/"], "--exit-code-file / is a directory: name a file in it"),
            ("run_on_event", &[], "--on-event is empty"),
            ("run_on_event", &["--on-event", "sh -c 'x"], "--on-event has a quote that is not closed"),
            (
                "run_on_event",
                &["--on-event", "x", "--event-types", "PROCESS_STATE_DEAD"],
                "--event-types is a list of event types",
            ),
            ("run_on_event", &["--on-event", "x", "--when-busy", "never"], "--when-busy is wait, skip or latest"),
            ("run_on_event", &["--on-event", "x", "--jobs", "0"], "--jobs 0 is not in 1..="),
            ("memory_guard", &[], "--limits and --group-limits are empty"),
            ("memory_guard", &["--limits", "web=500"], "--limits is a list of NAME=SIZE, with KB, MB or GB"),
            ("memory_guard", &["--limits", "web"], "--limits is a list of NAME=SIZE"),
            ("memory_guard", &["--group-limits", "a:b=1GB"], "--group-limits names groups"),
            ("memory_guard", &["--limits", "*=1GB", "--restarts", "many"], "--restarts is a number"),
            ("memory_guard", &["--limits", "*=1GB", "--start-grace=-1"], "--start-grace is a whole number of seconds"),
            ("http_guard", &[], "--endpoints is empty"),
            ("http_guard", &["--endpoints", "web=http://127.0.0.1/"], "--endpoints: web lacks the option process"),
            ("http_guard", &["--endpoints", WEB, "--deadline", "9"], "--deadline leaves no time before the next tick"),
            ("http_guard", &["--endpoints", WEB, "--failures", "0"], "--failures 0 is not in 1.."),
            ("crash_report", &["--processes", "two words:x"], "--processes names processes by NAME"),
            ("crash_report", &["--batch-seconds", "x"], "--batch-seconds is a whole number of seconds"),
        ],
        &[],
    );
}

#[test]
fn names_that_supervisord_does_not_have_are_said_with_their_setting() {
    let supervisord = FakeSupervisord::start();
    supervisord.set(&[("site", "web", "RUNNING", 1)]);
    let environment: Vec<_> =
        supervisord.environment().into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    refusals(
        &[
            ("critical_exit", &["--processes", "lost"], "--processes names process \"lost\""),
            ("memory_guard", &["--limits", "site:*=1GB,lost=1GB"], "--limits names process \"lost\""),
            ("memory_guard", &["--group-limits", "site=1GB,jobs=1GB"], "--group-limits names group \"jobs\""),
            (
                "http_guard",
                &["--endpoints", "web=http://127.0.0.1/#process=lost"],
                "--endpoints names process \"lost\"",
            ),
            ("crash_report", &["--processes", "site:web,lost"], "--processes names process \"lost\""),
        ],
        &environment,
    );
}
