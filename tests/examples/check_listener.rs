//! The example `check_listener` as a program: good listeners pass, and every known mistake is recognised.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::support::parallel::four_at_a_time;
use crate::support::{examples, python};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The machine may be busy with other tests: what is late is not wrong.
const PATIENT: &[&str] = &["--timeout", "15"];

/// Some listeners fail by staying silent, which takes the whole timeout. This is still enough for a busy machine.
const LESS_PATIENT: &[&str] = &["--timeout", "8"];

/// The number of checks.
const CHECKS: usize = 26;

fn check_listener(arguments: &[&str], command: &[impl AsRef<OsStr>]) -> Output {
    let mut process = program();
    process.args(arguments).arg("--").args(command);
    process.output().unwrap()
}

fn program() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut process = Command::new(PROGRAM.get_or_init(|| examples::example("check_listener")));
    // These variables would make a listener in Python better or worse than it is.
    process.env_remove("PYTHONUNBUFFERED").env("PYTHONUTF8", "1").env_remove("SUPERVISOR_SERVER_URL");
    process
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
        assert_eq!(self.0["notes"], json!([]), "{name}");
    }
}

fn script(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/listeners").join(name);
    if path.extension().is_none() { path.with_extension("py") } else { path }
}

fn report_of_script(python: &Path, name: &str) -> Report {
    report_with(PATIENT, python, name)
}

fn report_with(arguments: &[&str], python: &Path, name: &str) -> Report {
    let path = script(name);
    let interpreter = if path.extension() == Some("sh".as_ref()) { Path::new("sh") } else { python };
    Report::of(arguments, &[interpreter, &path])
}

/// The crate's own listeners, and their arguments. Each process gets a directory of its own.
const OURS: [(&str, &[&str]); 4] =
    [("exit_on_fatal", &[]), ("restart_fatal", &[]), ("stop_on_signal", &["code-points"]), ("watchdog", &[])];

