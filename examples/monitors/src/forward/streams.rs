//! The two streams: one for all events, and one for last states, with one message per process.
//!
//! Missing streams are created with the limits in the settings. Existing streams belong to somebody, and are left
//! alone.

use std::num::{NonZeroI64, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::{Context, ErrorCode, stream};
use clap::Args;
use serde_json::{Map, Value, json};

use super::message::LAST;
use crate::Failure;
use crate::log::{Level, log};
use crate::settings::{Optional, seconds};

/// A number of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        seconds(text).map(Self)
    }
}

/// Limits for new streams.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "A stream that is created")]
pub struct LimitSettings {
    /// Seconds after which events are removed. If empty, never
    #[arg(long, env = "FORWARD_STREAM_MAX_AGE", default_value = "")]
    pub stream_max_age: Optional<Seconds>,
    /// How many bytes of events each replica keeps before the oldest are removed. If empty, there is no limit
    #[arg(long, env = "FORWARD_STREAM_MAX_BYTES", default_value = "")]
    pub stream_max_bytes: Optional<NonZeroI64>,
    /// How many events of one machine with the same name are kept before the oldest are removed. If empty, there is no
    /// limit
    #[arg(long, env = "FORWARD_STREAM_MAX_PER_SUBJECT", default_value = "")]
    pub stream_max_per_subject: Optional<NonZeroI64>,
    /// How many brokers of a cluster store each event: 1 (the default), 3 or 5
    #[arg(long, env = "FORWARD_STREAM_REPLICAS", default_value = "")]
    pub stream_replicas: Optional<NonZeroUsize>,
    /// Seconds during which the broker recognises repeated events
    #[arg(long, env = "FORWARD_DUPLICATE_WINDOW", default_value = "120", value_parser = seconds)]
    pub duplicate_window: Duration,
}

/// The name of the stream of last states that belongs to this stream.
pub fn last_of(stream: &str) -> String {
    format!("{stream}_last")
}

/// The wanted configuration of both streams.
pub struct Streams {
    settings: LimitSettings,
    events: stream::Config,
    last: stream::Config,
    /// Whether differences from the existing stream have been logged.
    said: bool,
}

/// The streams as found.
pub struct Found {
    /// The size limit for messages.
    pub largest: usize,
    /// Whether a stream keeps last states.
    pub has_last: bool,
}

impl Streams {
    /// The stream of this name for subjects that begin with `prefix`, and its stream of last states.
    pub fn new(name: &str, prefix: &str, settings: &LimitSettings) -> Self {
        let max_age = settings.stream_max_age.map_or(Duration::ZERO, |Seconds(age)| age);
        let window = settings.duplicate_window;
        let common = stream::Config {
            num_replicas: settings.stream_replicas.map_or(1, NonZeroUsize::get),
            duplicate_window: window,
            ..Default::default()
        };
        let limit = |limit: &Optional<NonZeroI64>| limit.map_or(-1, NonZeroI64::get);
        let events = stream::Config {
            name: name.into(),
            subjects: vec![format!("{prefix}.*.*")],
            max_age,
            max_bytes: limit(&settings.stream_max_bytes),
            max_messages_per_subject: limit(&settings.stream_max_per_subject),
            // The broker rejects a longer window.
            duplicate_window: if max_age.is_zero() { window } else { window.min(max_age) },
            ..common.clone()
        };
        let last = stream::Config {
            name: last_of(name),
            subjects: vec![format!("{prefix}.*.{LAST}.>")],
            max_messages_per_subject: 1,
            ..common
        };
        Self { settings: settings.clone(), events, last, said: false }
    }

    /// Opens the streams, creating them if necessary.
    pub async fn open(&mut self, context: &Context) -> Result<Found, Failure> {
        let stream = context.get_or_create_stream(self.events.clone()).await?;
        let found = &stream.cached_info().config;
        let other = self.differences(found);
        if !other.is_empty() && !self.said {
            let message = "the stream has other limits than the settings, and is left as it is: change it with \
                           `nats stream edit`, or change the settings";
            log(Level::Warning, message, json!({ "stream": found.name, "differences": other }));
        }
        let has_last = match context.get_or_create_stream(self.last.clone()).await {
            Ok(_) => true,
            Err(error) => self.without_last(&error.kind(), &error.to_string()),
        };
        self.said = true;
        let largest = usize::try_from(found.max_message_size).ok().filter(|largest| *largest > 0);
        Ok(Found { largest: largest.unwrap_or(usize::MAX), has_last })
    }

    /// Whether last states are kept although their own stream cannot be created.
    fn without_last(&self, why: &CreateStreamErrorKind, text: &str) -> bool {
        let (events, last) = (&self.events.name, &self.last.name);
        let overlaps = matches!(why, CreateStreamErrorKind::JetStream(error)
            if error.error_code() == ErrorCode::STREAM_SUBJECT_OVERLAP);
        let (level, message) = if overlaps {
            let subjects = &self.events.subjects[0];
            let message = format!(
                "another stream has the subjects of {last}: last states are kept there, under its limits. With {subjects} \
                 as the subjects of {events} they have a stream of their own"
            );
            (Level::Info, message)
        } else {
            (Level::Warning, format!("{last} cannot be created: no last states are published, and fleet shows none"))
        };
        if !self.said {
            log(level, message, json!({ "error": text }));
        }
        overlaps
    }

    /// The settings that the existing stream does not match.
    fn differences(&self, found: &stream::Config) -> Map<String, Value> {
        let (asked, settings) = (&self.events, &self.settings);
        let mut all = Map::new();
        let mut compare = |name: &str, is_set: bool, asked: Value, found: Value| {
            if is_set && asked != found {
                all.insert(name.into(), json!({ "setting": asked, "stream": found }));
            }
        };
        let age = |config: &stream::Config| config.max_age.as_secs_f64().into();
        compare("max_age", settings.stream_max_age.is_some(), age(asked), age(found));
        let limits = |config: &stream::Config| {
            [config.max_bytes.into(), config.max_messages_per_subject.into(), config.num_replicas.into()]
        };
        let ([bytes, per_subject, replicas], [found_bytes, found_per_subject, found_replicas]) =
            (limits(asked), limits(found));
        compare("max_bytes", settings.stream_max_bytes.is_some(), bytes, found_bytes);
        compare("max_per_subject", settings.stream_max_per_subject.is_some(), per_subject, found_per_subject);
        compare("replicas", settings.stream_replicas.is_some(), replicas, found_replicas);
        all
    }
}
