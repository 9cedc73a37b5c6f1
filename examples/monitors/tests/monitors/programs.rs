//! Runs a monitor as a program under the simulator, and reads what it leaves.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use crate::support::PATIENCE;
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};

/// A monitor as a program. Its settings come from the test alone, and alerts have enough time on a busy machine.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(crate::support::program(name));
    command.env_clear().env("ALERT_TIMEOUT", "60");
    command
}

/// A monitor, and a simulated supervisord.
pub struct Driven {
    pub simulator: Simulator,
    log: std::path::PathBuf,
}

impl Driven {
    /// Starts a monitor in a directory, where its log is `NAME.err`.
    pub fn start(name: &str, directory: &Path, settings: &[&str]) -> Self {
        Self::start_with(name, directory, settings, &[])
    }

    pub fn start_with(name: &str, directory: &Path, settings: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = program(name);
        command.args(settings).current_dir(directory);
        Self::spawn(name, directory, command.envs(environment.iter().copied()))
    }

    pub fn spawn(name: &str, directory: &Path, command: &mut Command) -> Self {
        let log = directory.join(format!("{name}.err"));
        command.stderr(File::options().create(true).append(true).open(&log).unwrap());
        let mut simulator = Simulator::spawn(command).unwrap();
        simulator.pool.buffer_size = 10_000;
        Self { simulator, log }
    }

    /// Sends an event, which must be answered with OK. Returns the lines logged in the meantime.
    pub fn send(&mut self, eventname: &str, payload: &str) -> Vec<Value> {
        let before = self.lines().len();
        self.simulator.notify(eventname, payload.as_bytes());
        let reports = self.simulator.run(PATIENCE);
        let answered = reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. }));
        assert!(answered, "{reports:?}, {:?}", self.lines());
        self.lines().split_off(before)
    }

    /// Sends an event with this serial.
    pub fn send_as(&mut self, serial: u64, eventname: &str, payload: &str) -> Vec<Value> {
        self.simulator.pool.next_serial = serial;
        self.send(eventname, payload)
    }

    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// Closes its input, which ends it.
    pub fn end(mut self) {
        self.simulator.close_input();
        let status = self.simulator.wait(PATIENCE).unwrap().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

pub fn levels(lines: &[Value], level: &str) -> Vec<String> {
    let lines = lines.iter().filter(|line| line["level"] == level);
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

pub fn said(process: &str, message: &str) -> String {
    format!("processname:{process} groupname:trading_system pid:2766\n{message}")
}

pub const STDOUT: &str = "PROCESS_COMMUNICATION_STDOUT";

pub const EXITED: &str = "PROCESS_STATE_EXITED";

pub const CRASH: &str = "processname:worker groupname:trading_system from_state:RUNNING expected:0 pid:2766";

/// A crash of a separate process: several of one process would be one incident.
pub fn crash_of(number: u64) -> String {
    CRASH.replace("worker", &format!("worker-{number}"))
}

pub fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "a torn end: {text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

pub fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A monitor's state, from the file with the later turn.
pub fn state_in(path: &Path) -> Value {
    let read = |end: &str| fs::read_to_string(format!("{}.{end}.json", path.display())).unwrap();
    let lines = |text: String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: [Vec<Value>; 2] = ["0", "1"].map(|end| lines(read(end)));
    let newest = files.iter().max_by_key(|lines| lines.first().and_then(|head| head["turn"].as_u64())).unwrap();
    newest[1].clone()
}

/// A server that passes each connection to `serve`.
pub fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

pub fn state(name: &str, from: &str, rest: &str) -> String {
    format!("processname:{name} groupname:t from_state:{from} {rest}")
}

/// Header and body of an HTTP request.
pub fn request(stream: &mut impl Read) -> (String, String) {
    let mut stream = io::BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).unwrap();
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}
