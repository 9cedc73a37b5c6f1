//! The other end: JetStream. One message at a time, and the next one when the broker has acknowledged it: so none can
//! overtake another, whatever is lost on the way.

use std::convert::Infallible;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::log::log;
use super::message::Message;
use super::queue::Queue;
use super::settings::Settings;
use crate::Failure;

/// The first pause between two attempts. Each further one is twice as long, up to a setting.
const PAUSE: Duration = Duration::from_millis(100);

/// How to reach the broker, and what to find there.
pub struct Broker {
    servers: Vec<ServerAddr>,
    options: ConnectOptions,
    pub stream: String,
    deadline: Duration,
}

impl Broker {
    /// From the settings of [`CONNECTION`](super::settings::CONNECTION); `deadline` is for each request.
    pub fn new(settings: &Settings, name: &str, deadline: Duration) -> Result<Self, Failure> {
        let servers = settings.text("nats-url").split(',').map(|url| url.trim().parse::<ServerAddr>());
        let servers = servers.collect::<Result<_, _>>().map_err(|error| format!("--nats-url: {error}"))?;
        // So that a broker that has vanished without a word is noticed.
        let mut options = ConnectOptions::new().name(name).ping_interval(Duration::from_secs(10));
        options = options.connection_timeout(deadline).request_timeout(Some(deadline));
        options = options.reconnect_delay_callback(|attempts| pause(attempts as u32, Duration::from_secs(10)));
        if let Some(path) = settings.optional("creds") {
            let text = std::fs::read_to_string(path).map_err(|error| format!("--creds {path}: {error}"))?;
            options = options.credentials(&text)?;
        }
        if let Some(path) = settings.optional("tls-ca") {
            options = options.add_root_certificates(PathBuf::from(path)).require_tls(true);
        }
        Ok(Self { servers, options, stream: settings.text("stream").into(), deadline })
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Client, Failure> {
        Ok(timeout(self.deadline * 2, self.options.clone().connect(&self.servers[..])).await??)
    }

    /// Publishes what is in the queue, for ever. `config` is for a stream that does not exist yet.
    pub fn publish_all(&self, queue: &Queue, config: &stream::Config, longest_pause: Duration) -> ! {
        let mut failures = 0;
        loop {
            let error = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let Err(error) = runtime.block_on(self.session(queue, config, &mut failures));
                    // Each connection has a runtime of its own: with it goes what the client still wanted to send.
                    runtime.shutdown_background();
                    error
                }
                Err(error) => error.into(),
            };
            queue.away(&error);
            thread::sleep(pause(failures, longest_pause));
            failures += 1;
        }
    }

    /// One connection, for as long as all goes well.
    async fn session(&self, queue: &Queue, config: &stream::Config, failures: &mut u32) -> Result<Infallible, Failure> {
        let client = self.connect().await?;
        let context = jetstream::new(client.clone());
        let stream = context.get_or_create_stream(config.clone()).await?;
        let largest = stream.cached_info().config.max_message_size;
        queue.reached();
        loop {
            let message = queue.oldest().await?;
            if client.connection_state() != State::Connected {
                return Err("the connection was lost".into());
            }
            let limit = usize::try_from(largest).ok().filter(|largest| *largest > 0).unwrap_or(usize::MAX);
            match message.clone().cut_to(client.max_payload().min(limit)) {
                Some(message) => timeout(self.deadline, publish(&context, message)).await??,
                None => {
                    log("error", "a header is too large for the broker: dropped", json!({ "id": message.last_id() }))
                }
            }
            queue.taken(&message);
            *failures = 0;
        }
    }
}

async fn publish(context: &jetstream::Context, message: Message) -> Result<(), Failure> {
    let mut headers = HeaderMap::new();
    message.headers.into_iter().for_each(|(name, value)| headers.append(name, value));
    context.publish_with_headers(message.subject, headers, message.payload.into()).await?.await?;
    Ok(())
}

/// The pause after so many failures: doubled each time, and by chance up to a half shorter, so that many machines do not
/// come back at the same moment.
fn pause(failures: u32, longest: Duration) -> Duration {
    let pause = PAUSE.saturating_mul(1 << failures.min(20)).min(longest);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
