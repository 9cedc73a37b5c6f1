//! A read-only page about all processes: HTML for people, and the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tiny_http::{Header, Method, Response, Server};

use super::Failure;
use super::log::log;
use super::state::State;

/// All that is known.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Overview {
    /// By `GROUP:NAME`.
    pub processes: BTreeMap<String, Status>,
    pub state_changes: u64,
    pub reconciliations: u64,
    /// How often supervisord's list said otherwise than its events.
    pub differences: u64,
}

/// How it is with a process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Status {
    pub state: String,
    /// 0 where there is none.
    pub pid: u32,
    /// In seconds since 1970.
    pub since: i64,
}

/// Shows the page at this address of the loopback interface for as long as the process lives.
///
/// Where the address is taken, that is logged: it is so for all but one of a pool's processes, which share what the page
/// shows.
pub fn serve(listen: &str, overview: Arc<Mutex<State<Overview>>>) -> Result<(), Failure> {
    let address: Option<SocketAddr> = listen.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    let address = address.ok_or_else(|| format!("--listen is an address of the loopback interface, not {listen:?}"))?;
    match Server::http(address) {
        Ok(server) => {
            log("INFO", "status page", json!({ "url": format!("http://{}/", server.server_addr()) }));
            thread::spawn(move || answer(&server, &overview));
        }
        Err(error) => log("WARNING", format!("no status page at {address} by this process: {error}"), json!({})),
    }
    Ok(())
}

fn answer(server: &Server, overview: &Mutex<State<Overview>>) {
    for request in server.incoming_requests() {
        let overview = overview.lock().unwrap_or_else(PoisonError::into_inner).update(|overview| overview.clone());
        let (status, kind, body) = match (request.method(), request.url()) {
            (Method::Get | Method::Head, "/") => (200, "text/html; charset=utf-8", html(&overview)),
            (Method::Get | Method::Head, "/metrics") => {
                (200, "text/plain; version=0.0.4; charset=utf-8", metrics(&overview))
            }
            (Method::Get | Method::Head, _) => (404, "text/plain", "there are / and /metrics\n".to_owned()),
            _ => (405, "text/plain", "this page can only be read\n".to_owned()),
        };
        let kind = Header::from_bytes("content-type", kind).expect("a header of ASCII");
        drop(request.respond(Response::from_string(body).with_status_code(status).with_header(kind)));
    }
}

fn html(overview: &Overview) -> String {
    let mut rows = String::new();
    for (name, Status { state, pid, since }) in &overview.processes {
        let since = jiff::Timestamp::from_second(*since).unwrap_or_default();
        let _ = writeln!(rows, "<tr><td>{}<td>{}<td>{pid}<td>{since}", escape(name), escape(state));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\n\
         <title>Trading system</title>\n<h1>Trading system</h1>\n\
         <table><tr><th>process<th>state<th>pid<th>since\n{rows}</table>\n\
         <p>{} state changes, {} reconciliations, {} differences.</html>\n",
        overview.state_changes, overview.reconciliations, overview.differences,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn metrics(overview: &Overview) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, samples: &mut dyn Iterator<Item = (String, i64)>| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let label = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let of_process = |name: &str, more: &str| {
        let (group, process) = name.split_once(':').unwrap_or(("", name));
        format!("{{group=\"{}\",process=\"{}\"{more}}}", label(group), label(process))
    };
    let processes = &overview.processes;
    let mut up = processes.iter().map(|(name, status)| (of_process(name, ""), i64::from(status.state == "RUNNING")));
    metric("supervisor_process_up", "gauge", "Whether the process is RUNNING.", &mut up);
    let state = |state: &str| format!(",state=\"{}\"", label(state));
    let mut states = processes.iter().map(|(name, status)| (of_process(name, &state(&status.state)), 1));
    metric("supervisor_process_state", "gauge", "The state that the process is in.", &mut states);
    let mut since = processes.iter().map(|(name, status)| (of_process(name, ""), status.since));
    metric("supervisor_process_state_since_seconds", "gauge", "When it came into this state.", &mut since);
    for (name, help, value) in [
        ("supervisor_state_changes_total", "Events of processes that changed their state.", overview.state_changes),
        ("supervisor_reconciliations_total", "Comparisons with supervisord's own list.", overview.reconciliations),
        ("supervisor_differences_total", "States that events had told otherwise.", overview.differences),
    ] {
        metric(name, "counter", help, &mut [(String::new(), value as i64)].into_iter());
    }
    text
}