#[test]
fn our_listeners_pass() {
    for (name, arguments) in OURS {
        let directory = TempDir::new().unwrap();
        // The first two call it.
        std::os::unix::fs::symlink("/usr/bin/true", directory.path().join("supervisorctl")).unwrap();
        let change = ["sh", "-c", r#"mkdir -p "$0/$$" && cd "$0/$$" && PATH="$0:$PATH" exec "$@""#].map(OsString::from);
        let mut command = [&change[..], &[directory.path().into()]].concat();
        command.push(examples::example(name).into_os_string());
        command.extend(arguments.iter().map(Into::into));
        Report::of(PATIENT, &command).assert_all_passed(name);
    }
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

/// Listeners with one mistake, which is their name, and the other findings that it causes.
const BAD: [(&str, &[&str]); 16] = [
    // These take longest.
    ("never-answers", &[]),
    ("no-flush", &[]),
    ("trailing-newline", &[]),
    ("ready-twice", &[]),
    ("banner-before-ready", &[]),
    ("ready-crlf", &[]),
    // It answers with the payload, which is not OK.
    ("result-length-in-characters", &["rejects"]),
    ("early-result", &[]),
    ("print-in-handler", &[]),
    ("inherited-stdout", &[]),
    ("odd-prefix", &[]),
    ("crash-on-non-ascii", &["non-ascii-identifier"]),
    ("crash-on-space-in-identifier", &[]),
    ("split-on-every-colon", &[]),
    ("length-in-bytes", &[]),
    ("exit-at-unknown-event", &[]),
];

#[test]
fn every_mistake_is_told_from_the_others() {
    let Some(python) = python::python() else { return };
    four_at_a_time(&BAD, |(id, others)| {
        if *id == "inherited-stdout" && !cfg!(target_os = "linux") {
            // Which process writes cannot be told elsewhere.
            return;
        }
        let report = report_with(LESS_PATIENT, &python, id);
        let mut failed = report.ids("failed");
        // How much it wrote before the end of the input is a matter of chance here.
        failed.remove("output-after-end");
        let expected = others.iter().copied().chain([*id]).collect();
        assert_eq!(failed, expected, "{id}: {:#}", report.0);
    });
}

/// The checks that a cause makes fail.
enum In {
    /// The first one; the others are skipped.
    First,
    /// The first one; the others pass.
    FirstAlone,
    /// These.
    Checks(&'static [&'static str]),
}

const WITH_PIECES: In =
    In::Checks(&["waits-for-payload", "non-ascii", "large-payload", "byte-by-byte", "split-everywhere", "slow"]);
const WITH_PIECES_OF_PAYLOAD: In = In::Checks(&[
    "waits-for-payload",
    "non-ascii",
    "large-payload",
    "byte-by-byte",
    "split-everywhere",
    "slow",
    "sigterm-busy",
]);
const WITH_NON_ASCII: In = In::Checks(&["non-ascii", "large-payload", "byte-by-byte", "split-everywhere"]);
const WITH_REMOTE: In = In::Checks(&[
    "event-types",
    "waits-for-payload",
    "several-lines",
    "non-ascii",
    "empty-payload",
    "large-payload",
    "byte-by-byte",
    "split-everywhere",
]);
const WITH_LINES: In = In::Checks(&[
    "event-types",
    "waits-for-payload",
    "several-lines",
    "non-ascii",
    "empty-payload",
    "large-payload",
    "name-space",
    "name-colon",
    "byte-by-byte",
    "split-everywhere",
]);
const WITH_MANY_EVENTS: In =
    In::Checks(&["event-types", "non-ascii", "name-space", "name-colon", "split-everywhere", "flood"]);
const WITH_FATAL: In = In::Checks(&["event-types", "name-space", "name-colon"]);

/// Listeners with one mistake: its cause, and the checks that show it.
const CAUSES: [(&str, &str, In); 28] = [
    // This one takes longest.
    ("needs-one-read", "chunking", WITH_PIECES),
    ("goes-on-at-the-end", "runs-on-at-end-of-input", In::Checks(&["end-between"])),
    ("ends-after-answer", "ends-after-answer", In::First),
    ("ends-after-ten-answers", "ends-while-ready", In::First),
    ("ends-after-ready", "ends-while-ready", In::First),
    ("ends-after-thirty-answers", "ends-while-ready", WITH_MANY_EVENTS),
    ("usage-and-exit.sh", "died-at-start", In::First),
    ("killed-at-start.sh", "died-at-start", In::First),
    ("answers-twice", "unasked-result", In::First),
    ("answers-three-times", "unasked-result", In::First),
    ("ready-instead-of-result.sh", "ready-instead-of-result", In::First),
    ("rejects-everything", "rejects", In::FirstAlone),
    ("crash-on-pieces", "chunking", WITH_PIECES),
    ("one-read-a-payload", "early-result", WITH_PIECES_OF_PAYLOAD),
    ("exits-at-several-lines", "several-lines", WITH_LINES),
    ("exits-at-remote-communication", "died", WITH_REMOTE),
    ("exits-at-empty-payload", "empty-payload", In::Checks(&["event-types", "empty-payload", "unknown-types"])),
    ("hangs-at-nul", "control-characters", In::Checks(&["several-lines"])),
    ("bytes-of-any-line", "length-in-bytes", WITH_NON_ASCII),
    ("bytes-of-any-line.sh", "length-in-bytes", WITH_NON_ASCII),
    ("split-character", "split-character", In::Checks(&["non-ascii", "byte-by-byte", "split-everywhere"])),
    ("split-payload-at-spaces", "space-in-process-name", In::Checks(&["name-space"])),
    ("split-payload-at-colons", "colon-in-process-name", In::Checks(&["name-colon"])),
    ("kills-its-parent", "signals-parent", WITH_FATAL),
    ("kills-its-parent-for-good", "signals-parent", WITH_FATAL),
    ("stops-its-parent", "signals-parent", WITH_FATAL),
    ("kills-its-parents-group", "signals-parent", WITH_FATAL),
    ("kills-its-group", "died", WITH_FATAL),
];

#[test]
fn the_cause_is_the_true_one() {
    let Some(python) = python::python() else { return };
    four_at_a_time(&CAUSES, |(name, id, place)| {
        let report = report_with(LESS_PATIENT, &python, name);
        let failed: Vec<_> = report.checks().iter().filter(|check| check["verdict"] == "failed").collect();
        let names: Vec<_> = failed.iter().map(|check| check["name"].as_str().unwrap()).collect();
        let expected = match place {
            In::First | In::FirstAlone => &["basic"][..],
            In::Checks(checks) => checks,
        };
        assert_eq!(names, expected, "{name}: {:#}", report.0);
        assert_eq!(report.ids("failed"), [*id].into(), "{name}: {:#}", report.0);
        let skipped = if matches!(place, In::First) { CHECKS - 1 } else { 0 };
        assert_eq!(report.0["summary"]["skipped"], skipped, "{name}: {:#}", report.0);
    });
}

#[test]
fn one_that_died_at_its_start_shows_how() {
    let report = report_with(PATIENT, Path::new(""), "usage-and-exit.sh");
    let finding = &report.check("basic")["findings"][0];
    assert_eq!(finding["said"], "usage: notify [--channel NAME] --token TOKEN\\n");
    assert_eq!(finding["ended"], "exit status: 2");
    assert_eq!(report.check("flood")["skipped"], "the first check failed");
    let report = report_with(PATIENT, Path::new(""), "killed-at-start.sh");
    let finding = &report.check("basic")["findings"][0];
    assert_eq!(finding["stderr"], "no memory\n");
    assert_eq!(finding["ended"], "signal: 9 (SIGKILL)");
}

#[test]
fn a_signal_to_the_parent_is_named() {
    let Some(python) = python::python() else { return };
    for (name, signal) in
        [("kills-its-parent", "SIGTERM"), ("kills-its-parent-for-good", "SIGKILL"), ("faults-its-parent", "SIGSEGV")]
    {
        let report = report_with(&["--timeout", "15", "--only", "event-types"], &python, name);
        let finding = &report.check("event-types")["findings"][0];
        assert_eq!((&finding["signal"], &finding["eventname"]), (&json!(signal), &json!("PROCESS_STATE_FATAL")));
    }
    // It gets no events that it does not subscribe to.
    let report =
        report_with(&["--timeout", "15", "--events", "process_state_running,TICK"], &python, "kills-its-parent");
    assert_eq!(report.ids("failed"), [].into(), "{:#}", report.0);
    let skipped: Vec<_> = report.checks().iter().filter(|check| check["verdict"] == "skipped").collect();
    let names: Vec<_> = skipped.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["several-lines", "empty-payload", "large-payload", "unknown-types"]);
    assert_eq!(skipped[0]["skipped"], "no event with data among --events");
}

