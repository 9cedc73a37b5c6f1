//! Sends events to an HTTP server: one JSON line per POST.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;
use ureq::Agent;

use super::account::{Secret, one_of};
use super::message::{ID, Message, decode};
use super::queue::Queue;
use super::sink::Sink;
use crate::Failure;
use crate::alerts::{Url, agent};
use crate::log::{Level, log};
use crate::settings::Optional;

/// An HTTP server instead of a broker.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "An HTTP server instead of the broker")]
pub struct HttpSettings {
    /// The URL to POST each event to, as a line of JSON, such as https://logs.internal/events. NATS is then not used
    #[arg(long, env = "FORWARD_HTTP_URL", default_value = "")]
    pub http_url: Optional<Url>,
    /// The bearer token for the server. Only as an environment variable
    #[arg(long, env = "FORWARD_HTTP_TOKEN", default_value = "")]
    pub http_token: Optional<Secret>,
    /// A file that contains the token
    #[arg(long, env = "FORWARD_HTTP_TOKEN_FILE", default_value = "")]
    pub http_token_file: Optional<PathBuf>,
    /// A PEM file with the certificates to trust instead of the system's
    #[arg(long, env = "FORWARD_HTTP_CA", default_value = "")]
    pub http_ca: Optional<PathBuf>,
}

/// Events follow each other closely, so the connection is kept.
const KEPT: usize = 1;

/// The server.
pub struct Http {
    agent: Agent,
    url: Url,
    settings: HttpSettings,
}

impl Http {
    /// `deadline` applies to each request.
    pub fn new(url: &Url, settings: &HttpSettings, deadline: Duration) -> Result<Self, Failure> {
        let authorities = ("--http-ca", settings.http_ca.as_deref());
        let agent = agent(url, deadline, KEPT, authorities)?;
        let this = Self { agent, url: url.clone(), settings: settings.clone() };
        log(Level::Info, "events are posted", json!({ "to": format!("{url:?}") }));
        // Fails now if the settings are wrong.
        this.token().map(|_| this)
    }

    /// Reads the file each time, as with the broker's secrets.
    fn token(&self) -> Result<Option<Secret>, Failure> {
        let Self { settings, .. } = self;
        one_of(("FORWARD_HTTP_TOKEN", &settings.http_token), ("--http-token-file", &settings.http_token_file))
    }

    /// Whether the server accepted the event. `false` if it never will.
    fn post(&self, message: &Message) -> Result<bool, Failure> {
        let mut request = self.agent.post(self.url.uri()).header("content-type", "application/x-ndjson");
        if let Some(token) = self.token()? {
            request = request.header("authorization", format!("Bearer {}", token.text()));
        }
        let status = request.send(format!("{}\n", line(message)))?.status().as_u16();
        match status {
            200..=299 => Ok(true),
            // Something is wrong with the event itself, so retrying is pointless. All other errors can be fixed.
            400 | 413 | 422 => {
                let details = json!({ "id": message.last_id(), "status": status });
                log(Level::Error, "the server refuses an event: dropped", details);
                Ok(false)
            }
            300..=399 => Err(format!("http status: {status}: redirects are not followed").into()),
            401 | 403 => Err(format!("http status: {status}: check FORWARD_HTTP_TOKEN").into()),
            _ => Err(format!("http status: {status}").into()),
        }
    }
}

impl Sink for Http {
    fn session(&mut self, queue: &Queue, taken: &mut bool) -> Failure {
        let runtime = match Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => return error.into(),
        };
        loop {
            let posted = runtime.block_on(queue.oldest()).map_err(Failure::from);
            let posted = posted.and_then(|message| self.post(&message).map(|_| message));
            match posted {
                Ok(message) => queue.taken(&message),
                Err(error) => return error,
            }
            *taken = true;
        }
    }
}

/// The event as JSON. Values are strings, as supervisord wrote them.
fn line(message: &Message) -> Value {
    let mut line = Map::from_iter([("id".into(), message.header(ID).unwrap_or_default().into())]);
    let mut header = Map::new();
    for (name, value) in &message.headers {
        if let Some(key) = name.strip_prefix("Forward-") {
            line.insert(key.to_lowercase().replace('-', "_"), decode(value).into());
        } else if let Some(key) = name.strip_prefix("Supervisor-") {
            header.insert(decode(key), decode(value).into());
        }
    }
    line.insert("header".into(), header.into());
    match str::from_utf8(&message.payload) {
        Ok(payload) => line.insert("payload".into(), payload.into()),
        Err(_) => line.insert("payload_base64".into(), STANDARD.encode(&message.payload).into()),
    };
    line.into()
}
