//! Publishes events to JetStream, with heartbeats in between.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::{Instant, timeout, timeout_at};

use super::broker::Broker;
use super::message::{Message, Origin};
use super::queue::Queue;
use super::sink::Sink;
use super::streams::Streams;
use crate::Failure;
use crate::log::{Level, log};

/// The broker, and what to publish there.
pub struct JetStream {
    broker: Broker,
    streams: Streams,
    origin: Origin,
    /// The interval between heartbeats.
    heartbeat: Duration,
    /// The newest published states: run and serial, by subject.
    newest: HashMap<String, (String, u64)>,
    /// Whether it has been logged that no stream keeps last states.
    said: bool,
}

impl Sink for JetStream {
    fn session(&mut self, queue: &Queue, taken: &mut bool) -> Failure {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let Err(error) = runtime.block_on(self.publish_all(queue, taken));
                // Each connection has a runtime of its own: shutting it down discards what the client still wanted to
                // send.
                runtime.shutdown_background();
                error
            }
            Err(error) => error.into(),
        }
    }
}

impl JetStream {
    pub fn new(broker: Broker, streams: Streams, origin: Origin, heartbeat: Duration) -> Self {
        Self { broker, streams, origin, heartbeat, newest: HashMap::new(), said: false }
    }

    /// Publishes over one connection until it fails.
    async fn publish_all(&mut self, queue: &Queue, taken: &mut bool) -> Result<Infallible, Failure> {
        let client = self.broker.connect().await?;
        let context = jetstream::new(client.clone());
        let found = self.streams.open(&context).await?;
        let mut has_last = found.has_last;
        queue.reached();
        let mut beat = Instant::now();
        loop {
            if beat <= Instant::now() {
                is_connected(&client)?;
                if let Some(message) = self.origin.alive(&queue.last_id(), queue.waiting()).filter(|_| has_last) {
                    has_last = timeout(self.broker.deadline, keep(send(&context, message).await?)).await??;
                }
                beat = Instant::now() + self.heartbeat;
            }
            let Ok(message) = timeout_at(beat, queue.oldest()).await else { continue };
            let message = message?;
            is_connected(&client)?;
            let Some(event) = message.clone().cut_to(client.max_payload().min(found.largest)) else {
                let details = json!({ "id": message.last_id() });
                log(Level::Error, "a header is too large for the broker: dropped", details);
                queue.taken(&message);
                continue;
            };
            let last = message.last().filter(|last| has_last && self.is_newer(last));
            has_last &= timeout(self.broker.deadline, publish(&context, event, last)).await??;
            if !has_last && !self.said {
                self.said = true;
                log(Level::Warning, "no stream keeps last states: fleet does not show this machine", json!({}));
            }
            queue.taken(&message);
            *taken = true;
        }
    }

    /// Whether this state is newer than the last one published for its subject. supervisord may resend, late, events
    /// that another pool rejected.
    fn is_newer(&mut self, last: &Message) -> bool {
        let number = last.header("Supervisor-serial").and_then(|serial| serial.parse().ok());
        let (Some(serial), Some(run)) = (number, last.header("Forward-Run")) else { return true };
        match self.newest.get(&last.subject) {
            Some((known, newest)) if known == run && *newest > serial => return false,
            _ => {}
        }
        self.newest.insert(last.subject.clone(), (run.into(), serial));
        true
    }
}

fn is_connected(client: &Client) -> Result<(), Failure> {
    if client.connection_state() == State::Connected { Ok(()) } else { Err("the connection was lost".into()) }
}

/// Publishes an event and the state that it reports. Returns whether a stream keeps that state.
async fn publish(context: &Context, event: Message, last: Option<Message>) -> Result<bool, Failure> {
    let event = send(context, event).await?;
    let last = match last {
        Some(last) => Some(send(context, last).await?),
        None => None,
    };
    event.await?;
    match last {
        Some(last) => keep(last).await,
        None => Ok(true),
    }
}

/// Waits until a last state is stored. `false` if no stream keeps it.
async fn keep(last: PublishAckFuture) -> Result<bool, Failure> {
    match last.await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == PublishErrorKind::StreamNotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn send(context: &Context, message: Message) -> Result<PublishAckFuture, Failure> {
    let mut headers = HeaderMap::new();
    message.headers.into_iter().for_each(|(name, value)| headers.append(name, value));
    Ok(context.publish_with_headers(message.subject, headers, message.payload.into()).await?)
}
