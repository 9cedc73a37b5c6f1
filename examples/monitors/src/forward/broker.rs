//! The other end: JetStream. One message at a time, and the next one when the broker has acknowledged it: so none can
//! overtake another, whatever is lost on the way.

use std::convert::Infallible;
use std::fs;
use std::thread;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event, HeaderMap};
use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::account;
use super::message::Message;
use super::queue::Queue;
use super::settings::Connection;
use crate::Failure;
use crate::log::{Level, log};

/// The first pause between two attempts, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// How to reach the broker, and what to find there.
pub struct Broker {
    settings: Connection,
    name: String,
    pub stream: String,
    deadline: Duration,
}

impl Broker {
    /// `name` is what the broker calls us, `deadline` is for each request.
    pub fn new(settings: &Connection, name: &str, deadline: Duration) -> Result<Self, Failure> {
        if settings.nats_url.is_empty() {
            return Err("--nats-url names no broker".into());
        }
        let this = Self { settings: settings.clone(), name: name.into(), stream: settings.stream.clone(), deadline };
        // What is wrong with the settings is wrong now.
        this.options().map(|_| this)
    }

    fn options(&self) -> Result<ConnectOptions, Failure> {
        let settings = &*self.settings;
        // So that a broker that has vanished without a word is noticed.
        let mut options = ConnectOptions::new().name(&self.name).ping_interval(Duration::from_secs(10));
        options = options.connection_timeout(self.deadline).request_timeout(Some(self.deadline));
        options = options.reconnect_delay_callback(|attempts| {
            // It counts from 1.
            pauses(Duration::from_secs(10)).nth(attempts.saturating_sub(1).min(100)).unwrap_or_default()
        });
        // What the account may not do, the broker tells in a message of its own.
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
        // It would say so at each attempt, whoever calls this says it once.
        let connect = connect.with_subscriber(NoSubscriber::new());
        let client = timeout(self.deadline * 2, connect).await?;
        client.map_err(|error| self.settings.account.explain(servers, error))
    }

    /// Publishes what is in the queue, for ever. `config` is for a stream that does not exist yet.
    pub fn publish_all(&self, queue: &Queue, config: &stream::Config, longest_pause: Duration) -> ! {
        let mut waits = pauses(longest_pause);
        loop {
            let mut taken = false;
            let error = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let Err(error) = runtime.block_on(self.session(queue, config, &mut taken));
                    // Each connection has a runtime of its own: with it goes what the client still wanted to send.
                    runtime.shutdown_background();
                    error
                }
                Err(error) => error.into(),
            };
            queue.away(&error);
            if taken {
                waits = pauses(longest_pause);
            }
            thread::sleep(waits.next().unwrap_or(longest_pause));
        }
    }

    /// One connection, for as long as all goes well.
    async fn session(&self, queue: &Queue, config: &stream::Config, taken: &mut bool) -> Result<Infallible, Failure> {
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
                None => log(
                    Level::Error,
                    "a header is too large for the broker: dropped",
                    json!({ "id": message.last_id() }),
                ),
            }
            queue.taken(&message);
            *taken = true;
        }
    }
}

async fn publish(context: &jetstream::Context, message: Message) -> Result<(), Failure> {
    let mut headers = HeaderMap::new();
    message.headers.into_iter().for_each(|(name, value)| headers.append(name, value));
    context.publish_with_headers(message.subject, headers, message.payload.into()).await?.await?;
    Ok(())
}

/// The pauses between attempts: doubled each time, and by chance up to twice as long, so that many machines do not come back
/// at the same moment. None is longer than `longest`.
fn pauses(longest: Duration) -> impl Iterator<Item = Duration> {
    let (first, longest) = (PAUSE.min(longest / 2), longest / 2);
    let doubled = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).with_jitter();
    doubled.without_max_times().build()
}
