//! The overview: the state of every process, in the log each minute and on a status page at any time.
//!
//! ```ini
//! [eventlistener:trading_monitor]
//! command = /usr/local/bin/trading_monitor
//! user = monitors
//! environment = LISTEN="127.0.0.1:9180"
//! events = PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE,TICK_60
//! priority = 5
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! States come from events, and are reconciled at the start and each minute with supervisord's own list. The page is at
//! `/`, its data as JSON at `/status.json`, and `/metrics` is for Prometheus.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use jiff::Timestamp;
use serde_json::json;
use supervisor_events::{Event, GroupChange, ProcessStateEvent, SupervisorState};
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;
use supervisor_monitors::status_page::overview::{Change, Difference, ProcessStateName, Sighting, StateChange};
use supervisor_monitors::status_page::{self, Board, PageSettings};
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
    board: Arc<Board>,
    supervisord: Supervisord,
}

impl Monitor for TradingMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let mut there = None;
        let supervisord = Supervisord::at_start(|names| there = Some(names.listed().to_vec()))?;
        let board = Arc::new(Board::open(&settings.common)?);
        if let Some(processes) = there {
            // Changes while this monitor was not running are not differences.
            board.reconcile(now(), processes, false);
        }
        status_page::serve(&settings.page, &settings.common, &board, &supervisord)?;
        Ok(Self { board, supervisord })
    }

    fn alerts(&self) -> Option<&Alerts> {
        None
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let seen = Sighting { at: now(), serial: context.header.serial() };
        let change = match event {
            Event::ProcessState(event) => changed(event, seen),
            Event::SupervisorStateChange(state) => {
                // The state that supervisord itself reports from then on.
                let state = if *state == SupervisorState::Running { "RUNNING" } else { "SHUTDOWN" };
                Change::Supervisord { state: state.into(), seen }
            }
            Event::ProcessGroup(group) if group.change == GroupChange::Removed => {
                Change::Removed { group: group.groupname.to_string(), seen }
            }
            _ => Change::Seen(seen),
        };
        self.board.event((context.run, context.header.server()), change);
        match event {
            Event::ProcessState(event) => tell(event),
            Event::Tick(tick) => self.reconcile(tick.when)?,
            _ => {}
        }
        Ok(())
    }
}

impl TradingMonitor {
    /// Takes over the states from supervisord's list. Logs a summary, and each state that differed from the events.
    fn reconcile(&self, when: u64) -> Result<(), Failure> {
        for difference in self.board.reconcile(now(), self.supervisord.processes()?, true) {
            let Difference { name, known, state } = difference;
            log(Level::Warning, format!("{name} is {state}; events said {known}"), json!({}));
        }
        let (summary, total, counts) = self.board.look(|overview, _| {
            let counts = overview.counts();
            let summary: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
            (summary.join(", "), overview.processes.len(), json!(counts))
        });
        log(Level::Info, format!("{total} processes: {summary}"), json!({ "when": when, "states": counts }));
        Ok(())
    }
}

impl Drop for TradingMonitor {
    fn drop(&mut self) {
        self.board.keep_history();
    }
}

fn changed(event: &ProcessStateEvent<'_>, Sighting { at, serial }: Sighting) -> Change {
    Change::State(StateChange {
        at,
        serial,
        group: event.groupname.to_string(),
        process: event.processname.to_string(),
        from: event.from_state.name().into(),
        to: ProcessStateName(event.state),
        expected: event.expected,
        pid: event.pid.unwrap_or_default(),
    })
}

fn tell(event: &ProcessStateEvent<'_>) {
    let message = format!("{}: {} -> {}", event.processname, event.from_state.name(), event.state.name());
    log(Level::Info, message, json!({ "process": event }));
}

/// In milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
