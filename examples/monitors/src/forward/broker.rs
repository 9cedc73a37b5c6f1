//! How both programs connect to the broker.

use std::fs;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use serde_json::json;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::account;
use super::settings::Connection;
use super::sink::pauses;
use crate::Failure;
use crate::log::{Level, log};

/// How to connect, and the name of the stream.
pub struct Broker {
    settings: Connection,
    name: String,
    pub stream: String,
    /// For each request.
    pub deadline: Duration,
}

impl Broker {
    /// `name` identifies us to the broker; `deadline` applies to each request.
    pub fn new(settings: &Connection, name: &str, deadline: Duration) -> Result<Self, Failure> {
        if settings.nats_url.is_empty() {
            return Err("--nats-url names no broker".into());
        }
        let this = Self { settings: settings.clone(), name: name.into(), stream: settings.stream.clone(), deadline };
        // Fails now if the settings are wrong.
        this.options().map(|_| this)
    }

    fn options(&self) -> Result<ConnectOptions, Failure> {
        let settings = &self.settings;
        // Notices a broker that has disappeared silently.
        let mut options = ConnectOptions::new().name(&self.name).ping_interval(Duration::from_secs(10));
        options = options.connection_timeout(self.deadline).request_timeout(Some(self.deadline));
        options = options.reconnect_delay_callback(|attempts| {
            // `attempts` counts from 1.
            pauses(Duration::from_secs(10)).nth(attempts.saturating_sub(1).min(100)).unwrap_or_default()
        });
        // The broker reports missing permissions in a separate message.
        options = options.event_callback(async |event| {
            if let Event::ServerError(error) = event {
                log(Level::Warning, "the broker complains", json!({ "error": error.to_string() }));
            }
        });
        if let Some(path) = &*settings.tls_ca {
            fs::metadata(path).map_err(|error| format!("--tls-ca {path:?}: {error}"))?;
            options = options.add_root_certificates(path.clone()).require_tls(true);
        }
        match (&*settings.tls_cert, &*settings.tls_key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                for (setting, path) in [("--tls-cert", certificate), ("--tls-key", key)] {
                    fs::metadata(path).map_err(|error| format!("{setting} {path:?}: {error}"))?;
                }
                options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
            }
            _ => return Err("--tls-cert and --tls-key belong together: set both".into()),
        }
        settings.account.log_in(&settings.nats_url, options)
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let servers = &self.settings.nats_url;
        let connect = self.options()?.connect(account::without_user(servers)?);
        // The client would log each attempt; our caller logs the failure once.
        let connect = connect.with_subscriber(NoSubscriber::new());
        let client = timeout(self.deadline * 2, connect).await?;
        client.map_err(|error| self.settings.account.explain(servers, error))
    }
}
