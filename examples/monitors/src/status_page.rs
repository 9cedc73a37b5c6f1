//! A read-only page about all processes: HTML for people, and the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::log::{Level, log};
use crate::state::State;
use crate::{Failure, http};

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

/// Where the page can be shown: only on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Listen(SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
        address.map(Self).ok_or_else(|| format!("is an address of the loopback interface, not {text:?}"))
    }
}

/// Shows the page for as long as the process lives. Its end would go unnoticed, so it ends the process, and
/// supervisord starts another one.
///
/// Where the address is taken, that is logged: it is so for all but one of a pool's processes, which share what the page
/// shows.
pub fn serve(Listen(address): Listen, overview: Arc<Mutex<State<Overview>>>) -> Result<(), Failure> {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            log(Level::Warning, format!("no status page at {address} by this process: {error}"), json!({}));
            return Ok(());
        }
    };
    listener.set_nonblocking(true)?;
    let url = format!("http://{}/", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    thread::Builder::new().name("status page".into()).spawn(move || {
        let _end = EndOfProcess;
        let error = runtime.block_on(http::serve(listener, move |path: &str| page(path, &overview)));
        log(Level::Error, format!("the status page has ended: {error}"), json!({}));
    })?;
    log(Level::Info, "status page", json!({ "url": url }));
    Ok(())
}

/// Ends the process when it is dropped, also by a panic.
struct EndOfProcess;

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        process::exit(1);
    }
}

fn page(path: &str, overview: &Mutex<State<Overview>>) -> Option<(&'static str, String)> {
    let overview = || overview.lock().unwrap_or_else(PoisonError::into_inner).update(|overview| overview.clone());
    match path {
        "/" => Some(("text/html; charset=utf-8", html(&overview()))),
        "/metrics" => Some(("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics(&overview()))),
        _ => None,
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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfProcess {
    group: Label,
    process: Label,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    group: Label,
    process: Label,
    state: Label,
}

/// Any text: `prometheus_client` writes the values of labels as they are.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Label(String);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    }
}

fn metrics(overview: &Overview) -> String {
    let [up, since] = [(); 2].map(|()| Family::<OfProcess, Gauge>::default());
    let states = Family::<InState, Gauge>::default();
    for (name, status) in &overview.processes {
        let (group, process) = name.split_once(':').unwrap_or(("", name));
        let (group, process, state) = (Label(group.into()), Label(process.into()), Label(status.state.clone()));
        let of_process = OfProcess { group: group.clone(), process: process.clone() };
        up.get_or_create(&of_process).set(i64::from(status.state == "RUNNING"));
        since.get_or_create(&of_process).set(status.since);
        states.get_or_create(&InState { group, process, state }).set(1);
    }
    let mut registry = Registry::with_prefix("supervisor");
    registry.register("process_up", "Whether the process is RUNNING", up);
    registry.register("process_state", "The state that the process is in", states);
    registry.register_with_unit("process_state_since", "When it came into this state", Unit::Seconds, since);
    for (name, help, value) in [
        ("state_changes", "Events of processes that changed their state", overview.state_changes),
        ("reconciliations", "Comparisons with supervisord's own list", overview.reconciliations),
        ("differences", "States that events had told otherwise", overview.differences),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
    let mut text = String::new();
    // A text takes in anything.
    let _ = encode(&mut text, &registry);
    text
}
