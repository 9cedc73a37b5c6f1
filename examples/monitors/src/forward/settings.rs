//! Settings: arguments before environment before defaults.

use std::collections::HashMap;
use std::env;
use std::str::FromStr;
use std::time::Duration;

use lexopt::ValueExt;

/// Argument, environment variable, default, meaning. One whose default is [`OFF`] is a switch, and takes no value.
pub type Table = &'static [(&'static str, &'static str, &'static str, &'static str)];

/// A switch that is not set.
pub const OFF: &str = "no";

/// What both programs need to find the stream.
pub const CONNECTION: Table = &[
    ("nats-url", "NATS_URL", "nats://127.0.0.1:4222", "the brokers: nats://[USER:PASSWORD@]HOST:PORT or tls://…,…"),
    ("creds", "NATS_CREDS", "", "a file with credentials, if the broker wants them"),
    ("tls-ca", "NATS_CA", "", "a file with the certificates to trust instead of the system's"),
    ("stream", "FORWARD_STREAM", "supervisor", "the stream's name"),
];

/// The settings of a program, by their names.
pub struct Settings(HashMap<&'static str, String>);

impl Settings {
    /// Reads them. None if only help was asked for, which was given then.
    pub fn read(program: &str, table: Table) -> Result<Option<Self>, lexopt::Error> {
        let table = || CONNECTION.iter().chain(table);
        let from_env = |variable, default: &str| env::var(variable).unwrap_or_else(|_| default.into());
        let mut settings: HashMap<_, _> =
            table().map(|(name, variable, default, _)| (*name, from_env(variable, default))).collect();
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                    println!("usage: {program} [--SETTING VALUE]...\n");
                    for (name, variable, default, meaning) in table() {
                        let value = if *default == OFF { "" } else { " VALUE" };
                        println!(
                            "  --{name}{value}\n        {meaning} [environment: {variable}; default: {default:?}]"
                        );
                    }
                    return Ok(None);
                }
                lexopt::Arg::Long(name) => {
                    let setting = table().find(|setting| setting.0 == name).ok_or(argument.unexpected())?;
                    let value = if setting.2 == OFF { "yes".into() } else { arguments.value()?.string()? };
                    settings.insert(setting.0, value);
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(Self(settings)))
    }

    /// A setting as it stands.
    pub fn text(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// A setting, if it is not empty.
    pub fn optional(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Whether a switch is set.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) != OFF
    }

    /// A number.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.text(name).parse().map_err(|_| format!("--{name} is a number, not {:?}", self.text(name)))
    }

    /// A number of seconds, not 0.
    pub fn seconds(&self, name: &str) -> Result<Duration, String> {
        let seconds = Duration::try_from_secs_f64(self.number(name)?).ok().filter(|seconds| !seconds.is_zero());
        seconds.ok_or_else(|| format!("--{name} is a number of seconds above 0, not {:?}", self.text(name)))
    }
}
