//! The receiver of alerts, as seen by the queue and its sender.

use super::{AlertSettings, http, mail};
use crate::Failure;

/// Where alerts are delivered.
pub enum Receiver {
    /// At a URL.
    Http(http::Receiver),
    /// By mail.
    Mail(mail::Receiver),
}

/// Why an alert was not accepted.
#[derive(Debug)]
pub enum Undelivered {
    /// A later attempt may succeed.
    ForNow(String),
    /// The receiver rejects it for good.
    ForGood(String),
}

impl Receiver {
    /// The configured receiver, if any.
    pub fn new(settings: &AlertSettings) -> Result<Option<Self>, Failure> {
        match &*settings.alert_url {
            Some(_) if settings.mail.alert_mail_to.is_some() => {
                Err("--alert-url and --alert-mail-to are both set: alerts go to one receiver".into())
            }
            Some(url) => http::Receiver::new(url, settings).map(|receiver| Some(Self::Http(receiver))),
            None => Ok(mail::Receiver::new(settings)?.map(Self::Mail)),
        }
    }

    /// Makes one attempt, within the configured timeout.
    pub fn deliver(&self, alert: &[u8]) -> Result<(), Undelivered> {
        match self {
            Self::Http(receiver) => receiver.post(alert),
            Self::Mail(receiver) => receiver.deliver(alert),
        }
    }
}
