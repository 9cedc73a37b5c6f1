//! Which answers `heartbeat_monitor` accepts.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use supervisor_monitors::endpoints::watch::{Change, Watched};
use tempfile::TempDir;
use tungstenite::Message;

use super::endpoints::heartbeat;
use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, levels, program, server};
use crate::support::receiver::{ClosedPort, Collector};
use crate::support::{python, tls, wait_for};

/// Sends a tick, and returns what was found for each endpoint.
fn beat(monitor: &mut Driven) -> Value {
    heartbeat(monitor.send("TICK_5", "when:1000000010"))["endpoints"].clone()
}

/// Checks endpoints once. Each must be up, or down for the given reason.
fn assert_found(directory: &Path, endpoints: &[(&str, String, &str)], settings: &[&str]) {
    let list: Vec<_> = endpoints.iter().map(|(name, url, _)| format!("{name}={url}")).collect();
    let list = list.join(",");
    let settings = [&["--endpoints", &list, "--deadline", "4"], settings].concat();
    let mut monitor = Driven::start("heartbeat_monitor", directory, &settings);
    let found = beat(&mut monitor);
    for (name, _, why) in endpoints {
        match found[name]["error"].as_str() {
            Some(error) => assert!(!why.is_empty() && error.contains(why), "{name}: {error}"),
            None => assert_eq!(*why, "", "{name}: {found}"),
        }
    }
    monitor.end();
}

/// Reads the header of a request, and returns its path.
fn path(stream: &mut impl Read) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    first.split(' ').nth(1).map(str::to_owned)
}

/// Answers a request according to its path: `/STATUS/BODY`, where `-` is an endless body and `to:PORT` a redirect.
fn answer(stream: &mut (impl Read + Write)) {
    let Some(path) = path(stream) else { return };
    let (status, body) = path[1..].split_once('/').unwrap();
    let location = match body.strip_prefix("to:") {
        Some(port) => format!("location: http://127.0.0.1:{port}/200/x\r\n"),
        None => String::new(),
    };
    let _ = write!(stream, "HTTP/1.1 {status} It\r\n{location}connection: close\r\n\r\n");
    if body == "-" {
        while stream.write_all(&[b'-'; 1024]).is_ok() {}
    }
    let _ = stream.write_all(body.as_bytes());
    let _ = stream.flush();
}

#[test]
fn a_server_has_to_answer_with_the_expected_status_and_text() {
    let directory = TempDir::new().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let port = server({
        let requests = Arc::clone(&requests);
        move |mut stream| {
            requests.fetch_add(1, Ordering::SeqCst);
            answer(&mut stream);
        }
    });
    let url = |rest: &str| format!("http://127.0.0.1:{port}/{rest}");
    let endpoints = [
        ("any", url("204/"), ""),
        ("missing", url("404/"), "http status: 404"),
        ("expected", url("404/#status=404"), ""),
        ("range", url("503/#status=400-599"), ""),
        ("outside", url("200/#status=400-599"), "http status: 200"),
        ("moved", url(&format!("302/to:{port}")), "http status: 302: redirects are not followed"),
        ("moved-as-expected", url(&format!("302/to:{port}#status=302")), ""),
        ("encoded", url("200/a&b#expect=a%26b"), ""),
        ("healthy", url("200/x-healthy-x#expect=healthy&status=200"), ""),
        ("unhealthy", url("200/x-sick-x#expect=healthy"), "lacks the expected text"),
        ("empty", url("200/#expect=healthy"), "the answer is empty"),
        ("endless", url("200/-#expect=healthy"), "not in the first 64 KiB"),
    ];
    assert_found(directory.path(), &endpoints, &[]);
    assert_eq!(requests.load(Ordering::SeqCst), endpoints.len(), "no redirect is followed");
}

