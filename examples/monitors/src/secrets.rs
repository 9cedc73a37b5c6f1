//! Settings that are secrets. They come from the environment: everybody on the machine sees arguments.

use std::process::Command;

use async_nats::ServerAddr;
use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::Failure;
use crate::alerts::Url;
use crate::alerts::mail;
use crate::settings::{List, Optional};
use crate::status_page::PeerUrl;

/// A setting that is a secret, or may hold one: its name, its variable, and whether its value is one.
type Secret = (&'static str, &'static str, fn(&ArgMatches, &str) -> bool);

/// Those of all programs.
const SECRETS: [Secret; 10] = [
    ("alert_token", "ALERT_TOKEN", always),
    ("alert_header", "ALERT_HEADER", always),
    ("alert_smtp_url", "ALERT_SMTP_URL", |settings, name| one(settings, name, mail::Url::has_account)),
    ("status_token", "STATUS_TOKEN", always),
    ("peers", "PEERS", |settings, name| any(settings, name, PeerUrl::has_token)),
    ("nats_password", "NATS_PASSWORD", always),
    ("nats_token", "NATS_TOKEN", always),
    // A user alone may be a token.
    ("nats_url", "NATS_URL", |settings, name| any(settings, name, ServerAddr::has_user_pass)),
    ("http_token", "FORWARD_HTTP_TOKEN", always),
    ("http_url", "FORWARD_HTTP_URL", |settings, name| one(settings, name, Url::has_user)),
];

/// What a command of the user need not know either: the receiver, whose path may be a secret, and the account for calls to
/// supervisord.
const WITHHELD: [&str; 3] = ["ALERT_URL", "SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD"];

/// Fails if one of them is an argument.
pub fn are_not_arguments(settings: &ArgMatches) -> Result<(), Failure> {
    let is_argument = |name: &str| {
        // Not every program has it, and clap knows no others.
        let is_there = settings.ids().any(|id| id.as_str() == name);
        is_there && settings.value_source(name) == Some(ValueSource::CommandLine)
    };
    let mut seen = SECRETS.iter().filter(|(name, _, is_secret)| is_argument(name) && is_secret(settings, name));
    seen.next().map_or(Ok(()), |(name, variable, _)| {
        let argument = name.replace('_', "-");
        Err(format!("--{argument} can be seen by everybody on the machine: set {variable} in the environment").into())
    })
}

/// Keeps all secrets from a command, and what else it need not know.
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
