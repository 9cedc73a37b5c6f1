//! Checks of monitors at their start: whether supervisord can be called, and has what the settings name.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, levels, program, server};
use serde_json::Value;
use tempfile::TempDir;

/// The monitors that call supervisord.
const CALLERS: [&str; 5] =
    ["failure_monitor", "maintenance_monitor", "performance_monitor", "startup_monitor", "trading_monitor"];

/// Why a monitor ends at its start: its only line, an ERROR.
fn refusal(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let line: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout, &line["level"]), (Some(1), &b""[..], &"ERROR".into()), "{line}");
    line["message"].as_str().unwrap().to_owned()
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn what_keeps_supervisord_from_being_called_is_said_with_the_cure() {
    let no = server(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.0 401 Unauthorized\r\n\r\n");
    });
    let no = format!("http://127.0.0.1:{no}");
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("left");
    drop(UnixListener::bind(&socket).unwrap());
    let nobody_there = format!("unix://{}", socket.display());
    let account = ("SUPERVISOR_USERNAME", "u");
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (&[("SUPERVISOR_ENABLED", "1")], &["no HTTP server", "[unix_http_server]", "[rpcinterface:supervisor]"]),
        (&[("SUPERVISOR_SERVER_URL", "unix:///nowhere/socket")], &["/nowhere/socket", "No such file", "restart"]),
        (&[("SUPERVISOR_SERVER_URL", &nobody_there)], &["/left", "refused", "SUPERVISOR_SERVER_URL"]),
        (&[("SUPERVISOR_SERVER_URL", "gopher://x")], &["SUPERVISOR_SERVER_URL begins with unix:// or http://"]),
        (&[("SUPERVISOR_SERVER_URL", &no)], &["SUPERVISOR_PASSWORD are missing", "environment = SUPERVISOR_USERNAME"]),
        (
            &[("SUPERVISOR_SERVER_URL", &no), account, ("SUPERVISOR_PASSWORD", "p")],
            &["SUPERVISOR_PASSWORD are wrong", "username and password of its HTTP server"],
        ),
    ];
    for monitor in CALLERS {
        for (environment, parts) in cases {
            let text = refusal(program(monitor).current_dir(directory.path()).envs(environment.iter().copied()));
            assert_contains(&text, parts);
        }
    }
}

#[test]
fn a_socket_that_is_not_open_to_the_monitors_user_is_named() {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let (socket, copy) = (directory.path().join("socket"), directory.path().join("trading_monitor"));
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o000)).unwrap();
    // If necessary, where nobody can read it.
    fs::copy(program("trading_monitor").get_program(), &copy).unwrap();
    let mut command = Command::new(copy);
    // root would have permission.
    let user = rustix::process::geteuid();
    let user = if user.is_root() { 65534 } else { user.as_raw() };
    if rustix::process::geteuid().is_root() {
        command.uid(user);
    }
    command.env_clear().env("SUPERVISOR_SERVER_URL", format!("unix://{}", socket.display()));
    let chown = format!("chown = {user} to [unix_http_server]");
    assert_contains(&refusal(&mut command), &[socket.to_str().unwrap(), "Permission denied", &chown]);
}

#[test]
fn names_that_supervisord_does_not_have_are_said_with_their_setting() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let names: Vec<_> = (0..30).map(|number| &*format!("p{number}").leak()).collect();
    supervisord.set(&names.iter().map(|name| ("g", *name, "RUNNING", 1)).collect::<Vec<_>>());
    let refused = |monitor, settings: &[&str]| {
        let mut command = program(monitor);
        refusal(command.args(settings).current_dir(directory.path()).envs(supervisord.environment()))
    };
    let text = refused("failure_monitor", &["--critical-processes", "p0,g:lost", "--risk-manager", "g:*"]);
    let group = "--trading-group names group \"trading_system\"";
    assert_contains(&text, &["--critical-processes names process \"g:lost\"", group]);
    assert_contains(&text, &["Its processes are g:p0, g:p1,", ", and 10 more"]);
    assert!(!text.contains("\"p0\"") && !text.contains("--risk-manager") && !text.contains("g:p20"), "{text}");
    let of_group = ["--critical-processes", "*", "--risk-manager", "p1", "--trading-group", "g", "--backup", "p1"];
    assert_contains(&refused("failure_monitor", &of_group), &["--backup names process \"p1:p1\""]);
    let defaults = refused("performance_monitor", &[]);
    assert_contains(
        &defaults,
        &["--processes names process \"genetic_engine\", process ", ", process \"backtest_worker\": ", "default"],
    );
    let text = refused("heartbeat_monitor", &["--endpoints", "a=tcp://h:1#process=g:p1,b=tcp://h:1#process=g:gone"]);
    assert_contains(&text, &["--endpoints names process \"g:gone\": supervisord has no such process"]);
    let text = refused("performance_monitor", &["--processes", "", "--limits", "g:*=cpu:50,p31=memory:5"]);
    assert_contains(&text, &["--limits names process \"p31\": supervisord has no such process"]);
    let unknown = ["--critical-processes", "p1", "--dependents", "p1=p2+p3,x:*=p1", "--trading-group", "g"];
    let text = refused("startup_monitor", &unknown);
    assert_contains(&text, &["--dependents names process \"x:*\": supervisord has no such process"]);
    let unknown = ["--critical-processes", "p1", "--dependents", "p1=p2+p31", "--trading-group", ""];
    assert_contains(&refused("startup_monitor", &unknown), &["--dependents names process \"p31\": supervisord"]);
}

#[test]
fn a_supervisord_that_does_not_answer_or_shuts_down_is_waited_for() {
    let directory = TempDir::new().unwrap();
    let silent = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let ending = server(|mut stream| {
        super::programs::request(&mut stream);
        let fault = dxr::Fault::new(6, "SHUTDOWN_STATE".into());
        let body = dxr::FaultResponse { fault }.to_xml().unwrap();
        let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    });
    for (port, why) in [(silent, "timed out"), (ending, "SHUTDOWN_STATE")] {
        let url = format!("http://127.0.0.1:{port}");
        let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
        let mut monitor = Driven::start_with("startup_monitor", directory.path(), &[], &environment);
        monitor.send("PROCESS_STATE_STARTING", "processname:x groupname:y from_state:STOPPED tries:0");
        let warnings = levels(&monitor.lines(), "WARNING");
        let why = format!("supervisord: getAllProcessInfo: {why}: the names in the settings were not checked");
        assert_eq!(warnings.last(), Some(&why));
        monitor.end();
    }
}