#[test]
fn a_web_socket_has_to_answer_a_ping_and_may_have_to_say_something() {
    let directory = TempDir::new().unwrap();
    let echo = server(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        // Reading answers the ping.
        while let Ok(message) = socket.read() {
            if message.is_text() {
                let _ = socket.send(Message::text(format!("you said {message}")));
            }
        }
    });
    // Sends, but does not read.
    let deaf = server(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        while socket.send(Message::binary("price")).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let gone = server(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        let _ = socket.close(None);
        let _ = socket.read();
    });
    let large = server(|stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        let _ = socket.send(Message::binary(vec![0; 2 << 20]));
        while socket.read().is_ok() {}
    });
    let plain = server(|mut stream| answer(&mut stream));
    let url = |port: u16, rest: &str| format!("ws://127.0.0.1:{port}/{rest}");
    let endpoints = [
        ("ping", url(echo, ""), ""),
        ("said", url(echo, "#send={\"op\":\"ping\"%2C\"id\":1}&expect=you said {\"op\":\"ping\"%2C\"id\":1}"), ""),
        ("account", format!("ws://user:secret@127.0.0.1:{echo}/"), ""),
        ("large", url(large, ""), "too long"),
        ("gone", url(gone, ""), "lose"),
        ("plain", url(plain, "403/"), "403"),
    ];
    assert_found(directory.path(), &endpoints, &[]);
    let endpoints = [
        ("deaf", url(deaf, "")),
        ("deaf-and-right", url(deaf, "#expect=price")),
        ("wrong", url(echo, "#send=hello&expect=goodbye")),
    ];
    let list: Vec<_> = endpoints.iter().map(|(name, url)| format!("{name}={url}")).collect();
    let settings = ["--endpoints", &list.join(","), "--deadline", "0.5"];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    let found = beat(&mut monitor);
    for (name, _) in endpoints {
        assert_late(&found[name]);
    }
    monitor.end();
}

/// The check did not finish: it noticed the deadline itself, or was abandoned.
fn assert_late(found: &Value) {
    let error = found["error"].as_str().unwrap_or_else(|| panic!("{found}"));
    assert!(error.contains("imed out") || error.contains("no answer within the deadline"), "{error}");
}

#[test]
fn a_port_may_have_to_say_something() {
    let directory = TempDir::new().unwrap();
    let greeting = server(|mut stream| {
        let _ = stream.write_all(b"220 ready\r\n");
        let mut line = String::new();
        let _ = BufReader::new(&stream).read_line(&mut line);
        let _ = stream.write_all(format!("250 {line}").as_bytes());
    });
    let mute = server(|stream| drop(BufReader::new(stream).read_line(&mut String::new())));
    let url = |port: u16, rest: &str| format!("tcp://127.0.0.1:{port}{rest}");
    let endpoints = [
        ("open", url(mute, ""), ""),
        ("greeting", url(greeting, "#expect=220 "), ""),
        ("asked", url(greeting, "#send=NOOP%0D%0A&expect=250 NOOP"), ""),
        ("any", url(greeting, "/#send=NOOP%0D%0A"), ""),
        ("wrong", url(greeting, "#send=NOOP%0D%0A&expect=251"), "lacks the expected text"),
        ("mute", url(mute, "#send=NOOP%0D%0A"), "the answer is empty"),
    ];
    assert_found(directory.path(), &endpoints, &[]);
}

