//! Parses endpoints: `NAME=URL`, followed by `#` and options, as `OPTION=VALUE` separated by `&`.
//!
//! The options are in the URL's fragment, which is never sent to a server. In values, commas, `&`, `%` and quotes are
//! written as in any URL: `%2C`, `%26`, `%25`, `%22`. In `supervisord.conf`, each `%` must be doubled.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use super::Finding;
use super::checks::Check;
use crate::alerts::secrets::without_credentials;
use crate::names::ProcessPattern;
use crate::settings::{Named, seconds};

/// Something to check.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What it is called.
    pub name: String,
    /// The URL for logs: without credentials and options.
    pub url: String,
    /// The processes that serve it.
    pub process: Option<ProcessPattern>,
    /// When an answer counts as slow, if set for this endpoint.
    slow_after: Option<Duration>,
    /// How it is checked.
    pub(super) check: Check,
}

/// The supported schemes.
const SCHEMES: [&str; 7] = ["tcp://", "http://", "https://", "ws://", "wss://", "interface:", "wireguard:"];

/// WireGuard abandons a session after this time without a new handshake.
const MAX_AGE: Duration = Duration::from_secs(180);

impl Endpoint {
    /// The interface of a VPN.
    pub fn vpn(interface: &str) -> Self {
        let check = Check::Interface(interface.to_owned());
        Self { name: "vpn".into(), url: format!("interface:{interface}"), process: None, slow_after: None, check }
    }

    /// Whether it answered slowly. `usual` applies if the endpoint has no limit of its own.
    pub fn is_slow(&self, found: &Finding, usual: Duration) -> bool {
        let slow_after = self.slow_after.unwrap_or(usual);
        self.is_timed() && found.as_ref().is_ok_and(|latency| *latency > slow_after)
    }

    /// Whether the duration of the check means anything: only if it goes over a network.
    fn is_timed(&self) -> bool {
        !matches!(self.check, Check::Interface(_) | Check::WireGuard { .. })
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (named, options) = text.split_once('#').unwrap_or((text, ""));
        let Named { name, value: url } = named.parse()?;
        let shown = without_credentials(&url);
        let within = |error: String| format!("has {name}={shown}, but {error}");
        let scheme = SCHEMES.iter().find(|scheme| url.starts_with(**scheme));
        let scheme = scheme.ok_or_else(|| format!("has {shown:?}, which begins with none of {SCHEMES:?}"))?;
        let mut options = Options::parse(options).map_err(within)?;
        let check = check(scheme, &url, &mut options).map_err(within)?;
        let process = options.parse_with("process", str::parse).map_err(within)?;
        let mut this = Self { process, slow_after: None, check, url: shown.clone(), name: name.clone() };
        if this.is_timed() {
            this.slow_after = options.parse_with("slow-after", seconds).map_err(within)?;
        }
        match options.0.keys().next() {
            None => Ok(this),
            Some(unknown) => Err(within(format!("{scheme} has no option {unknown:?}"))),
        }
    }
}

fn check(scheme: &str, url: &str, options: &mut Options) -> Result<Check, String> {
    let place = &url[scheme.len()..];
    match scheme {
        "interface:" => Ok(Check::Interface(place.to_owned())),
        "wireguard:" => Ok(Check::WireGuard {
            interface: place.to_owned(),
            peer: options.text("peer")?,
            max_age: options.parse_with("max-age", seconds)?.unwrap_or(MAX_AGE),
        }),
        "tcp://" => {
            let address = place.trim_end_matches('/');
            if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                return Err("it is tcp://HOST:PORT".into());
            }
            Ok(Check::Tcp { address: address.to_owned(), send: options.bytes("send"), expect: options.bytes("expect") })
        }
        _ => {
            let url: Uri = url.parse().map_err(|error| format!("that is not a URL: {error}"))?;
            if url.host().is_none_or(str::is_empty) {
                return Err("it has no host".into());
            }
            if scheme.starts_with("http") {
                let status = options.parse_with("status", status)?.unwrap_or(200..=299);
                return Ok(Check::Http { url, status, expect: options.bytes("expect") });
            }
            Ok(Check::WebSocket { url, send: options.text("send")?, expect: options.bytes("expect") })
        }
    }
}

/// `STATUS` or `FIRST-LAST`.
fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.trim().parse().ok().zip(last.trim().parse().ok()).map(|(first, last)| first..=last);
    let range = range.filter(|range: &RangeInclusive<u16>| !range.is_empty());
    range.ok_or_else(|| format!("is a status or a range such as 200-299, not {text:?}"))
}

/// Options that have not been used yet.
struct Options(BTreeMap<String, Vec<u8>>);

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        for part in text.split('&').filter(|part| !part.trim().is_empty()) {
            // The value is not shown: it may be a secret.
            let (name, value) = part.split_once('=').ok_or("options are OPTION=VALUE with & in between")?;
            let name = name.trim();
            // Taken literally, the text would never be found.
            let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
            if !value.split('%').skip(1).all(is_escape) {
                return Err(format!("{name} has a % that is not an escape: write it as %25"));
            }
            if options.insert(name.to_owned(), percent_decode_str(value).collect()).is_some() {
                return Err(format!("{name} is set twice"));
            }
        }
        Ok(Self(options))
    }

    fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.remove(name)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.bytes(name).map(String::from_utf8).transpose().map_err(|_| format!("{name} is not UTF-8"))
    }

    fn parse_with<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
        let text = self.text(name)?;
        text.map(|text| parse(text.trim())).transpose().map_err(|error| format!("{name} {error}"))
    }
}
