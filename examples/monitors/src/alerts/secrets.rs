//! Keeps tokens and credentials in URLs out of all logs.

use std::fmt::{self, Debug};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use ureq::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::AlertSettings;
use crate::Failure;
use crate::settings::Optional;

/// A token for the receiver. `Debug` does not show its value.
#[derive(Clone)]
pub struct Token {
    text: String,
    bearer: HeaderValue,
}

impl FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err("is empty");
        }
        let bearer = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| "cannot be in a header")?;
        Ok(Self { text, bearer: sensitive(bearer) })
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The secret itself, for messages that must contain it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A header for the receiver. `Debug` does not show its value.
#[derive(Clone, Debug)]
pub struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(name, value)| {
            Some(Self(name.trim().parse().ok()?, sensitive(HeaderValue::try_from(value.trim()).ok()?)))
        });
        // The value is not shown: it may be secret.
        parts.ok_or("is NAME: VALUE")
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The token of the setting `name`, or of the file in the setting `NAME-file`; `None` if neither is set.
pub fn token(name: &str, token: &Optional<Token>, file: &Optional<PathBuf>) -> Result<Option<Token>, Failure> {
    match (&**token, &**file) {
        (Some(_), Some(_)) => Err(format!("--{name} and --{name}-file are both set").into()),
        (None, Some(file)) => {
            let text = fs::read_to_string(file).map_err(|error| format!("--{name}-file {file:?}: {error}"))?;
            Ok(Some(text.parse().map_err(|error| format!("--{name}-file {file:?} {error}"))?))
        }
        (token, None) => Ok(token.clone()),
    }
}

/// Headers that tell the receiver who is sending, including the token's.
pub fn headers(settings: &AlertSettings, token: Option<&Token>) -> Vec<(HeaderName, HeaderValue)> {
    let token = token.map(|token| (AUTHORIZATION, token.bearer.clone()));
    let header = settings.alert_header.as_ref().map(|Header(name, value)| (name.clone(), value.clone()));
    token.into_iter().chain(header).collect()
}

/// A URL without its user and password, for logs.
pub fn without_credentials(url: &str) -> String {
    let Range { start, end } = authority(url);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

/// Only the scheme and the host: the path of a webhook is usually secret.
pub fn origin(url: &str) -> String {
    let url = without_credentials(url);
    url[..authority(&url).end].to_owned()
}

/// The range of a URL that holds its credentials and host.
fn authority(url: &str) -> Range<usize> {
    let start = url.find("://").map_or(0, |at| at + 3);
    start..url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at)
}