#[test]
fn only_a_server_with_a_trusted_certificate_is_up() {
    let directory = TempDir::new().unwrap();
    let authority = directory.path().join("ca.pem");
    let config = tls::server(&authority);
    let https = server({
        let config = Arc::clone(&config);
        move |stream| {
            let Some(mut stream) = tls::accept(&config, stream) else { return };
            answer(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.read(&mut [0; 64]);
        }
    });
    let wss = server(move |stream| {
        let Some(stream) = tls::accept(&config, stream) else { return };
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        while socket.read().is_ok() {}
    });
    let (https_url, wss_url) =
        (format!("https://localhost:{https}/200/well#expect=well"), format!("wss://localhost:{wss}/"));
    let trusted = [
        ("https", https_url.clone(), ""),
        ("wss", wss_url.clone(), ""),
        // Not the name in the certificate.
        ("https-by-address", format!("https://127.0.0.1:{https}/200/"), "ertificate"),
        ("wss-by-address", format!("wss://127.0.0.1:{wss}/"), "ertificate"),
    ];
    let settings = ["--endpoint-ca", authority.to_str().unwrap()];
    assert_found(directory.path(), &trusted, &settings);

    let other = directory.path().join("other.pem");
    tls::server(&other);
    let untrusted = [("https", https_url, "ertificate"), ("wss", wss_url, "ertificate")];
    assert_found(directory.path(), &untrusted, &["--endpoint-ca", other.to_str().unwrap()]);
}

/// A process that serves HTTP and sends no greeting.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start() -> Option<Self> {
        let program = "import http.server, sys, threading\n\
                       server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
                       threading.Thread(target=server.serve_forever, daemon=True).start()\n\
                       print(server.server_port, flush=True)\n\
                       sys.stdin.read()";
        let mut command = Command::new(python::python()?);
        command.args(["-c", program]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, port: line.trim().parse().unwrap() })
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stopped_process_behind_an_open_port_is_down() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let Some(served) = Served::start() else { return };
    let port = served.port;
    let endpoints = format!(
        "http=http://127.0.0.1:{port}/,ws=ws://127.0.0.1:{port}/,open=tcp://127.0.0.1:{port},\
         asked=tcp://127.0.0.1:{port}#send=GET / HTTP/1.0%0D%0A%0D%0A&expect=HTTP/1.0 200"
    );
    let settings = ["--endpoints", &endpoints, "--deadline", "4", "--alert-url", &alerts.url()];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    let found = beat(&mut monitor);
    for up in ["http", "open", "asked"] {
        assert_eq!(found[up]["error"], Value::Null, "{found}");
    }
    served.signal(Signal::STOP);
    let found = beat(&mut monitor);
    for down in ["http", "ws", "asked"] {
        assert_late(&found[down]);
    }
    // Everything that the kernel reveals.
    assert_eq!(found["open"]["error"], Value::Null, "{found}");
    served.signal(Signal::CONT);
    wait_for("the answer", || beat(&mut monitor)["http"]["error"].is_null().then_some(()));
    for event in ["ENDPOINT_DOWN", "ENDPOINT_UP"] {
        let is = |alert: &Value| alert["event"] == event && alert["details"]["endpoint"] == "http";
        alerts.wait_for(event, is);
        assert_eq!(alerts.count(is), 1, "{event}");
    }
    monitor.end();
}

#[test]
fn an_endpoint_that_is_slow_is_reported_after_some_ticks_and_when_it_is_fast_again() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let port = server(|mut stream| drop(stream.read(&mut [0])));
    let start = |slow_after: &str| {
        let endpoints = format!("own=tcp://127.0.0.1:{port}#slow-after={slow_after},usual=tcp://127.0.0.1:{port}");
        let settings = ["--endpoints", &endpoints, "--deadline", "4", "--slow-after", "4", "--vpn-interface", "lo"];
        let url = alerts.url();
        let settings = [&settings[..], &["--state-dir", "state", "--alert-url", &url]].concat();
        Driven::start("heartbeat_monitor", directory.path(), &settings)
    };
    // No answer is that fast.
    let mut monitor = start("0.000000001");
    for tick in 1..=5 {
        let lines = monitor.send_as(tick, "TICK_5", &format!("when:{}", 5 * tick));
        let alerts = if tick == 3 { vec!["alert: ENDPOINT_SLOW"] } else { vec![] };
        assert_eq!(levels(&lines, "WARNING"), alerts, "{tick}");
    }
    monitor.end();
    // This continues across a restart.
    let mut monitor = start("0.000000001");
    assert_eq!(levels(&monitor.send_as(6, "TICK_5", "when:30"), "WARNING"), [] as [&str; 0]);
    monitor.end();
    // And none is that slow.
    let mut monitor = start("4");
    for tick in [7, 8] {
        let lines = monitor.send_as(tick, "TICK_5", &format!("when:{}", 5 * tick));
        let fast = lines.iter().filter(|line| line["message"] == "alert: ENDPOINT_FAST").count();
        assert_eq!(fast, usize::from(tick == 7));
    }
    for (event, severity, status) in [("ENDPOINT_SLOW", "WARNING", "firing"), ("ENDPOINT_FAST", "INFO", "resolved")] {
        let alert = alerts.wait_for(event, |alert| alert["event"] == event);
        assert_eq!((&alert["severity"], &alert["status"]), (&severity.into(), &status.into()));
        assert_eq!(alert["details"]["endpoint"], "own");
    }
    monitor.end();
    // An alert may come twice: a monitor may end before it has recorded that the receiver accepted it.
    assert_eq!(alerts.count(|alert| alert["event"] != "ENDPOINT_SLOW" && alert["event"] != "ENDPOINT_FAST"), 0);
}

