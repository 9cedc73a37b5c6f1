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
//! An event is answered at once; its commands run afterwards. They have the payload on standard input and each token
//! of the event in the environment. What they print goes to the log, never to supervisord.

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
    /// Commands to run for each event, one a line, without a shell
    #[arg(long, env, default_value = "")]
    on_event: CommandLines,
    /// Processes whose events count: NAME, GROUP:NAME, GROUP:* or *, separated by commas. Events that are about no
    /// process count as well
    #[arg(long, env, default_value = "*")]
    processes: List<ProcessPattern>,
    /// Types of events that count, with all below them, such as PROCESS_STATE,TICK_60
    #[arg(long, env, default_value = "EVENT")]
    event_types: List<Type>,
    /// What becomes of an event while a command runs for another one of its process: wait (for its turn); or, for
    /// another one of its type as well, skip, or latest (only the newest waits)
    #[arg(long, env, default_value = "wait")]
    when_busy: Busy,
    /// How many commands run at once
    #[arg(long, env, default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// How many commands wait; beyond that, the oldest is not run, which is logged
    #[arg(long, env, default_value = "100", value_parser = clap::value_parser!(u16).range(1..))]
    waiting: u16,
    #[command(flatten)]
    commands: CommandSettings,
    #[command(flatten)]
    common: Common,
}

/// A type of event that supervisord has.
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

/// Its fields end in this order: the commands may still have alerts.
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
            return Err("--on-event is empty: it says what to run, for example /usr/local/bin/tell-everybody".into());
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
            // What a command printed, in the log of this listener: it would be run for that again.
            return Ok(());
        }
        let about = process.map_or_else(String::new, |(name, group)| format!("/{group}:{name}"));
        // Those of one process run in order. What is skipped is so for another of its type.
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
