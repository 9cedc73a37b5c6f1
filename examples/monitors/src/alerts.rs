//! Alerts: JSON by HTTP POST, to whatever watches over the system.

use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use ureq::Agent;

use crate::Failure;
use crate::log::{Level, log, now};
use crate::settings::{Optional, seconds};

#[derive(Clone, Debug, Args)]
pub struct AlertSettings {
    /// Where alerts go, http://HOST/PATH; to the log alone if empty
    #[arg(long, env, default_value = "")]
    pub alert_url: Optional<Url>,
    /// Seconds that the alerts of one event may take
    #[arg(long, env, default_value = "5", value_parser = seconds)]
    pub alert_timeout: Duration,
    /// What alerts say that they are about
    #[arg(long, env, default_value = "trading_system")]
    pub system: String,
}

/// Where an alert can be sent.
#[derive(Clone, Debug)]
pub struct Url(String);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Some(text).filter(|text| text.starts_with("http://"));
        url.map(|url| Self(url.into())).ok_or_else(|| format!("begins with http://, not {text:?}"))
    }
}

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
    settings: AlertSettings,
}

impl Alerts {
    pub fn new(settings: &AlertSettings) -> Self {
        // Alerts are rare: a connection that was kept may well be dead when the next one is due.
        let agent = Agent::config_builder().max_idle_connections(0).build().new_agent();
        Self { agent, settings: settings.clone() }
    }

    /// Logs them, and sends them one after the other. All have to be taken in within the time that is set, however many
    /// there are.
    pub fn send<'a>(&self, alerts: impl IntoIterator<Item = Alert<'a>>) {
        let deadline = Instant::now() + self.settings.alert_timeout;
        for Alert { severity, process, event, details } in alerts {
            let (process, group) = process.unzip();
            let about = json!({ "severity": severity, "process": process, "group": group, "details": details });
            log(Level::of(severity), format!("alert: {event}"), about);
            let alert = json!({
                "timestamp": now(), "severity": severity, "process": process, "group": group, "event": event,
                "details": details, "system": self.settings.system,
            });
            if let Some(url) = &*self.settings.alert_url
                && let Err(error) = self.post(url, &alert, deadline)
            {
                log(Level::Error, format!("Failed to send alert: {error}"), json!({ "alert": alert }));
            }
        }
    }

    fn post(&self, url: &Url, alert: &Value, deadline: Instant) -> Result<(), Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no time is left for it".into());
        }
        let request = self.agent.post(&url.0).config().timeout_global(Some(left)).build();
        request.header("content-type", "application/json").send(alert.to_string())?;
        Ok(())
    }
}
