//! Starts processes once their dependencies are running, and resumes trading once all critical processes are running.
//!
//! ```ini
//! [eventlistener:startup_monitor]
//! command = /usr/local/bin/startup_monitor
//! user = monitors
//! environment = DEPENDENTS="",CRITICAL_PROCESSES="",TRADING_GROUP=""
//! events = PROCESS_STATE
//! priority = 2
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! Each time, supervisord is asked what is running, for the first time at the event of the monitor's own start: it does
//! not matter whether other processes of the pool got events. Processes that a person stopped are left alone. A process
//! that is started again and again is reported as flapping.

use std::collections::BTreeMap;
use std::mem;
use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supervisor_events::{Event, ProcessState, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Action, Alert, Alerts, Outcome, Severity};
use supervisor_monitors::command::{EventSettings, Hook};
use supervisor_monitors::dependencies::{self, Asker, DependencySettings, Run};
use supervisor_monitors::flapping::{FlappingSettings, Starts};
use supervisor_monitors::log::{Level, log, seconds_now};
use supervisor_monitors::names::ProcessPattern;
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Process, Stops, Supervisord, log_failure};

/// Starts processes once their dependencies are running, and resumes trading once all critical processes are running.
#[derive(Parser)]
struct Settings {
    /// Processes that must all be running before --trading-group is started: NAME, GROUP:NAME, GROUP:* or *, separated
    /// by commas. If empty, trading is never resumed
    #[arg(long, env, default_value = "risk_manager,hyperliquid_feed,order_executor")]
    critical_processes: List<ProcessPattern>,
    #[command(flatten)]
    dependencies: DependencySettings,
    /// The group to start once all critical processes are running. If empty, only the alert is sent
    #[arg(long, env, default_value = "trading_system")]
    trading_group: Optional<String>,
    #[command(flatten)]
    flapping: FlappingSettings,
    #[command(flatten)]
    commands: EventSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<StartupMonitor>(NAME)
}

const NAME: &str = env!("CARGO_BIN_NAME");

struct StartupMonitor {
    settings: Settings,
    state: State<Known>,
    hook: Hook,
    alerts: Alerts,
    supervisord: Supervisord,
    /// When this process first asked supervisord, in seconds since 1970.
    asked: Option<i64>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Known {
    /// The runs of the critical processes for which trading was last resumed.
    resumed_for: BTreeMap<String, Run>,
    dependencies: dependencies::Known,
    starts: Starts,
}

impl Monitor for StartupMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let supervisord = Supervisord::at_start(|names| {
            names.processes("--critical-processes", &*settings.critical_processes);
            names.processes("--dependents", settings.dependencies.patterns());
            settings.trading_group.iter().for_each(|group| names.group("--trading-group", group));
        })?;
        if let Some(circle) = settings.dependencies.circle() {
            let circle = circle.iter().map(ToString::to_string).collect::<Vec<_>>().join(" needs ");
            let message = format!("--dependents: {circle}: unless something else starts one of these, none is started");
            log(Level::Warning, message, json!({}));
        }
        let (state, alerts) = (State::open(&settings.common, "")?, Alerts::new(&settings.common)?);
        let supervisord = supervisord.noting_stops(&settings.common)?;
        let hook = Hook::at_events(settings.commands.clone(), &settings.common)?;
        Ok(Self { state, hook, alerts, supervisord, settings, asked: None })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::ProcessState(event) = event else { return Ok(()) };
        match event.state {
            ProcessState::Starting => self.starting(context, event),
            ProcessState::Running => {
                let message = format!("Process {} started successfully", event.processname);
                log(Level::Info, message, json!({ "process": event }));
                self.hook.act(&self.alerts, context, (&event.processname, &event.groupname));
            }
            _ => {}
        }
        // A process that is only starting changes nothing.
        if self.asked.is_some() && matches!(event.state, ProcessState::Starting | ProcessState::Backoff) {
            return Ok(());
        }
        let processes = self.supervisord.processes()?;
        self.asked.get_or_insert_with(seconds_now);
        self.follow(context, event, &processes);
        Ok(())
    }
}

impl StartupMonitor {
    fn starting(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>) {
        let name = event.processname.as_str();
        log(Level::Info, format!("Process {name} is starting"), json!({ "process": event }));
        let settings = self.settings.flapping;
        let full_name = format!("{}:{name}", event.groupname);
        if let Some(starts) = self.state.update(|known| known.starts.add(full_name, seconds_now(), settings)) {
            let details = json!({ "starts": starts, "seconds": settings.flapping_seconds, "tries": event.tries });
            let process = Some((name, event.groupname.as_str()));
            let alert = Alert::new(Severity::Warning, "FLAPPING", process, details).with_evidence();
            self.alerts.send(context, [alert]);
        }
    }

    /// Takes the measures that the current states call for.
    fn follow(&mut self, context: &Context<'_>, event: &ProcessStateEvent<'_>, processes: &[Process]) {
        let Settings { critical_processes, dependencies: settings, .. } = &self.settings;
        let asker = Asker { monitor: NAME, since: self.asked.unwrap_or_default() };
        let (stops, critical) = (self.supervisord.stops(), dependencies::runs(processes, critical_processes));
        let decide = |known: &mut Known| {
            if let Some(expected) = event.expected {
                known.dependencies.exited(processes, &event.groupname, &event.processname, expected);
            }
            let resumes = critical.clone().is_some_and(|runs| {
                let before = mem::replace(&mut known.resumed_for, runs);
                before != known.resumed_for
            });
            (known.dependencies.plan(settings, processes, &stops, asker), resumes)
        };
        let (plan, resumes) = decide(&mut self.state.get());
        plan.carry_out(&self.supervisord);
        if resumes {
            self.resume_trading(context, processes, &stops);
        }
        // Recorded afterwards: if this process is killed before, the event comes again, and the measures are taken
        // then.
        self.state.update(|known| drop(decide(known)));
    }

    fn resume_trading(&self, context: &Context<'_>, processes: &[Process], stops: &Stops) {
        let Settings { critical_processes, trading_group: Optional(group), .. } = &self.settings;
        log(Level::Info, "all critical processes are running: trading resumes", json!({ "group": group }));
        let mut details = json!({ "critical": **critical_processes, "group": group });
        let mut actions = Vec::new();
        if let Some(group) = group {
            let started = self.supervisord.resume_group(group, processes, stops);
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
