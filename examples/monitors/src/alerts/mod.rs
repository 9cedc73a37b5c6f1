//! Alerts: sends what somebody should know to whatever watches over the system.
//!
//! ```text
//! handler ─▶ Alerts::send ─▶ queue ─▶ sender ─▶ receiver
//!                              │
//!                            spool (a file, if STATE_DIR is set)
//! ```
//!
//! [`Alerts::send`] appends to a queue and returns. A separate thread delivers alerts in order, and retries until the
//! receiver accepts them. So no event ever waits for a receiver.

mod action;
mod alert;
pub mod counts;
mod evidence;
mod follow_up;
mod format;
mod http;
mod journal;
pub(crate) mod mail;
mod queue;
mod receiver;
pub mod secrets;
mod sender;
mod sign_of_life;
pub mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::Failure;
use crate::log::{Level, log, now};
use crate::machine::host_name;
use crate::run::Context;
use crate::settings::{Common, Optional, seconds};
pub use action::{Action, Measure, Outcome, Words};
use alert::Origin;
pub use alert::{Alert, Severity, Status};
use counts::Tally;
pub use evidence::Evidence;
use follow_up::Followed;
pub use follow_up::Goal;
use format::Format;
pub use http::{Url, agent};
pub use journal::Journal;
use mail::MailSettings;
use queue::Queue;
use receiver::Receiver;
use secrets::Token;
pub use sign_of_life::SignOfLife;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Alerts")]
pub struct AlertSettings {
    /// The URL to send alerts to, such as https://alerts.internal/photos. Without it (and without mail), they are only
    /// logged
    #[arg(long, env, default_value = "")]
    pub alert_url: Optional<Url>,
    /// The format that --alert-url takes: json, slack (also Mattermost, Rocket.Chat), alertmanager (v2) or pagerduty
    /// (Events v2)
    #[arg(long, env, default_value = "json")]
    pub alert_format: Format,
    /// The bearer token for --alert-url, or PagerDuty's integration key. Only as an environment variable
    #[arg(long, env, default_value = "")]
    pub alert_token: Optional<Token>,
    /// A file that contains the token, such as /etc/monitors/alert-token
    #[arg(long, env, default_value = "")]
    pub alert_token_file: Optional<PathBuf>,
    /// An additional header for --alert-url, such as "X-Scope-OrgID: photos". Only as an environment variable
    #[arg(long, env, default_value = "")]
    pub alert_header: Optional<secrets::Header>,
    /// A PEM file with the certificates to trust instead of the system's, for receivers and mail servers
    #[arg(long, env, default_value = "")]
    pub alert_ca: Optional<PathBuf>,
    /// Seconds that each attempt to send an alert may take
    #[arg(long, env, default_value = "5", value_parser = seconds)]
    pub alert_timeout: Duration,
    /// The name of your system, which each alert contains in its field `system`. If empty, the host name
    #[arg(long, env, default_value = "")]
    system: Optional<String>,
    #[command(flatten)]
    pub mail: MailSettings,
}

impl AlertSettings {
    /// The name of the system that alerts are about.
    pub fn system(&self) -> String {
        self.system.0.clone().unwrap_or_else(host_name)
    }
}

/// Sends alerts.
pub struct Alerts {
    system: String,
    host: String,
    followed: Followed,
    journal: Journal,
    /// `None` if alerts are only logged.
    outbox: Option<Outbox>,
}

struct Outbox {
    queue: Arc<Queue>,
    receiver: Arc<Receiver>,
    /// Whether the threads that empty the queue are running.
    running: AtomicBool,
    /// Whether the last attempt failed.
    failing: Arc<AtomicBool>,
    tally: Arc<Tally>,
    /// How long to wait at the end for alerts that only this process knows.
    patience: Duration,
}

impl Alerts {
    /// Queued alerts are kept in the state directory, including those of an earlier process; without one, in memory.
    pub fn new(common: &Common) -> Result<Self, Failure> {
        let settings = &common.alerts;
        let journal = Journal::of(common.state_dir.as_deref());
        let (system, host, followed) = (settings.system(), host_name(), Followed::default());
        let mut this = Self { system, host, followed, journal, outbox: None };
        if let Some(receiver) = Receiver::new(settings)? {
            let outbox = Outbox {
                queue: Arc::new(Queue::open(common.state_dir.as_deref())?),
                receiver: Arc::new(receiver),
                running: AtomicBool::new(false),
                failing: Arc::default(),
                tally: Arc::new(Tally::open(common)?),
                patience: settings.alert_timeout,
            };
            // Alerts of an earlier process are due now.
            outbox.ensure_running();
            this.outbox = Some(outbox);
        }
        Ok(this)
    }

    /// Logs the alerts of an event and queues them. Never waits.
    pub fn send<'a>(&self, context: &Context<'_>, alerts: impl IntoIterator<Item = Alert<'a>>) {
        self.reporter(context, "").send(alerts);
        self.outbox.iter().for_each(Outbox::ensure_running);
    }

    /// Sends alerts about an event later, from another thread. `part` distinguishes their keys from those of other
    /// alerts about the same event.
    pub fn reporter(&self, context: &Context<'_>, part: &str) -> Reporter {
        let queue = self.outbox.as_ref().map(|outbox| Arc::clone(&outbox.queue));
        Reporter { origin: self.origin(context), part: part.into(), journal: self.journal.clone(), queue }
    }

    /// Whether the last alert was delivered, as far as is known.
    pub fn are_delivered(&self) -> bool {
        self.outbox.as_ref().is_none_or(|outbox| !outbox.failing.load(Ordering::Relaxed))
    }

    fn origin(&self, context: &Context<'_>) -> Origin {
        let Context { header, run, .. } = context;
        Origin {
            system: self.system.clone(),
            host: self.host.clone(),
            server: header.server().into(),
            run: (*run).to_owned(),
            serial: header.serial(),
        }
    }
}

/// Sends alerts about an event, even long after it.
pub struct Reporter {
    origin: Origin,
    part: String,
    journal: Journal,
    queue: Option<Arc<Queue>>,
}

impl Reporter {
    /// Logs alerts and queues them. Never waits.
    pub fn send<'a>(&self, alerts: impl IntoIterator<Item = Alert<'a>>) {
        for (index, alert) in alerts.into_iter().enumerate() {
            alert.log();
            self.journal.note(&alert);
            if let Some(queue) = &self.queue {
                queue.push(self.origin.render(&format!("{}{index}", self.part), &alert));
            }
        }
    }
}

impl Outbox {
    /// Starts the threads that empty the queue. If the system is out of threads, alerts wait until it is not.
    fn ensure_running(&self) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        match sender::start(&self.queue, &self.receiver, &self.failing, &self.tally) {
            Ok(()) => self.running.store(true, Ordering::Relaxed),
            Err(error) => {
                log(Level::Error, format!("alerts wait, because no thread could be started: {error}"), json!({}))
            }
        }
    }
}

impl Drop for Outbox {
    /// Alerts on disk wait for the next start. The others get one more attempt.
    fn drop(&mut self) {
        for alert in self.queue.close(self.patience) {
            log(Level::Error, "Failed to send alert before the end", json!({ "alert": sender::readable(&alert) }));
        }
    }
}

/// A name that no other message in any queue has, whichever process made it.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}.{}.{}", std::process::id(), now(), COUNT.fetch_add(1, Ordering::Relaxed))
}