#[test]
fn slow_answers_count_in_a_row() {
    let answer = |watched: &mut Watched, is_slow| watched.note(&Ok(Default::default()), false, is_slow, 3);
    let none = |watched: &mut Watched| watched.note(&Err("closed".into()), false, false, 3);
    let mut watched = Watched::default();
    for is_slow in [true, true, false, true, true] {
        assert_eq!(answer(&mut watched, is_slow), []);
    }
    assert_eq!(none(&mut watched), [Change::Down]);
    assert_eq!(answer(&mut watched, true), [Change::Up]);
    assert_eq!(answer(&mut watched, true), []);
    assert_eq!(answer(&mut watched, true), [Change::Slow]);
    // Without an answer, slowness is unknown.
    assert_eq!(none(&mut watched), [Change::Down]);
    assert_eq!(answer(&mut watched, true), [Change::Up]);
    assert_eq!(answer(&mut watched, false), [Change::Fast]);
}

#[test]
fn a_tunnel_is_up_as_long_as_its_peers_shake_hands() {
    let directory = TempDir::new().unwrap();
    let script = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (fresh, stale) = (now - 60, now - 240);
    // In wg's format. A word comes first, as with sudo.
    let wg = script(
        "wg",
        &format!(
            "[ \"$1 $2 $4\" = 'first show latest-handshakes' ] || exit 9\n\
             case $3 in\n\
             fresh) printf 'KEY1=\\t{fresh}\\n' ;;\n\
             ahead) printf 'KEY1=\\t{}\\n' ;;\n\
             mixed) printf 'KEY1=\\t{fresh}\\nKEY2=\\t{stale}\\n' ;;\n\
             never) printf 'KEY1=\\t0\\n' ;;\n\
             lonely) ;;\n\
             odd) echo nonsense ;;\n\
             private) echo 'Unable to access interface: Operation not permitted' >&2; exit 1 ;;\n\
             *) echo 'Unable to access interface: No such device' >&2; exit 1 ;;\n\
             esac",
            now + 60
        ),
    );
    let endpoints = [
        ("fresh", "wireguard:fresh", ""),
        ("ahead", "wireguard:ahead", ""),
        ("strict", "wireguard:fresh#max-age=30", "fresh: the last handshake with KEY1= was "),
        ("mixed", "wireguard:mixed", "mixed: the last handshake with KEY2= was "),
        ("lenient", "wireguard:mixed#max-age=3600", ""),
        ("one", "wireguard:mixed#peer=KEY1=", ""),
        ("other", "wireguard:mixed#peer=KEY3=", "mixed: there is no peer KEY3="),
        ("never", "wireguard:never", "never: no handshake yet with KEY1="),
        ("lonely", "wireguard:lonely", "lonely: there is no peer"),
        ("odd", "wireguard:odd", "not a peer and its last handshake: \"nonsense\""),
        (
            "private",
            "wireguard:private",
            "only root, or a process with CAP_NET_ADMIN, may ask for the handshakes of private",
        ),
        ("none", "wireguard:none", "no WireGuard interface none"),
    ]
    .map(|(name, url, why)| (name, url.to_owned(), why));
    assert_found(directory.path(), &endpoints, &["--wg-command", &format!("{wg} first")]);

    let missing =
        [("x", "wireguard:x".to_owned(), "there is no nonesuch: install wireguard-tools, or set --wg-command")];
    assert_found(directory.path(), &missing, &["--wg-command", "nonesuch"]);

    // A command that hangs is stopped.
    let wg = script("hanging", &format!("echo $$ >> {}/started\nexec sleep 1000", directory.path().display()));
    let settings = ["--endpoints", "x=wireguard:x", "--wg-command", &wg, "--deadline", "0.5"];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    assert_late(&beat(&mut monitor)["x"]);
    let started = wait_for("the start", || fs::read_to_string(directory.path().join("started")).ok());
    let pid = Pid::from_raw(started.trim().parse().unwrap()).unwrap();
    wait_for("its end", || rustix::process::test_kill_process(pid).is_err().then_some(()));
    monitor.end();
}

