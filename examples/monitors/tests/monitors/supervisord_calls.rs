//! Calls of monitors to supervisord: over TCP and unix sockets, and to servers that misbehave.

use std::fs;
use std::io::{Read, Write};
use std::thread;

use super::fake_supervisord::list;
use super::programs::{Driven, levels, request, server};
use tempfile::TempDir;

#[test]
fn calls_go_over_tcp_and_unix_sockets_with_the_account() {
    let directory = TempDir::new().unwrap();
    fn answer(mut stream: impl Read + Write) {
        let (head, body) = request(&mut stream);
        assert!(body.contains("supervisor.getAllProcessInfo"), "{body}");
        // "user" and "pass:é"
        let status = if head.contains("\r\nAuthorization: Basic dXNlcjpwYXNzOsOp\r\n") { "200 OK" } else { "401 No" };
        let xml = list(&[("t", "<b>&\"é", "RUNNING", 5)]);
        assert!(xml.contains("&lt;b"), "{xml}");
        write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{xml}", xml.len()).unwrap();
    }
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
    for url in [format!("http://127.0.0.1:{}", server(answer)), format!("unix://{}", path.display())] {
        let environment =
            [("SUPERVISOR_SERVER_URL", &*url), ("SUPERVISOR_USERNAME", "user"), ("SUPERVISOR_PASSWORD", "pass:é")];
        let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
        assert_eq!(levels(&monitor.send("TICK_60", "when:60"), "INFO"), ["1 processes: 1 RUNNING"], "{url}");
        monitor.end();
    }
}

#[test]
fn an_answer_that_never_ends_is_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let port = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let url = format!("http://127.0.0.1:{port}");
    let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
    // The system's own values are available without it.
    let settings = ["--interval", "0.01", "--memory-threshold=0", "--cpu-threshold", "1000"];
    let mut monitor = Driven::start_with("performance_monitor", directory.path(), &settings, &environment);
    let lines = monitor.send("TICK_60", "when:60");
    assert_eq!(levels(&lines, "ERROR"), ["supervisord: getAllProcessInfo: timed out"]);
    let metrics = lines.iter().find(|line| line["message"] == "Performance metrics").unwrap();
    let alerts: Vec<_> = metrics["alerts"].as_array().unwrap().iter().map(|alert| &alert["type"]).collect();
    assert_eq!(alerts, ["HIGH_MEMORY"], "{metrics}");
    monitor.end();
}

#[test]
fn a_supervisord_that_does_not_answer_as_it_should_is_an_error_in_the_log() {
    let directory = TempDir::new().unwrap();
    let answers: [(&'static [u8], &str); 5] = [
        (b"HTTP/1.0 500 Trouble\r\n\r\n", "HTTP status 500"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n<?xml", "cut off"),
        (b"HTTP/1.0 200", "cut off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "invalid HTTP version"),
        (b"", "cut off"),
    ];
    for (answer, why) in answers {
        let port = server(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        });
        let url = format!("http://127.0.0.1:{port}");
        let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
        let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
        let lines = monitor.send("TICK_60", "when:60");
        assert!(levels(&lines, "ERROR")[0].contains(why), "{why}: {lines:?}");
        monitor.end();
    }
    // One that hangs is waited for, but not endlessly; here over a unix socket.
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let url = format!("unix://{}", path.display());
    let environment = [("SUPERVISOR_SERVER_URL", url.as_str())];
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), &["--listen", ""], &environment);
    let lines = monitor.send("TICK_60", "when:60");
    assert!(levels(&lines, "ERROR")[0].contains("timed out"), "{lines:?}");
    drop(listener);
    // It is gone.
    fs::remove_file(path).unwrap();
    let lines = monitor.send("TICK_60", "when:120");
    assert!(levels(&lines, "ERROR")[0].contains("No such file"), "{lines:?}");
    monitor.end();
}
