//! Settings, parsed by `clap`: arguments override the environment, which overrides defaults. `alert_url` is
//! `--alert-url` and `ALERT_URL`.
//!
//! A module with its own settings declares them in a struct that derives `Args`, and [`Common`] flattens it.

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::ops::Deref;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Command, Parser};
use supervisor_events::LengthUnit;

use crate::Failure;
use crate::alerts::secrets::without_credentials;
use crate::{alerts, secrets};

/// The width of `--help`.
const COLUMNS: usize = 100;

/// The settings of every monitor.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings of every monitor")]
pub struct Common {
    /// Directory for state that must survive a restart, and for alerts waiting to be sent, such as
    /// /var/lib/monitors/state. Without it, both are kept in memory only
    #[arg(long, env, default_value = "")]
    pub state_dir: Optional<PathBuf>,
    #[command(flatten)]
    pub server: Server,
    // Last: it has headings of its own, which would apply to what follows.
    #[command(flatten)]
    pub alerts: alerts::AlertSettings,
}

/// The settings of every listener.
#[derive(Clone, Copy, Debug, Args)]
pub struct Server {
    /// What `len` counts in an event's header: code-points (supervisord 4 on Python 3) or bytes (others)
    #[arg(long, env, default_value = "code-points", value_parser = length_unit)]
    pub length_unit: LengthUnit,
}

/// Reads a program's settings. Returns `None` if only help or the version was requested, after printing it.
pub fn read<S: Parser>(program: &'static str) -> Result<Option<S>, Failure> {
    let command = with_help(S::command().name(program).version(env!("CARGO_PKG_VERSION")).args_override_self(true));
    for variable in command.get_arguments().filter_map(|argument| argument.get_env()) {
        if env::var_os(variable).is_some_and(|value| value.to_str().is_none()) {
            return Err(format!("{} is not UTF-8", variable.display()).into());
        }
    }
    match command.try_get_matches().and_then(|matches| Ok((S::from_arg_matches(&matches)?, matches))) {
        Ok((settings, matches)) => secrets::are_not_arguments(&matches).map(|()| Some(settings)),
        Err(error) if error.use_stderr() => Err(in_words(&error).into()),
        Err(help) => {
            // A failed write is ignored: there is nowhere to report it.
            let _ = help.print();
            Ok(None)
        }
    }
}

/// How `--help` looks.
fn with_help(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        // Values from the environment may be secret.
        let argument = argument.hide_env_values(true);
        // The help text explains an empty default.
        let is_empty = argument.get_default_values().iter().any(|value| value.is_empty());
        let argument = if is_empty { argument.hide_default_value(true) } else { argument };
        if argument.get_help_heading().is_none() { argument.help_heading("Settings of this program") } else { argument }
    });
    command.next_line_help(true).max_term_width(COLUMNS).after_help(
        "Each setting can be an argument or the environment variable in [env: ...]. The argument wins. \
         In supervisord.conf, write % as %%.",
    )
}

/// The setting and its error, in one line.
fn in_words(error: &clap::Error) -> String {
    match (error.get(ContextKind::InvalidArg), error.source()) {
        (Some(ContextValue::String(setting)), Some(why)) => {
            format!("{} {why}", setting.split(' ').next().unwrap_or(setting))
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}; see --help for the settings", first.trim_start_matches("error: "))
        }
    }
}

/// A list separated by commas.
#[derive(Clone, Debug)]
pub struct List<T>(Vec<T>);

impl<T: FromStr<Err: Display>> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| part.parse().map_err(|error: T::Err| error.to_string())).collect::<Result<_, _>>().map(Self)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// `NAME=VALUE`, a part of a list.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub value: String,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            format!("is a list of NAME=VALUE, separated by commas, but has {:?}", without_credentials(text))
        })?;
        Ok(Self { name: name.trim().into(), value: value.trim().into() })
    }
}

/// A value that may be empty, which means `None`. To clap, an empty variable is set.
#[derive(Clone, Debug)]
pub struct Optional<T>(pub Option<T>);

