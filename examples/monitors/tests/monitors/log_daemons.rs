//! `log_collector` with daemons: a real rsyslogd, through each of its inputs, and a reader of systemd's protocol.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::log_collector::piece;
use super::programs::{Driven, levels};
use crate::support::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server that writes what it receives to a file, one line per message.
struct Rsyslogd {
    program: PathBuf,
    directory: TempDir,
    udp: u16,
    tcp: u16,
    child: Option<Child>,
}

impl Rsyslogd {
    /// `None` if there is no rsyslogd.
    fn start() -> Option<Self> {
        let program = ["rsyslogd", "/usr/sbin/rsyslogd"].map(PathBuf::from).into_iter().find(|program| {
            let status = Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        });
        let Some(program) = program else {
            assert!(env::var_os("CI").is_none(), "no rsyslogd");
            let missing = "SKIPPED, for want of an rsyslogd: apt-get install rsyslog";
            let _ = writeln!(io::stderr(), "\n{missing}\n");
            return None;
        };
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut this = Self { program, directory: TempDir::new().unwrap(), udp: free, tcp, child: None };
        let here = this.directory.path().display().to_string();
        let text = "%pri% %timestamp:::date-rfc3339% %app-name% %procid% %msgid% %structured-data% %msg%\\n";
        let configuration = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\nmodule(load=\"imudp\")\nmodule(load=\"imtcp\")\n\
             input(type=\"imuxsock\" Socket=\"{here}/log\" CreatePath=\"on\" useSpecialParser=\"off\" \
             RateLimit.Interval=\"0\")\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{free}\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\")\n\
             template(name=\"lines\" type=\"string\" string=\"{text}\")\n\
             action(type=\"omfile\" file=\"{here}/messages\" template=\"lines\")\n"
        );
        fs::write(this.directory.path().join("rsyslog.conf"), configuration).unwrap();
        this.restart();
        Some(this)
    }

    fn restart(&mut self) {
        let here = self.directory.path();
        let mut command = Command::new(&self.program);
        command.arg("-n").arg("-f").arg(here.join("rsyslog.conf")).arg("-i").arg(here.join("pid"));
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        wait_for("rsyslogd", || {
            let socket = UnixDatagram::unbound().unwrap();
            let listens = socket.connect(here.join("log")).is_ok()
                && std::net::TcpStream::connect(("127.0.0.1", self.tcp)).is_ok()
                && UdpSocket::bind(("127.0.0.1", self.udp)).is_err();
            listens.then_some(())
        });
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            child.wait().unwrap();
        }
    }

    /// The messages without their times, which are checked.
    fn messages(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("messages")).unwrap_or_default();
        let without_time = |line: &str| {
            let (priority, rest) = line.split_once(' ').unwrap();
            let (time, rest) = rest.split_once(' ').unwrap();
            assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
            format!("{priority} {rest}")
        };
        text.lines().map(without_time).collect()
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn collector(directory: &Path, log_to: &str) -> Driven {
    Driven::start("log_collector", directory, &["--log-to", log_to, "--sink-wait", "0.05"])
}

#[test]
fn a_syslog_server_gets_each_line_by_each_way() {
    let (directory, Some(server)) = (TempDir::new().unwrap(), Rsyslogd::start()) else { return };
    for (number, way) in [
        format!("syslog:{}", server.directory.path().join("log").display()),
        format!("syslog+udp://127.0.0.1:{}", server.udp),
        format!("syslog+tcp://127.0.0.1:{}", server.tcp),
    ]
    .into_iter()
    .enumerate()
    {
        let settings = ["--log-to", way.as_str(), "--max-line", "64", "--syslog-facility", "local3"];
        let mut collector = Driven::start("log_collector", directory.path(), &settings);
        // In two pieces, with characters that would end a message in another framing, or a line in a file.
        let text = "prix: \u{20ac} <34>1 \u{7}\rquoted \"]\" \\ end\n";
        for (event, payload) in [
            piece("a b", "stdout", &text.as_bytes()[..7]),
            piece("a b", "stdout", &text.as_bytes()[7..]),
            piece("worker", "stderr", b"\xff\n"),
            piece("worker", "stderr", format!("{}\n", "x".repeat(100)).as_bytes()),
        ] {
            collector.send(&event, &payload);
        }
        assert_eq!(levels(&collector.lines(), "ERROR"), [""; 0]);
        collector.end();
        let expected = [
            "158 g:a_b 42 stdout [meta sequenceId=\"1\"] prix: \u{20ac} <34>1 \\u{7}\\u{d}quoted \"]\" \\ end"
                .to_owned(),
            "156 g:worker 42 stderr-undecodable [meta sequenceId=\"2\"] \u{fffd}".into(),
            format!("156 g:worker 42 stderr-cut [meta sequenceId=\"3\"] {}", "x".repeat(64)),
            format!("156 g:worker 42 stderr [meta sequenceId=\"4\"] {}", "x".repeat(36)),
        ];
        let messages = wait_for(&way, || {
            let messages = server.messages();
            (messages.len() == 4 * (number + 1)).then_some(messages)
        });
        assert_eq!(messages[4 * number..], expected, "{way}");
    }
}

