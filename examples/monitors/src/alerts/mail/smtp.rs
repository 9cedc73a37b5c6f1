//! Mail by SMTP.

use std::fmt::{self, Debug};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Tls;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SmtpTransport};
use lettre::{Address, Transport};
use percent_encoding::percent_decode_str;
use ureq::http::Uri;

use super::Undelivered;
use super::letter::Letter;
use crate::Failure;
use crate::alerts::secrets;
use crate::alerts::tls::Authorities;
use crate::busy::Busy;
use crate::machine::host_name;

/// A mail server and the account for it. `Debug` does not show the account.
#[derive(Clone)]
pub struct Url {
    text: String,
    host: String,
    port: u16,
    security: Security,
    account: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    None,
    /// TLS after STARTTLS, or no delivery.
    StartTls,
    /// TLS from the start.
    Tls,
}

impl FromStr for Url {
    type Err = &'static str;

    // The value is not shown: it may contain a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "is smtp://HOST, smtp://HOST?tls=required or smtps://HOST";
        let url: Uri = text.parse().map_err(|_| WRONG)?;
        let security = match (url.scheme_str(), url.query()) {
            (Some("smtps"), None) => Security::Tls,
            (Some("smtp"), Some("tls=required")) => Security::StartTls,
            (Some("smtp"), None) => Security::None,
            _ => return Err(WRONG),
        };
        let authority = url.authority().ok_or(WRONG)?;
        // IPv6 addresses have brackets in URLs only.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || !matches!(url.path(), "" | "/") {
            return Err(WRONG);
        }
        let account = authority.as_str().rsplit_once('@').map(|(account, _)| account_in(account)).transpose()?;
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if account.is_some() && security == Security::None && !is_here {
            return Err("would send the password in plain text: begin it with smtps://, or append ?tls=required");
        }
        let port = match (url.port_u16(), security) {
            (Some(port), _) => port,
            (None, Security::None) => 25,
            (None, Security::StartTls) => 587,
            (None, Security::Tls) => 465,
        };
        Ok(Self { text: text.to_owned(), host, port, security, account })
    }
}

/// `USER:PASSWORD`, percent-encoded.
fn account_in(text: &str) -> Result<Credentials, &'static str> {
    let decode = |text| percent_decode_str(text).decode_utf8().map(String::from);
    let (user, password) = text.split_once(':').ok_or("has a user and no password")?;
    match (decode(user), decode(password)) {
        (Ok(user), Ok(password)) => Ok(Credentials::new(user, password)),
        _ => Err("has an account that is not UTF-8"),
    }
}

impl Url {
    pub fn has_account(&self) -> bool {
        self.account.is_some()
    }
}

impl Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secrets::origin(&self.text))
    }
}

pub struct Smtp {
    transport: SmtpTransport,
    timeout: Duration,
    /// Whether an attempt is still running.
    busy: Arc<AtomicBool>,
}

impl Smtp {
    pub fn new(url: &Url, ca_file: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let tls = || Authorities::load("--alert-ca", ca_file)?.for_mail(&url.host);
        let tls = match url.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
        };
        let builder = SmtpTransport::builder_dangerous(&url.host).port(url.port).tls(tls).timeout(Some(timeout));
        let builder = builder.hello_name(ClientId::Domain(host_name()));
        let builder = match &url.account {
            Some(account) => builder.credentials(account.clone()),
            None => builder,
        };
        Ok(Self { transport: builder.build(), timeout, busy: Arc::default() })
    }

    /// Makes the attempt in a thread of its own: lettre's timeout covers each read and each write, but not the name
    /// look-up, and not the whole. An attempt that takes too long is abandoned, and the next one waits until it has
    /// ended.
    pub fn deliver(&self, from: &Address, to: &[Address], letter: &Letter) -> Result<(), Undelivered> {
        let envelope = Envelope::new(Some(from.clone()), to.to_vec());
        let envelope = envelope.map_err(|error| Undelivered::ForGood(error.to_string()))?;
        let for_now = |error: &dyn fmt::Display| Undelivered::ForNow(format!("smtp: {error}"));
        let Some(busy) = Busy::begin(&self.busy) else {
            return Err(for_now(&"the previous attempt is still waiting for the server"));
        };
        let (transport, bytes) = (self.transport.clone(), letter.bytes.clone());
        let (sent, result) = sync_channel(1);
        let send = move || {
            let outcome = transport.send_raw(&envelope, &bytes);
            drop(busy);
            let _ = sent.send(outcome);
        };
        let builder = thread::Builder::new().name("alerts-mail".into()).stack_size(512 << 10);
        builder.spawn(send).map_err(|error| for_now(&error))?;
        match result.recv_timeout(self.timeout) {
            Ok(outcome) => outcome.map(drop).map_err(|error| undelivered(&error)),
            Err(RecvTimeoutError::Timeout) => Err(for_now(&"timed out")),
            Err(RecvTimeoutError::Disconnected) => Err(for_now(&"the sending thread has died")),
        }
    }
}

fn undelivered(error: &Error) -> Undelivered {
    let why = format!("smtp: {error}");
    let code = error.status().map_or(0, u16::from);
    // A problem with the account can be fixed, and the mail will still be wanted then.
    let is_account = matches!(code, 530 | 534 | 535 | 538);
    if error.is_permanent() && !is_account { Undelivered::ForGood(why) } else { Undelivered::ForNow(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<(String, u16, Security), &'static str> {
        text.parse().map(|Url { host, port, security, .. }| (host, port, security))
    }

    #[test]
    fn a_url_says_which_server_and_how() {
        assert_eq!(url("smtp://mail.x"), Ok(("mail.x".into(), 25, Security::None)));
        assert_eq!(url("smtp://mail.x/?tls=required"), Ok(("mail.x".into(), 587, Security::StartTls)));
        assert_eq!(url("smtps://a%40x:p%3aw@mail.x"), Ok(("mail.x".into(), 465, Security::Tls)));
        assert_eq!(url("smtp://a:b@[::1]:2525"), Ok(("::1".into(), 2525, Security::None)));
        for wrong in ["mail.x", "http://x", "smtp://", "smtp:///", "smtp://x/path", "smtp://x?tls=no", "smtps://a@x"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert!(url("smtp://a:b@mail.x").unwrap_err().contains("plain text"));
        let shown = format!("{:?}", "smtps://a:s3cret@mail.x:4650/".parse::<Url>().unwrap());
        assert_eq!(shown, "smtps://mail.x:4650");
    }
}
