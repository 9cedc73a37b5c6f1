//! Checks every five seconds whether the services that trading depends on answer; reports when one goes down, is slow,
//! or recovers.
//!
//! ```ini
//! [eventlistener:heartbeat_monitor]
//! command = /usr/local/bin/heartbeat_monitor
//! user = monitors
//! environment = ENDPOINTS=""
//! events = TICK_5
//! priority = 4
//! ; Old ticks are useless.
//! buffer_size = 12
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! All checks of a tick run in parallel, and all end within the deadline. Missing ticks are detected from `when`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts, Severity, Status};
use supervisor_monitors::command::{Hook, TickSettings};
use supervisor_monitors::endpoints::watch::{Change, Watched, excused};
use supervisor_monitors::endpoints::{Checker, EndpointSettings, Finding};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Fault, Supervisord, fault_of, log_failure};

/// Checks every five seconds whether the services that trading depends on answer; reports when one goes down, is slow,
/// or recovers.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    endpoints: EndpointSettings,
    #[command(flatten)]
    commands: TickSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<HeartbeatMonitor>(env!("CARGO_BIN_NAME"))
}

struct HeartbeatMonitor {
    settings: EndpointSettings,
    checker: Checker,
    state: State<Known>,
    hook: Hook,
    alerts: Alerts,
    supervisord: Supervisord,
}

/// The state after the last tick.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    when: Option<u64>,
    endpoints: BTreeMap<String, Watched>,
}

impl Monitor for HeartbeatMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(Settings { endpoints: settings, commands, common }: Settings) -> Result<Self, Failure> {
        let checker = Checker::new(&settings)?;
        let served: Vec<_> = checker.endpoints().filter_map(|endpoint| endpoint.process.as_ref()).collect();
        let supervisord = if served.is_empty() {
            // It is never called.
            Supervisord::from_env()
        } else {
            Supervisord::at_start(|names| names.processes("--endpoints", served))?
        };
        let (state, alerts) = (State::open(&common, "")?, Alerts::new(&common)?);
        let hook = Hook::at_ticks(commands, &common)?;
        Ok(Self { settings, checker, state, hook, alerts, supervisord })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(tick) = event else { return Ok(()) };
        self.hook.check(&self.alerts, context);
        let findings = self.checker.check();
        let mut known = self.state.get();
        let excused = self.excused(&findings, &known.endpoints, tick.when);
        let (missed, changes) = {
            let last = known.when.replace(tick.when).unwrap_or(tick.when);
            let missed = (tick.when.saturating_sub(last) / u64::from(tick.period.max(1))).saturating_sub(1);
            let all = self.checker.endpoints().zip(&findings).zip(excused);
            let changes = all.map(|((endpoint, found), excused)| {
                let is_slow = endpoint.is_slow(found, self.settings.slow_after);
                let watched = known.endpoints.entry(endpoint.name.clone()).or_default();
                watched.note(found, excused, is_slow, self.settings.slow_ticks)
            });
            (missed, changes.collect::<Vec<_>>())
        };
        if missed > 0 {
            log(Level::Warning, format!("{missed} ticks before this one are missing"), json!({ "when": tick.when }));
        }
        let mut alerts = Vec::new();
        let mut summary = Map::new();
        for ((endpoint, found), changes) in self.checker.endpoints().zip(&findings).zip(changes) {
            let mut details = json!({ "endpoint": endpoint.name, "url": endpoint.url });
            match found {
                Ok(latency) => details["latency_ms"] = json!(latency.as_micros() as f64 / 1000.0),
                Err(error) => details["error"] = json!(error),
            }
            summary.insert(endpoint.name.clone(), details.clone());
            if let Some(process) = &endpoint.process {
                details["process"] = json!(process);
            }
            alerts.extend(changes.into_iter().map(|change| alert(change, &endpoint.name, details.clone())));
        }
        log(Level::Info, "Heartbeat", json!({ "when": tick.when, "missed": missed, "endpoints": summary }));
        self.alerts.send(context, alerts);
        // After the alerts, so that a process killed in between sends them again.
        self.state.set(known);
        Ok(())
    }
}

fn alert(change: Change, endpoint: &str, details: Value) -> Alert<'static> {
    let (severity, event, incident, status) = match change {
        Change::Down => (Severity::Critical, "ENDPOINT_DOWN", "ENDPOINT_DOWN", Some(Status::Firing)),
        Change::Up => (Severity::Info, "ENDPOINT_UP", "ENDPOINT_DOWN", Some(Status::Resolved)),
        // Somebody did this on purpose: nobody needs to get up.
        Change::Stopped => (Severity::Info, "ENDPOINT_STOPPED", "ENDPOINT_STOPPED", None),
        Change::Slow => (Severity::Warning, "ENDPOINT_SLOW", "ENDPOINT_SLOW", Some(Status::Firing)),
        Change::Fast => (Severity::Info, "ENDPOINT_FAST", "ENDPOINT_SLOW", Some(Status::Resolved)),
    };
    let alert = Alert::new(severity, event, None, details).incident(format!("{endpoint}/{incident}"));
    status.into_iter().fold(alert, Alert::status)
}

impl HeartbeatMonitor {
    /// Which endpoints are down because somebody stopped their process.
    fn excused(&self, findings: &[Finding], known: &BTreeMap<String, Watched>, when: u64) -> Vec<bool> {
        let all: Vec<_> = self.checker.endpoints().zip(findings).collect();
        if !all.iter().any(|(endpoint, found)| endpoint.process.is_some() && found.is_err()) {
            return vec![false; all.len()];
        }
        excused(&all, known, when, || {
            let error = match self.supervisord.processes() {
                Ok(processes) => return Some(processes),
                Err(error) => error,
            };
            let message = format!("unknown whether an endpoint's process was stopped: {error}");
            log_failure(Level::Error, &error, message, json!({}));
            (fault_of(&error) != Some(Fault::ShutdownState)).then(Vec::new)
        })
    }
}
