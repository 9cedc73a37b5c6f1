//! Secret settings. They come from the environment: every user of the machine can see a program's arguments.

use std::process::Command;

use async_nats::ServerAddr;
use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::Failure;
use crate::alerts::Url;
use crate::alerts::mail;
use crate::settings::{List, Optional};
use crate::status_page::PeerUrl;

/// A setting that is or may contain a secret: its name, its variable, and whether its value is secret.
type Secret = (&'static str, &'static str, fn(&ArgMatches, &str) -> bool);

/// The secrets of all programs.
const SECRETS: [Secret; 10] = [
    ("alert_token", "ALERT_TOKEN", always),
    ("alert_header", "ALERT_HEADER", always),
    ("alert_smtp_url", "ALERT_SMTP_URL", |settings, name| one(settings, name, mail::Url::has_account)),
    ("status_token", "STATUS_TOKEN", always),
    ("peers", "PEERS", |settings, name| any(settings, name, PeerUrl::has_token)),
    ("nats_password", "NATS_PASSWORD", always),
    ("nats_token", "NATS_TOKEN", always),
    // A user without a password may be a token.
    ("nats_url", "NATS_URL", |settings, name| any(settings, name, ServerAddr::has_user_pass)),
    ("http_token", "FORWARD_HTTP_TOKEN", always),
    ("http_url", "FORWARD_HTTP_URL", |settings, name| one(settings, name, Url::has_user)),
];

/// What a user's command does not need either: the receiver's URL, whose path may be secret, and the account for calls
/// to supervisord.
const WITHHELD: [&str; 3] = ["ALERT_URL", "SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"];

/// Fails if a secret was passed as an argument.
pub fn are_not_arguments(settings: &ArgMatches) -> Result<(), Failure> {
    let is_argument = |name: &str| {
        // Not every program has every setting, and clap rejects names that it does not know.
        let is_there = settings.ids().any(|id| id.as_str() == name);
        is_there && settings.value_source(name) == Some(ValueSource::CommandLine)
    };
    let mut seen = SECRETS.iter().filter(|(name, _, is_secret)| is_argument(name) && is_secret(settings, name));
    seen.next().map_or(Ok(()), |(name, variable, _)| {
        let argument = name.replace('_', "-");
        Err(format!("--{argument} can be seen by everybody on the machine: set {variable} in the environment").into())
    })
}

/// Removes all secrets from a command's environment, and what else it does not need.
pub fn withhold(command: &mut Command) -> &mut Command {
    let secrets = SECRETS.iter().map(|(_, variable, _)| *variable);
    secrets.chain(WITHHELD).fold(command, |command, variable| command.env_remove(variable))
}

fn always(_: &ArgMatches, _: &str) -> bool {
    true
}

fn one<T: Clone + Send + Sync + 'static>(settings: &ArgMatches, name: &str, is_secret: fn(&T) -> bool) -> bool {
    settings.get_one::<Optional<T>>(name).and_then(|value| value.as_ref()).is_some_and(is_secret)
}

fn any<T: Clone + Send + Sync + 'static>(settings: &ArgMatches, name: &str, is_secret: fn(&T) -> bool) -> bool {
    settings.get_many::<List<T>>(name).into_iter().flatten().any(|list| list.iter().any(is_secret))
}
