//! Who runs where: the last state of every process of every supervisord, from what the forwarders published, and how old
//! that is.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use supervisor_events::{Event, EventType, ProcessStateEvent, SupervisorState};

use super::message::decode;

/// One supervisord: its machine and its identifier.
type Server = (String, String);

/// A state in which a process does not run, and stays so when its supervisord has ended.
const ENDED: [&str; 3] = ["STOPPED", "EXITED", "FATAL"];

/// All supervisords that were heard of.
pub struct Fleet {
    servers: BTreeMap<Server, Run>,
    /// Who was not heard of for so long is silent.
    silent_after: SignedDuration,
    /// Until then nobody could be heard.
    deaf_until: Timestamp,
}

/// What is known of one run of a supervisord.
#[derive(Default)]
struct Run {
    name: String,
    since: String,
    /// When the broker had something from it.
    heard: Timestamp,
    /// How many events its forwarder had yet to publish then.
    waiting: u64,
    /// What it said last of its own state, and the serial of that.
    state: Option<(SupervisorState, u64)>,
    /// What was said of it.
    said: Option<&'static str>,
    /// By group and name.
    processes: BTreeMap<(String, String), Process>,
}

struct Process {
    state: String,
    pid: Option<u32>,
    since: String,
    serial: u64,
    /// Events were dropped after this one: it may have another state by now.
    uncertain: bool,
}

impl Fleet {
    pub fn new(silent_after: SignedDuration) -> Self {
        Self { servers: BTreeMap::new(), silent_after, deaf_until: Timestamp::MIN }
    }

    /// Takes a message in that the broker had at this time, and returns what there is to say about it.
    pub fn apply(&mut self, headers: Option<&HeaderMap>, payload: &[u8], published: Timestamp) -> Vec<Value> {
        let header = |name: &str| headers?.get(name).map(|value| decode(value.as_str()));
        let (Some(host), Some(name), Some(time)) =
            (header("Forward-Host"), header("Forward-Run"), header("Forward-Time"))
        else {
            return Vec::new();
        };
        let server = (host, header("Supervisor-server").unwrap_or_default());
        let run = self.servers.entry(server.clone()).or_default();
        let mut changes = Vec::new();
        if run.name != name {
            if time < run.since {
                // From the spool of another listener, which is behind.
                return changes;
            }
            changes.push(line("started", &server, json!({ "since": time })));
            *run = Run { name, since: time.clone(), said: run.said, ..Run::default() };
        }
        run.heard = run.heard.max(published);
        if let Some(waiting) = header("Forward-Waiting") {
            run.waiting = waiting.parse().unwrap_or(0);
            return changes;
        }
        if let Some(count) = header("Forward-Dropped") {
            run.processes.values_mut().for_each(|process| process.uncertain = true);
            changes.push(line("dropped", &server, json!({ "count": count.parse::<u64>().ok(), "since": time })));
            return changes;
        }
        let number = header("Supervisor-serial").and_then(|serial| serial.parse().ok());
        let (Some(serial), Some(eventname)) = (number, header("Supervisor-eventname")) else { return changes };
        match Event::parse(EventType::from_name(&eventname), payload) {
            Ok(Event::ProcessState(event)) => changes.extend(run.enter(&server, &event, serial, time)),
            Ok(Event::SupervisorStateChange(state)) => {
                if run.state.is_none_or(|(_, known)| known < serial) {
                    run.state = Some((state, serial));
                }
                // After a reload too, which keeps the serials: all processes are started anew.
                if state == SupervisorState::Running {
                    run.processes.retain(|_, process| process.serial > serial);
                }
            }
            // A group that was added had been removed, if there was one.
            Ok(Event::ProcessGroup(event)) => {
                run.processes
                    .retain(|(group, _), process| event.groupname != group.as_str() || process.serial > serial);
            }
            _ => {}
        }
        changes
    }

    /// Nobody could be heard until now: that is not their silence.
    pub fn was_deaf(&mut self) {
        self.deaf_until = Timestamp::now();
    }

    /// Which supervisords have become silent, or have anything else to say of themselves than before.
    pub fn turns(&mut self, now: Timestamp) -> Vec<Value> {
        let (silent_after, deaf_until) = (self.silent_after, self.deaf_until);
        let mut turns = Vec::new();
        for (server, run) in &mut self.servers {
            let state = run.state(now, silent_after, deaf_until);
            if run.said.replace(state) != Some(state) {
                turns.push(run.line(server, state, now));
            }
        }
        turns
    }

    /// Each supervisord and, after it, the state of each of its processes.
    pub fn lines(&self, now: Timestamp) -> impl Iterator<Item = Value> {
        self.servers.iter().flat_map(move |(server, run)| {
            let state = run.state(now, self.silent_after, self.deaf_until);
            let processes = run.processes.iter().map(move |(name, process)| {
                let mut line = process.line("state", server, name);
                line["heard"] = run.heard.to_string().into();
                line["heard_age"] = age(run.heard, now).into();
                line["age"] = process.since.parse().ok().map(|since| age(since, now)).into();
                if state == "SILENT" || state == "STOPPED" && !ENDED.contains(&process.state.as_str()) {
                    line["state"] = "UNKNOWN".into();
                    line["last_state"] = process.state.as_str().into();
                }
                line
            });
            [run.line(server, state, now)].into_iter().chain(processes)
        })
    }
}

/// Seconds, never negative: clocks differ.
fn age(since: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(since).as_secs().max(0)
}

impl Run {
    /// What there is to say of the supervisord itself.
    fn state(&self, now: Timestamp, silent_after: SignedDuration, deaf_until: Timestamp) -> &'static str {
        let silent = now.duration_since(self.heard.max(deaf_until)) > silent_after;
        match (self.state, silent) {
            (Some((SupervisorState::Stopping, _)), true) => "STOPPED",
            (_, true) => "SILENT",
            (Some((SupervisorState::Stopping, _)), false) => "STOPPING",
            // Without a word of its own, too: there is somebody.
            _ => "RUNNING",
        }
    }

    fn line(&self, server: &Server, state: &str, now: Timestamp) -> Value {
        let details = json!({
            "state": state, "processes": self.processes.len(), "waiting": self.waiting, "since": self.since,
            "heard": self.heard.to_string(), "heard_age": age(self.heard, now),
        });
        line("server", server, details)
    }

    /// The event's process enters the event's state, unless a later event was there before.
    fn enter(&mut self, server: &Server, event: &ProcessStateEvent<'_>, serial: u64, since: String) -> Option<Value> {
        let name = (event.groupname.to_string(), event.processname.to_string());
        if self.processes.get(&name).is_some_and(|known| known.serial >= serial) {
            return None;
        }
        let pid = event.pid.filter(|pid| *pid != 0);
        let process = Process { state: event.state.name().into(), pid, since, serial, uncertain: false };
        let mut change = process.line("change", server, &name);
        change["from_state"] = event.from_state.name().into();
        self.processes.insert(name, process);
        Some(change)
    }
}

impl Process {
    fn line(&self, kind: &str, server: &Server, (group, name): &(String, String)) -> Value {
        let Self { state, pid, since, uncertain, .. } = self;
        let process = json!({
            "group": group, "process": name, "state": state, "pid": pid, "since": since, "uncertain": uncertain,
        });
        line(kind, server, process)
    }
}

fn line(kind: &str, (host, server): &Server, details: Value) -> Value {
    let mut line = json!({ "kind": kind, "host": host, "server": server });
    if let (Some(line), Value::Object(details)) = (line.as_object_mut(), details) {
        line.extend(details);
    }
    line
}
