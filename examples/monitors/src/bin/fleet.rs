//! Shows who runs where: the last state of every process of every supervisord, from what the forwarders published.
//! `--help` tells the settings.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use async_nats::jetstream::{self, Message, consumer::DeliverPolicy, consumer::pull::OrderedConfig};
use futures_util::StreamExt;
use serde_json::{Value, json};
use supervisor_events::{Event, EventType, GroupChange, ProcessStateEvent, SupervisorState};
use tokio::runtime::Builder;

use supervisor_monitors::Failure;
use supervisor_monitors::forward::broker::Broker;
use supervisor_monitors::forward::log::{exit_code, joined, log};
use supervisor_monitors::forward::message::decode;
use supervisor_monitors::forward::settings::{OFF, Settings, Table};

const SETTINGS: Table = &[
    ("once", "FLEET_ONCE", OFF, "print the table and end, instead of each change after it"),
    ("json", "FLEET_JSON", OFF, "lines of JSON instead of text"),
    ("deadline", "FLEET_DEADLINE", "5", "seconds that the broker may take for an answer"),
];

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<(), Failure> {
    let Some(settings) = Settings::read("fleet", SETTINGS)? else { return Ok(()) };
    let broker = Broker::new(&settings, "fleet", settings.seconds("deadline")?)?;
    let (once, json) = (settings.is_on("once"), settings.is_on("json"));
    Builder::new_current_thread().enable_all().build()?.block_on(follow(&broker, once, json))
}

async fn follow(broker: &Broker, once: bool, json: bool) -> Result<(), Failure> {
    let mut reader = Reader { once, json, ..Default::default() };
    while let Err(error) = reader.read(broker).await {
        // Where nothing was ever read, or nobody reads what is printed, it is no use to try again.
        if reader.next == 0 && !reader.caught_up || error.is::<io::Error>() {
            return Err(error);
        }
        log("warn", "the stream cannot be read", json!({ "error": error.to_string() }));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[derive(Default)]
struct Reader {
    once: bool,
    json: bool,
    fleet: Fleet,
    /// Whether the table was printed.
    caught_up: bool,
    /// The number of the next message.
    next: u64,
}

impl Reader {
    /// Prints the table once all that is in the stream was read, and then what changes.
    async fn read(&mut self, broker: &Broker) -> Result<(), Failure> {
        let stream = jetstream::new(broker.connect().await?).get_stream(&broker.stream).await?;
        let state = &stream.cached_info().state;
        // A broker that has lost its stream begins anew.
        let start_sequence = if self.next > state.last_sequence + 1 { 1 } else { self.next.max(1) };
        if state.messages == 0 && !self.caught_up {
            self.show()?;
        }
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence };
        let config = OrderedConfig { deliver_policy, ..Default::default() };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        while !(self.once && self.caught_up) {
            let message = messages.next().await.ok_or("it has ended")??;
            let changes = self.fleet.apply(&message);
            let info = message.info()?;
            self.next = info.stream_sequence + 1;
            if self.caught_up {
                changes.iter().try_for_each(|change| say(change, self.json))?;
            } else if info.pending == 0 {
                self.show()?;
            }
        }
        Ok(())
    }

    fn show(&mut self) -> io::Result<()> {
        self.caught_up = true;
        self.fleet.print(self.json)
    }
}

/// One supervisord: its machine and its identifier.
type Server = (String, String);

/// All supervisords that were heard of.
#[derive(Default)]
struct Fleet(BTreeMap<Server, Run>);

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
    fn apply(&mut self, message: &Message) -> Vec<Value> {
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

    fn print(&self, json: bool) -> io::Result<()> {
        if !json {
            show(["HOST", "SERVER", "PROCESS", "STATE", "PID", "SINCE"])?;
        }
        for (server, run) in &self.0 {
            run.processes.iter().try_for_each(|(name, process)| say(&process.line("state", server, name), json))?;
        }
        Ok(())
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
    joined(json!({ "kind": kind, "host": host, "server": server }), details)
}

fn say(line: &Value, json: bool) -> io::Result<()> {
    if json {
        return writeln!(io::stdout(), "{line}");
    }
    // Names may hold anything, but not break the table.
    let text = |key: &str| line[key].as_str().unwrap_or_default().escape_debug().to_string();
    let (process, state) = match text("kind").as_str() {
        "started" => ("*".into(), "(a new run)".into()),
        "dropped" => ("*".into(), format!("({} events were dropped)", line["count"])),
        _ => (
            format!("{}:{}", text("group"), text("process")),
            text("state") + if line["uncertain"] == true { "?" } else { "" },
        ),
    };
    let pid = line["pid"].as_u64().map_or_else(String::new, |pid| pid.to_string());
    show([&text("host"), &text("server"), &process, &state, &pid, &text("since")])
}

fn show([host, server, process, state, pid, since]: [&str; 6]) -> io::Result<()> {
    writeln!(io::stdout(), "{host:<20} {server:<14} {process:<32} {state:<10} {pid:>8} {since}")
}
