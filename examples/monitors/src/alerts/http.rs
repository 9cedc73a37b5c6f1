//! Sends alerts to a URL.

use std::fmt::{self, Debug};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use std::{io, thread, vec};

use serde_json::json;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::header::{HeaderName, HeaderValue};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::format::Format;
use super::receiver::Undelivered;
use super::secrets::Token;
use super::sender::readable;
use super::{AlertSettings, secrets, tls};
use crate::Failure;
use crate::log::{Level, log};

/// The URL of a receiver.
#[derive(Clone)]
pub struct Url(Uri);

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = text.parse().ok().filter(|url: &Uri| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
        });
        // The value is not shown: it may contain a password.
        url.map(Self).ok_or("begins with http:// or https://, and a host follows")
    }
}

impl Url {
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the host is preceded by a user.
    pub fn has_user(&self) -> bool {
        self.0.authority().is_some_and(|authority| authority.as_str().contains('@'))
    }

    fn is_safe(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The part of the URL that may be logged.
    pub fn origin(&self) -> String {
        secrets::origin(&self.0.to_string())
    }
}

impl Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// The receiver at a URL.
pub struct Receiver {
    agent: Agent,
    url: Url,
    format: Format,
    token: Option<Token>,
    /// They tell the receiver who is sending.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Receiver {
    /// The one at this URL.
    pub fn new(url: &Url, settings: &AlertSettings) -> Result<Self, Failure> {
        let (format, token) =
            (settings.alert_format, secrets::token("alert-token", &settings.alert_token, &settings.alert_token_file)?);
        if format == Format::PagerDuty && token.is_none() {
            let why = "--alert-format pagerduty needs the integration's key, as ALERT_TOKEN or in --alert-token-file";
            return Err(why.into());
        }
        let headers = secrets::headers(settings, token.as_ref().filter(|_| format.has_token_header()));
        let agent = agent_of(url, settings)?;
        log(Level::Info, "alerts are sent", json!({ "to": url.origin() }));
        Ok(Self { agent, url: url.clone(), format, token, headers })
    }

    pub fn post(&self, alert: &[u8]) -> Result<(), Undelivered> {
        let Some(body) = self.format.render(&readable(alert), self.token.as_ref()) else { return Ok(()) };
        let mut request = self.agent.post(&self.url.0).header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send(body.to_string()).map_err(|error| Undelivered::ForNow(error.to_string()))?;
        let status = response.status();
        let why = format!("http status: {}", status.as_u16());
        match status.as_u16() {
            200..=299 => Ok(()),
            // The receiver is busy, or was too slow to read the request.
            408 | 429 => Err(Undelivered::ForNow(why)),
            400..=499 => Err(Undelivered::ForGood(why)),
            300..=399 => Err(Undelivered::ForNow(format!("{why}: redirects are not followed"))),
            _ => Err(Undelivered::ForNow(why)),
        }
    }
}

/// A client for the receiver of alerts, or of signs of life, at this URL.
pub fn agent_of(url: &Url, settings: &AlertSettings) -> Result<Agent, Failure> {
    // Alerts are rare: an idle connection would often be dead by the time the next alert is sent.
    let kept = 0;
    agent(url, settings.alert_timeout, kept, ("--alert-ca", settings.alert_ca.as_deref()))
}

/// A client for this URL that keeps `kept` idle connections. It trusts the certificates in the file that the setting
/// names.
pub fn agent(
    url: &Url,
    timeout: Duration,
    kept: usize,
    (setting, authorities): (&str, Option<&Path>),
) -> Result<Agent, Failure> {
    let mut config = Agent::config_builder()
        .max_idle_connections(kept)
        // A redirected POST becomes a GET, and its answer says nothing about the alert.
        .max_redirects(0)
        .http_status_as_error(false)
        // For the whole attempt: a receiver that sends one byte at a time is bounded as well.
        .timeout_global(Some(timeout));
    if url.is_safe() {
        config = config.tls_config(tls::Authorities::load(setting, authorities)?.for_http());
    }
    Ok(Agent::with_parts(config.build(), DefaultConnector::default(), BoundedResolver))
}

/// Resolves names within the remaining time. ureq's own resolver panics if no thread can be started.
#[derive(Debug)]
struct BoundedResolver;

impl Resolver for BoundedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(host), default) = (uri.host(), if uri.scheme_str() == Some("https") { 443 } else { 80 }) else {
            return Err(ureq::Error::HostNotFound);
        };
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(default));
        let mut resolved = self.empty();
        let room = 16;
        for address in look_up(address, &timeout)?.take(room) {
            resolved.push(address);
        }
        if resolved.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(resolved) }
    }
}

/// Looks up a name in a thread of its own: the look-up cannot be interrupted, but it need not be waited for.
fn look_up(address: String, timeout: &NextTimeout) -> Result<vec::IntoIter<SocketAddr>, ureq::Error> {
    let (found, result) = sync_channel::<io::Result<_>>(1);
    let builder = thread::Builder::new().name("alerts-name".into()).stack_size(256 << 10);
    builder.spawn(move || drop(found.send(address.to_socket_addrs())))?;
    match result.recv_timeout(*timeout.after) {
        Ok(addresses) => Ok(addresses?),
        Err(RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
        Err(RecvTimeoutError::Disconnected) => Err(ureq::Error::HostNotFound),
    }
}
