//! What must not be in any log: tokens, and the credentials in URLs.

use std::fmt::{self, Debug};
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use ureq::http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::AlertSettings;
use crate::Failure;
use crate::settings::Optional;

/// A token for the receiver. Its value does not show in `Debug`.
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
    /// The secret itself, for a message that has to hold it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A header for the receiver. Its value does not show in `Debug`.
#[derive(Clone, Debug)]
pub struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(name, value)| {
            Some(Self(name.trim().parse().ok()?, sensitive(HeaderValue::try_from(value.trim()).ok()?)))
        });
        // Not what it is instead: it may well be the secret.
        parts.ok_or("is NAME: VALUE")
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The token of a setting of this name, or in the file of the one that is called `NAME-file`; none if neither is set.
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

/// The headers by which the receiver knows who sends, with that of this token.
pub fn headers(settings: &AlertSettings, token: Option<&Token>) -> Vec<(HeaderName, HeaderValue)> {
    let token = token.map(|token| (AUTHORIZATION, token.bearer.clone()));
    let header = settings.alert_header.as_ref().map(|Header(name, value)| (name.clone(), value.clone()));
    token.into_iter().chain(header).collect()
}

/// A URL for logs: without the name and password in front of its host.
pub fn without_credentials(url: &str) -> String {
    let Range { start, end } = authority(url);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

/// The scheme and the host alone. The path may be the secret: that of a webhook usually is.
pub fn origin(url: &str) -> String {
    let url = without_credentials(url);
    url[..authority(&url).end].to_owned()
}

/// Where a URL has its credentials and host.
fn authority(url: &str) -> Range<usize> {
    let start = url.find("://").map_or(0, |at| at + 3);
    start..url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at)
}
