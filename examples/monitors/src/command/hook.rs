//! Commands that a monitor lets its user have run, with what they say in the log, and alerts where they fail or say so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::child::{End, Limits};
use super::memory::Memory;
use super::task::Task;
use super::{CommandLine, CommandLines, Job, Queue, WhenBusy, environment};
use crate::Failure;
use crate::alerts::Alerts;
use crate::run::Context;
use crate::settings::{Common, seconds};
use crate::state::State;

/// How long a command has between SIGTERM and SIGKILL; and how long it may go on once the monitor ends. supervisord gives
/// the monitor 10 s for all of that.
const GRACE: Duration = Duration::from_secs(2);

/// How many commands run at once, and how many wait, of those that act on events.
const JOBS: usize = 4;
const WAITING: usize = 100;

/// How long commands may take.
#[derive(Clone, Copy, Debug, Args)]
pub struct CommandSettings {
    /// Seconds that a command may take; then it is ended, with all that it started
    #[arg(long, env, default_value = "30", value_parser = seconds)]
    pub command_timeout: Duration,
}

/// Commands at ticks.
#[derive(Clone, Debug, Args)]
pub struct TickSettings {
    /// Commands to run at each tick, one a line, without a shell: checks of your own, which may print
    /// ALERT:LEVEL:TYPE:details; none if empty
    #[arg(long, env, default_value = "")]
    pub on_tick: CommandLines,
    #[command(flatten)]
    pub command: CommandSettings,
}

/// Commands at events.
#[derive(Clone, Debug, Args)]
pub struct EventSettings {
    /// Commands to run for each event that the monitor acts on, one a line, without a shell; none if empty
    #[arg(long, env, default_value = "")]
    pub on_event: CommandLines,
    #[command(flatten)]
    pub command: CommandSettings,
}

/// What a command is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It acts on an event: it is run for each. What it says is news.
    Event,
    /// It checks something now and then: it is skipped while it still runs. What it says goes on until it no longer does.
    Check,
}

/// A command to be run.
pub struct Call<'a> {
    /// What it is called, in the log and in the names of incidents. Calls of one name run one after the other.
    pub name: String,
    pub command: &'a CommandLine,
    pub kind: Kind,
    /// What becomes of it while another one of its name runs.
    pub when_busy: WhenBusy,
    /// The name and group of the process that it is about, if it is about one.
    pub process: Option<(&'a str, &'a str)>,
}

/// Runs commands for a monitor. Drop it before the monitor's [`Alerts`]: it waits for what still runs.
pub struct Hook {
    commands: CommandLines,
    queue: Queue,
    memory: Arc<Mutex<State<Memory>>>,
    timeout: Duration,
}

impl Hook {
    /// For `jobs` commands at once, and so many more that wait.
    pub fn new(settings: CommandSettings, common: &Common, jobs: usize, waiting: usize) -> Result<Self, Failure> {
        let memory = Arc::new(Mutex::new(State::open(common, "-commands")?));
        let (queue, timeout) = (Queue::new(jobs, waiting, GRACE), settings.command_timeout);
        Ok(Self { commands: CommandLines::default(), queue, memory, timeout })
    }

    /// For the commands of a monitor's ticks, all of which may run at once.
    pub fn at_ticks(settings: TickSettings, common: &Common) -> Result<Self, Failure> {
        let jobs = settings.on_tick.len();
        Ok(Self { commands: settings.on_tick, ..Self::new(settings.command, common, jobs, jobs)? })
    }

    /// For the commands of a monitor's events.
    pub fn at_events(settings: EventSettings, common: &Common) -> Result<Self, Failure> {
        Ok(Self { commands: settings.on_event, ..Self::new(settings.command, common, JOBS, WAITING)? })
    }

    /// Has each command check something, at a tick.
    pub fn check(&self, alerts: &Alerts, context: &Context<'_>) {
        for (index, command) in self.commands.iter().enumerate() {
            let name = self.named("on-tick", index);
            let (kind, when_busy, process) = (Kind::Check, WhenBusy::Skip, None);
            self.call(alerts, context, Call { name, command, kind, when_busy, process });
        }
    }

    /// Has each command act on an event about a process, by its name and group.
    pub fn act(&self, alerts: &Alerts, context: &Context<'_>, process: (&str, &str)) {
        for (index, command) in self.commands.iter().enumerate() {
            let name = format!("{}/{}:{}", self.named("on-event", index), process.1, process.0);
            let (kind, when_busy, process) = (Kind::Event, WhenBusy::Wait, Some(process));
            self.call(alerts, context, Call { name, command, kind, when_busy, process });
        }
    }

    /// The name of one of several commands.
    fn named(&self, setting: &str, index: usize) -> String {
        if self.commands.len() == 1 { setting.to_owned() } else { format!("{setting} {}", index + 1) }
    }

    /// Has a command run. It waits for nothing.
    pub fn call(&self, alerts: &Alerts, context: &Context<'_>, call: Call<'_>) {
        let task = Task {
            reporter: alerts.reporter(context, &format!("{}/", call.name)),
            name: call.name.clone(),
            command: call.command.clone(),
            kind: call.kind,
            process: call.process.map(|(name, group)| (name.to_owned(), group.to_owned())),
            event: json!({ "serial": context.header.serial(), "eventname": context.header.eventname() }),
            environment: environment(context),
            input: context.payload.to_vec(),
            limits: Limits { timeout: self.timeout, grace: GRACE, kills_rest: true },
        };
        let (key, when_busy, memory) = (call.name, call.when_busy, Arc::clone(&self.memory));
        let act = Box::new(move |end: &End| task.run(end, &memory));
        self.queue.add(Job { key, when_busy, bytes: context.payload.len(), act });
    }
}