#[test]
fn nobody_is_called_when_supervisord_shuts_down() {
    let (directory, supervisord, closed) = (TempDir::new().unwrap(), FakeSupervisord::start(), ClosedPort::new());
    let address = closed.address();
    let endpoints = format!("feed=tcp://{address}#process=t:feed,other=tcp://{address}");
    supervisord.set(&[("t", "feed", "RUNNING", 1)]);
    let settings = ["--endpoints", &endpoints, "--deadline", "4"];
    let mut monitor = Driven::start_with("heartbeat_monitor", directory.path(), &settings, &supervisord.environment());
    supervisord.shut_down();
    let lines = monitor.send("TICK_5", "when:1000000100");
    let told = |event: &str| {
        let is = |line: &&Value| line["message"] == format!("alert: {event}");
        lines.iter().filter(is).map(|line| line["details"]["endpoint"].to_string()).collect::<Vec<_>>()
    };
    // Processes that supervisord does not run do not matter.
    assert_eq!((told("ENDPOINT_STOPPED"), told("ENDPOINT_DOWN")), (vec!["\"feed\"".into()], vec!["\"other\"".into()]));
    monitor.end();
}

#[test]
fn nobody_is_called_for_what_somebody_stopped() {
    let (directory, alerts, supervisord) = (TempDir::new().unwrap(), Collector::start(), FakeSupervisord::start());
    let open = server(|mut stream| drop(stream.read(&mut [0])));
    let closed = ClosedPort::new();
    let endpoints =
        format!("feed=tcp://{}#process=t:feed,open=tcp://127.0.0.1:{open}#process=t:feed", closed.address());
    let settings = ["--endpoints", &endpoints, "--deadline", "4", "--alert-url", &alerts.url()];
    supervisord.set(&[("t", "feed", "RUNNING", 1)]);
    let mut monitor = Driven::start_with("heartbeat_monitor", directory.path(), &settings, &supervisord.environment());
    let mut told = |state: &'static str, when: u64| {
        // A process of the same name in another group does not matter.
        supervisord.set(&[("t", "feed", state, 1), ("u", "feed", "RUNNING", 2)]);
        let lines = monitor.send("TICK_5", &format!("when:{when}"));
        let told = lines.iter().filter_map(|line| line["message"].as_str()?.strip_prefix("alert: ").map(str::to_owned));
        told.collect::<Vec<_>>()
    };
    let none = [] as [&str; 0];
    // It was started at 1,000,000,000. Each of these asks supervisord, which was also asked at the start.
    assert_eq!(told("STOPPING", 1_000_000_000), ["ENDPOINT_STOPPED"]);
    assert_eq!(told("STOPPED", 1_000_000_005), none);
    assert_eq!(told("STARTING", 1_000_000_010), none);
    assert_eq!(told("RUNNING", 1_000_000_015), none);
    assert_eq!(told("RUNNING", 1_000_000_040), ["ENDPOINT_DOWN"]);
    assert_eq!(supervisord.asked(), 6);
    // While it is down, supervisord is not asked.
    assert_eq!(told("STOPPED", 1_000_000_045), none);
    assert_eq!(supervisord.asked(), 6);
    monitor.end();
    let severities = [("ENDPOINT_STOPPED", "INFO"), ("ENDPOINT_DOWN", "CRITICAL")];
    for (event, severity) in severities {
        assert_eq!(alerts.wait_for(event, |alert| alert["event"] == event)["severity"], severity);
    }
    assert_eq!(alerts.count(|_| true), 2);

    // If a process is running, even partially, or its state is unknown, and it does not answer, it is down.
    let known = supervisord.environment();
    for (process, environment) in [("u:feed", &known[..]), ("feed", &known), ("t:feed", &[])] {
        let endpoints = format!("feed=tcp://{}#process={process}", closed.address());
        let settings = ["--endpoints", &endpoints, "--deadline", "4"];
        let mut monitor = Driven::start_with("heartbeat_monitor", directory.path(), &settings, environment);
        let lines = monitor.send("TICK_5", "when:1000000010");
        assert_eq!(levels(&lines, "CRITICAL"), ["alert: ENDPOINT_DOWN"], "{process}: {lines:?}");
        assert_eq!(levels(&lines, "ERROR").len(), usize::from(environment.is_empty()), "{lines:?}");
        monitor.end();
    }
}

