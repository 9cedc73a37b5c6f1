//! The account for the broker: a user and password, a token, an nkey, or a credentials file.

use std::fmt::{self, Debug};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use clap::Args;
use percent_encoding::percent_decode_str;

use crate::Failure;
use crate::settings::Optional;

/// A secret. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file, without surrounding white space.
    pub fn read(setting: &str, file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file).map_err(|error| format!("{setting} {file:?}: {error}"))?;
        match text.trim() {
            "" => Err(format!("{setting} {file:?} is empty").into()),
            secret => Ok(Self(secret.to_owned())),
        }
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How to log in. At most one way may be set.
#[derive(Clone, Debug, Args)]
pub struct AccountSettings {
    /// The user to log in as, with one of the two passwords below
    #[arg(long, env, default_value = "")]
    pub nats_user: Optional<String>,
    /// The user's password. Only as an environment variable
    #[arg(long, env, default_value = "")]
    pub nats_password: Optional<Secret>,
    /// A file that contains the user's password
    #[arg(long, env, default_value = "")]
    pub nats_password_file: Optional<PathBuf>,
    /// A token to log in with. Only as an environment variable
    #[arg(long, env, default_value = "")]
    pub nats_token: Optional<Secret>,
    /// A file that contains the token
    #[arg(long, env, default_value = "")]
    pub nats_token_file: Optional<PathBuf>,
    /// A file that contains the seed (SU…) of a user's nkey
    #[arg(long = "nkey", env = "NATS_NKEY", default_value = "")]
    pub nkey: Optional<PathBuf>,
    /// A credentials file as written by `nsc`: a user's JWT and nkey
    #[arg(long = "creds", env = "NATS_CREDS", default_value = "")]
    pub creds: Optional<PathBuf>,
}

/// What the broker is given.
enum Account {
    User(String, String),
    Token(String),
    Nkey(String),
    Credentials(String),
}

impl AccountSettings {
    /// Adds the account for these servers to the options. Files are read each time, so that a replaced file takes
    /// effect without a restart.
    pub fn log_in(&self, servers: &[ServerAddr], options: ConnectOptions) -> Result<ConnectOptions, Failure> {
        Ok(match self.account(servers)? {
            None => options,
            Some((_, Account::User(user, password))) => options.user_and_password(user, password),
            Some((_, Account::Token(token))) => options.token(token),
            Some((_, Account::Nkey(seed))) => options.nkey(seed),
            Some((setting, Account::Credentials(text))) => {
                options.credentials(&text).map_err(|error| format!("{setting}: {error}"))?
            }
        })
    }

    /// The account, and the setting that it comes from.
    fn account(&self, servers: &[ServerAddr]) -> Result<Option<(&'static str, Account)>, Failure> {
        let in_url = user_of(servers)?;
        let password =
            one_of(("NATS_PASSWORD", &self.nats_password), ("--nats-password-file", &self.nats_password_file))?;
        let token = one_of(("NATS_TOKEN", &self.nats_token), ("--nats-token-file", &self.nats_token_file))?;
        let mut accounts = Vec::new();
        match (in_url, self.nats_user.0.clone(), password) {
            (Some(_), Some(_), _) => return Err(both("the user in --nats-url", "--nats-user")),
            (Some((_, Some(_))), None, Some(_)) => return Err(both("the password in --nats-url", "another password")),
            (Some((user, Some(password))), None, None) => {
                accounts.push(("--nats-url", Account::User(user, password)));
            }
            (Some((user, None)), None, Some(password)) => {
                accounts.push(("--nats-url", Account::User(user, password.0)));
            }
            // NATS clients agree that a user without a password is a token.
            (Some((token, None)), None, None) => accounts.push(("--nats-url", Account::Token(token))),
            (None, Some(user), password) => {
                let password = password.map_or_else(String::new, |password| password.0);
                accounts.push(("--nats-user", Account::User(user, password)));
            }
            (None, None, Some(_)) => return Err("there is a password and no user: set NATS_USER as well".into()),
            (None, None, None) => {}
        }
        accounts.extend(token.map(|token| ("NATS_TOKEN", Account::Token(token.0))));
        if let Some(file) = &*self.nkey {
            accounts.push(("--nkey", Account::Nkey(seed_in(file)?)));
        }
        if let Some(file) = &*self.creds {
            // Its last line must end with a newline.
            accounts.push(("--creds", Account::Credentials(Secret::read("--creds", file)?.0 + "\n")));
        }
        match &accounts[..] {
            [(one, _), (other, _), ..] => Err(both(one, other)),
            _ => Ok(accounts.pop()),
        }
    }

    /// Why there is no connection, with the cure if the account is to blame.
    pub fn explain(&self, servers: &[ServerAddr], error: ConnectError) -> Failure {
        if !matches!(error.kind(), ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication) {
            return error.into();
        }
        match self.account(servers) {
            Ok(Some((setting, _))) => format!("the broker refuses the account of {setting}: {error}").into(),
            _ => format!(
                "the broker requires an account: set NATS_USER and NATS_PASSWORD, or another kind of account: {error}"
            )
            .into(),
        }
    }
}

/// The user and password in the URLs.
fn user_of(servers: &[ServerAddr]) -> Result<Option<(String, Option<String>)>, Failure> {
    let decode = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| "--nats-url: the user is not UTF-8")?;
        Ok::<_, Failure>(text.into_owned())
    };
    let with_user = servers.iter().filter_map(|server| Some((server.username()?, server.password())));
    let mut users: Vec<_> = with_user.collect();
    users.dedup();
    match &users[..] {
        [] => Ok(None),
        [(user, password)] => Ok(Some((decode(user)?, password.map(decode).transpose()?))),
        _ => Err("--nats-url has several users: all brokers must have the same".into()),
    }
}

/// The servers without user and password, which other parts need not know.
pub fn without_user(servers: &[ServerAddr]) -> Result<Vec<ServerAddr>, Failure> {
    let without = |server: &ServerAddr| {
        let mut url = server.clone().into_inner();
        // These fail for URLs without a host, which have no user either.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        Ok(ServerAddr::from_url(url)?)
    };
    servers.iter().map(without).collect()
}

pub(super) type Source<'a, T> = (&'static str, &'a Optional<T>);

pub(super) fn one_of(
    (setting, text): Source<'_, Secret>,
    (other, file): Source<'_, PathBuf>,
) -> Result<Option<Secret>, Failure> {
    match (&**text, &**file) {
        (Some(_), Some(_)) => Err(both(setting, other)),
        (None, Some(file)) => Secret::read(other, file).map(Some),
        (text, None) => Ok(text.clone()),
    }
}

fn both(one: &str, other: &str) -> Failure {
    format!("{one} and {other} are both set").into()
}

/// The seed in a file that may also contain comments.
fn seed_in(file: &Path) -> Result<String, Failure> {
    let text = Secret::read("--nkey", file)?;
    let seed = text.0.lines().map(str::trim).find(|line| line.starts_with("SU"));
    seed.map(str::to_owned).ok_or_else(|| format!("--nkey {file:?} has no line with a user's seed, SU…").into())
}
