//! What takes in alerts. The queue and its sender know no more of it than this.

use super::{AlertSettings, http, mail};
use crate::Failure;

/// Where alerts are delivered.
pub enum Receiver {
    /// At a URL.
    Http(http::Receiver),
    /// In mailboxes.
    Mail(mail::Receiver),
}

/// Why an alert was not taken in.
#[derive(Debug)]
pub enum Undelivered {
    /// A later try may succeed.
    ForNow(String),
    /// The receiver does not want it, now or later.
    ForGood(String),
}

impl Receiver {
    /// The one that is set, if any is.
    pub fn new(settings: &AlertSettings) -> Result<Option<Self>, Failure> {
        match &*settings.alert_url {
            Some(_) if settings.mail.alert_mail_to.is_some() => {
                Err("--alert-url and --alert-mail-to are both set: alerts go to one receiver".into())
            }
            Some(url) => http::Receiver::new(url, settings).map(|receiver| Some(Self::Http(receiver))),
            None => Ok(mail::Receiver::new(settings)?.map(Self::Mail)),
        }
    }

    /// Tries once, within the time that the settings allow.
    pub fn deliver(&self, alert: &[u8]) -> Result<(), Undelivered> {
        match self {
            Self::Http(receiver) => receiver.post(alert),
            Self::Mail(receiver) => receiver.deliver(alert),
        }
    }
}
