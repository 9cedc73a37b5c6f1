//! Alerts: what somebody should know, sent to whatever watches over the system.
//!
//! ```text
//! handler ─▶ Alerts::send ─▶ queue ─▶ sender ─▶ receiver
//!                              │
//!                            spool (a file, if STATE_DIR is set)
//! ```
//!
//! [`Alerts::send`] appends to a queue and returns. A thread of its own delivers, in order, and tries again until the
//! receiver has taken an alert. So no event waits for a receiver, whatever that does.

mod http;
mod queue;
pub mod secrets;
mod sender;
pub mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Failure;
use crate::log::{Level, log, now};
use crate::run::Context;
use crate::settings::{Common, Optional, seconds};
use http::{Receiver, Url};
use queue::Queue;
use secrets::Token;

#[derive(Clone, Debug, Args)]
pub struct AlertSettings {
    /// Where alerts go, http://HOST/PATH or https://HOST/PATH; to the log alone if empty
    #[arg(long, env, default_value = "")]
    pub alert_url: Optional<Url>,
    /// What the receiver knows us by, a bearer token; in the environment alone
    #[arg(long, env, default_value = "")]
    pub alert_token: Optional<Token>,
    /// A file with that token
    #[arg(long, env, default_value = "")]
    pub alert_token_file: Optional<PathBuf>,
    /// Another header that the receiver wants, NAME: VALUE; in the environment alone
    #[arg(long, env, default_value = "")]
    pub alert_header: Optional<secrets::Header>,
    /// A file with the certificates to trust instead of the system's
    #[arg(long, env, default_value = "")]
    pub alert_ca: Optional<PathBuf>,
    /// Seconds that one try to send an alert may take
    #[arg(long, env, default_value = "5", value_parser = seconds)]
    pub alert_timeout: Duration,
    /// What alerts say that they are about
    #[arg(long, env, default_value = "trading_system")]
    pub system: String,
}

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Info,
    Warning,
    High,
    Critical,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// What a program meant that has words of its own for it. None if it is not a severity at all.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "DEBUG" | "INFO" | "NOTICE" | "LOW" => Some(Self::Info),
            "WARN" | "WARNING" | "MEDIUM" => Some(Self::Warning),
            "ERROR" | "HIGH" => Some(Self::High),
            "CRIT" | "CRITICAL" | "ALERT" | "FATAL" | "EMERG" | "EMERGENCY" => Some(Self::Critical),
            _ => None,
        }
    }

    /// The level of its line in the log.
    fn level(self) -> Level {
        match self {
            Self::Info => Level::Info,
            Self::Warning | Self::High => Level::Warning,
            Self::Critical => Level::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that somebody should know.
pub struct Alert<'a> {
    pub severity: Severity,
    /// Name and group, where it is about a process.
    pub process: Option<(&'a str, &'a str)>,
    /// The kind, in capitals.
    pub event: &'a str,
    pub details: Value,
}

/// Where alerts go.
pub struct Alerts {
    system: String,
    host: String,
    /// None if they go to the log alone.
    outbox: Option<Outbox>,
}

struct Outbox {
    queue: Arc<Queue>,
    receiver: Arc<Receiver>,
    /// Whether the threads that empty the queue run.
    running: AtomicBool,
    /// How long the end may take, where nothing but this process knows what was not delivered.
    patience: Duration,
}

impl Alerts {
    /// Alerts wait in the directory for state, those of an earlier incarnation as well; in memory if there is none.
    pub fn new(common: &Common) -> Result<Self, Failure> {
        let settings = &common.alerts;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut this = Self { system: settings.system.clone(), host, outbox: None };
        if let Some(url) = &*settings.alert_url {
            let receiver = Receiver::new(url, settings)?;
            let (queue, patience) = (Arc::new(Queue::open(common.state_dir.as_deref())?), settings.alert_timeout);
            let outbox = Outbox { queue, receiver: Arc::new(receiver), running: AtomicBool::new(false), patience };
            // What an earlier incarnation left is due now.
            outbox.ensure_running();
            this.outbox = Some(outbox);
        }
        Ok(this)
    }

    /// Logs the alerts of one event, and queues them. It waits for nobody.
    pub fn send<'a>(&self, context: &Context<'_>, alerts: impl IntoIterator<Item = Alert<'a>>) {
        for (index, alert) in alerts.into_iter().enumerate() {
            let (process, group) = alert.process.unzip();
            let about =
                json!({ "severity": alert.severity, "process": process, "group": group, "details": alert.details });
            log(alert.severity.level(), format!("alert: {}", alert.event), about);
            if let Some(outbox) = &self.outbox {
                outbox.queue.push(self.render(context, index, &alert).to_string().into_bytes());
            }
        }
        self.outbox.iter().for_each(Outbox::ensure_running);
    }

    fn render(&self, context: &Context<'_>, index: usize, alert: &Alert<'_>) -> Value {
        let (process, group) = alert.process.unzip();
        json!({
            "timestamp": now(), "severity": alert.severity, "process": process, "group": group, "event": alert.event,
            "details": alert.details, "system": self.system,
            "host": self.host, "server": context.header.server(), "serial": context.header.serial(),
            "key": self.key(context, index, alert.event),
        })
    }

    /// What two deliveries of one alert share, and no other alert has. Serials begin at 0 with each supervisord, and
    /// most machines have the same identifier: so the machine and the run of supervisord are part of it.
    fn key(&self, context: &Context<'_>, index: usize, event: &str) -> String {
        let Context { header, run, .. } = context;
        format!("{}/{}/{run}/{}/{event}/{index}", self.host, header.server(), header.serial())
    }
}

impl Outbox {
    /// Starts what empties the queue. If the system has no more threads, alerts wait until it has.
    fn ensure_running(&self) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        match sender::start(&self.queue, &self.receiver) {
            Ok(()) => self.running.store(true, Ordering::Relaxed),
            Err(error) => log(Level::Error, format!("alerts wait, for want of a thread: {error}"), json!({})),
        }
    }
}

impl Drop for Outbox {
    /// What is on the disk can wait for the next start. The rest gets one more try.
    fn drop(&mut self) {
        for alert in self.queue.close(self.patience) {
            log(Level::Error, "Failed to send alert before the end", json!({ "alert": sender::readable(&alert) }));
        }
    }
}

/// A name that no other message in a queue has, of whichever process.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}.{}.{}", std::process::id(), now(), COUNT.fetch_add(1, Ordering::Relaxed))
}
