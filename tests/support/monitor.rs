//! A monitor under test: an example program in a directory of its own, which is given events through pipes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use supervisor_events::ListenerState;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

use super::PATIENCE;
use super::examples::example;

pub const MONITORS: [&str; 7] = [
    "failure_monitor",
    "performance_monitor",
    "comm_monitor",
    "heartbeat_monitor",
    "startup_monitor",
    "maintenance_monitor",
    "trading_monitor",
];

/// The directory that monitors run in, and what there is in their environment.
pub struct Setup {
    directory: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Setup {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), environment: Vec::new() }
    }

    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of the files in one of its directories, sorted.
    pub fn files(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// All lines of a file, each of which has to be JSON.
    pub fn json_lines(&self, name: &str) -> Vec<Value> {
        json_lines(&self.path(name))
    }

    pub fn command(&self, monitor: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program(monitor));
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Nothing of the environment that the tests run in reaches a monitor.
    fn prepare(&self, command: &mut Command) {
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.directory.path());
    }

    /// Starts a monitor. What it logs is added to what others of its name have logged here.
    pub fn start(&self, monitor: &str, arguments: &[&str]) -> Monitor {
        self.spawn(monitor, self.command(monitor, arguments))
    }

    /// Starts a monitor as the child of another process than this one, which waits for it.
    pub fn start_by_another(&self, monitor: &str, arguments: &[&str]) -> Monitor {
        let mut command = Command::new("/bin/sh");
        self.prepare(&mut command);
        command.args(["-c", r#""$0" "$@"; exit $?"#]).arg(program(monitor)).args(arguments);
        self.spawn(monitor, command)
    }

    fn spawn(&self, monitor: &str, mut command: Command) -> Monitor {
        let log = self.path(&format!("{monitor}.err"));
        command.stderr(File::options().create(true).append(true).open(&log).unwrap());
        Monitor { simulator: Simulator::spawn(&mut command).unwrap(), log }
    }
}

pub struct Monitor {
    pub simulator: Simulator,
    log: PathBuf,
}

impl Monitor {
    /// Gives it an event, which it has to accept.
    pub fn accept(&mut self, eventname: &str, payload: &str) {
        assert_eq!(self.simulator.notify(eventname, payload.as_bytes()), None);
        self.accept_waiting();
    }

    /// Gives it the events that wait, each of which it has to accept.
    pub fn accept_waiting(&mut self) {
        let waiting = self.simulator.pool.waiting();
        let reports = self.simulator.run(PATIENCE);
        let results: Vec<_> = reports.iter().filter(|report| matches!(report, Report::Result { .. })).collect();
        let accepted =
            |report: &&Report| matches!(report, Report::Result { data, accepted: true, .. } if data == b"OK");
        let all_accepted = results.len() == waiting && results.iter().all(accepted);
        assert!(all_accepted && self.simulator.state() == ListenerState::Ready, "{reports:?}\n{}", self.log_text());
    }

    fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// What it has logged. After an answer, what was logged for the event is there.
    pub fn log(&self) -> Vec<Value> {
        json_lines(&self.log)
    }

    /// The first line of this level whose message has this text in it.
    pub fn logged(&self, level: &str, text: &str) -> Value {
        let found = self.log().into_iter().find(|line| line["level"] == level && has(line, text));
        found.unwrap_or_else(|| panic!("no {level} {text:?} in\n{}", self.log_text()))
    }

    /// How many lines have a message with this text in it.
    pub fn times_logged(&self, text: &str) -> usize {
        self.log().iter().filter(|line| has(line, text)).count()
    }

    /// Ends its input, and it with that.
    pub fn end(mut self) {
        self.simulator.close_input();
        self.has_ended_well();
    }

    pub fn has_ended_well(&mut self) {
        let status = self.simulator.wait(PATIENCE).unwrap().expect("it ends");
        assert!(status.success(), "{status}\n{}", self.log_text());
    }
}

fn has(line: &Value, text: &str) -> bool {
    line["message"].as_str().unwrap().contains(text)
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "the last line of {} is torn: {text}", path.display());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))).collect()
}

fn program(monitor: &str) -> PathBuf {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| MONITORS.map(example)[0].parent().unwrap().to_owned());
    DIRECTORY.join(monitor)
}
