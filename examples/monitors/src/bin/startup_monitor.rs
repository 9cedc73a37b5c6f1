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

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::json;
use supervisor_events::{Event, Header, ProcessState, ProcessStateEvent};

use supervisor_monitors::Failure;
use supervisor_monitors::alerts::{Alert, Alerts};
use supervisor_monitors::log::log;
use supervisor_monitors::run::{Monitor, run};
use supervisor_monitors::settings::{Setting, Settings};
use supervisor_monitors::state::State;
use supervisor_monitors::supervisord::{Process, Supervisord};

const ABOUT: &str =
    "Starts processes once what they depend on runs, and resumes trading once all critical processes do.";

const DEPENDENTS: &str = "order_executor=risk_manager+hyperliquid_feed,genetic_engine=hyperliquid_feed";

const SETTINGS: [Setting; 5] = [
    ("critical-processes", "risk_manager,hyperliquid_feed,order_executor", "trading needs all of these to run"),
    ("dependents", DEPENDENTS, "what to start once what it needs runs: NAME=NEEDED+NEEDED with commas"),
    ("trading-group", "trading_system", "the group to start once all critical processes run; none if empty"),
    ("flapping-starts", "5", "so many starts of a process are too many,"),
    ("flapping-seconds", "300", "within so many seconds"),
];

fn main() -> ExitCode {
    run(env!("CARGO_BIN_NAME"), ABOUT, &SETTINGS, StartupMonitor::new)
}

struct StartupMonitor {
    critical: Vec<String>,
    dependents: Vec<(String, String)>,
    trading_group: String,
    flapping_starts: usize,
    flapping_seconds: i64,
    state: State<Known>,
    alerts: Alerts,
    supervisord: Supervisord,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    /// Whether all critical processes ran when last one of them came to run.
    trading: bool,
    /// When a process was started of late, in seconds since 1970.
    starts: BTreeMap<String, Vec<i64>>,
}

impl Monitor for StartupMonitor {
    fn handle(&mut self, _: &Header<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) if event.state == ProcessState::Starting => self.starting(event),
            Event::ProcessState(event) if event.state == ProcessState::Running => self.running(event)?,
            _ => {}
        }
        Ok(())
    }
}

impl StartupMonitor {
    fn new(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            critical: settings.names("critical-processes"),
            dependents: settings.pairs("dependents")?,
            trading_group: settings.get("trading-group").into(),
            flapping_starts: settings.number("flapping-starts")?,
            flapping_seconds: settings.number("flapping-seconds")?,
            state: State::open(settings, "")?,
            alerts: Alerts::new(settings)?,
            supervisord: Supervisord::from_env(),
        })
    }

    fn starting(&mut self, event: &ProcessStateEvent<'_>) {
        let name = event.processname.as_str();
        log("INFO", format!("Process {name} is starting"), json!({ "process": event }));
        let now = jiff::Timestamp::now().as_second();
        let starts = self.state.update(|known| {
            known.trading &= !self.critical.iter().any(|critical| critical == name);
            known.starts.values_mut().for_each(|starts| starts.retain(|at| now - at < self.flapping_seconds));
            known.starts.retain(|_, starts| !starts.is_empty());
            let starts = known.starts.entry(format!("{}:{name}", event.groupname)).or_default();
            starts.push(now);
            starts.len()
        });
        // Once, until it has been quiet again.
        if starts == self.flapping_starts {
            let details = json!({ "starts": starts, "seconds": self.flapping_seconds, "tries": event.tries });
            self.alert("WARNING", Some((name, event.groupname.as_str())), "FLAPPING", details);
        }
    }

    fn running(&mut self, event: &ProcessStateEvent<'_>) -> Result<(), Failure> {
        let name = event.processname.as_str();
        log("INFO", format!("Process {name} started successfully"), json!({ "process": event }));
        let processes = self.supervisord.processes()?;
        for (dependent, needed) in &self.dependents {
            let mut needed = needed.split('+').map(str::trim);
            if needed.clone().any(|needed| needed == name) && needed.all(|needed| runs(&processes, needed)) {
                self.start_dependent(&processes, dependent, name);
            }
        }
        let is_critical = self.critical.iter().any(|critical| critical == name);
        if is_critical && self.critical.iter().all(|critical| runs(&processes, critical)) {
            let had_resumed = self.state.update(|known| std::mem::replace(&mut known.trading, true));
            if !had_resumed {
                self.resume_trading();
            }
        }
        Ok(())
    }

    fn start_dependent(&self, processes: &[Process], dependent: &str, needed: &str) {
        let stopped = |process: &&Process| matches!(process.state.as_str(), "STOPPED" | "EXITED" | "FATAL");
        for process in processes.iter().filter(|process| process.name == dependent).filter(stopped) {
            match self.supervisord.start(&process.full_name()) {
                Ok(()) => log("INFO", format!("{dependent} is started, for {needed} runs"), json!({})),
                Err(error) => log("ERROR", format!("{dependent} is NOT started: {error}"), json!({})),
            }
        }
    }

    fn resume_trading(&self) {
        log("INFO", "all critical processes run: trading resumes", json!({ "group": self.trading_group }));
        let mut details = json!({ "critical": self.critical, "group": self.trading_group });
        if !self.trading_group.is_empty() {
            match self.supervisord.start_group(&self.trading_group) {
                Ok(started) => details["started"] = json!(started),
                Err(error) => log("ERROR", format!("the group is NOT started: {error}"), json!({})),
            }
        }
        self.alert("INFO", None, "TRADING_RESUMED", details);
    }

    fn alert(&self, severity: &str, process: Option<(&str, &str)>, event: &str, details: serde_json::Value) {
        self.alerts.send([Alert { severity, process, event, details }]);
    }
}

fn runs(processes: &[Process], name: &str) -> bool {
    processes.iter().any(|process| process.name == name && process.state == "RUNNING")
}
