//! Sends alerts as mail, by SMTP or through a command.

mod command;
mod letter;
mod smtp;

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use lettre::Address;
use lettre::message::{Mailbox, Mailboxes};
use serde_json::json;

use super::AlertSettings;
use super::receiver::Undelivered;
use super::sender::readable;
use crate::Failure;
use crate::log::{Level, log};
use crate::settings::Optional;
use crate::sync::lock;
use command::Command;
use letter::Letter;
use smtp::Smtp;
pub use smtp::Url;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Alerts by mail")]
pub struct MailSettings {
    /// The addresses to mail alerts to, separated by commas, instead of sending them to --alert-url
    #[arg(long, env, default_value = "")]
    pub alert_mail_to: Optional<To>,
    /// The sender's address, such as monitors@example.org
    #[arg(long, env, default_value = "")]
    pub alert_mail_from: Optional<From>,
    /// The mail server: smtps://HOST, or smtp://HOST?tls=required. With USER:PASSWORD@ before HOST, only as an
    /// environment variable
    #[arg(long, env, default_value = "")]
    pub alert_smtp_url: Optional<Url>,
    /// A command that sends mail, such as /usr/sbin/sendmail, instead of --alert-smtp-url
    #[arg(long, env, default_value = "")]
    pub alert_sendmail: Optional<Command>,
}

/// The recipients.
#[derive(Clone, Debug)]
pub struct To(Mailboxes);

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let addresses = text.parse().ok().filter(|all: &Mailboxes| all.iter().next().is_some());
        addresses.map(Self).ok_or_else(|| format!("is a list of mail addresses, separated by commas, not {text:?}"))
    }
}

/// The sender.
#[derive(Clone, Debug)]
pub struct From(Mailbox);

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("is a mail address, not {text:?}"))
    }
}

/// Delivers alerts as mail.
pub struct Receiver {
    from: Mailbox,
    to: Mailboxes,
    route: Route,
    timeout: Duration,
    at_hand: Mutex<AtHand>,
}

enum Route {
    Smtp(Smtp),
    Command(Command),
}

/// The letter that is being delivered.
#[derive(Default)]
struct AtHand {
    id: String,
    /// Recipients that have neither received nor refused it yet.
    pending: Vec<Address>,
    /// Whether any recipient has received it.
    taken: bool,
}

impl Receiver {
    /// The configured recipients, if any.
    pub fn new(settings: &AlertSettings) -> Result<Option<Self>, Failure> {
        let MailSettings { alert_mail_to, alert_mail_from, alert_smtp_url, alert_sendmail } = &settings.mail;
        let Some(To(to)) = alert_mail_to.as_ref() else {
            let is_half = alert_mail_from.is_some() || alert_smtp_url.is_some() || alert_sendmail.is_some();
            return if is_half {
                Err("--alert-mail-to is empty, but other mail settings are set".into())
            } else {
                Ok(None)
            };
        };
        let from = alert_mail_from.as_ref().ok_or("--alert-mail-to needs --alert-mail-from")?.0.clone();
        let timeout = settings.alert_timeout;
        let (route, by) = match (&**alert_smtp_url, &**alert_sendmail) {
            (Some(url), None) => {
                let smtp = Smtp::new(url, settings.alert_ca.as_deref(), timeout)?;
                (Route::Smtp(smtp), format!("{url:?}"))
            }
            (None, Some(command)) => (Route::Command(command.clone()), command.to_string()),
            (None, None) => return Err("--alert-mail-to needs --alert-smtp-url or --alert-sendmail".into()),
            (Some(_), Some(_)) => return Err("--alert-smtp-url and --alert-sendmail are both set".into()),
        };
        log(Level::Info, "alerts are mailed", json!({ "to": to.to_string(), "by": by }));
        Ok(Some(Self { from, to: to.clone(), route, timeout, at_hand: Mutex::default() }))
    }

    pub fn deliver(&self, alert: &[u8]) -> Result<(), Undelivered> {
        let letter = Letter::new(&readable(alert), &self.from, &self.to);
        let letter = letter.map_err(|error| Undelivered::ForGood(format!("it cannot be a mail: {error}")))?;
        let everybody = || self.to.iter().map(|mailbox| mailbox.email.clone());
        match &self.route {
            Route::Command(command) => {
                command.deliver(&self.from.email, &everybody().collect::<Vec<_>>(), &letter, self.timeout)
            }
            Route::Smtp(smtp) => {
                let mut at_hand = lock(&self.at_hand);
                if at_hand.id != letter.id {
                    *at_hand = AtHand { id: letter.id.clone(), pending: everybody().collect(), taken: false };
                }
                at_hand.deliver(|to| smtp.deliver(&self.from.email, to, &letter))
            }
        }
    }
}

impl AtHand {
    /// Delivers to all remaining recipients at once. If the server refuses that, tries them one by one: an unknown
    /// address must not keep others from their mail.
    fn deliver(&mut self, send: impl Fn(&[Address]) -> Result<(), Undelivered>) -> Result<(), Undelivered> {
        let mut refused = match send(&self.pending) {
            Err(Undelivered::ForGood(why)) => why,
            result => return result,
        };
        let mut delayed = None;
        for address in std::mem::take(&mut self.pending) {
            match send(std::slice::from_ref(&address)) {
                Ok(()) => self.taken = true,
                Err(Undelivered::ForNow(why)) => {
                    delayed = Some(why);
                    self.pending.push(address);
                }
                Err(Undelivered::ForGood(why)) => {
                    log(Level::Error, format!("an alert is refused for {address}: {why}"), json!({ "mail": self.id }));
                    refused = why;
                }
            }
        }
        match delayed {
            Some(why) => Err(Undelivered::ForNow(why)),
            None if self.taken => Ok(()),
            None => Err(Undelivered::ForGood(refused)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_refused_or_busy_address_keeps_nobody_from_mail_and_nobody_gets_it_twice() {
        let addresses: Vec<Address> = ["a@x", "nobody@x", "busy@x"].map(|text| text.parse().unwrap()).into();
        let mut at_hand = AtHand { id: "1".into(), pending: addresses, taken: false };
        let got: RefCell<Vec<Address>> = RefCell::default();
        let deliver = |at_hand: &mut AtHand, is_busy: bool| {
            at_hand.deliver(|to| {
                let has = |user| to.iter().any(|address| address.user() == user);
                match (has("nobody"), has("busy") && is_busy) {
                    (true, _) => return Err(Undelivered::ForGood("550".into())),
                    (_, true) => return Err(Undelivered::ForNow("451".into())),
                    _ => got.borrow_mut().extend(to.to_vec()),
                }
                Ok(())
            })
        };
        assert!(matches!(deliver(&mut at_hand, true), Err(Undelivered::ForNow(why)) if why == "451"));
        assert!(deliver(&mut at_hand, false).is_ok());
        assert_eq!(got.borrow().iter().map(Address::user).collect::<Vec<_>>(), ["a", "busy"]);
        let mut at_hand = AtHand { id: "2".into(), pending: vec!["nobody@x".parse().unwrap()], taken: false };
        assert!(matches!(deliver(&mut at_hand, false), Err(Undelivered::ForGood(why)) if why == "550"));
    }
}
