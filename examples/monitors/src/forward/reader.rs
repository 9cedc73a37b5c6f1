//! Reads the last states, prints them as a table, and then prints changes.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, consumer::DeliverPolicy, consumer::pull::OrderedConfig};
use clap::Args;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::broker::Broker;
use super::fleet::Fleet;
use super::message::{LAST, token};
use super::settings::Connection;
use super::show::{self, Filter, Summary};
use super::streams::last_of;
use crate::Failure;
use crate::log::{Level, log};
use crate::settings::seconds;

/// How often to check for silent machines.
const TURN: Duration = Duration::from_secs(1);

/// The settings of `fleet`.
#[derive(Args)]
pub struct ReaderSettings {
    /// Print the table and exit, instead of following changes. The exit code is 2 if a process in the table is FATAL
    #[arg(long, env = "FLEET_ONCE")]
    once: bool,
    /// Print lines of JSON instead of a table
    #[arg(long, env = "FLEET_JSON")]
    json: bool,
    /// Seconds without a heartbeat after which a machine is SILENT, and its processes are UNKNOWN
    #[arg(long, env = "FLEET_SILENT_AFTER", default_value = "60", value_parser = seconds)]
    silent_after: Duration,
    /// The first part of all subjects, as set for forward_monitor
    #[arg(long, env = "FORWARD_SUBJECT", default_value = "supervisor")]
    subject: String,
    /// Seconds within which the broker has to answer
    #[arg(long, env = "FLEET_DEADLINE", default_value = "5", value_parser = seconds)]
    deadline: Duration,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    connection: Connection,
}

/// With `once`, returns whether a process in the table is FATAL. Otherwise follows changes and does not return.
pub fn run(settings: ReaderSettings) -> Result<bool, Failure> {
    let broker = Broker::new(&settings.connection, "fleet", settings.deadline)?;
    let fleet = Fleet::new(SignedDuration::try_from(settings.silent_after)?);
    let mut reader = Reader { settings, fleet, shown: false, next: 0 };
    Builder::new_current_thread().enable_all().build()?.block_on(reader.follow(&broker))
}

struct Reader {
    settings: ReaderSettings,
    fleet: Fleet,
    /// Whether the table has been printed.
    shown: bool,
    /// The number of the next message.
    next: u64,
}

impl Reader {
    /// Returns whether a process is FATAL, once the table has been printed and nothing else was requested.
    async fn follow(&mut self, broker: &Broker) -> Result<bool, Failure> {
        loop {
            let error = match self.read(broker).await {
                Ok(fatal) => return Ok(fatal),
                // If nothing was ever read, or the output is closed, retrying is pointless.
                Err(error) if !self.shown || error.is::<io::Error>() => return Err(error),
                Err(error) => error,
            };
            log(Level::Warning, "the stream cannot be read", json!({ "error": error.to_string() }));
            tokio::time::sleep(TURN).await;
            self.fleet.was_deaf();
        }
    }

    /// Prints the table once the last states have been read, and then changes.
    async fn read(&mut self, broker: &Broker) -> Result<bool, Failure> {
        let client = broker.connect().await?;
        let stream = self.stream(broker, &client).await?;
        let state = &stream.cached_info().state;
        let newest = state.last_sequence;
        // If the broker has lost its stream, starts over.
        let deliver_policy = match self.next {
            next if next > 0 && next <= newest + 1 => DeliverPolicy::ByStartSequence { start_sequence: next },
            _ => DeliverPolicy::LastPerSubject,
        };
        let config = OrderedConfig { deliver_policy, filter_subject: self.subjects(), ..Default::default() };
        let mut consumer = stream.create_consumer(config).await?;
        let is_empty = consumer.info().await?.num_pending == 0;
        if is_empty && !self.shown {
            let fatal = self.show()?;
            if self.settings.once {
                return Ok(fatal);
            }
        }
        let mut messages = consumer.messages().await?;
        loop {
            let wait = if self.shown { TURN } else { self.settings.deadline };
            match timeout(wait, messages.next()).await {
                Ok(message) => {
                    let message = message.ok_or("it has ended")??;
                    let info = message.info()?;
                    let published = Timestamp::from_nanosecond(info.published.unix_timestamp_nanos())?;
                    let changes = self.fleet.apply(message.headers.as_ref(), &message.payload, published);
                    self.next = info.stream_sequence + 1;
                    if self.shown {
                        self.say(&changes)?;
                    } else if info.pending == 0 || info.stream_sequence >= newest {
                        let fatal = self.show()?;
                        if self.settings.once {
                            return Ok(fatal);
                        }
                    }
                }
                Err(_) if !self.shown => return Err("the broker has stopped sending the stream".into()),
                Err(_) if client.connection_state() != State::Connected => self.fleet.was_deaf(),
                Err(_) => {}
            }
            if self.shown {
                let turns = self.fleet.turns(Timestamp::now());
                self.say(&turns)?;
            }
        }
    }

    /// The stream of last states; without one, the stream of all events.
    async fn stream(&self, broker: &Broker, client: &Client) -> Result<Stream, Failure> {
        let context = jetstream::new(client.clone());
        match context.get_stream(last_of(&broker.stream)).await {
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(why) if why.code() == 404) => {
                Ok(context.get_stream(&broker.stream).await?)
            }
            stream => Ok(stream?),
        }
    }

    /// The subjects of last states, restricted to one host if only that is shown.
    fn subjects(&self) -> String {
        let host = match &self.settings.filter.host[..] {
            [host] => token(host),
            _ => "*".into(),
        };
        format!("{}.{host}.{LAST}.>", self.settings.subject)
    }

    /// Prints the table. Returns whether a process in it is FATAL.
    fn show(&mut self) -> io::Result<bool> {
        self.shown = true;
        let (mut output, json, now) = (BufWriter::new(io::stdout().lock()), self.settings.json, Timestamp::now());
        if !json {
            show::head(&mut output)?;
        }
        // The table shows these states, so they are not printed as changes.
        self.fleet.turns(now);
        let mut summary = Summary::default();
        for line in self.fleet.lines(now).filter(|line| self.settings.filter.shows(line)) {
            summary.count(&line);
            show::say(&line, json, &mut output)?;
        }
        summary.print(json, &mut output)?;
        output.flush()?;
        Ok(summary.has_fatal())
    }

    fn say(&self, lines: &[Value]) -> io::Result<()> {
        let mut shown = lines.iter().filter(|line| self.settings.filter.shows(line));
        shown.try_for_each(|line| show::say(line, self.settings.json, &mut io::stdout()))
    }
}
