//! Starts processes once what they depend on runs, and resumes trading once all critical processes do.
//!
//! ```ini
//! [eventlistener:startup_monitor]
//! command = /usr/local/bin/startup_monitor --dependents order_executor=risk_manager+hyperliquid_feed
//! events = PROCESS_STATE_STARTING,PROCESS_STATE_RUNNING
//! buffer_size = 100
//! ```
//!
//! What runs is asked of supervisord each time: events that went elsewhere make no difference. A process that starts
//! again and again is reported as flapping.

use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Action, Alert, Alerts, Outcome, Severity};
use supervisor_monitors::dependencies::{Dependent, run};
use supervisor_monitors::flapping::Starts;
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional, number};
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Process, Supervisord, log_failure};

/// Starts processes once what they depend on runs, and resumes trading once all critical processes do.
#[derive(Parser)]
struct Settings {
    /// Trading needs all of these to run: NAME, GROUP:NAME, GROUP:* or *, with commas
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<ProcessPattern>,
    /// What to start once all that it needs runs: NAME=NEEDED+NEEDED with commas, each as above
    #[arg(long, env, default_value = "order_executor=risk_manager+hyperliquid_feed,genetic_engine=hyperliquid_feed")]
    dependents: List<Dependent>,
    /// The group to start once all critical processes run; none if empty
    #[arg(long, env, default_value = "trading_system")]
    trading_group: Optional<String>,
    /// How many starts of a process are too many
    #[arg(long, env, default_value = "5", value_parser = number::<usize>)]
    flapping_starts: usize,
    /// The seconds within which these starts are counted
    #[arg(long, env, default_value = "300", value_parser = number::<i64>)]
    flapping_seconds: i64,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<StartupMonitor>(env!("CARGO_BIN_NAME"))
}

struct StartupMonitor {
    settings: Settings,
    state: State<Known>,
    alerts: Alerts,
    supervisord: Supervisord,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    /// Whether all critical processes ran when last one of them came to run.
    trading: bool,
    starts: Starts,
}

impl Monitor for StartupMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            state: State::open(&settings.common, "")?,
            alerts: Alerts::new(&settings.common)?,
            supervisord: Supervisord::at_start(|names| {
                names.processes("--critical-processes", &*settings.critical_processes);
                for Dependent { dependent, needs } in settings.dependents.iter() {
                    names.processes("--dependents", needs.iter().chain([dependent]));
                }
                settings.trading_group.iter().for_each(|group| names.group("--trading-group", group));
            })?,
            settings,
        })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) if event.state == ProcessState::Starting => self.starting(context, event),
            Event::ProcessState(event) if event.state == ProcessState::Running => self.running(context, event)?,
            _ => {}
        }
        Ok(())
    }
}

impl StartupMonitor {
    fn starting(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let name = event.processname.as_str();
        log(Level::Info, format!("Process {name} is starting"), json!({ "process": event }));
        let (now, is_critical) = (jiff::Timestamp::now().as_second(), self.is_critical(event));
        let starts = self.state.update(|known| {
            known.trading &= !is_critical;
            known.starts.add(format!("{}:{name}", event.groupname), now, self.settings.flapping_seconds)
        });
        // Once, until it has been quiet again.
        if starts == self.settings.flapping_starts {
            let details = json!({ "starts": starts, "seconds": self.settings.flapping_seconds, "tries": event.tries });
            let process = Some((name, event.groupname.as_str()));
            let alert = Alert::new(Severity::Warning, "FLAPPING", process, details).with_evidence();
            self.alerts.send(context, [alert]);
        }
    }

    fn running(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>) -> Result<(), Failure> {
        let name = event.processname.as_str();
        log(Level::Info, format!("Process {name} started successfully"), json!({ "process": event }));
        let processes = self.supervisord.processes()?;
        for Dependent { dependent, needs } in self.settings.dependents.iter() {
            let is_needed = needs.iter().any(|need| need.matches(&event.groupname, name));
            if is_needed && needs.iter().all(|need| run(&processes, need)) {
                self.start_dependents(&processes, dependent, name);
            }
        }
        let mut critical = self.settings.critical_processes.iter();
        if self.is_critical(event) && critical.all(|critical| run(&processes, critical)) {
            let had_resumed = self.state.update(|known| std::mem::replace(&mut known.trading, true));
            if !had_resumed {
                self.resume_trading(context);
            }
        }
        Ok(())
    }

    fn is_critical(&self, event: &ProcessStateEvent<'_>) -> bool {
        self.settings.critical_processes.matches(&event.groupname, &event.processname)
    }

    fn start_dependents(&self, processes: &[Process], dependent: &ProcessPattern, needed: &str) {
        let is_dependent = |process: &&Process| dependent.matches(&process.group, &process.name);
        for process in processes.iter().filter(is_dependent).filter(|process| process.is_down()) {
            let name = &process.name;
            match self.supervisord.start(&process.full_name()) {
                Ok(()) => log(Level::Info, format!("{name} is started, for {needed} runs"), json!({})),
                Err(error) => log_failure(Level::Error, &error, format!("{name} is NOT started: {error}"), json!({})),
            }
        }
    }

    fn resume_trading(&self, context: &Context<'_>) {
        let Settings { critical_processes, trading_group: Optional(group), .. } = &self.settings;
        log(Level::Info, "all critical processes run: trading resumes", json!({ "group": group }));
        let mut details = json!({ "critical": **critical_processes, "group": group });
        let mut actions = Vec::new();
        if let Some(group) = group {
            let started = self.supervisord.start_group(group);
            actions.push(Action::new(format!("start group {group}"), Outcome::Starting, &started));
            match started {
                Ok(started) => details["started"] = json!(started),
                Err(error) => {
                    log_failure(Level::Error, &error, format!("the group is NOT started: {error}"), json!({}))
                }
            }
        }
        let alert = Alert::new(Severity::Info, "TRADING_RESUMED", None, details).actions(actions);
        self.alerts.send(context, [alert]);
    }
}
