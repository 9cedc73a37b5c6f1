//! The example `check_listener` as a program: good listeners pass, and every known mistake is told from the others.

#![cfg(unix)]

#[path = "support/examples.rs"]
mod examples;
#[path = "support/python.rs"]
mod python;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The machine may be busy with other tests: what is late is not wrong.
const PATIENT: &[&str] = &["--timeout", "15"];

/// Checks that there are.
const CHECKS: usize = 23;

fn check_listener(arguments: &[&str], command: &[impl AsRef<OsStr>]) -> Output {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut process = Command::new(PROGRAM.get_or_init(|| examples::example("check_listener")));
    process.args(arguments).arg("--").args(command);
    // What would make a listener in Python a better or a worse one than it is by itself.
    process.env_remove("PYTHONUNBUFFERED").env("PYTHONUTF8", "1").env_remove("SUPERVISOR_SERVER_URL");
    process.output().unwrap()
}

struct Report(Value);

impl Report {
    fn of(arguments: &[&str], command: &[impl AsRef<OsStr>]) -> Self {
        let output = check_listener(&[&["--json"], arguments].concat(), command);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        let failed = object["summary"]["failed"].as_u64().unwrap();
        assert_eq!(output.status.code(), Some(if failed == 0 { 0 } else { 1 }), "{object:#}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        Self(object)
    }

    fn checks(&self) -> &[Value] {
        self.0["checks"].as_array().unwrap()
    }

    fn check(&self, name: &str) -> &Value {
        self.checks().iter().find(|check| check["name"] == name).unwrap()
    }

    /// The ids of the findings with this verdict.
    fn ids(&self, verdict: &str) -> BTreeSet<&str> {
        let findings = self.checks().iter().flat_map(|check| check["findings"].as_array().unwrap());
        findings.filter(|finding| finding["verdict"] == verdict).map(|found| found["id"].as_str().unwrap()).collect()
    }

    fn assert_all_passed(&self, name: &str) {
        let expected = json!({"passed": CHECKS, "warned": 0, "failed": 0, "skipped": 0});
        assert_eq!(self.0["summary"], expected, "{name}: {:#}", self.0);
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/listeners").join(name).with_extension("py")
}

fn report_of_script(python: &Path, name: &str) -> Report {
    Report::of(PATIENT, &[python, &script(name)])
}

/// Our listeners, with settings that keep them in their directory and off the network.
const OURS: [(&str, &[&str]); 8] = [
    ("failure_monitor", &[]),
    ("performance_monitor", &["--interval", "0.01"]),
    ("comm_monitor", &["--audit-file", "audit.jsonl"]),
    ("heartbeat_monitor", &["--vpn-interface", "lo"]),
    ("startup_monitor", &["--state-dir", "state"]),
    ("maintenance_monitor", &["--audit-file", "audit.jsonl"]),
    ("trading_monitor", &["--listen", "127.0.0.1:0"]),
    ("poll_deadline", &[]),
];

#[test]
fn our_listeners_pass() {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, settings)) = OURS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let directory = TempDir::new().unwrap();
                    let change = ["sh", "-c", r#"cd "$0" && exec "$@""#].map(OsString::from);
                    let mut command = [&change[..], &[directory.path().into()]].concat();
                    command.push(examples::example(name).into_os_string());
                    command.extend(settings.iter().map(Into::into));
                    Report::of(PATIENT, &command).assert_all_passed(name);
                }
            });
        }
    });
}

#[test]
fn a_good_one_in_python_passes() {
    let Some(python) = python::python() else { return };
    report_of_script(&python, "good").assert_all_passed("good");
    let output = check_listener(PATIENT, &[&python, &script("good")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.starts_with("passed  basic\n") && text.ends_with(&format!("\nchecks: {CHECKS} passed, 0 failed\n")),
        "{text}"
    );
}

/// The listeners that are wrong in one way, which is their name; and what else fails for it.
const BAD: [(&str, &[&str]); 16] = [
    ("trailing-newline", &[]),
    ("ready-twice", &[]),
    ("banner-before-ready", &[]),
    ("ready-crlf", &[]),
    ("result-length-in-characters", &[]),
    ("early-result", &[]),
    ("print-in-handler", &[]),
    ("inherited-stdout", &[]),
    ("no-flush", &[]),
    ("odd-prefix", &[]),
    ("crash-on-non-ascii", &["non-ascii-identifier"]),
    ("crash-on-space-in-identifier", &[]),
    ("split-on-every-colon", &[]),
    ("length-in-bytes", &[]),
    ("exit-at-unknown-event", &[]),
    ("never-answers", &[]),
];

#[test]
fn every_mistake_is_told_from_the_others() {
    let Some(python) = python::python() else { return };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((id, others)) = BAD.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if *id == "inherited-stdout" && !cfg!(target_os = "linux") {
                        // Which process writes cannot be told elsewhere.
                        continue;
                    }
                    let report = report_of_script(&python, id);
                    let mut failed = report.ids("failed");
                    // What was said before the end of the input, and what not, is a matter of chance here.
                    failed.remove("output-after-end");
                    let expected = others.iter().copied().chain([*id]).collect();
                    assert_eq!(failed, expected, "{id}: {:#}", report.0);
                }
            });
        }
    });
}

