//! `heartbeat_monitor` under a real supervisord: a feed that hangs, and a tunnel whose interface goes down.

use std::env;
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::{self, Command};

use serde_json::Value;

use crate::support::program;
use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};

/// A web socket server that answers pings until its input ends.
const FEED: &str = r#"
import base64, hashlib, os, socket, sys, threading

def serve(client):
    with client, client.makefile("rb") as file:
        while line := file.readline().strip():
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":", 1)[1].strip()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while head := file.read(2):
            mask = file.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(file.read(head[1] & 127)))
            if head[0] & 15 == 9:
                client.sendall(bytes([0x8A, len(data)]) + data)

def accept():
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()

threading.Thread(target=accept, daemon=True).start()
sys.stdin.buffer.read()
"#;

fn monitor(endpoints: &str, url: &str) -> String {
    let program = program("heartbeat_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:heartbeat_monitor]\ncommand = \"{program}\"\nevents = TICK_5\nbuffer_size = 12\n\
         environment = ENDPOINTS=\"{endpoints}\",ALERT_URL=\"{url}\"\n\
         stdout_logfile = NONE\nstderr_logfile = %(here)s/heartbeat_monitor.err\n"
    )
}

fn wait_for_alert(alerts: &Collector, event: &str) -> Value {
    alerts.wait_for(event, |alert| alert["event"] == event)
}

#[test]
fn a_web_socket_whose_process_hangs_is_down_until_it_goes_on() {
    let alerts = Collector::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sections = [
        monitor(&format!("feed=ws://127.0.0.1:{port}/#process=feed"), &alerts.url()),
        format!("[program:feed]\ncommand = python3 feed.py {port}\ndirectory = %(here)s\nautostart = false\n"),
    ];
    let Some(mut supervisord) = Supervisord::start("health", &sections.concat()) else { return };
    supervisord.write("feed.py", FEED);
    assert!(supervisord.ctl(&["start", "feed"]).status.success());
    supervisord.wait_for("heartbeat_monitor.err", "\"latency_ms\":", 1);
    // supervisord sees nothing wrong, and the kernel accepts connections on its behalf.
    supervisord.ctl(&["signal", "STOP", "feed"]);
    let down = wait_for_alert(&alerts, "ENDPOINT_DOWN");
    assert_eq!((&down["severity"], &down["details"]["endpoint"]), (&"CRITICAL".into(), &"feed".into()));
    assert_eq!(supervisord.status("feed"), "RUNNING");
    let before = alerts.count(|alert| alert["event"] == "ENDPOINT_UP");
    supervisord.ctl(&["signal", "CONT", "feed"]);
    alerts.wait_for("the end of it", |alert| alert["event"] == "ENDPOINT_UP" && alert["incident"] == down["incident"]);
    // It may have been stopped before it first answered.
    assert!(before <= 1);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

/// A pair of interfaces that are up like a connected tunnel. Removed when this value is dropped.
struct Tunnel(String);

impl Tunnel {
    fn create() -> Option<Self> {
        let name = format!("vpn{}", process::id());
        let peer = format!("{name}p");
        let error = ip(&["link", "add", &name, "type", "veth", "peer", "name", &peer]).err();
        if let Some(error) = error {
            assert!(env::var_os("CI").is_none(), "no interface: {error}");
            // Not `eprintln!`, which is hidden if a test passes.
            let _ =
                writeln!(io::stderr(), "\nSKIPPED, for want of an interface of its own (root, iproute2): {error}\n");
            return None;
        }
        let this = Self(name);
        ip(&["link", "set", &peer, "up"]).unwrap();
        this.set("up");
        Some(this)
    }

    fn set(&self, state: &str) {
        ip(&["link", "set", &self.0, state]).unwrap();
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = ip(&["link", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_tunnel_whose_interface_goes_down_is_reported_and_when_it_is_up_again() {
    let Some(tunnel) = Tunnel::create() else { return };
    let alerts = Collector::start();
    let section = monitor(&format!("vpn=interface:{}", tunnel.0), &alerts.url());
    let Some(mut supervisord) = Supervisord::start("tunnel", &section) else { return };
    supervisord.wait_for("heartbeat_monitor.err", "\"latency_ms\":", 1);
    tunnel.set("down");
    let down = wait_for_alert(&alerts, "ENDPOINT_DOWN");
    assert_eq!((&down["severity"], &down["details"]["endpoint"]), (&"CRITICAL".into(), &"vpn".into()));
    tunnel.set("up");
    assert_eq!(wait_for_alert(&alerts, "ENDPOINT_UP")["incident"], down["incident"]);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