impl<T: FromStr> FromStr for Optional<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

impl<T> Deref for Optional<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

/// Parses a number.
pub fn number<T: FromStr + PartialOrd>(text: &str) -> Result<T, String> {
    // NaN compares with nothing, not even with itself.
    let number = text.parse().ok().filter(|number: &T| number.partial_cmp(number).is_some());
    number.ok_or_else(|| format!("is a number, not {text:?}"))
}

/// Parses a limit for a measured value. Below zero, it would always be exceeded.
pub fn threshold(text: &str) -> Result<f64, String> {
    let threshold = number(text)?;
    if threshold >= 0.0 { Ok(threshold) } else { Err(format!("is 0 or more, not {text:?}")) }
}

/// The longest time that a setting can hold, in seconds: 100 years. Added to the current time, it never overflows.
const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;

/// Parses a number of seconds above zero.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let wanted = "a number of seconds above 0";
    let time = time(text, wanted)?;
    if time.is_zero() { Err(format!("is {wanted}, not {text:?}")) } else { Ok(time) }
}

/// Parses a number of seconds, which may be zero.
pub fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    time(text, "a number of seconds")
}

/// Parses a whole number of seconds, which may be zero.
pub fn whole_seconds(text: &str) -> Result<i64, String> {
    let wanted = "a whole number of seconds";
    let time = time(text, wanted)?;
    let seconds = i64::try_from(time.as_secs()).ok().filter(|_| time.subsec_nanos() == 0);
    seconds.ok_or_else(|| format!("is {wanted}, not {text:?}"))
}

fn time(text: &str, wanted: &str) -> Result<Duration, String> {
    let seconds = text.parse().unwrap_or(f64::NAN);
    if seconds > LONGEST as f64 {
        return Err(format!("is at most {LONGEST} seconds, which is 100 years, not {text:?}"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("is {wanted}, not {text:?}"))
}

fn length_unit(text: &str) -> Result<LengthUnit, String> {
    text.parse().map_err(|_| format!("is code-points or bytes, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_can_be_added_to_the_current_time() {
        let (now, wall_clock) = (std::time::Instant::now(), jiff::Timestamp::now());
        for text in ["0.001", "3153600000"] {
            let time = seconds(text).unwrap();
            assert!(now.checked_add(time).is_some() && wall_clock.checked_add(time).is_ok(), "{text}");
        }
        for text in ["3153600001", "1e19", "inf", "99999999999999999999999999"] {
            for error in [seconds(text).map(drop), seconds_or_zero(text).map(drop), whole_seconds(text).map(drop)] {
                let expected = format!("is at most 3153600000 seconds, which is 100 years, not {text:?}");
                assert_eq!(error, Err(expected));
            }
        }
    }

    #[test]
    fn only_some_times_may_be_zero_and_none_is_negative() {
        assert_eq!((seconds_or_zero("0"), whole_seconds("0")), (Ok(Duration::ZERO), Ok(0)));
        assert_eq!(seconds("0"), Err("is a number of seconds above 0, not \"0\"".into()));
        for text in ["-1", "NaN", "soon", ""] {
            assert_eq!(seconds(text), Err(format!("is a number of seconds above 0, not {text:?}")));
            assert_eq!(seconds_or_zero(text), Err(format!("is a number of seconds, not {text:?}")));
            assert_eq!(whole_seconds(text), Err(format!("is a whole number of seconds, not {text:?}")));
        }
        assert_eq!(whole_seconds("1.5"), Err("is a whole number of seconds, not \"1.5\"".into()));
    }

    #[test]
    fn a_threshold_is_not_negative() {
        assert_eq!((threshold("0"), threshold("0.5")), (Ok(0.0), Ok(0.5)));
        assert_eq!(threshold("-0.5"), Err("is 0 or more, not \"-0.5\"".into()));
        assert_eq!(threshold("NaN"), Err("is a number, not \"NaN\"".into()));
    }
}
