//! Alerts: JSON by HTTP POST, to whatever watches over the system.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use super::Failure;
use super::log::{log, now};
use super::settings::Settings;

/// Something that somebody should know.
pub struct Alert<'a> {
    pub severity: &'a str,
    /// Name and group, where it is about a process.
    pub process: Option<(&'a str, &'a str)>,
    /// The kind, in capitals.
    pub event: &'a str,
    pub details: Value,
}

/// Where alerts go.
pub struct Alerts {
    agent: Agent,
    url: String,
    system: String,
    timeout: Duration,
}

impl Alerts {
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let url = settings.get("alert-url").to_owned();
        if !url.is_empty() && !url.starts_with("http://") {
            return Err(format!("--alert-url begins with http://, not {url:?}").into());
        }
        // Alerts are rare: a connection that was kept may well be dead when the next one is due.
        let agent = Agent::config_builder().max_idle_connections(0).build().new_agent();
        Ok(Self { agent, url, system: settings.get("system").into(), timeout: settings.seconds("alert-timeout")? })
    }

    /// Logs them, and sends them one after the other. All have to be taken in within the time that is set, however many
    /// there are.
    pub fn send<'a>(&self, alerts: impl IntoIterator<Item = Alert<'a>>) {
        let deadline = Instant::now() + self.timeout;
        for Alert { severity, process, event, details } in alerts {
            let (process, group) = process.unzip();
            let about = json!({ "process": process, "group": group, "details": details });
            log(severity, format!("alert: {event}"), about);
            let alert = json!({
                "timestamp": now(), "severity": severity, "process": process, "group": group, "event": event,
                "details": details, "system": self.system,
            });
            if !self.url.is_empty()
                && let Err(error) = self.post(&alert, deadline)
            {
                log("ERROR", format!("Failed to send alert: {error}"), json!({ "alert": alert }));
            }
        }
    }

    fn post(&self, alert: &Value, deadline: Instant) -> Result<(), Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no time is left for it".into());
        }
        let request = self.agent.post(&self.url).config().timeout_global(Some(left)).build();
        request.header("content-type", "application/json").send(alert.to_string())?;
        Ok(())
    }
}