#[test]
fn a_good_one_passes_whatever_it_subscribes_to() {
    let Some(python) = python::python() else { return };
    for events in ["TICK_5", "SUPERVISOR_STATE_CHANGE", "PROCESS_LOG", "PROCESS_GROUP", "REMOTE_COMMUNICATION"] {
        let report = report_with(&["--timeout", "15", "--events", events], &python, "good");
        let summary = &report.0["summary"];
        assert_eq!((&summary["warned"], &summary["failed"]), (&json!(0), &json!(0)), "{events}: {:#}", report.0);
        assert!(summary["passed"].as_u64().unwrap() >= 18, "{events}: {summary}");
    }
}

#[test]
fn a_slow_one_is_told_from_a_silent_one() {
    let Some(python) = python::python() else { return };
    let report = report_with(&["--timeout", "1"], &python, "takes-two-seconds");
    assert_eq!(report.ids("failed"), ["slower-than-timeout"].into(), "{:#}", report.0);
    assert_eq!(report.0["summary"]["skipped"], CHECKS - 1);
    let finding = &report.check("basic")["findings"][0];
    assert!(finding["advice"].as_str().unwrap().contains("--timeout"));
    assert!(finding["seconds"].as_f64().unwrap() > 1.0);
    // An answer soon after the timeout is late, too, whatever happened to the input.
    for (check, name) in [("event-types", "slow-at-fatal"), ("flood", "slow-second-start")] {
        let directory = TempDir::new().unwrap();
        let (directory, script) = (directory.path().to_str().unwrap(), script(name));
        let command = [python.to_str().unwrap(), script.to_str().unwrap(), directory];
        // The scripts answer after 10 s: between twice the timeout, when the check closes the input, and three times, when
        // it gives up.
        let report = Report::of(&["--timeout", "4", "--only", "basic", "--only", check], &command);
        assert_eq!(report.ids("failed"), ["slower-than-timeout"].into(), "{:#}", report.0);
        assert_eq!(report.check(check)["verdict"], "failed", "{:#}", report.0);
    }
    // A few events are enough.
    let settings = ["--timeout", "15", "--only", "waits-for-payload", "--events", "TICK_5"];
    let report = report_with(&settings, &python, "takes-two-seconds");
    assert_eq!(report.ids("failed"), [].into(), "{:#}", report.0);
}

