//! Access to the status page.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use tempfile::TempDir;

use crate::programs::{Driven, program};
use crate::secrets::refused;
use crate::support::PATIENCE;

/// The status page of a monitor with these settings, and its address.
fn page(directory: &TempDir, settings: &[&str], environment: &[(&str, &str)]) -> (Driven, String) {
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), settings, environment);
    monitor.simulator.step(PATIENCE);
    let url = monitor.lines()[0]["url"].as_str().unwrap().to_owned();
    (monitor, url.trim_start_matches("http://").trim_end_matches('/').to_owned())
}

/// The answer to a request with these header lines.
fn ask(address: &str, request: &str, lines: &[&str]) -> String {
    let port = address.rsplit(':').next().unwrap();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "{request} HTTP/1.1\r\n{lines}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[test]
fn beyond_this_machine_the_page_needs_the_token() {
    for environment in [("STATUS_TOKEN", "s3cret"), ("STATUS_TOKEN_FILE", "token")] {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("token"), "s3cret\n").unwrap();
        let settings = ["--listen", "0.0.0.0:0", "--status-hosts", "proxy.example"];
        let (monitor, address) = page(&directory, &settings, &[environment]);
        for path in ["/", "/status.json", "/metrics", "/nothing"] {
            let request = format!("GET {path}");
            let anonymous = ask(&address, &request, &["Host: 192.0.2.1"]);
            assert_eq!(status(&anonymous), "401", "{anonymous}");
            let lower = anonymous.to_lowercase();
            let [basic, bearer] = ["www-authenticate: basic realm=", "www-authenticate: bearer realm="];
            assert!(lower.contains(basic) && lower.contains(bearer) && !lower.contains("state"), "{anonymous}");
            let wrong = ask(&address, &request, &["Host: 192.0.2.1", "Authorization: Bearer s3cre"]);
            assert_eq!(status(&wrong), "401", "{wrong}");
            // "prometheus:s3cret"
            for right in ["Bearer s3cret", "Basic cHJvbWV0aGV1czpzM2NyZXQ="] {
                let answer = ask(&address, &request, &["Host: 192.0.2.1", &format!("Authorization: {right}")]);
                assert_eq!(status(&answer), if path == "/nothing" { "404" } else { "200" }, "{answer}");
            }
        }
        let token = "Authorization: Bearer s3cret";
        for (host, expected) in [("proxy.example", "200"), ("evil.example", "421"), ("localhost", "200")] {
            assert_eq!(status(&ask(&address, "GET /", &[&format!("Host: {host}"), token])), expected, "{host}");
        }
        monitor.end();
        let said = fs::read_to_string(directory.path().join("trading_monitor.err")).unwrap();
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_page_that_everybody_could_read_is_refused_with_the_cure() {
    let said = refused(program("trading_monitor").args(["--listen", "0.0.0.0:9180"]));
    for part in ["--listen 0.0.0.0:9180", "loopback", "STATUS_TOKEN", "127.0.0.1:9180"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Everybody on the machine can see arguments.
    let said = refused(program("trading_monitor").args(["--listen=0.0.0.0:0", "--status-token=s3cret"]));
    assert!(said.contains("--status-token") && said.contains("STATUS_TOKEN") && !said.contains("s3cret"), "{said}");
    for (environment, why) in [
        (&[("STATUS_TOKEN", "s3cret"), ("STATUS_TOKEN_FILE", "x")][..], "are both set"),
        (&[("STATUS_TOKEN_FILE", "nowhere")], r#"--status-token-file \"nowhere\": "#),
    ] {
        let mut command = program("trading_monitor");
        let said = refused(command.envs(environment.iter().copied()).stdin(Stdio::null()));
        assert!(said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
    }
}

#[test]
fn every_response_tells_the_browser_to_keep_to_this_page() {
    let directory = TempDir::new().unwrap();
    let (monitor, address) = page(&directory, &["--listen", "127.0.0.1:0"], &[]);
    for (request, expected) in [
        ("GET /", "200"),
        ("HEAD /", "200"),
        ("GET /status.json", "200"),
        ("GET /metrics", "200"),
        ("GET /nothing", "404"),
        ("POST /", "405"),
        ("DELETE /", "405"),
    ] {
        let answer = ask(&address, request, &["Host: localhost", "Content-Length: 0"]);
        assert_eq!(status(&answer), expected, "{request}: {answer}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        for line in [
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'; ",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(line), "{request}: {head}");
        }
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body.is_empty(), request.starts_with("HEAD"), "{request}: {body}");
    }
    // More than a page needs.
    let long = ask(&address, "POST /", &["Host: localhost", "Content-Length: 65537", "", &"x".repeat(65_537)]);
    assert_eq!(status(&long), "413", "{long}");
    monitor.end();
}

#[test]
fn an_action_is_a_post() {
    let directory = TempDir::new().unwrap();
    let (monitor, address) = page(&directory, &["--listen", "127.0.0.1:0", "--allow-actions", "true"], &[]);
    let headers = ["Host: localhost", "X-Requested-With: status-page", "Content-Type: application/json"];
    for method in ["PUT", "DELETE", "OPTIONS", "STOP"] {
        let answer = ask(&address, &format!("{method} /all/stop"), &headers);
        assert!(status(&answer) == "405" && answer.to_lowercase().contains("allow: post"), "{method}: {answer}");
    }
    monitor.end();
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let directory = TempDir::new().unwrap();
    let (mut monitor, address) = page(&directory, &["--listen", "127.0.0.1:0", "--status-interval", "10000"], &[]);
    let tag = |answer: &str| {
        let tag = answer.lines().find_map(|line| line.strip_prefix("etag: "));
        tag.map(str::to_owned).unwrap_or_else(|| panic!("no tag: {answer}"))
    };
    // The first measurement changes what is shown.
    let known = crate::support::wait_for("the first look", || {
        let answer = ask(&address, "GET /status.json", &["Host: localhost"]);
        answer.contains("SUPERVISOR_SERVER_URL is not set").then(|| tag(&answer))
    });
    let again = || ask(&address, "GET /status.json", &["Host: localhost", &format!("If-None-Match: \"x\", {known}")]);
    let answer = again();
    assert!(status(&answer) == "304" && answer.ends_with("\r\n\r\n"), "{answer}");
    monitor.send("PROCESS_STATE_STARTING", "processname:p groupname:g from_state:STOPPED tries:0");
    let answer = again();
    assert!(status(&answer) == "200" && answer.contains("\"STARTING\"") && tag(&answer) != known, "{answer}");
    for number in 0..50 {
        let payload = format!("processname:p{number} groupname:g from_state:STOPPED tries:0");
        monitor.send("PROCESS_STATE_STARTING", &payload);
    }
    for (path, accept, is_compressed) in [
        ("/status.json", "gzip", true),
        ("/metrics", "br, gzip;q=0.5", true),
        ("/metrics", "gzip;q=0", false),
        ("/metrics", "br", false),
    ] {
        let answer = ask(&address, &format!("GET {path}"), &["Host: localhost", &format!("Accept-Encoding: {accept}")]);
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert_eq!(head.contains("content-encoding: gzip"), is_compressed, "{path} {accept}: {head}");
        assert_eq!(answer.contains("p49"), !is_compressed, "{path} {accept}");
    }
    monitor.end();
}