/// A datagram may be smaller than a line.
#[test]
fn a_line_that_no_datagram_holds_is_truncated_and_marked() {
    let directory = TempDir::new().unwrap();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let way = format!("syslog+udp://{}", server.local_addr().unwrap());
    let settings = ["--log-to", way.as_str(), "--max-line", "131072"];
    let mut collector = Driven::start("log_collector", directory.path(), &settings);
    // Each of these takes five bytes when escaped.
    let (event, payload) = piece("a", "stdout", format!("{}\n", "\u{1}".repeat(30_000)).as_bytes());
    collector.send(&event, &payload);
    let mut message = vec![0; 1 << 16];
    let length = server.recv(&mut message).unwrap();
    let text = str::from_utf8(&message[..length]).unwrap();
    assert!(
        length > 65_000 && text.contains(" stdout-truncated [meta sequenceId=\"1\"] \\u{1}\\u{1}"),
        "{}",
        &text[..200]
    );
    assert_eq!(levels(&collector.lines(), "ERROR"), [""; 0]);
    collector.end();
}

/// No event waits long, the file has everything, and the server is told how much it missed.
#[test]
fn a_server_that_is_away_misses_lines_and_nobody_else_does() {
    let (directory, Some(mut server)) = (TempDir::new().unwrap(), Rsyslogd::start()) else { return };
    let ways = [
        format!("syslog:{}", server.directory.path().join("log").display()),
        format!("syslog+tcp://127.0.0.1:{}", server.tcp),
    ];
    for way in ways {
        let mut collector = collector(directory.path(), &format!("{way},json:all.jsonl"));
        let mut sent = 0;
        let mut send = |collector: &mut Driven| {
            let (event, payload) = piece("a", "stdout", format!("line {sent}\n").as_bytes());
            collector.send(&event, &payload);
            sent += 1;
        };
        let arrived = |server: &Rsyslogd| server.messages().iter().filter(|message| message.contains(" line ")).count();
        let before = arrived(&server);
        send(&mut collector);
        wait_for("the first line", || (arrived(&server) == before + 1).then_some(()));
        server.stop();
        // The system may accept a message on a connection that is just being closed.
        wait_for("the server to be missed", || {
            send(&mut collector);
            (!levels(&collector.lines(), "ERROR").is_empty()).then_some(())
        });
        for _ in 0..10 {
            send(&mut collector);
        }
        let errors = levels(&collector.lines(), "ERROR");
        assert!(errors.len() == 1 && errors[0].starts_with(&format!("{way} does not accept lines: ")), "{errors:?}");
        server.restart();
        let back = wait_for("lines to arrive again", || {
            send(&mut collector);
            collector.lines().into_iter().find(|line| line["dropped"].is_u64())
        });
        let dropped = usize::try_from(back["dropped"].as_u64().unwrap()).unwrap();
        assert!(dropped >= 11, "{dropped}");
        let said = format!("{way} accepts lines again; {dropped} were dropped");
        assert_eq!(back["message"], said);
        wait_for("the server to hear of it", || {
            server.messages().iter().any(|message| message.ends_with(&said)).then_some(())
        });
        let lines = fs::read_to_string(directory.path().join("all.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), sent);
        fs::remove_file(directory.path().join("all.jsonl")).unwrap();
        fs::remove_file(directory.path().join("log_collector.err")).ok();
        collector.end();
        fs::remove_file(directory.path().join("log_collector.err")).ok();
    }
}

/// The fields of an entry.
fn entry(mut message: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let end = message.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&message[..end], &message[end + 1..]);
        let (name, value, rest) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..], rest),
            None => {
                let (length, rest) = rest.split_first_chunk().unwrap();
                let (value, rest) = rest.split_at(u64::from_le_bytes(*length).try_into().unwrap());
                (line, value, rest.strip_prefix(b"\n").unwrap())
            }
        };
        fields.push((String::from_utf8(name.into()).unwrap(), value.into()));
        message = rest;
    }
    fields
}

#[test]
fn the_journal_gets_each_line_with_its_fields() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("journal");
    let journal = UnixDatagram::bind(&path).unwrap();
    let mut collector = collector(directory.path(), &format!("journald:{}", path.display()));
    let next = || {
        let mut message = vec![0; 1 << 17];
        let length = journal.recv(&mut message).unwrap();
        entry(&message[..length])
    };
    let (event, payload) = piece("a\nb", "stderr", b"\xff = \x1b\n");
    collector.send(&event, &payload);
    let expected = [
        ("MESSAGE", &b"\xff = \x1b"[..]),
        ("PRIORITY", b"4"),
        ("SYSLOG_FACILITY", b"16"),
        ("SYSLOG_IDENTIFIER", b"g:a\nb"),
        ("SUPERVISOR_SERVER", b"supervisor"),
        ("SUPERVISOR_GROUP", b"g"),
        ("SUPERVISOR_PROCESS", b"a\nb"),
        ("SUPERVISOR_CHANNEL", b"stderr"),
        ("SUPERVISOR_SERIAL", b"0"),
        ("SUPERVISOR_PID", b"42"),
        ("SUPERVISOR_MARK", b"undecodable"),
    ];
    assert_eq!(next(), expected.map(|(name, value)| (name.to_owned(), value.to_vec())));
    // The longest possible line.
    let (event, payload) = piece("a", "stdout", &[b'x'; 16_384]);
    collector.send(&event, &payload);
    let (event, payload) = piece("a", "stdout", b"\n");
    collector.send(&event, &payload);
    assert_eq!(next()[0].1.len(), 16_384);
    collector.end();
}