#[test]
fn one_that_runs_only_once_is_tried_alone() {
    let Some(python) = python::python() else { return };
    let some = ["basic", "quiet-while-ready", "byte-by-byte", "flood"].map(|check| ["--only", check]).concat();
    let once = Some("Only one instance of the listener can run at a time");
    // Whether three processes compete for the two places at the same time is a matter of chance.
    for (name, places, jobs, note) in [
        ("dies-beside-others", "1", "4", once),
        ("dies-beside-others", "1", "1", None),
        ("dies-beside-others", "2", "4", Some("The listener died at its start while other instances")),
        ("waits-for-another", "", "4", once),
    ] {
        let directory = TempDir::new().unwrap();
        let (directory, script) = (directory.path().to_str().unwrap(), script(name));
        let command = [python.to_str().unwrap(), script.to_str().unwrap(), directory, places];
        let report = Report::of(&[LESS_PATIENT, &some, &["--jobs", jobs]].concat(), &command);
        assert_eq!(report.0["summary"]["passed"], 4, "{name}: {:#}", report.0);
        let notes = report.0["notes"].as_array().unwrap();
        let is_right = |said: &Value| note.is_some_and(|note| said.as_str().unwrap().starts_with(note));
        assert!(notes.iter().all(is_right), "{name}: {:#}", report.0);
        assert!(places == "2" || notes.len() == note.iter().len(), "{name}: {:#}", report.0);
    }
}

#[test]
fn a_rejection_is_right_for_another_result_handler() {
    let Some(python) = python::python() else { return };
    let report = report_with(&["--timeout", "15", "--result-handler"], &python, "rejects-everything");
    assert_eq!(report.ids("failed"), [].into(), "{:#}", report.0);
    // An event that is rejected once and then accepted costs little.
    let report = report_with(&["--timeout", "15", "--only", "basic"], &python, "rejects-at-first");
    assert_eq!((report.ids("failed"), report.ids("warned")), ([].into(), ["rejects-at-first"].into()));
}

#[test]
fn the_locale_is_what_supervisord_gives() {
    let locale = |settings: &[(&str, &str)]| {
        let mut process = program();
        process.env_remove("LANG").env_remove("LC_ALL").env_remove("LC_CTYPE").envs(settings.iter().copied());
        let output = process.args(["--json", "--", "sh"]).arg(script("shows-its-locale.sh")).output().unwrap();
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        object["checks"][0]["findings"][0]["stderr"].as_str().unwrap().trim().to_owned()
    };
    assert_eq!(locale(&[]), "LC_CTYPE=C.UTF-8");
    assert_eq!(locale(&[("LC_CTYPE", "C"), ("LANG", "C")]), "LC_CTYPE=C.UTF-8");
    assert_eq!(locale(&[("LC_ALL", "C")]), "LC_CTYPE=");
    assert_eq!(locale(&[("LC_CTYPE", "de_DE.UTF-8")]), "LC_CTYPE=de_DE.UTF-8");
}

