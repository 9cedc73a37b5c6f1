//! An HTTP server in place of the broker.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::nats::{Place, deliver, payload, terminate};
use crate::support::{tls, wait_for};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use supervisor_events::simulator::Simulator;
use tiny_http::{Response, Server};

/// A server that answers with a status, and keeps what it has accepted.
struct Receiver {
    server: Arc<Server>,
    status: Arc<AtomicU16>,
    lines: Arc<Mutex<Vec<Value>>>,
    authorization: Arc<Mutex<String>>,
}

impl Receiver {
    fn start() -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let this = Self { server, status: Arc::new(204.into()), lines: Arc::default(), authorization: Arc::default() };
        let (server, status, lines) = (this.server.clone(), this.status.clone(), this.lines.clone());
        let authorization = this.authorization.clone();
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let status = status.load(Ordering::SeqCst);
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let header = |name: &'static str| {
                    let header = request.headers().iter().find(|header| header.field.equiv(name));
                    header.map(|header| header.value.to_string()).unwrap_or_default()
                };
                assert_eq!(header("content-type"), "application/x-ndjson");
                *authorization.lock().unwrap() = header("authorization");
                // One line, whatever the payload contains.
                assert_eq!((body.matches('\n').count(), body.ends_with('\n')), (1, true), "{body:?}");
                if status < 300 {
                    lines.lock().unwrap().push(serde_json::from_str(&body).unwrap());
                }
                let _ = request.respond(Response::empty(status));
            }
        });
        this
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}{}/events", self.server.server_addr())
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// All lines, once there is this event. Duplicates, as after a kill, are removed.
    fn events(&self, last: u64) -> Vec<Value> {
        let serial = |line: &Value| line["header"]["serial"].as_str().unwrap().parse::<u64>().unwrap();
        wait_for("the last event", || {
            self.lines.lock().unwrap().last().is_some_and(|it| serial(it) == last).then_some(())
        });
        let mut lines = self.lines.lock().unwrap().clone();
        lines.dedup_by_key(|line| line["id"].clone());
        lines
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn listener(place: &Place, url: &str, environment: &[(&str, &str)]) -> Simulator {
    let mut command = place.command(&[], "nats://127.0.0.1:9", &["--host", "a b"]);
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    let command = command.env("FORWARD_HTTP_URL", url).envs(environment.iter().copied());
    let mut listener = Simulator::spawn(command).unwrap();
    listener.pool.buffer_size = usize::MAX;
    listener
}

fn assert_lines(lines: &[Value], count: u64) {
    assert_eq!(lines.len() as u64, count);
    for (number, line) in (0..).zip(lines) {
        let bytes = match line["payload"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => STANDARD.decode(line["payload_base64"].as_str().unwrap()).unwrap(),
        };
        assert!(bytes == payload(number), "event {number}: {line}");
        let header = &line["header"];
        assert_eq!(
            (header["serial"].as_str(), header["server"].as_str()),
            (Some(&*number.to_string()), Some("supervisor"))
        );
        assert_eq!((line["host"].as_str(), line["process"].as_str()), (Some("a b"), Some("forward:forward")));
        assert!(line["id"].as_str().unwrap().ends_with(&format!("/{number}")), "{line}");
    }
}

#[test]
fn a_server_that_is_away_and_a_listener_that_is_killed() {
    let receiver = Receiver::start();
    let place = Place::new();
    let url = receiver.url("");
    let mut one = listener(&place, &url, &[]);
    (0..10).for_each(|number| deliver(&mut one, &payload(number)));
    receiver.answer(503);
    (10..20).for_each(|number| deliver(&mut one, &payload(number)));
    place.wait_for_log("http status: 503");
    let pool = one.pool.clone();
    kill_process(Pid::from_raw(one.pid().unwrap() as i32).unwrap(), Signal::KILL).unwrap();
    drop(one);
    let mut one = listener(&place, &url, &[]);
    one.pool = pool;
    (20..30).for_each(|number| deliver(&mut one, &payload(number)));
    receiver.answer(204);
    assert_lines(&receiver.events(29), 30);
    terminate(one);
}

#[test]
fn what_the_server_refuses() {
    let receiver = Receiver::start();
    let place = Place::new();
    let token = place.path().join("token");
    fs::write(&token, "s3cret-and-wrong\n").unwrap();
    receiver.answer(401);
    let mut one = listener(&place, &receiver.url(""), &[("FORWARD_HTTP_TOKEN_FILE", token.to_str().unwrap())]);
    (0..5).for_each(|number| deliver(&mut one, &payload(number)));
    place.wait_for_log("http status: 401: check FORWARD_HTTP_TOKEN");
    fs::write(&token, "s3cret\n").unwrap();
    receiver.answer(204);
    receiver.events(4);
    assert_eq!(*receiver.authorization.lock().unwrap(), "Bearer s3cret");
    // An event that is rejected does not block the others.
    receiver.answer(422);
    deliver(&mut one, &payload(5));
    place.wait_for_log("the server refuses an event: dropped");
    receiver.answer(204);
    deliver(&mut one, &payload(6));
    receiver.events(6);
    assert_eq!(receiver.count(), 6);
    terminate(one);
    assert!(!place.log().contains("s3cret"), "{}", place.log());
}

#[test]
fn a_server_with_tls() {
    let place = Place::new();
    let certificate = place.path().join("ca.pem");
    let config = tls::server(&certificate);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://user:s3cret@localhost:{}/", socket.local_addr().unwrap().port());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    thread::spawn({
        let heads = heads.clone();
        move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let Some(mut stream) = tls::accept(&config, stream) else { continue };
                let mut text = Vec::new();
                let mut byte = [0];
                while !text.ends_with(b"}\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                    text.extend(byte);
                }
                heads.lock().unwrap().push(String::from_utf8_lossy(&text).to_lowercase());
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    let mut one = listener(&place, &url, &[("FORWARD_HTTP_CA", certificate.to_str().unwrap())]);
    deliver(&mut one, b"type:x\n");
    let head = wait_for("the event", || heads.lock().unwrap().first().cloned());
    assert!(head.contains("authorization: basic dxnlcjpzm2nyzxq="), "{head}");
    terminate(one);
    assert!(!place.log().contains("s3cret"), "{}", place.log());
}

#[test]
fn its_secrets_are_not_arguments() {
    for (argument, variable) in [
        ("--http-token=s3cret", "FORWARD_HTTP_TOKEN"),
        ("--http-url=http://u:s3cret@host/", "FORWARD_HTTP_URL"),
        ("--http-url=ftp://u:s3cret@host/", "--http-url"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forward_monitor"));
        let output = command.arg(argument).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(variable) && !said.contains("s3cret"), "{said}");
    }
}
