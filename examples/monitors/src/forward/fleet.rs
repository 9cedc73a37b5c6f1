//! The fleet: the last state of every process under every supervisord, as published by the forwarders, and its age.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use supervisor_events::{Event, EventType, ProcessStateEvent, SupervisorState};

use super::message::decode;

/// One supervisord: its host and its identifier.
type Server = (String, String);

/// States in which a process is not running, and will stay so after its supervisord has ended.
const ENDED: [&str; 3] = ["STOPPED", "EXITED", "FATAL"];

/// All known supervisords.
pub struct Fleet {
    servers: BTreeMap<Server, Run>,
    /// After this time without a message, a supervisord is silent.
    silent_after: SignedDuration,
    /// Until then, we could not receive anything.
    deaf_until: Timestamp,
}

/// What is known of one run of a supervisord.
#[derive(Default)]
struct Run {
    name: String,
    since: String,
    /// When the broker last received something from it.
    heard: Timestamp,
    /// How many events its forwarder still had to publish at that time.
    waiting: u64,
    /// The last state it reported of itself, with the event's serial.
    state: Option<(SupervisorState, u64)>,
    /// The last state that was printed.
    said: Option<&'static str>,
    /// By group and name.
    processes: BTreeMap<(String, String), Process>,
}

struct Process {
    state: String,
    pid: Option<u32>,
    since: String,
    serial: u64,
    /// Later events were dropped, so the state may have changed.
    uncertain: bool,
}

impl Fleet {
    pub fn new(silent_after: SignedDuration) -> Self {
        Self { servers: BTreeMap::new(), silent_after, deaf_until: Timestamp::MIN }
    }

    /// Handles a message that the broker received at `published`. Returns the changes to print.
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
                // From another listener's spool that is still catching up.
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
                // After a reload too, which keeps the serials, all processes are started anew.
                if state == SupervisorState::Running {
                    run.processes.retain(|_, process| process.serial > serial);
                }
            }
            // A group that is added replaces any group of that name.
            Ok(Event::ProcessGroup(event)) => {
                run.processes
                    .retain(|(group, _), process| event.groupname != group.as_str() || process.serial > serial);
            }
            _ => {}
        }
        changes
    }

    /// We could not receive anything until now: that does not count as silence.
    pub fn was_deaf(&mut self) {
        self.deaf_until = Timestamp::now();
    }

    /// The supervisords whose state has changed, including those that have become silent.
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

    /// Each supervisord, followed by the state of each of its processes.
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

/// In seconds, and never negative, because clocks differ.
fn age(since: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(since).as_secs().max(0)
}

impl Run {
    /// The state of the supervisord itself.
    fn state(&self, now: Timestamp, silent_after: SignedDuration, deaf_until: Timestamp) -> &'static str {
        let silent = now.duration_since(self.heard.max(deaf_until)) > silent_after;
        match (self.state, silent) {
            (Some((SupervisorState::Stopping, _)), true) => "STOPPED",
            (_, true) => "SILENT",
            (Some((SupervisorState::Stopping, _)), false) => "STOPPING",
            // Even if it has not reported a state: something was received from it.
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

    /// Records the state of the event's process, unless a later event is known.
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
