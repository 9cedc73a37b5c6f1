//! The log: JSON lines on standard error, by `tracing`. Standard output belongs to the protocol.
//!
//! Each line has `timestamp` (RFC 3339, UTC), `level`, `monitor`, `message`, and further fields. Levels are INFO,
//! WARNING, ERROR, CRITICAL and EMERGENCY; `tracing` treats the last two as ERROR. Messages that libraries log through
//! `tracing` have the same format, from WARNING on.

use std::fmt::{self, Debug};
use std::io;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::printable;

/// How severe a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
    Critical,
    Emergency,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
            Self::Emergency => "EMERGENCY",
        }
    }
}

static MONITOR: OnceLock<&str> = OnceLock::new();

/// Starts the log of this monitor, once.
pub fn start(monitor: &'static str) {
    let _ = MONITOR.set(monitor);
    let shown = Targets::new().with_default(LevelFilter::WARN).with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    // Each line is one write, so supervisord reads it in one piece. A failed write is ignored: there is nowhere to
    // report it.
    let lines = layer().event_format(Line).with_writer(io::stderr).log_internal_errors(false);
    let _ = tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(shown)));
}

/// The name of this monitor.
pub fn monitor() -> &'static str {
    MONITOR.get().copied().unwrap_or(env!("CARGO_PKG_NAME"))
}

/// Writes one line: level, message, and an object of further fields.
pub fn log(level: Level, message: impl AsRef<str>, fields: Value) {
    let message = message.as_ref();
    match level {
        Level::Info => tracing::info!(fields = %fields, "{message}"),
        Level::Warning => tracing::warn!(fields = %fields, "{message}"),
        _ => tracing::error!(level = level.name(), fields = %fields, "{message}"),
    }
}

/// The current time as RFC 3339, UTC, in microseconds.
pub fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

/// The current time in whole seconds since 1970.
pub fn seconds_now() -> i64 {
    jiff::Timestamp::now().as_second()
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let level = match *event.metadata().level() {
            tracing::Level::WARN => Level::Warning.name(),
            level => level.as_str(),
        };
        let mut line = Map::new();
        line.insert("timestamp".into(), now().into());
        line.insert("level".into(), told.level.unwrap_or_else(|| level.into()));
        line.insert("monitor".into(), monitor().into());
        line.insert("message".into(), told.message);
        line.extend(told.fields);
        // A process's name may hold any character.
        writeln!(writer, "{}", printable::json(&Value::Object(line).to_string()))
    }
}

/// The fields of a `tracing` event.
#[derive(Default)]
struct Told {
    level: Option<Value>,
    message: Value,
    fields: Map<String, Value>,
}

impl Told {
    fn tell(&mut self, field: &Field, value: Value) {
        match field.name() {
            "level" => self.level = Some(value),
            "message" => self.message = value,
            name => drop(self.fields.insert(name.into(), value)),
        }
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        // As `log` passes them: `tracing` has no objects.
        if field.name() == "fields"
            && let Ok(Value::Object(fields)) = serde_json::from_str(&text)
        {
            self.fields.extend(fields);
        } else {
            self.tell(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.tell(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.tell(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.tell(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.tell(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.tell(field, value.into());
    }
}