#[test]
fn no_script_is_forgotten() {
    let listed = BAD.iter().map(|(id, _)| *id).chain(["good", "childutils", "hangs-at-unknown-event"]);
    let listed: BTreeSet<_> = listed.map(script).collect();
    let directory = fs::read_dir(script("good").parent().unwrap()).unwrap();
    let scripts = directory.map(|entry| entry.unwrap().path());
    assert_eq!(scripts.filter(|path| path.extension() == Some("py".as_ref())).collect::<BTreeSet<_>>(), listed);
}

#[test]
fn what_is_shown() {
    let Some(python) = python::python() else { return };
    let output = check_listener(&["--only", "basic"], &[python, script("trailing-newline")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("failed  basic                 trailing-newline\n\n"), "{text}");
    assert!(text.contains("\n    A newline follows READY or the data of RESULT"), "{text}");
    assert!(text.contains("\n    event:  PROCESS_STATE_RUNNING\n    said:   RESULT 2\\nOK\\nREADY\\n\n"), "{text}");
    assert!(text.ends_with("\nchecks: 1 failed\n"), "{text}");
}

#[test]
fn one_that_hangs_is_ended_and_the_others_go_on() {
    let Some(python) = python::python() else { return };
    let report = report_of_script(&python, "hangs-at-unknown-event");
    assert_eq!(report.checks().len(), CHECKS);
    for check in report.checks() {
        let hung = check["name"] == "unknown-types";
        assert_eq!(check["verdict"] == "failed", hung, "{check:#}");
        assert_ne!(check["verdict"], "skipped");
    }
    let finding = &report.check("unknown-types")["findings"][0];
    assert_eq!(finding["id"], "unknown-event-unanswered");
    let pid = finding["stderr"].as_str().unwrap().trim().strip_prefix("pid ").unwrap();
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    assert_eq!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
}

#[test]
fn what_never_gets_started_is_not_waited_for() {
    for (command, id) in [(&["sleep", "600"][..], "never-ready"), (&["true"], "died-at-start")] {
        let report = Report::of(&["--timeout", "2"], command);
        assert_eq!(report.ids("failed"), [id].into());
        assert_eq!(report.0["summary"], json!({"passed": 0, "warned": 0, "failed": 1, "skipped": CHECKS - 1}));
    }
}

#[test]
fn usage() {
    let good = &["true"][..];
    let none = &[][..];
    for (arguments, command) in [
        (&[][..], none),
        (&["--what"], good),
        (&["--only", "nothing"], good),
        (&["--timeout", "0"], good),
        (&["--timeout", "soon"], good),
        (&["--timeout", "-1"], good),
        (&[], &["/nonexistent/listener"]),
    ] {
        let output = check_listener(arguments, command);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(output.stderr.starts_with(b"error: "), "{arguments:?}");
    }
    let output = check_listener(&["--list"], none);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), CHECKS);
}

/// What `docs/known-listeners.md` says.
#[test]
fn listeners_of_other_people() {
    let Some(python) = python::programs().map(|programs| programs.join("python")) else { return };
    let script = script("childutils");
    let programs: [(&[&str], bool); 4] = [
        (&[script.to_str().unwrap()], false),
        (&["-m", "superlance.crashmail", "-a", "-m", "somebody", "-s", "cat >/dev/null"], false),
        (&["-m", "superlance.memmon", "-a", "1GB"], true),
        (&["-m", "superlance.httpok", "-p", "cat", "http://127.0.0.1:1/"], true),
    ];
    for (arguments, calls_back) in programs {
        let report = Report::of(PATIENT, &[&[python.to_str().unwrap()], arguments].concat());
        let failed = report.ids("failed");
        assert!(failed.contains("crash-on-space-in-identifier"), "{arguments:?}: {:#}", report.0);
        assert!(failed.contains("split-on-every-colon"), "{arguments:?}: {:#}", report.0);
        assert!(report.ids("warned").contains("exit-code-at-end"), "{arguments:?}: {:#}", report.0);
        // At a TICK, with nobody to call.
        assert_eq!(failed.contains("died"), calls_back, "{arguments:?}: {:#}", report.0);
        for passed in ["basic", "non-ascii", "large-payload", "split-everywhere", "flood"] {
            assert_eq!(report.check(passed)["verdict"], "passed", "{arguments:?}: {:#}", report.0);
        }
    }
}
