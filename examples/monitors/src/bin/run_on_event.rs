//! Runs commands for events: whatever a script, `curl`, `logger` or `systemd-notify` can do.
//!
//! ```ini
//! [eventlistener:run_on_event]
//! command = /usr/local/bin/run_on_event --processes web,jobs:*
//! environment = ON_EVENT="/etc/supervisor/recipes/slack"
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED
//! priority = 12
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/run_on_event.err
//! ```
//!
//! An event is answered at once; its commands run afterwards. They get the payload on standard input, and each token of
//! the event in the environment. Their output goes to the log, never to supervisord.

use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use supervisor_events::{Event, EventType};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::command::{Call, CommandLines, CommandSettings, Hook, Kind, WhenBusy};
use supervisor_monitors::names::{ProcessPattern, is_own_pool, process_of};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List};

/// Runs commands for events: whatever a script, curl, logger or systemd-notify can do.
#[derive(Parser)]
struct Settings {
    /// The commands to run for each event, one per line, without a shell
    #[arg(long, env, default_value = "")]
    on_event: CommandLines,
    /// The processes whose events trigger commands: NAME, GROUP:NAME, GROUP:* or *, separated by commas. Events that
    /// are about no process always do
    #[arg(long, env, default_value = "*")]
    processes: List<ProcessPattern>,
    /// The types of events that trigger commands, with all their subtypes, such as PROCESS_STATE,TICK_60
    #[arg(long, env, default_value = "EVENT")]
    event_types: List<Type>,
    /// What to do with an event while a command is still running for another event: wait (for its turn, after the
    /// events of the same process); skip (if that event is of the same type and process); or latest (the same, but the
    /// newest event waits)
    #[arg(long, env, default_value = "wait")]
    when_busy: Busy,
    /// How many commands may run at the same time
    #[arg(long, env, default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// How many commands may wait. Beyond that, the oldest is not run, which is logged
    #[arg(long, env, default_value = "100", value_parser = clap::value_parser!(u16).range(1..))]
    waiting: u16,
    #[command(flatten)]
    commands: CommandSettings,
    #[command(flatten)]
    common: Common,
}

/// One of supervisord's event types.
#[derive(Clone)]
struct Type(EventType<'static>);

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = EventType::ALL.iter().find(|known| known.name() == text);
        known.map(|known| Self(*known)).ok_or_else(|| format!("is a list of event types, but has {text:?}"))
    }
}

#[derive(Clone, Copy)]
struct Busy(WhenBusy);

impl FromStr for Busy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "wait" => Ok(Self(WhenBusy::Wait)),
            "skip" => Ok(Self(WhenBusy::Skip)),
            "latest" => Ok(Self(WhenBusy::Replace)),
            _ => Err(format!("is wait, skip or latest, not {text:?}")),
        }
    }
}

fn main() -> ExitCode {
    monitor::<RunOnEvent>(env!("CARGO_BIN_NAME"))
}

/// Dropped in this order: the commands may still send alerts.
struct RunOnEvent {
    hook: Hook,
    alerts: Alerts,
    settings: Settings,
}

impl Monitor for RunOnEvent {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        if settings.on_event.is_empty() {
            return Err(
                "--on-event is empty: set it to the commands to run, such as /usr/local/bin/tell-everybody".into()
            );
        }
        let (jobs, waiting) = (settings.jobs.into(), settings.waiting.into());
        let hook = Hook::new(settings.commands, &settings.common, jobs, waiting)?;
        Ok(Self { hook, alerts: Alerts::new(&settings.common)?, settings })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Settings { on_event, processes, event_types, when_busy, .. } = &self.settings;
        let (kind, process) = (context.header.event_type(), process_of(event));
        let counts = event_types.iter().any(|wanted| kind.is_a(wanted.0));
        if !counts || process.is_some_and(|(name, group)| !processes.matches(group, name)) {
            return Ok(());
        }
        if matches!(event, Event::ProcessLog(event) if is_own_pool(&event.groupname)) {
            // A command's output in this listener's own log: running the command for it again would never end.
            return Ok(());
        }
        let about = process.map_or_else(String::new, |(name, group)| format!("/{group}:{name}"));
        // Commands for one process run in order. Skipping also depends on the event's type.
        let of_type = match when_busy.0 {
            WhenBusy::Wait => String::new(),
            WhenBusy::Skip | WhenBusy::Replace => format!("/{}", context.header.eventname()),
        };
        for (index, command) in on_event.iter().enumerate() {
            let name = format!("on-event {}{about}{of_type}", index + 1);
            let call = Call { name, command, kind: Kind::Event, when_busy: when_busy.0, process };
            self.hook.call(&self.alerts, context, call);
        }
        Ok(())
    }
}