#[test]
fn a_check_that_hangs_is_not_started_again() {
    let directory = TempDir::new().unwrap();
    // Opening a FIFO may take arbitrarily long, like a name server or a disk.
    let fifo = directory.path().join("operstate");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let endpoints = format!("stuck=interface:../../..{},lo=interface:lo", directory.path().display());
    let settings = ["--endpoints", &endpoints, "--deadline", "0.5"];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    assert_late(&beat(&mut monitor)["stuck"]);
    let hangs = "the check of an earlier tick is past its deadline, and still hangs";
    for _ in 0..3 {
        assert_eq!(beat(&mut monitor)["stuck"]["error"], hangs);
    }
    // It ends, and the next check gets another result.
    let writer = File::options().write(true).open(&fifo).unwrap();
    fs::remove_file(&fifo).unwrap();
    fs::write(&fifo, "up\n").unwrap();
    drop(writer);
    wait_for("another check", || beat(&mut monitor)["stuck"]["latency_ms"].is_number().then_some(()));
    monitor.end();
}

#[test]
fn endpoints_that_make_no_sense_are_refused() {
    for (endpoints, why) in [
        ("x=tcp://host", "has x=tcp://host, but it is tcp://HOST:PORT"),
        ("x=http:///path", "has x=http:///path, but "),
        ("x=https://h/#status=2xx", "but status is a status or a range such as 200-299, not \\\"2xx\\\""),
        ("x=https://h/#status=299-200", "but status is a status or a range such as 200-299"),
        ("x=https://h/#send=s3cret", "but https:// has no option \\\"send\\\""),
        ("x=ws://h/#status=200", "but ws:// has no option \\\"status\\\""),
        ("x=ws://h/#send=%FF", "but send is not UTF-8"),
        ("x=tcp://h:1#slow-after=0", "but slow-after is a number of seconds above 0"),
        ("x=tcp://h:1#s3cret", "but options are OPTION=VALUE with & in between"),
        ("x=tcp://h:1#expect=a&expect=b", "but expect is set twice"),
        ("x=tcp://h:1#expect=100%", "but expect has a % that is not an escape: write it as %25"),
        ("x=tcp://h:1#expect=%+1%2C", "but expect has a % that is not an escape: write it as %25"),
        ("x=tcp://h:1#process=g:", "but process names processes by NAME, GROUP:NAME, GROUP:* or *"),
        ("x=interface:lo#slow-after=1", "but interface: has no option \\\"slow-after\\\""),
        ("x=wireguard:wg0#max-age=x", "but max-age is a number of seconds above 0"),
        ("x=wireguard:wg0#expect=a", "but wireguard: has no option \\\"expect\\\""),
        ("x=tcp://h:1,x=tcp://h:2", "--endpoints uses the name x"),
        ("x=https://user:s3cret@h/#y", "has x=https://h/, but"),
    ] {
        let output = program("heartbeat_monitor").args(["--endpoints", endpoints]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why) && !said.contains("s3cret"), "{endpoints}: {said}");
    }
    for (setting, why) in [
        ("--endpoint-ca=nowhere", "--endpoint-ca \\\"nowhere\\\": "),
        ("--endpoint-ca=/dev/null", "--endpoint-ca \\\"/dev/null\\\" has no certificate"),
    ] {
        let output = program("heartbeat_monitor").args(["--endpoints=x=wss://h/", setting]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{said}");
    }
}
