//! Runs a user's commands for a monitor: logs their output, and sends the alerts that they print and alerts about their
//! failures.

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

/// The time between SIGTERM and SIGKILL, and the time that a command may go on once the monitor is ending. supervisord
/// gives the monitor 10 s for all of that.
const GRACE: Duration = Duration::from_secs(2);

/// How many commands for events may run at the same time, and how many may wait.
const JOBS: usize = 4;
const WAITING: usize = 100;

/// How long commands may take.
#[derive(Clone, Copy, Debug, Args)]
pub struct CommandSettings {
    /// Seconds that a command may take. After that it is stopped, with everything it started
    #[arg(long, env, default_value = "30", value_parser = seconds)]
    pub command_timeout: Duration,
}

/// Commands at ticks.
#[derive(Clone, Debug, Args)]
pub struct TickSettings {
    /// Commands to run at each tick, one per line, without a shell: your own checks, which may print
    /// ALERT:LEVEL:TYPE:details. May be empty
    #[arg(long, env, default_value = "")]
    pub on_tick: CommandLines,
    #[command(flatten)]
    pub command: CommandSettings,
}

/// Commands at events.
#[derive(Clone, Debug, Args)]
pub struct EventSettings {
    /// Commands to run for each event that the monitor acts on, one per line, without a shell. May be empty
    #[arg(long, env, default_value = "")]
    pub on_event: CommandLines,
    #[command(flatten)]
    pub command: CommandSettings,
}

/// Why a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It acts on an event, and is run for each. Its alerts are one-off.
    Event,
    /// It is a periodic check, skipped while it is still running. Its alerts last until it stops printing them.
    Check,
}

/// A command to run.
pub struct Call<'a> {
    /// Its name in the log and in the names of incidents. Calls with the same name run one after the other.
    pub name: String,
    pub command: &'a CommandLine,
    pub kind: Kind,
    /// What to do while another call of this name is running.
    pub when_busy: WhenBusy,
    /// The name and group of the process that it is about, if any.
    pub process: Option<(&'a str, &'a str)>,
}

/// Runs commands for a monitor. Drop it before the monitor's [`Alerts`]: it waits for running commands.
pub struct Hook {
    commands: CommandLines,
    queue: Queue,
    memory: Arc<Mutex<State<Memory>>>,
    timeout: Duration,
}

impl Hook {
    /// A hook for `jobs` commands at a time and `waiting` more in the queue.
    pub fn new(settings: CommandSettings, common: &Common, jobs: usize, waiting: usize) -> Result<Self, Failure> {
        let memory = Arc::new(Mutex::new(State::open(common, "-commands")?));
        let (queue, timeout) = (Queue::new(jobs, waiting, GRACE), settings.command_timeout);
        Ok(Self { commands: CommandLines::default(), queue, memory, timeout })
    }

    /// A hook for a monitor's commands at ticks, all of which may run at the same time.
    pub fn at_ticks(settings: TickSettings, common: &Common) -> Result<Self, Failure> {
        let jobs = settings.on_tick.len();
        Ok(Self { commands: settings.on_tick, ..Self::new(settings.command, common, jobs, jobs)? })
    }

    /// A hook for a monitor's commands at events.
    pub fn at_events(settings: EventSettings, common: &Common) -> Result<Self, Failure> {
        Ok(Self { commands: settings.on_event, ..Self::new(settings.command, common, JOBS, WAITING)? })
    }

    /// Runs all commands as checks at a tick.
    pub fn check(&self, alerts: &Alerts, context: &Context<'_>) {
        for (index, command) in self.commands.iter().enumerate() {
            let name = self.named("on-tick", index);
            let (kind, when_busy, process) = (Kind::Check, WhenBusy::Skip, None);
            self.call(alerts, context, Call { name, command, kind, when_busy, process });
        }
    }

    /// Runs all commands for an event about a process, given by its name and group.
    pub fn act(&self, alerts: &Alerts, context: &Context<'_>, process: (&str, &str)) {
        for (index, command) in self.commands.iter().enumerate() {
            let name = format!("{}/{}:{}", self.named("on-event", index), process.1, process.0);
            let (kind, when_busy, process) = (Kind::Event, WhenBusy::Wait, Some(process));
            self.call(alerts, context, Call { name, command, kind, when_busy, process });
        }
    }

    /// The name of the command at this index.
    fn named(&self, setting: &str, index: usize) -> String {
        if self.commands.len() == 1 { setting.to_owned() } else { format!("{setting} {}", index + 1) }
    }

    /// Queues a command. Never waits.
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
