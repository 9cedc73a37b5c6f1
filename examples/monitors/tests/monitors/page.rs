//! The status page, whatever its clients do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::programs::Driven;
use crate::support::PATIENCE;

/// The status page of a monitor that may open 1,024 files.
fn page(directory: &Path) -> (Driven, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\""]).arg(crate::support::program("trading_monitor"));
    command.args(["--listen", "127.0.0.1:0"]).current_dir(directory).env_remove("STATE_DIR");
    let mut monitor = Driven::spawn("trading_monitor", directory, &mut command);
    monitor.simulator.step(PATIENCE);
    let url = monitor.lines()[0]["url"].as_str().unwrap().to_owned();
    (monitor, url)
}

/// Whether the whole page is shown.
fn is_shown(url: &str) -> bool {
    let shows = |path: &str, text: &str| {
        let mut response = crate::support::client().get(format!("{url}{path}")).call().unwrap();
        response.body_mut().read_to_string().unwrap().contains(text)
    };
    shows("", "<html") && shows("status.json", "\"processes\":[") && shows("metrics", "supervisor_up{")
}

#[test]
fn the_status_page_outlives_two_thousand_connections() {
    let directory = TempDir::new().unwrap();
    let (monitor, url) = page(directory.path());
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    // As many as this process may open, if that is fewer.
    let open: Vec<_> = (0..2000).map_while(|_| TcpStream::connect(address).ok()).collect();
    assert!(open.len() > 1000 || limit.maximum.is_some_and(|most| most < 2100), "{}", open.len());
    assert!(is_shown(&url));
    drop(open);
    assert!(is_shown(&url));
    monitor.end();
}

#[test]
fn the_status_page_waits_for_no_slow_client() {
    let directory = TempDir::new().unwrap();
    let (monitor, url) = page(directory.path());
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let say = |text: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let slow = [
        say("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"),
        say("GET / HTTP/1.1\r\nHost: loc"),
        say(""),
    ];
    assert!(is_shown(&url));
    drop(slow);
    // An endless header is rejected.
    let mut endless = say("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    let taken = (0..1024).take_while(|_| endless.write_all(&[b'x'; 65_536]).is_ok()).count();
    assert!(taken < 1024, "it takes all of it");
    // A foreign name that resolves to this machine.
    let mut foreign = say("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let mut answer = String::new();
    foreign.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 ") && !answer.contains("<html"), "{answer}");
    assert!(is_shown(&url));
    monitor.end();
}
