//! Settings: arguments before environment before defaults.

use std::collections::HashMap;
use std::env;
use std::str::FromStr;
use std::time::Duration;

use lexopt::ValueExt;

use super::Failure;
use super::log::monitor;

/// A setting: its name, default, and meaning. `alert-url` is the argument `--alert-url` and the variable `ALERT_URL`.
pub type Setting = (&'static str, &'static str, &'static str);

/// What every monitor can be told.
const COMMON: [Setting; 5] = [
    ("alert-url", "", "where alerts go, http://HOST/PATH; to the log alone if empty"),
    ("alert-timeout", "5", "seconds that the alerts of one event may take"),
    ("system", "trading_system", "what alerts say that they are about"),
    ("state-dir", "", "directory for what outlives the process, and is shared by a pool's processes; none if empty"),
    ("length-unit", "code-points", "what the server's `len` counts: code-points or bytes"),
];

/// All settings of a monitor, by name.
pub struct Settings(HashMap<&'static str, String>);

impl Settings {
    /// Reads a monitor's own settings and the common ones. None if only help was asked for, which is then printed.
    pub fn read(about: &str, own: &'static [Setting]) -> Result<Option<Self>, Failure> {
        let table = || own.iter().chain(&COMMON);
        let mut settings = HashMap::new();
        for (name, default, _) in table() {
            let value = match env::var(variable(name)) {
                Err(env::VarError::NotPresent) => (*default).to_owned(),
                given => given.map_err(|error| format!("{}: {error}", variable(name)))?,
            };
            settings.insert(*name, value);
        }
        let unknown = |argument: lexopt::Arg<'_>| format!("{}: --help tells the settings", argument.unexpected());
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                    println!("{about}\n\nusage: {} [--SETTING VALUE]...\n", monitor());
                    for (name, default, meaning) in table() {
                        println!("  --{name} VALUE  [environment: {}; default: {default:?}]", variable(name));
                        println!("        {meaning}");
                    }
                    return Ok(None);
                }
                lexopt::Arg::Long(name) => {
                    let name = table().map(|setting| setting.0).find(|known| *known == name);
                    let name = name.ok_or_else(|| unknown(argument))?;
                    settings.insert(name, arguments.value()?.string()?);
                }
                other => return Err(unknown(other).into()),
            }
        }
        Ok(Some(Self(settings)))
    }

    /// The text of a setting, which has to be in the monitor's table.
    pub fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// The parts of a list with commas; none of an empty text.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).split(',').map(str::trim).filter(|part| !part.is_empty())
    }

    /// The same, owned.
    pub fn names(&self, name: &str) -> Vec<String> {
        self.list(name).map(Into::into).collect()
    }

    /// A list of `KEY=VALUE`.
    pub fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, Failure> {
        let pair = |part: &str| part.split_once('=').map(|(key, value)| (key.trim().into(), value.trim().into()));
        let wrong = |part| format!("--{name} is a list of NAME=VALUE with commas; {part:?} is not one");
        self.list(name).map(|part| pair(part).ok_or_else(|| wrong(part).into())).collect()
    }

    pub fn number<T: FromStr + PartialOrd>(&self, name: &str) -> Result<T, Failure> {
        // NaN is one that cannot be compared, not even with itself.
        let number = self.get(name).parse().ok().filter(|number: &T| number.partial_cmp(number).is_some());
        number.ok_or_else(|| format!("--{name} is a number, not {:?}", self.get(name)).into())
    }

    /// A number of seconds.
    pub fn seconds(&self, name: &str) -> Result<Duration, Failure> {
        let seconds = self.get(name).parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds
            .filter(|seconds| !seconds.is_zero())
            .ok_or_else(|| format!("--{name} is a number of seconds above 0, not {:?}", self.get(name)).into())
    }
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
