//! Reads the last states, prints them as a table, and then what changes.

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

/// How often it is looked who has become silent.
const TURN: Duration = Duration::from_secs(1);

/// What `fleet` is told.
#[derive(Args)]
pub struct ReaderSettings {
    /// Print the table and end, instead of following what changes. The exit code is 2 if a process that is shown is FATAL
    #[arg(long, env = "FLEET_ONCE")]
    once: bool,
    /// Print lines of JSON instead of a table
    #[arg(long, env = "FLEET_JSON")]
    json: bool,
    /// Seconds without a sign of life after which a machine is SILENT, and what runs there UNKNOWN
    #[arg(long, env = "FLEET_SILENT_AFTER", default_value = "60", value_parser = seconds)]
    silent_after: Duration,
    /// The first part of all subjects: the same as that of forward_monitor
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

/// Does what it is told. With `once`, returns whether a process that was shown is FATAL; otherwise it goes on.
pub fn run(settings: ReaderSettings) -> Result<bool, Failure> {
    let broker = Broker::new(&settings.connection, "fleet", settings.deadline)?;
    let fleet = Fleet::new(SignedDuration::try_from(settings.silent_after)?);
    let mut reader = Reader { settings, fleet, shown: false, next: 0 };
    Builder::new_current_thread().enable_all().build()?.block_on(reader.follow(&broker))
}

struct Reader {
    settings: ReaderSettings,
    fleet: Fleet,
    /// Whether the table was printed.
    shown: bool,
    /// The number of the next message.
    next: u64,
}

impl Reader {
    /// Whether a process is FATAL, once the table was printed and that is all that was wanted.
    async fn follow(&mut self, broker: &Broker) -> Result<bool, Failure> {
        loop {
            let error = match self.read(broker).await {
                Ok(fatal) => return Ok(fatal),
                // Where nothing was ever read, or nobody reads what is printed, it is no use to try again.
                Err(error) if !self.shown || error.is::<io::Error>() => return Err(error),
                Err(error) => error,
            };
            log(Level::Warning, "the stream cannot be read", json!({ "error": error.to_string() }));
            tokio::time::sleep(TURN).await;
            self.fleet.was_deaf();
        }
    }

    /// Prints the table once the last states were read, and then what changes.
    async fn read(&mut self, broker: &Broker) -> Result<bool, Failure> {
        let client = broker.connect().await?;
        let stream = self.stream(broker, &client).await?;
        let state = &stream.cached_info().state;
        let newest = state.last_sequence;
        // A broker that has lost its stream begins anew.
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
                Err(_) if !self.shown => return Err("the broker sends no more of the stream".into()),
                Err(_) if client.connection_state() != State::Connected => self.fleet.was_deaf(),
                Err(_) => {}
            }
            if self.shown {
                let turns = self.fleet.turns(Timestamp::now());
                self.say(&turns)?;
            }
        }
    }

    /// The stream of last states; that of all events, if they are kept there.
    async fn stream(&self, broker: &Broker, client: &Client) -> Result<Stream, Failure> {
        let context = jetstream::new(client.clone());
        match context.get_stream(last_of(&broker.stream)).await {
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(why) if why.code() == 404) => {
                Ok(context.get_stream(&broker.stream).await?)
            }
            stream => Ok(stream?),
        }
    }

    /// The subjects of last states, of one machine if no other is shown.
    fn subjects(&self) -> String {
        let host = match &self.settings.filter.host[..] {
            [host] => token(host),
            _ => "*".into(),
        };
        format!("{}.{host}.{LAST}.>", self.settings.subject)
    }

    /// Prints the table. Whether a process in it is FATAL.
    fn show(&mut self) -> io::Result<bool> {
        self.shown = true;
        let (mut output, json, now) = (BufWriter::new(io::stdout().lock()), self.settings.json, Timestamp::now());
        if !json {
            show::head(&mut output)?;
        }
        // What the table says of them is said.
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
