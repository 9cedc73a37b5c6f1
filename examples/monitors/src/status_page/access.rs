//! Access to the status page: users of this machine, or anyone with the token.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{ArgAction, Args};
use hyper::StatusCode;
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderValue, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use subtle::ConstantTimeEq;

use super::peers::PeerSettings;
use crate::Failure;
use crate::alerts::secrets::{self, Token};
use crate::http::{Response, refusal};
use crate::settings::{List, Optional, seconds};

/// The settings of the status page.
#[derive(Clone, Debug, Args)]
pub struct PageSettings {
    /// The address and port of the status page, IP:PORT. Outside loopback, a token is required. Port 0 picks a free
    /// port and logs it. If empty, there is no page
    #[arg(long, env, default_value = "127.0.0.1:9180")]
    pub listen: Optional<SocketAddr>,
    /// The token for the page and /metrics: the password of any user, or a bearer token. Only as an environment
    /// variable
    #[arg(long, env, default_value = "")]
    pub status_token: Optional<Token>,
    /// A file that contains the token
    #[arg(long, env, default_value = "")]
    pub status_token_file: Optional<PathBuf>,
    /// Other host names by which the page may be requested, separated by commas, such as that of a reverse proxy
    #[arg(long, env, default_value = "")]
    pub status_hosts: List<String>,
    /// Seconds between measurements of CPU, memory and supervisord's state
    #[arg(long, env, default_value = "10", value_parser = seconds)]
    pub status_interval: Duration,
    /// Whether the page may start, stop and restart processes, and clear their logs: true or false
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    pub allow_actions: bool,
    #[command(flatten)]
    pub peers: PeerSettings,
}

/// The requirements on a request.
pub struct Access {
    token: Option<Token>,
    hosts: Vec<String>,
}

impl Access {
    /// Without a token, the page is only for this machine.
    pub fn new(settings: &PageSettings) -> Result<Self, Failure> {
        let token = secrets::token("status-token", &settings.status_token, &settings.status_token_file)?;
        if let (Some(address), None) = (&*settings.listen, &token)
            && !address.ip().is_loopback()
        {
            return Err(format!(
                "--listen {address} is not an address of the loopback interface, and others could read the page: set \
                 STATUS_TOKEN in the environment, or --status-token-file; or listen at 127.0.0.1:{}",
                address.port()
            )
            .into());
        }
        Ok(Self { token, hosts: settings.status_hosts.to_vec() })
    }

    /// Whether a token is required.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The response that refuses a request with these headers, or `None` if it is allowed.
    pub fn refuse(&self, headers: &HeaderMap) -> Option<Response> {
        if headers.get(HOST).is_some_and(|host| !self.is_named(host)) {
            let why = "request this page as localhost, by an address, or by a name in --status-hosts";
            return Some(refusal(StatusCode::MISDIRECTED_REQUEST, why));
        }
        let token = self.token.as_ref()?;
        if headers.get(AUTHORIZATION).is_some_and(|given| shows(given, token)) {
            return None;
        }
        let mut response = refusal(StatusCode::UNAUTHORIZED, "this page needs the token of STATUS_TOKEN");
        for scheme in ["Basic realm=\"status page\", charset=\"UTF-8\"", "Bearer realm=\"status page\""] {
            response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        Some(response)
    }

    /// Whether a request was meant for this page. After DNS rebinding, a foreign page would send its own host name; it
    /// must not read this page in an operator's browser.
    fn is_named(&self, host: &HeaderValue) -> bool {
        let Ok(host) = host.to_str() else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let is_one_of_ours = |ours: &String| [name, host].iter().any(|name| ours.eq_ignore_ascii_case(name));
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if self.token.is_some() || address.is_loopback() => true,
            _ => name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(is_one_of_ours),
        }
    }
}

/// Whether the header contains the token. Takes the same time whatever it contains instead.
fn shows(given: &HeaderValue, token: &Token) -> bool {
    let Some((scheme, given)) = given.to_str().ok().and_then(|given| given.split_once(' ')) else { return false };
    let given = given.trim().as_bytes();
    let equals = |given: &[u8]| bool::from(given.ct_eq(token.text().as_bytes()));
    if scheme.eq_ignore_ascii_case("bearer") {
        return equals(given);
    }
    let account = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(given).ok()).flatten();
    account.is_some_and(|account| {
        let end = account.iter().position(|byte| *byte == b':').map_or(account.len(), |colon| colon + 1);
        equals(&account[end..])
    })
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tells browsers to load nothing from elsewhere, store nothing, and reveal nothing to other sites.
pub fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(token: Option<&str>, hosts: &[&str]) -> Access {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Access { token: token.map(|token| token.parse().unwrap()), hosts }
    }

    /// The status of the refusal, or 200.
    fn status(access: &Access, host: &str, authorization: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        }
        access.refuse(&headers).map_or(200, |response| response.status().as_u16())
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_refused() {
        let (open, closed) = (access(None, &["proxy.example"]), access(Some("t"), &["proxy.example:444"]));
        let token = Some("Bearer t");
        for (host, without, with) in [
            ("localhost", 200, 200),
            ("LocalHost:9180", 200, 200),
            ("127.0.0.1:9180", 200, 200),
            ("[::1]:9180", 200, 200),
            ("192.0.2.1:9180", 421, 200),
            ("[2001:db8::1]", 421, 200),
            ("evil.example", 421, 421),
            ("localhost.evil.example", 421, 421),
            ("127.0.0.1.evil.example:9180", 421, 421),
            ("Proxy.Example:80", 200, 421),
            ("proxy.example:444", 200, 200),
            ("", 421, 421),
        ] {
            assert_eq!((status(&open, host, None), status(&closed, host, token)), (without, with), "{host}");
        }
    }

    #[test]
    fn the_token_is_a_password_or_a_bearer() {
        let access = access(Some("to:ken"), &[]);
        let basic = |account: &str| format!("Basic {}", STANDARD.encode(account));
        for (authorization, expected) in [
            (None, 401),
            (Some("Bearer to:ken".to_owned()), 200),
            (Some("bearer  to:ken".to_owned()), 200),
            (Some("Bearer to:kem".to_owned()), 401),
            (Some("Bearer to:ken2".to_owned()), 401),
            (Some("Bearer".to_owned()), 401),
            (Some("Digest to:ken".to_owned()), 401),
            (Some(basic("anybody:to:ken")), 200),
            (Some(basic(":to:ken")), 200),
            (Some(basic("to:ken")), 401),
            (Some(basic("token")), 401),
            (Some("Basic ?".to_owned()), 401),
        ] {
            assert_eq!(status(&access, "localhost", authorization.as_deref()), expected, "{authorization:?}");
        }
    }
}
