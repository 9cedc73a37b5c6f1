//! Receivers with TLS, and secrets that must not get into any log.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use super::programs::{CRASH, Driven, EXITED, program, request, server};
use crate::support::{tls, wait_for};

/// A receiver with a self-signed certificate for `localhost`; keeps the headers of requests.
fn receiver_with_tls(certificate: &Path) -> (u16, Arc<Mutex<Vec<String>>>) {
    let config = tls::server(certificate);
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let port = server({
        let heads = Arc::clone(&heads);
        move |stream| {
            let Some(mut stream) = tls::accept(&config, stream) else { return };
            let (head, _) = request(&mut stream);
            heads.lock().unwrap().push(head);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.read(&mut [0; 64]);
        }
    });
    (port, heads)
}

/// Whatever opens it first: waiting alerts, or a monitor's state.
#[test]
fn the_state_directory_is_made_for_its_user_alone() {
    for (monitor, settings) in [
        ("failure_monitor", ["--alert-url", "http://127.0.0.1:9/"]),
        ("comm_monitor", ["--audit-file", "audit.jsonl"]),
        ("heartbeat_monitor", ["--endpoints", ""]),
        ("performance_monitor", ["--processes", ""]),
        ("startup_monitor", ["--flapping-starts", "9"]),
        ("maintenance_monitor", ["--audit-file", "audit.jsonl"]),
        ("trading_monitor", ["--listen", ""]),
    ] {
        let directory = TempDir::new().unwrap();
        let settings = [&settings[..], &["--state-dir", "state"]].concat();
        Driven::start(monitor, directory.path(), &settings).end();
        let mode = fs::metadata(directory.path().join("state")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{monitor}");
    }
}

#[test]
fn only_a_receiver_with_a_trusted_certificate_gets_alerts_and_the_token() {
    let directory = TempDir::new().unwrap();
    let (authority, other) = (directory.path().join("ca.pem"), directory.path().join("other.pem"));
    let (port, heads) = receiver_with_tls(&authority);
    fs::write(&other, generate_simple_self_signed(["localhost".into()]).unwrap().cert.pem()).unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "s3cret-token\n").unwrap();
    let environment = [("ALERT_TOKEN_FILE", token.to_str().unwrap()), ("ALERT_HEADER", "X-Scope-OrgID: s3cret-scope")];
    let url = format!("https://localhost:{port}/s3cret-path");
    let log = directory.path().join("failure_monitor.err");

    // It is trusted neither by the system's authorities nor by another certificate.
    let settings = ["--state-dir", "state", "--alert-url", &url];
    let other_ca = [&environment[..], &[("ALERT_CA", other.to_str().unwrap())]].concat();
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &other_ca);
    monitor.send(EXITED, CRASH);
    wait_for("the refusal", || fs::read_to_string(&log).unwrap().contains("Failed to send alert: ").then_some(()));
    monitor.end();
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("certificate"), "{said}");
    assert!(heads.lock().unwrap().is_empty());

    let right_ca = [&environment[..], &[("ALERT_CA", authority.to_str().unwrap())]].concat();
    let monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &right_ca);
    let head = wait_for("the alert", || heads.lock().unwrap().first().cloned()).to_lowercase();
    for line in ["post /s3cret-path http/1.1", "authorization: bearer s3cret-token", "x-scope-orgid: s3cret-scope"] {
        assert!(head.lines().any(|there| there == line), "{line}: {head}");
    }
    monitor.end();
    let said = fs::read_to_string(&log).unwrap();
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn credentials_in_urls_are_not_logged() {
    let directory = TempDir::new().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let port = server({
        let seen = Arc::clone(&seen);
        move |mut stream| {
            // A heartbeat's request has no body.
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            seen.lock().unwrap().push(head.join("\n"));
            let _ = stream.write_all(b"HTTP/1.1 500 Trouble\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let url = format!("http://user:s3cret@127.0.0.1:{port}/");
    let endpoints = format!("x={url}");
    let settings = ["--alert-url", &url, "--endpoints", &endpoints];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    monitor.send("TICK_5", "when:5");
    let alert = "authorization: basic dxnlcjpzm2nyzxq=";
    wait_for("the alert", || seen.lock().unwrap().iter().any(|head| head.to_lowercase().contains(alert)).then_some(()));
    monitor.end();
    let said = fs::read_to_string(directory.path().join("heartbeat_monitor.err")).unwrap();
    assert!(said.contains("Failed to send alert") && !said.contains("s3cret"), "{said}");

    for (monitor, wrong) in [
        ("failure_monitor", "--alert-url=ftp://user:s3cret@host/"),
        ("heartbeat_monitor", "--endpoints=x=ftp://user:s3cret@host/"),
        ("heartbeat_monitor", "--endpoints=http://user:s3cret@host/"),
    ] {
        let said = refused(program(monitor).arg(wrong));
        assert!(said.contains("host") && !said.contains("s3cret"), "{said}");
    }
}

/// Why a monitor does not start.
pub fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
fn secrets_come_from_the_environment_and_are_not_shown() {
    for argument in
        ["--alert-token=s3cret", "--alert-token=s3cret\u{1}", "--alert-header=s3cret", "--alert-header=x: s3cret"]
    {
        let said = refused(program("failure_monitor").args(["--alert-url=http://host/", argument]));
        assert!(said.contains(argument.split('=').next().unwrap()) && !said.contains("s3cret"), "{said}");
    }
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "\n").unwrap();
    let file = file.to_str().unwrap();
    for (environment, why) in [
        (&[("ALERT_TOKEN", "s3cret\u{1}")][..], "--alert-token cannot be in a header"),
        (&[("ALERT_HEADER", "s3cret")], "--alert-header is NAME: VALUE"),
        (&[("ALERT_TOKEN", "s3cret"), ("ALERT_TOKEN_FILE", file)], "are both set"),
        (&[("ALERT_TOKEN_FILE", file)], "is empty"),
        (&[("ALERT_TOKEN_FILE", "nowhere")], r#"--alert-token-file \"nowhere\": "#),
    ] {
        let mut command = program("failure_monitor");
        let said = refused(command.arg("--alert-url=http://host/").envs(environment.iter().copied()));
        assert!(said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
    }
}

#[test]
fn an_endpoint_that_sends_a_check_on_to_tls_is_down() {
    let directory = TempDir::new().unwrap();
    let (port, _) = receiver_with_tls(&directory.path().join("ca.pem"));
    let sending_on = server(move |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let answer = format!("302 Found\r\nlocation: https://localhost:{port}/\r\ncontent-length: 0");
        let _ = write!(stream, "HTTP/1.1 {answer}\r\n\r\n");
    });
    let endpoints = format!("x=http://127.0.0.1:{sending_on}/");
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--endpoints", &endpoints]);
    // All lines of its log are JSON: nothing panicked.
    let lines = monitor.send("TICK_5", "when:5");
    let heartbeat = lines.iter().find(|line| line["message"] == "Heartbeat").unwrap();
    assert!(heartbeat["endpoints"]["x"]["error"].is_string(), "{heartbeat}");
    monitor.end();
}
