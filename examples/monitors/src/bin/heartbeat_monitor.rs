//! Checks every five seconds that what trading depends on answers, and reports when it goes down and comes up.
//!
//! ```ini
//! [eventlistener:heartbeat_monitor]
//! command = /usr/local/bin/heartbeat_monitor --endpoints feed=ws://10.0.0.2:8765/feed,orders=tcp://10.0.0.3:4001
//! events = TICK_5
//! buffer_size = 50
//! ```
//!
//! All checks of a tick run at once, and none outlasts the deadline. Ticks that did not come are told from `when`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::secrets::without_credentials;
use supervisor_monitors::alerts::{Alert, Alerts, Severity, Status};
use supervisor_monitors::endpoints::{Endpoint, check_all};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional, seconds};
use supervisor_monitors::state::State;

/// Checks every five seconds that what trading depends on answers, and reports when it goes down and comes up.
#[derive(Parser)]
struct Settings {
    /// What to check, NAME=URL with commas; tcp://HOST:PORT, http://HOST/PATH or ws://HOST/PATH
    #[arg(long, env, default_value = "")]
    endpoints: List<Endpoint>,
    /// The network interface that has to be up; none if empty
    #[arg(long, env, default_value = "")]
    vpn_interface: Optional<String>,
    /// Seconds within which everything has to answer: well under the five of a tick
    #[arg(long, env, default_value = "2", value_parser = deadline)]
    deadline: Duration,
    #[command(flatten)]
    common: Common,
}

fn deadline(text: &str) -> Result<Duration, String> {
    let deadline = seconds(text)?;
    let late = deadline > Duration::from_secs(4);
    if late { Err("leaves no time before the next tick: 4 seconds at most".into()) } else { Ok(deadline) }
}

fn main() -> ExitCode {
    monitor::<HeartbeatMonitor>(env!("CARGO_BIN_NAME"))
}

struct HeartbeatMonitor {
    endpoints: Vec<Endpoint>,
    deadline: Duration,
    state: State<Known>,
    alerts: Alerts,
}

/// What was known after the last tick.
#[derive(Default, Serialize, Deserialize)]
struct Known {
    when: Option<u64>,
    /// Of each endpoint: whether it was up.
    up: BTreeMap<String, bool>,
}

impl Monitor for HeartbeatMonitor {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let mut endpoints = settings.endpoints.to_vec();
        let vpn = settings.vpn_interface.as_ref();
        endpoints.extend(vpn.map(|vpn| Endpoint { name: "vpn".into(), url: format!("interface:{vpn}") }));
        let alerts = Alerts::new(&settings.common)?;
        Ok(Self { endpoints, deadline: settings.deadline, state: State::open(&settings.common, "")?, alerts })
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(tick) = event else { return Ok(()) };
        let urls: Vec<_> = self.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        let findings = check_all(&urls, self.deadline);
        let (missed, changed) = self.state.update(|known| {
            let last = known.when.replace(tick.when).unwrap_or(tick.when);
            let missed = (tick.when.saturating_sub(last) / u64::from(tick.period.max(1))).saturating_sub(1);
            let mut changed = Vec::new();
            for (Endpoint { name, .. }, found) in self.endpoints.iter().zip(&findings) {
                // What is up when it is first checked is as it should be.
                let was_up = known.up.insert(name.clone(), found.is_ok()).unwrap_or(true);
                changed.push(was_up != found.is_ok());
            }
            (missed, changed)
        });
        if missed > 0 {
            log(Level::Warning, format!("{missed} ticks did not come before this one"), json!({ "when": tick.when }));
        }
        let mut alerts = Vec::new();
        let mut summary = serde_json::Map::new();
        for ((Endpoint { name, url }, found), changed) in self.endpoints.iter().zip(&findings).zip(changed) {
            let mut details = json!({ "endpoint": name, "url": without_credentials(url) });
            match found {
                Ok(latency) => details["latency_ms"] = json!(latency.as_secs_f64() * 1000.0),
                Err(error) => details["error"] = json!(error),
            }
            if changed {
                let (severity, event, status) = match found {
                    Ok(_) => (Severity::Info, "ENDPOINT_UP", Status::Resolved),
                    Err(_) => (Severity::Critical, "ENDPOINT_DOWN", Status::Firing),
                };
                let alert = Alert::new(severity, event, None, details.clone()).status(status);
                alerts.push(alert.incident(format!("{name}/ENDPOINT_DOWN")));
            }
            summary.insert(name.clone(), details);
        }
        log(
            Level::Info,
            "Heartbeat",
            json!({ "when": tick.when, "missed": missed, "endpoints": Value::Object(summary) }),
        );
        self.alerts.send(context, alerts);
        Ok(())
    }
}
