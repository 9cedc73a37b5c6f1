//! The overview: the state of every process, in the log each minute and on a status page at any time.
//!
//! ```ini
//! [eventlistener:trading_monitor]
//! command = /usr/local/bin/trading_monitor --listen 127.0.0.1:9180
//! events = PROCESS_STATE,TICK_60
//! buffer_size = 100
//! ```
//!
//! States are those that events told, reconciled each minute with supervisord's own list. The page is read-only: HTML at
//! `/`, and `/metrics` for Prometheus.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use serde_json::json;
use supervisor_events::{Event, ProcessStateEvent};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::state::State;
use supervisor_monitors::status_page::{self, Overview, PageSettings, Status};
use supervisor_monitors::supervisord::Supervisord;

/// The overview: the state of every process, in the log each minute and on a status page at any time.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    page: PageSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<TradingMonitor>(env!("CARGO_BIN_NAME"))
}

struct TradingMonitor {
    overview: Arc<Mutex<State<Overview>>>,
    supervisord: Supervisord,
}

impl Monitor for TradingMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let supervisord = Supervisord::at_start(|_| {})?;
        let overview = Arc::new(Mutex::new(State::open(&settings.common, "")?));
        status_page::serve(&settings.page, Arc::clone(&overview), supervisord.clone())?;
        Ok(Self { overview, supervisord })
    }

    fn alerts(&self) -> Option<&Alerts> {
        None
    }

    fn handle(&mut self, _: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        match event {
            Event::ProcessState(event) => self.changed(event),
            Event::Tick(tick) => self.reconcile(tick.when)?,
            _ => {}
        }
        Ok(())
    }
}

impl TradingMonitor {
    fn update<R>(&self, change: impl FnOnce(&mut Overview) -> R) -> R {
        self.overview.lock().unwrap_or_else(PoisonError::into_inner).update(change)
    }

    fn changed(&mut self, event: &ProcessStateEvent<'_>) {
        let name = format!("{}:{}", event.groupname, event.processname);
        let state = event.state.name().to_owned();
        // Of a process that has ended, the event tells the id that it had.
        let pid = event.pid.filter(|_| matches!(event.state.name(), "RUNNING" | "STOPPING")).unwrap_or_default();
        let since = jiff::Timestamp::now().as_second();
        self.update(|overview| {
            overview.state_changes += 1;
            overview.processes.insert(name, Status { state, pid, since });
        });
        log(
            Level::Info,
            format!("{}: {} -> {}", event.processname, event.from_state.name(), event.state.name()),
            json!({ "process": event }),
        );
    }

    /// Takes supervisord's word for the states of all processes, and tells where events had said otherwise.
    fn reconcile(&mut self, when: u64) -> Result<(), Failure> {
        let processes = self.supervisord.processes()?;
        let now = jiff::Timestamp::now().as_second();
        let (counts, differences) = self.update(|overview| {
            let known = std::mem::take(&mut overview.processes);
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            let mut differences = Vec::new();
            for process in processes {
                *counts.entry(process.state.clone()).or_default() += 1;
                let name = process.full_name();
                let status = match known.get(&name) {
                    Some(status) if status.state == process.state => Status { pid: process.pid, ..status.clone() },
                    known => {
                        differences
                            .extend(known.map(|known| (name.clone(), known.state.clone(), process.state.clone())));
                        let since = if process.state == "RUNNING" { i64::from(process.start) } else { now };
                        Status { state: process.state, pid: process.pid, since }
                    }
                };
                overview.processes.insert(name, status);
            }
            overview.reconciliations += 1;
            overview.differences += differences.len() as u64;
            (counts, differences)
        });
        for (name, known, state) in differences {
            log(Level::Warning, format!("{name} is {state}; events said {known}"), json!({}));
        }
        let summary: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let total: u32 = counts.values().sum();
        log(
            Level::Info,
            format!("{total} processes: {}", summary.join(", ")),
            json!({ "when": when, "states": counts }),
        );
        Ok(())
    }
}
