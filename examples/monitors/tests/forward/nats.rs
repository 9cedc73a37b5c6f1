//! A broker that can be killed, the listener under test, and the content of the stream.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use async_nats::jetstream::message::StreamMessage;
use async_nats::{ConnectOptions, jetstream};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

use crate::support::{PATIENCE, wait_for};

/// The stream, and the prefix of its subjects.
pub const STREAM: &str = "supervisor";

/// A nats-server with JetStream, on its own port, which it keeps when it is restarted.
pub struct Nats {
    child: Option<Child>,
    program: PathBuf,
    port: u16,
    directory: TempDir,
    /// How the tests themselves log in.
    options: ConnectOptions,
}

impl Nats {
    /// `None` if there is no nats-server.
    pub fn start() -> Option<Self> {
        Self::with_config("", ConnectOptions::new())
    }

    /// One with its own configuration, and credentials with full access.
    pub fn with_config(config: &str, options: ConnectOptions) -> Option<Self> {
        let program = ["nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server"].map(PathBuf::from);
        let runs = |program: &PathBuf| {
            let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let Some(program) = program.into_iter().find(runs) else {
            assert!(env::var_os("CI").is_none(), "no nats-server");
            // Not `eprintln!`, which is hidden if a test passes.
            let _ = writeln!(io::stderr(), "\nSKIPPED, for want of a nats-server\n");
            return None;
        };
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("config"), config).unwrap();
        let mut this = Self { child: None, program, port: 0, directory, options };
        this.restart();
        Some(this)
    }

    /// Starts it again, with its stored data.
    pub fn restart(&mut self) {
        let directory = self.directory.path();
        let port = if self.port == 0 { "-1".into() } else { self.port.to_string() };
        self.port = wait_for("nats-server", || {
            let mut command = Command::new(&self.program);
            command.arg("--config").arg(directory.join("config"));
            command.args(["--jetstream", "--addr", "127.0.0.1", "--port", &port, "--store_dir"]).arg(directory);
            command.arg("--ports_file_dir").arg(directory).stdin(Stdio::null());
            let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
            let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            let ports = directory.join(format!("nats-server_{}.ports", child.id()));
            let text = wait_for("its port", || match child.try_wait().unwrap() {
                // Another program has the port.
                Some(_) => Some(String::new()),
                None => fs::read_to_string(&ports).ok().filter(|text| text.contains('}')),
            });
            let ports: Value = serde_json::from_str(&text).ok()?;
            self.child = Some(child);
            ["nats", "tls"].iter().find_map(|scheme| ports[scheme][0].as_str())?.rsplit_once(':')?.1.parse().ok()
        });
        // The port is open before JetStream is.
        let info = async |context: jetstream::Context| context.request::<_, _, Value>("INFO", &()).await.ok();
        wait_for("JetStream", || self.ask(info));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn url(&self) -> String {
        self.url_for("")
    }

    /// The URL with this before the host.
    pub fn url_for(&self, user: &str) -> String {
        format!("nats://{user}127.0.0.1:{}", self.port)
    }

    pub fn ask<T>(&self, question: impl AsyncFnOnce(jetstream::Context) -> Option<T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { question(jetstream::new(self.options.clone().connect(self.url()).await.ok()?)).await })
    }

    /// The number of messages.
    pub fn count(&self) -> u64 {
        let count = async |context: jetstream::Context| {
            Some(context.get_stream(STREAM).await.ok()?.cached_info().state.messages)
        };
        self.ask(count).unwrap_or(0)
    }

    /// Waits for this many messages.
    pub fn wait_for(&self, count: u64) {
        wait_for(&format!("{count} messages"), || (self.count() >= count).then_some(()));
    }

    /// Waits for at least this many messages, and returns all.
    pub fn messages(&self, count: u64) -> Vec<StreamMessage> {
        self.wait_for(count);
        let all = async |context: jetstream::Context| {
            let stream = context.get_stream(STREAM).await.ok()?;
            let mut all = Vec::new();
            for sequence in 1..=stream.cached_info().state.last_sequence {
                all.push(stream.get_raw_message(sequence).await.ok()?);
            }
            Some(all)
        };
        self.ask(all).unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.directory.path().join("log")).unwrap_or_default());
        }
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A header, decoded.
pub fn header(message: &StreamMessage, name: &str) -> String {
    let value = message.headers.get(name).unwrap_or_else(|| panic!("{name}: {:?}", message.headers)).as_str();
    percent_decode_str(value).decode_utf8().unwrap().into_owned()
}

/// A directory for the spool and the log of a listener.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The listener's command, after a command that starts it.
    pub fn command(&self, before: &[&str], url: &str, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_forward_monitor");
        let words = [before, &[program, "--longest-pause", "0.2"], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("NATS_URL", url).arg("--spool-dir").arg(self.path());
        command.env("SUPERVISOR_GROUP_NAME", "forward").env("SUPERVISOR_PROCESS_NAME", "forward");
        command.stderr(File::options().create(true).append(true).open(self.path().join("log")).unwrap());
        command
    }

    /// A listener that has room for all events.
    pub fn listener(&self, url: &str, arguments: &[&str]) -> Simulator {
        let mut simulator = Simulator::spawn(&mut self.command(&[], url, arguments)).unwrap();
        simulator.pool.buffer_size = usize::MAX;
        simulator
    }

    pub fn spool(&self) -> PathBuf {
        self.path().join("forward%3Aforward.spool")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Waits for a text in the listener's log.
    pub fn wait_for_log(&self, text: &str) {
        wait_for(&format!("{text:?} in the log"), || self.log().contains(text).then_some(()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// A payload that differs for each number. Some contain everything that is hard to transport.
pub fn payload(number: u64) -> Vec<u8> {
    let data = match number % 5 {
        0 => "ü😀\0\r\n\n\n".repeat(number as usize % 40),
        1 => "ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:E len:0\n".into(),
        2 => String::new(),
        _ => "a line\n".repeat(number as usize % 300),
    };
    format!("type:{number}\n{data}").into_bytes()
}

/// Sends the listener an event.
pub fn deliver(listener: &mut Simulator, payload: &[u8]) {
    assert_eq!(listener.notify("REMOTE_COMMUNICATION", payload), None);
    let reports = listener.run(PATIENCE);
    let accepted = |report: &Report| matches!(report, Report::Result { accepted: true, .. });
    assert_eq!(reports.iter().filter(|report| accepted(report)).count(), 1, "{reports:?}");
}

/// The messages are the events with these numbers: all of them, once, in order, byte for byte.
pub fn assert_events(messages: &[StreamMessage], numbers: Range<u64>) {
    let serials: Vec<_> = messages.iter().map(|message| header(message, "Supervisor-serial")).collect();
    assert_eq!(serials, numbers.map(|number| number.to_string()).collect::<Vec<_>>());
    for message in messages {
        let number = header(message, "Supervisor-serial").parse().unwrap();
        assert!(message.payload == payload(number), "event {number}");
    }
}

/// Ends a listener as supervisord does.
pub fn terminate(mut listener: Simulator) {
    listener.terminate().unwrap();
    assert!(listener.wait(PATIENCE).unwrap().expect("its end").success());
}

/// The output lines of `fleet --json`.
pub fn fleet(nats: &Nats, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.args(["--nats-url", &nats.url()]).args(arguments).stdin(Stdio::null());
    command
}
