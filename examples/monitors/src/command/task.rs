//! One run of a command for a monitor: its output goes to the log or becomes alerts.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

use super::child::{End, Ended, Limits, Stream, run};
use super::heard::Heard;
use super::memory::{Changes, Memory, Said};
use super::{CommandLine, Kind};
use crate::alerts::{Alert, Reporter, Severity, Status};
use crate::log::{Level, log, now};
use crate::message::Message;
use crate::state::State;
use crate::sync::lock;

/// A command that is waiting or running.
pub struct Task {
    /// Sends its alerts.
    pub reporter: Reporter,
    /// Its name in the log and in the names of incidents.
    pub name: String,
    /// What is run.
    pub command: CommandLine,
    /// Why it is run.
    pub kind: Kind,
    /// The name and group of the process that it is about.
    pub process: Option<(String, String)>,
    /// The event, for the log.
    pub event: Value,
    /// The variables that describe the event.
    pub environment: Vec<(String, String)>,
    /// The payload.
    pub input: Vec<u8>,
    /// How long it may take.
    pub limits: Limits,
}

impl Task {
    /// Runs the command, logs its output and its end, and sends the alerts that are due.
    pub fn run(self, end: &End, memory: &Mutex<State<Memory>>) {
        let (begin, mut heard) = (Instant::now(), Heard::default());
        let mut command = self.command.command();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut hear = |stream, bytes: &[u8]| heard.hear(stream, bytes, |stream, line| self.log_line(stream, line));
        let ended = run(command, &self.input, &self.limits, end, &mut hear);
        heard.end(|stream, line| self.log_line(stream, line));
        let failure = self.failure(&ended);
        let fields = json!({
            "command": self.command.to_string(), "event": self.event, "seconds": begin.elapsed().as_secs_f64(),
            "not_logged": heard.lost(),
        });
        match &failure {
            None => log(Level::Info, format!("{} has run", self.name), fields),
            Some(why) => log(Level::Warning, format!("{} has FAILED: {why}", self.name), fields),
        }
        // A command stopped because the monitor is ending has not failed.
        if !matches!(ended, Ok(Ended::Interrupted)) {
            self.tell(memory, failure, heard);
        }
    }

    fn failure(&self, ended: &io::Result<Ended>) -> Option<String> {
        match ended {
            Ok(Ended::ByItself(status)) if status.success() => None,
            Ok(Ended::ByItself(status)) => Some(how(*status)),
            Ok(Ended::TimedOut) => {
                Some(format!("it took longer than {} s, and was stopped", self.limits.timeout.as_secs_f64()))
            }
            Ok(Ended::Interrupted) => Some("it was stopped because the monitor is ending".into()),
            Err(error) => Some(format!("it cannot be run: {error}")),
        }
    }

    fn log_line(&self, stream: Stream, line: &str) {
        let about = json!({ "command": self.command.to_string(), "stream": stream.name(), "event": self.event });
        log(Level::Info, format!("{}: {line}", self.name), about);
    }

    /// Sends the command's own alerts, and alerts about the command.
    fn tell(&self, memory: &Mutex<State<Memory>>, failure: Option<String>, heard: Heard) {
        let mut memory = lock(memory);
        let changes = match self.kind {
            Kind::Check => memory.update(|memory| memory.found(&self.name, heard.said, failure.is_none())),
            Kind::Event => Changes { news: heard.said, ..Changes::default() },
        };
        let about_itself = match failure {
            Some(why) => {
                let (is_new, mut details) = memory.update(|memory| memory.fails(&self.name, now()));
                (details["why"], details["said"]) = (why.into(), json!(heard.last));
                is_new.then_some((Severity::High, Status::Firing, details))
            }
            None => {
                let over = memory.update(|memory| memory.works(&self.name));
                over.map(|failing| (Severity::Info, Status::Resolved, json!(failing)))
            }
        };
        let about_itself = about_itself.map(|(severity, status, mut details)| {
            details["command"] = self.command.to_string().into();
            let alert = Alert::new(severity, "COMMAND_FAILED", self.process(), details).status(status);
            alert.incident(format!("{}/COMMAND_FAILED", self.name))
        });
        self.reporter.send(self.alerts(&changes).into_iter().chain(about_itself));
    }

    fn process(&self) -> Option<(&str, &str)> {
        self.process.as_ref().map(|(name, group)| (name.as_str(), group.as_str()))
    }

    fn alerts<'a>(&'a self, changes: &'a Changes) -> Vec<Alert<'a>> {
        let incident = |kind: &str| format!("{}/{kind}", self.name);
        let alert = |said: &'a Said, status: Option<Status>| {
            let message = Message::parse(&said.line);
            let (_, event) = message.alert()?;
            let alert =
                Alert::new(said.severity, event, self.process(), message.fields()).incident(incident(&said.kind));
            Some(status.into_iter().fold(alert, Alert::status))
        };
        let firing = changes.firing.iter().filter_map(|said| alert(said, Some(Status::Firing)));
        let news = changes.news.iter().filter_map(|said| alert(said, None));
        let over = changes.over.iter().map(|(kind, _)| {
            let event = kind.split(':').next().unwrap_or(kind);
            let details = json!({ "command": self.command.to_string() });
            let alert = Alert::new(Severity::Info, event, self.process(), details).status(Status::Resolved);
            alert.incident(incident(kind))
        });
        firing.chain(over).chain(news).collect()
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
