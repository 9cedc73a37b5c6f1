//! Metrics for Prometheus, in its text format or in OpenMetrics, which it prefers.

mod table;

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue, VARY};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use supervisor_events::ProcessState;

use super::board::{Board, Live};
use super::negotiate::quality;
use super::overview::{Overview, Status};
use crate::http::{Response, response};
use table::{Label, Table, Value};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// All metrics, in the format that the client prefers.
pub fn answer(board: &Board, request: &HeaderMap) -> Response {
    let (table, server) = board.look(|overview, live| (table(overview, live), live.identifier(overview).to_owned()));
    let labels = [("server".into(), table::escape(&server).into())];
    let mut registry = Registry::with_prefix_and_labels("supervisor", labels.into_iter());
    registry.register_collector(Box::new(table));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    let wanted = quality(request, ACCEPT, OPEN_METRICS).unwrap_or_default();
    let mut response = if wanted > 0.0 && wanted >= quality(request, ACCEPT, "text/plain").unwrap_or_default() {
        response(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    } else {
        response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", plain(&text))
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Converts OpenMetrics to the older text format, where a counter's name includes `_total`.
fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        let describes_counter =
            is_counter(line) || line.starts_with("# HELP ") && lines.peek().is_some_and(|next| is_counter(next));
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["#", what, name, rest] if describes_counter => {
                text.extend(["# ", what, " ", name, "_total ", rest, "\n"]);
            }
            _ => text.extend([line, "\n"]),
        }
    }
    text
}

fn table(overview: &Overview, live: &Live) -> Table {
    let mut table = Table::default();
    about_supervisord(&mut table, overview, live);
    about_processes(&mut table, overview);
    about_usage(&mut table, overview, live);
    about_alerts(&mut table, live);
    table
}

fn about_supervisord(table: &mut Table, overview: &Overview, live: &Live) {
    use MetricType::{Counter, Gauge};
    let asked = &live.supervisord;
    table.one(Gauge, "up", "Whether supervisord can be called", asked.is_up);
    if let Some(version) = &asked.version {
        let build = table.metric(Gauge, "build_info", "The version of supervisord", None);
        build.sample([Label::new("version", version)], true);
    }
    let build = table.metric(Gauge, "monitor_build_info", "The version of the monitor", None);
    build.sample([Label::new("version", env!("CARGO_PKG_VERSION"))], true);
    table.one(Gauge, "processes", "The number of processes", overview.processes.len() as u64);
    if let Some(event) = overview.last_event {
        let last = table.metric(Gauge, "last_event_time", "When the last event arrived", Some(Unit::Seconds));
        last.sample([], seconds(event.at));
    }
    for (name, help, value) in [
        ("state_changes", "Events of processes that changed their state", overview.state_changes),
        ("reconciliations", "Comparisons with supervisord's own list", overview.reconciliations),
        ("differences", "States that differed from the events", overview.differences),
    ] {
        table.one(Counter, name, help, value);
    }
}

fn about_processes(table: &mut Table, overview: &Overview) {
    let all: Vec<_> = overview.processes.values().map(|status| (status, of_process(status))).collect();
    about_states(table, &all);
    about_counts(table, &all);
    about_times(table, &all);
}

fn about_states(table: &mut Table, all: &[(&Status, [Label; 2])]) {
    let up = table.metric(MetricType::Gauge, "process_up", "Whether the process is RUNNING", None);
    for (status, labels) in all {
        up.sample(labels.clone(), status.state.eq_ignore_ascii_case("RUNNING"));
    }
    let states = table.metric(MetricType::Gauge, "process_state", "Whether the process is in this state", None);
    for (status, [group, process]) in all {
        let is_in = ProcessState::from_name(&status.state);
        for state in ProcessState::ALL {
            let labels = [group.clone(), process.clone(), Label::new("state", state.name())];
            states.sample(labels, is_in == Some(*state));
        }
    }
}

fn about_counts(table: &mut Table, all: &[(&Status, [Label; 2])]) {
    let restarts = table.metric(MetricType::Counter, "process_restarts", "How often it was started again", None);
    all.iter().for_each(|(status, labels)| restarts.sample(labels.clone(), status.restarts));
    let help = "How often it ended before startsecs, or could not be started";
    let failed = table.metric(MetricType::Counter, "process_failed_starts", help, None);
    all.iter().for_each(|(status, labels)| failed.sample(labels.clone(), status.failed_starts));
    let exits = table.metric(MetricType::Counter, "process_exits", "How often it exited by itself", None);
    for (status, [group, process]) in all {
        for (expected, count) in [("true", status.exits.expected), ("false", status.exits.unexpected)] {
            exits.sample([group.clone(), process.clone(), Label::new("expected", expected)], count);
        }
    }
    let help = "Its last exit code, or -1 after a signal";
    let exit_status = table.metric(MetricType::Gauge, "process_last_exit_status", help, None);
    for (status, labels) in all {
        if let Some(code) = status.last_exit.as_ref().and_then(|exit| exit.status) {
            exit_status.sample(labels.clone(), i64::from(code));
        }
    }
}

fn about_times(table: &mut Table, all: &[(&Status, [Label; 2])]) {
    let mut add = |name, help, time: fn(&Status) -> i64| {
        let metric = table.metric(MetricType::Gauge, name, help, Some(Unit::Seconds));
        // 0 means that there is none.
        let known = all.iter().map(|(status, labels)| (labels, time(status))).filter(|(_, at)| *at > 0);
        known.for_each(|(labels, at)| metric.sample(labels.clone(), seconds(at)));
    };
    add("process_last_exit_time", "When it last ended", |status| status.last_exit.as_ref().map_or(0, |exit| exit.at));
    add("process_start_time", "When it was last started", |status| status.start);
    add("process_state_since", "When it entered its state", |status| status.since);
}

fn about_usage(table: &mut Table, overview: &Overview, live: &Live) {
    let used = |name: &String| live.usage.get(name);
    let help = "CPU time that the process and its children have been observed to use";
    let cpu = table.metric(MetricType::Counter, "process_cpu", help, Some(Unit::Seconds));
    for (name, status) in &overview.processes {
        let cpu_ms = used(name).map_or(0, |usage| usage.cpu_ms);
        cpu.sample(of_process(status), cpu_ms as f64 / 1000.0);
    }
    let help = "Memory of the process and its children; shared memory counts once";
    let memory = table.metric(MetricType::Gauge, "process_memory", help, Some(Unit::Bytes));
    for (name, status) in &overview.processes {
        // A process that is not running uses none.
        let bytes = used(name).and_then(|usage| usage.of(status.pid)).map_or(0, |now| now.memory);
        memory.sample(of_process(status), bytes);
    }
}

fn about_alerts(table: &mut Table, live: &Live) {
    use MetricType::{Counter, Gauge};
    for (kind, name, help, count) in [
        (Counter, "alerts_sent", "Alerts that the receiver accepted", 0),
        (Counter, "alerts_failed", "Alerts that the receiver rejected, or that were dropped", 1),
        (Gauge, "alerts_waiting", "Alerts that were waiting at the last attempt to send one", 2),
    ] {
        let metric = table.metric(kind, name, help, None);
        for (monitor, counts) in live.alerts.iter().flatten() {
            let value = [counts.sent, counts.failed, counts.waiting as u64][count];
            metric.sample([Label::new("monitor", monitor)], value);
        }
    }
}

fn of_process(status: &Status) -> [Label; 2] {
    [Label::new("group", &status.group), Label::new("process", &status.name)]
}

fn seconds(milliseconds: i64) -> Value {
    Value::Float(milliseconds as f64 / 1000.0)
}
