//! The content of `/status.json`.

use std::collections::BTreeMap;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Site;
use super::board::Live;
use super::overview::{Exits, Overview, StateChange, Status};
use super::usage::Usage;
use crate::http::{Response, response};

/// Everything that the page shows. Times are in seconds since 1970.
#[derive(Serialize)]
struct View<'a> {
    system: &'a str,
    host: &'a str,
    server: &'a str,
    version: Option<&'a str>,
    monitor: &'static str,
    now: f64,
    may_act: bool,
    supervisord: Server<'a>,
    last_event: Option<Sighting>,
    counts: BTreeMap<&'a str, u64>,
    alerts: Option<Alerts>,
    processes: Vec<Process<'a>>,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    up: bool,
    state: Option<&'a str>,
    pid: Option<u32>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Sighting {
    at: f64,
    serial: u64,
}

/// The totals of all monitors.
#[derive(Default, Serialize)]
struct Alerts {
    sent: u64,
    failed: u64,
    waiting: usize,
}

#[derive(Serialize)]
struct Process<'a> {
    group: &'a str,
    name: &'a str,
    state: &'a str,
    pid: Option<u32>,
    since: f64,
    restarts: u64,
    failed_starts: u64,
    exits: Exits,
    last_exit: Option<Exit<'a>>,
    spawn_error: &'a str,
    description: &'a str,
    cpu: Option<f64>,
    memory: Option<u64>,
    processes: Option<usize>,
    cpu_history: Vec<Option<f64>>,
    memory_history: Vec<Option<u64>>,
    has_stdout: bool,
    has_stderr: bool,
}

#[derive(Serialize)]
struct Exit<'a> {
    at: f64,
    status: Option<i32>,
    expected: Option<bool>,
    why: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    at: f64,
    serial: u64,
    group: &'a str,
    process: &'a str,
    from: &'a str,
    to: &'a str,
    expected: Option<bool>,
}

/// Everything, as a value.
pub fn status(site: &Site) -> Value {
    site.board.look(|overview, live| serde_json::to_value(view(site, overview, live)).unwrap_or_default())
}

/// Everything, as JSON.
pub fn answer(site: &Site) -> Response {
    let body = site.board.look(|overview, live| serde_json::to_vec(&view(site, overview, live)));
    match body {
        Ok(body) => response(StatusCode::OK, "application/json", body),
        Err(error) => crate::http::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn view<'a>(site: &'a Site, overview: &'a Overview, live: &'a Live) -> View<'a> {
    let asked = &live.supervisord;
    let process = |(name, status)| process(status, live.usage.get(name));
    View {
        system: &site.system,
        host: &site.host,
        server: live.identifier(overview),
        version: asked.version.as_deref(),
        monitor: env!("CARGO_PKG_VERSION"),
        now: seconds(Timestamp::now().as_millisecond()),
        may_act: site.may_act,
        supervisord: Server {
            up: asked.is_up,
            // An event about supervisord is newer than its last answer.
            state: overview.supervisord.as_deref().filter(|state| *state != "RUNNING").or(asked.state.as_deref()),
            pid: asked.pid,
            error: asked.error.as_deref(),
        },
        last_event: overview.last_event.map(|event| Sighting { at: seconds(event.at), serial: event.serial }),
        counts: overview.counts(),
        alerts: live.alerts.as_ref().map(|monitors| {
            monitors.values().fold(Alerts::default(), |all, one| Alerts {
                sent: all.sent + one.sent,
                failed: all.failed + one.failed,
                waiting: all.waiting + one.waiting,
            })
        }),
        processes: overview.processes.iter().map(process).collect(),
        events: overview.events.iter().rev().map(event).collect(),
    }
}

fn process<'a>(status: &'a Status, usage: Option<&'a Usage>) -> Process<'a> {
    let now = usage.and_then(|usage| usage.of(status.pid));
    let exit = status.last_exit.as_ref();
    Process {
        group: &status.group,
        name: &status.name,
        state: &status.state,
        pid: Some(status.pid).filter(|pid| *pid > 0),
        since: seconds(status.since),
        restarts: status.restarts,
        failed_starts: status.failed_starts,
        exits: status.exits,
        last_exit: exit.map(|exit| Exit {
            at: seconds(exit.at),
            status: exit.status,
            expected: exit.expected,
            why: &exit.why,
        }),
        spawn_error: &status.spawn_error,
        description: &status.description,
        cpu: now.and_then(|now| now.cpu).map(tenth),
        memory: now.map(|now| now.memory),
        processes: now.map(|now| now.processes),
        cpu_history: usage.map(|usage| usage.history.cpu().map(|cpu| cpu.map(tenth)).collect()).unwrap_or_default(),
        memory_history: usage.map(|usage| usage.history.memory().collect()).unwrap_or_default(),
        has_stdout: status.has_stdout,
        has_stderr: status.has_stderr,
    }
}

fn event(change: &StateChange) -> Event<'_> {
    let StateChange { at, serial, group, process, from, to, expected, .. } = change;
    Event { at: seconds(*at), serial: *serial, group, process, from, to: to.name(), expected: *expected }
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Rounded to a tenth, which is all that is displayed.
fn tenth(percent: f32) -> f64 {
    (f64::from(percent) * 10.0).round() / 10.0
}