fn judge(arguments: &[&str], log: &[u8]) -> (Option<i32>, Vec<String>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stdout.log");
    fs::write(&path, log).unwrap();
    let output = program().args(arguments).arg("--judge").arg(&path).output().unwrap();
    let from_stdin =
        program().args(arguments).args(["--judge", "-"]).stdin(File::open(&path).unwrap()).output().unwrap();
    assert_eq!((output.status, &output.stdout), (from_stdin.status, &from_stdin.stdout));
    (output.status.code(), String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn a_log_is_judged_step_by_step() {
    let good = [
        r"       0  READY      READY\n",
        r"       6  RESULT     RESULT 2\n",
        r"      15  data       OK",
        r"      17  READY      READY\n",
        r"      23  end  (READY, or BUSY with an event)",
    ];
    assert_eq!(judge(&[], b"READY\nRESULT 2\nOKREADY\n"), (Some(0), good.map(str::to_owned).into()));

    let (code, lines) = judge(&["--json"], b"READY\nRESULT 2\nOK\nREADY\nRESULT");
    let steps: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<_> =
        steps.iter().map(|step| (step["offset"].as_u64().unwrap(), step["step"].as_str().unwrap())).collect();
    let expected = [(0, "READY"), (6, "RESULT"), (15, "data"), (17, "violation"), (23, "ignored"), (30, "end")];
    assert_eq!((code, steps.as_slice()), (Some(1), &expected[..]));

    let code = |arguments: &[&str], log: &[u8]| judge(arguments, log).0;
    assert_eq!(code(&[], b"READY\nREADY\n"), Some(1));
    assert_eq!(code(&[], b"READY\nRESULT 2\nO"), Some(1));
    assert_eq!(code(&[], b"READY\nRESULT -2\nOK"), Some(1));
    assert_eq!(code(&[], b"READY\nRESULT 4\nFAIL"), Some(1));
    assert_eq!(code(&["--result-handler"], b"READY\nRESULT 4\nFAIL"), Some(0));
    assert_eq!(code(&[], b""), Some(0));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let long = b"READY\nRESULT 2\nOK".repeat(100_000);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stdout.log");
    fs::write(&path, [b"READY\n", long.strip_prefix(b"READY\n").unwrap()].concat()).unwrap();
    for arguments in [&["--help"][..], &["--list"], &["--judge", path.to_str().unwrap()]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let output = program().args(["--judge", "/nonexistent/stdout.log"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.starts_with(b"error: /nonexistent/stdout.log: "));
}

#[test]
fn help_tells_all() {
    let output = check_listener(&["--help"], &["true"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in
        ["--events", "--result-handler", "--timeout", "--jobs", "--only", "--list", "--judge", "--json", "exit codes:"]
    {
        assert!(text.contains(word), "{word}");
    }
    for option in ["--version", "-V"] {
        let output = check_listener(&[option], &["true"]);
        let text = format!("check_listener {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), text));
    }
}

#[test]
fn no_script_is_forgotten() {
    let bad = BAD.iter().map(|(id, _)| *id);
    let caused = CAUSES.iter().map(|(name, ..)| *name);
    let others = [
        "good",
        "childutils",
        "dies-beside-others",
        "faults-its-parent",
        "hangs-at-unknown-event",
        "rejects-at-first",
        "shows-its-locale.sh",
        "slow-at-fatal",
        "slow-second-start",
        "takes-two-seconds",
        "waits-for-another",
    ];
    let listed: BTreeSet<_> = bad.chain(caused).chain(others).map(script).collect();
    let directory = fs::read_dir(script("good").parent().unwrap()).unwrap();
    let scripts = directory.map(|entry| entry.unwrap().path());
    assert_eq!(scripts.filter(|path| path.is_file()).collect::<BTreeSet<_>>(), listed);
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
    // Some languages say what is wrong first, and then where, and where that was called.
    let trace =
        r"echo 'panic: no such token' >&2; for at in 1 2 3 4 5; do printf 'f%s()\n\tfile:%s\n' $at $at >&2; done";
    let output = check_listener(&["--only", "basic"], &["sh", "-c", trace]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n    stderr: panic: no such token\n    stderr: f1()\n    stderr:     file:1\n"), "{text}");
}

#[test]
fn one_that_hangs_is_ended_and_the_others_go_on() {
    let Some(python) = python::python() else { return };
    let report = report_with(LESS_PATIENT, &python, "hangs-at-unknown-event");
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
    for (command, timeout, id) in [(&["sleep", "600"][..], "0.5", "never-ready"), (&["true"], "60", "died-at-start")] {
        let report = Report::of(&["--timeout", timeout], command);
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
        (&["--timeout", "1e19"], good),
        (&["--jobs", "0"], good),
        (&["--jobs", "many"], good),
        (&["--events", "SOMETHING_NEW"], good),
        (&["--judge", "log"], good),
        (&[], &["/nonexistent/listener"]),
    ] {
        let output = check_listener(arguments, command);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(output.stderr.starts_with(b"error: "), "{arguments:?}");
    }
    // The reason is told each time.
    for _ in 0..20 {
        let said = check_listener(&[], &["/nonexistent/listener"]).stderr;
        assert!(String::from_utf8_lossy(&said).contains("No such file or directory"), "{}", said.escape_ascii());
    }
    let output = check_listener(&["--list"], none);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), CHECKS);
}

/// A build puts another file in its place, for example.
#[test]
#[cfg(target_os = "linux")]
fn a_program_whose_file_is_gone_goes_on() {
    let Some(python) = python::python() else { return };
    let directory = TempDir::new().unwrap();
    let copy = directory.path().join("check_listener");
    fs::copy(program().get_program(), &copy).unwrap();
    let mut process = Command::new(&copy);
    process.args([
        "--timeout",
        "15",
        "--only",
        "basic",
        "--only",
        "flood",
        "--",
        "sh",
        "-c",
        r#"rm -f "$0"; exec "$@""#,
    ]);
    let output = process.arg(&copy).arg(python).arg(script("good")).output().unwrap();
    assert!(!copy.exists());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "passed  basic\npassed  flood\n\nchecks: 2 passed, 0 failed\n"
    );
}

/// `docs/known-listeners.md` says this.
#[test]
fn listeners_of_other_people() {
    let Some(python) = python::programs().map(|programs| programs.join("python")) else { return };
    let script = script("childutils");
    // The client end of a connection holds its port, so nobody can listen there.
    let other_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = TcpStream::connect(other_end.local_addr().unwrap()).unwrap();
    let nobody = format!("http://{}/", held.local_addr().unwrap());
    let programs: [(&[&str], bool); 4] = [
        (&[script.to_str().unwrap()], false),
        (&["-m", "superlance.crashmail", "-a", "-m", "somebody", "-s", "cat >/dev/null"], false),
        (&["-m", "superlance.memmon", "-a", "1GB"], true),
        (&["-m", "superlance.httpok", "-p", "cat", &nobody], true),
    ];
    for (arguments, calls_back) in programs {
        let report = Report::of(PATIENT, &[&[python.to_str().unwrap()], arguments].concat());
        let failed = report.ids("failed");
        assert!(failed.contains("crash-on-space-in-identifier"), "{arguments:?}: {:#}", report.0);
        assert!(failed.contains("split-on-every-colon"), "{arguments:?}: {:#}", report.0);
        assert!(report.ids("warned").contains("exit-code-at-end"), "{arguments:?}: {:#}", report.0);
        let reads_payload = arguments.contains(&"superlance.crashmail");
        assert_eq!(failed.contains("space-in-process-name"), reads_payload, "{arguments:?}: {:#}", report.0);
        assert_eq!(failed.contains("colon-in-process-name"), reads_payload, "{arguments:?}: {:#}", report.0);
        // At a TICK, when nobody answers the call.
        assert_eq!(failed.contains("died"), calls_back, "{arguments:?}: {:#}", report.0);
        for passed in ["basic", "non-ascii", "large-payload", "split-everywhere", "flood"] {
            assert_eq!(report.check(passed)["verdict"], "passed", "{arguments:?}: {:#}", report.0);
        }
    }
}
