//! Every call of `supervisor_monitors::supervisord`, against supervisor 4.0 to 4.3, over a unix socket and over TCP
//! with an account, while a listener is permanently BUSY.

use std::fmt::Debug;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use supervisor_events::ProcessState;
use supervisor_monitors::Failure;
use supervisor_monitors::supervisord::{Misconfigured, ProcessOutcome, Signal, Stream, Supervisord, fault_of};

use crate::support::supervisord::{self, Supervisord as Server};
use crate::support::{PATIENCE, python, wait_for};

const PROGRAMS: &str = "\
[program:echo]\ncommand = cat\nstartsecs = 0\n\
[program:absent]\ncommand = /nowhere/absent\nautostart = false\n\
[program:left]\ncommand = cat\nstartsecs = 0\n\
[program:right]\ncommand = cat\nstartsecs = 0\n\
[group:pair]\nprograms = left,right\n\
[eventlistener:busy]\nevents = REMOTE_COMMUNICATION\n\
command = sh -c \"printf 'READY\\n'; exec cat > %(here)s/events\"\n";

const MORE: &str = "[program:more]\ncommand = cat\nstartsecs = 0\n";

/// Makes a call, and formats the answer or the name of the fault.
type Row<'a> = (&'static str, Box<dyn Fn() -> String + 'a>, &'a str);

fn row<'a, T: Debug>(name: &'static str, call: impl Fn() -> Result<T, Failure> + 'a, expected: &'a str) -> Row<'a> {
    (name, Box::new(move || shown(call())), expected)
}

fn shown<T: Debug>(answer: Result<T, Failure>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => fault_of(&error).map_or_else(|| format!("error: {error}"), |fault| fault.name().into()),
    }
}

/// The processes and their outcomes.
fn told(answer: Result<Vec<ProcessOutcome>, Failure>) -> Result<String, Failure> {
    let told = |outcome: &ProcessOutcome| {
        let result = outcome.fault.map_or(outcome.description.as_str(), |fault| fault.name());
        format!("{}:{} {result}", outcome.group, outcome.name)
    };
    let mut told: Vec<_> = answer?.iter().map(told).collect();
    told.sort();
    Ok(told.join(", "))
}

fn becomes(calls: &Supervisord, names: &[&str], state: ProcessState) {
    for name in names {
        wait_for(&format!("{name} to be {state}"), || (calls.process(name).ok()?.state == state).then_some(()));
    }
}

