//! Who runs where: the last state of every process of every supervisord, from what the forwarders published.

use std::collections::BTreeMap;

use async_nats::jetstream::Message;
use serde_json::{Value, json};
use supervisor_events::{Event, EventType, GroupChange, ProcessStateEvent, SupervisorState};

use super::message::decode;

/// One supervisord: its machine and its identifier.
type Server = (String, String);

/// All supervisords that were heard of.
#[derive(Default)]
pub struct Fleet(BTreeMap<Server, Run>);

/// What is known of one run of a supervisord.
#[derive(Default)]
struct Run {
    name: String,
    since: String,
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
    /// Takes a message in, and returns what there is to say about it.
    pub fn apply(&mut self, message: &Message) -> Vec<Value> {
        let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| decode(value.as_str()));
        let (Some(host), Some(name), Some(time)) =
            (header("Forward-Host"), header("Forward-Run"), header("Forward-Time"))
        else {
            return Vec::new();
        };
        let server = (host, header("Supervisor-server").unwrap_or_default());
        let run = self.0.entry(server.clone()).or_default();
        let mut changes = Vec::new();
        if run.name != name {
            if time < run.since {
                // From the spool of another listener, which is behind.
                return changes;
            }
            changes.push(line("started", &server, json!({ "since": time })));
            *run = Run { name, since: time.clone(), processes: BTreeMap::new() };
        }
        if let Some(count) = header("Forward-Dropped") {
            run.processes.values_mut().for_each(|process| process.uncertain = true);
            changes.push(line("dropped", &server, json!({ "count": count.parse::<u64>().ok(), "since": time })));
            return changes;
        }
        let number = header("Supervisor-serial").and_then(|serial| serial.parse().ok());
        let (Some(serial), Some(eventname)) = (number, header("Supervisor-eventname")) else { return changes };
        match Event::parse(EventType::from_name(&eventname), &message.payload) {
            Ok(Event::ProcessState(event)) => changes.extend(run.enter(&server, &event, serial, time)),
            // After a reload too, which keeps the serials: all processes are started anew.
            Ok(Event::SupervisorStateChange(SupervisorState::Running)) => {
                run.processes.retain(|_, process| process.serial > serial);
            }
            Ok(Event::ProcessGroup(event)) if event.change == GroupChange::Removed => {
                run.processes
                    .retain(|(group, _), process| event.groupname != group.as_str() || process.serial > serial);
            }
            _ => {}
        }
        changes
    }

    /// The state of each process.
    pub fn lines(&self) -> impl Iterator<Item = Value> {
        let all = self.0.iter().flat_map(|(server, run)| run.processes.iter().map(move |process| (server, process)));
        all.map(|(server, (name, process))| process.line("state", server, name))
    }
}

impl Run {
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