fn run(table: &[Row<'_>], at: &str) {
    for (name, call, expected) in table {
        assert_eq!(call(), *expected, "{at}: {name}");
    }
}

const ALL: [&str; 4] = ["echo:echo", "pair:left", "pair:right", "busy:busy"];

fn every_call(calls: &Supervisord, server: &Server, version: &str, at: &str) {
    becomes(calls, &ALL, ProcessState::Running);
    questions(calls, server, version, at);
    logs(calls, at);
    control(calls, at);
    many(calls, at);
    groups(calls, server, at);
    run(&[row("send_remote_event", || calls.send_remote_event("a type", "data, ü"), "()")], at);
}

fn questions(calls: &Supervisord, server: &Server, version: &str, at: &str) {
    let (version, pid) = (format!("{version:?}"), server.file("supervisord.pid").trim().to_owned());
    run(
        &[
            row("state", || calls.state(), "Running"),
            row("version", || calls.version(), &version),
            row("api_version", || calls.api_version(), "\"3.0\""),
            row("identification", || calls.identification(), "\"calls\""),
            row("pid", || calls.pid(), &pid),
            row(
                "process",
                || calls.process("pair:left").map(|process| (process.full_name(), process.state)),
                "(\"pair:left\", Running)",
            ),
            row("process", || calls.process("pair:none"), "BAD_NAME"),
            row("process", || calls.process("absent").map(|process| process.state), "Stopped"),
            row("processes", || calls.processes().map(|processes| processes.len()), "5"),
        ],
        at,
    );
}

fn logs(calls: &Supervisord, at: &str) {
    const TEXT: &str = " one <&>\n\"two\"\tthrée\n";
    // It is a debug log, which includes what is written.
    let has_echo = |log: String| log.contains("'echo' stdout output");
    let out = |bytes| calls.log_end("echo", Stream::Stdout, bytes);
    run(
        &[
            row("clear_logs", || calls.clear_logs("echo"), "()"),
            row("clear_logs", || calls.clear_logs("none"), "BAD_NAME"),
            row("log_end", || out(100), "\"\""),
            row("send_stdin", || calls.send_stdin("echo", TEXT), "()"),
            row("send_stdin", || calls.send_stdin("absent", TEXT), "NOT_RUNNING"),
            row("send_stdin", || calls.send_stdin("none", TEXT), "BAD_NAME"),
        ],
        at,
    );
    wait_for("the echo", || (out(100).unwrap() == TEXT).then_some(()));
    let (tail, end) = (calls.tail("echo", Stream::Stdout, None).unwrap(), TEXT.len() as u64);
    assert_eq!((tail.text.as_str(), tail.offset, tail.overflow), (TEXT, end, false), "{at}");
    run(
        &[
            // The first of the last three bytes is inside a character.
            row("log_end", || out(3), "\"e\\n\""),
            row("read_log", || calls.read_log("echo", Stream::Stdout, 1, 3), "\"one\""),
            row("read_log", || calls.read_log("echo", Stream::Stdout, 10, 4), "\"two\\\"\""),
            row("read_log", || calls.read_log("echo", Stream::Stdout, 15, 0), "\"thrée\\n\""),
            row("read_log", || calls.read_log("echo", Stream::Stderr, 0, 9), "\"\""),
            row("read_log", || calls.read_log("none", Stream::Stderr, 0, 9), "BAD_NAME"),
            row("tail", || calls.tail("echo", Stream::Stdout, Some(end)).map(|tail| tail.text), "\"\""),
            row(
                "clear_all_logs",
                || told(calls.clear_all_logs()),
                "\"absent:absent OK, busy:busy OK, echo:echo OK, pair:left OK, pair:right OK\"",
            ),
            row("log_end", || out(100), "\"\""),
            row("own_log_end", || calls.own_log_end(100_000).map(has_echo), "true"),
            row("read_own_log", || calls.read_own_log(0, 0).map(has_echo), "true"),
            row("clear_own_log", || calls.clear_own_log(), "()"),
            row("read_own_log", || calls.read_own_log(0, 0).map(has_echo), "false"),
        ],
        at,
    );
}

fn control(calls: &Supervisord, at: &str) {
    let group = "error: \"pair:*\" is not a process: use the call for groups with \"pair\"";
    run(
        &[
            row("start", || calls.start("echo"), "ALREADY_STARTED"),
            row("start", || calls.start("absent"), "NO_FILE"),
            row("start", || calls.start("pair:none"), "BAD_NAME"),
            row("start", || calls.start("pair:*"), group),
            row("signal", || calls.signal("echo:echo", Signal::Cont), "()"),
            row("signal", || calls.signal("echo", Signal::Number(18)), "()"),
            row("signal", || calls.signal("echo", Signal::Number(200)), "BAD_SIGNAL"),
            row("signal", || calls.signal("absent", Signal::Hup), "NOT_RUNNING"),
            row("stop", || calls.stop("echo"), "()"),
        ],
        at,
    );
    becomes(calls, &["echo"], ProcessState::Stopped);
    run(&[row("stop", || calls.stop("echo"), "NOT_RUNNING"), row("start", || calls.start("echo"), "()")], at);
    becomes(calls, &["echo"], ProcessState::Running);
    let pid = calls.process("echo").unwrap().pid;
    calls.restart("echo", Some(pid), PATIENCE).unwrap();
    becomes(calls, &["echo"], ProcessState::Running);
    assert_ne!(calls.process("echo").unwrap().pid, pid, "{at}");
    calls.signal("echo", Signal::Kill).unwrap();
    // supervisord restarts a process that a signal has ended.
    becomes(calls, &["echo"], ProcessState::Running);
}

fn many(calls: &Supervisord, at: &str) {
    becomes(calls, &ALL, ProcessState::Running);
    let both = "\"pair:left OK, pair:right OK\"";
    let all = "\"busy:busy OK, echo:echo OK, pair:left OK, pair:right OK\"";
    run(
        &[
            row("signal_group", || told(calls.signal_group("pair", Signal::Cont)), both),
            row("signal_group", || told(calls.signal_group("none", Signal::Cont)), "BAD_NAME"),
            row("signal_all", || told(calls.signal_all(Signal::Cont)), all),
            row("stop_group", || told(calls.stop_group("pair")), both),
            row("stop_group", || told(calls.stop_group("none")), "BAD_NAME"),
        ],
        at,
    );
    becomes(calls, &ALL[1..3], ProcessState::Stopped);
    run(
        &[
            row("start_group", || told(calls.start_group("pair")), both),
            row("start_group", || told(calls.start_group("absent")), "\"absent:absent NO_FILE\""),
            row("start_group", || told(calls.start_group("none")), "BAD_NAME"),
        ],
        at,
    );
    becomes(calls, &ALL, ProcessState::Running);
    run(&[row("stop_all", || told(calls.stop_all()), all)], at);
    becomes(calls, &ALL, ProcessState::Stopped);
    let started = "\"absent:absent NO_FILE, busy:busy OK, echo:echo OK, pair:left OK, pair:right OK\"";
    run(&[row("start_all", || told(calls.start_all()), started)], at);
    becomes(calls, &ALL, ProcessState::Running);
}

fn groups(calls: &Supervisord, server: &Server, at: &str) {
    let configuration = server.file("supervisord.conf");
    server.write("supervisord.conf", &format!("{configuration}{MORE}"));
    let nothing = "Reloaded { added: [], changed: [], removed: [] }";
    let added = "Reloaded { added: [\"more\"], changed: [], removed: [] }";
    let removed = "Reloaded { added: [], changed: [], removed: [\"more\"] }";
    run(
        &[
            row("reload_config", || calls.reload_config(), added),
            row("add_group", || calls.add_group("more"), "()"),
            row("add_group", || calls.add_group("more"), "ALREADY_ADDED"),
            row("add_group", || calls.add_group("none"), "BAD_NAME"),
        ],
        at,
    );
    becomes(calls, &["more"], ProcessState::Running);
    server.write("supervisord.conf", &configuration);
    run(
        &[
            row("reload_config", || calls.reload_config(), removed),
            row("remove_group", || calls.remove_group("more"), "STILL_RUNNING"),
            row("stop", || calls.stop("more"), "()"),
        ],
        at,
    );
    becomes(calls, &["more"], ProcessState::Stopped);
    run(
        &[
            row("remove_group", || calls.remove_group("more"), "()"),
            row("remove_group", || calls.remove_group("more"), "BAD_NAME"),
            row("reload_config", || calls.reload_config(), nothing),
        ],
        at,
    );
    server.write("supervisord.conf", &format!("{configuration}[program:x]\n"));
    run(&[row("reload_config", || calls.reload_config(), "CANT_REREAD")], at);
    server.write("supervisord.conf", &configuration);
    run(&[row("reload_config", || calls.reload_config(), nothing)], at);
}

fn tried_against(version: &str, programs: &Path) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let inet = format!("[inet_http_server]\nport = 127.0.0.1:{port}\nusername = üser\npassword = pass:word\n");
    let mut server = Server::start_from(programs, "calls", &format!("{inet}{PROGRAMS}"));
    let unix = format!("unix://{}/socket", server.directory().display());
    let (unix, tcp) = (Supervisord::at(&unix, None), format!("http://127.0.0.1:{port}"));
    every_call(&unix, &server, version, &format!("{version}, unix socket"));
    // The only call that it accepts: it gives no answer.
    server.wait_for("events", "type:a type\ndata, ü", 1);
    let account = Some(("üser", "pass:word"));
    let with_account = Supervisord::at(&tcp, account).with_deadline(Duration::from_secs(10));
    every_call(&with_account, &server, version, &format!("{version}, TCP"));
    for account in [None, Some(("üser", "wrong"))] {
        let error = Supervisord::at(&tcp, account).version().unwrap_err();
        assert!(error.is::<Misconfigured>() && error.to_string().contains("SUPERVISOR_PASSWORD"), "{version}: {error}");
    }

    // It is running again once it has stopped all its processes, with the same process id.
    let before = unix.process("echo").unwrap().pid;
    unix.restart_supervisord().unwrap();
    wait_for("the restart", || unix.process("echo").is_ok_and(|echo| echo.runs() && echo.pid != before).then_some(()));
    unix.shut_down().unwrap();
    // It is already ending.
    assert!(unix.shut_down().is_ok_and(|()| true) || unix.state().is_err(), "{version}");
    assert!(server.ends().success(), "{version}");
}

#[test]
fn supervisor_4_0() {
    let Some(programs) = python::older_programs("4.0.4") else { return };
    tried_against("4.0.4", &programs);
}

#[test]
fn supervisor_4_1() {
    let Some(programs) = python::older_programs("4.1.0") else { return };
    tried_against("4.1.0", &programs);
}

#[test]
fn supervisor_4_2() {
    let Some(programs) = python::older_programs("4.2.5") else { return };
    tried_against("4.2.5", &programs);
}

#[test]
fn supervisor_4_3() {
    let Some(programs) = supervisord::programs() else { return };
    tried_against("4.3.0", programs);
}
