//! What takes in alerts. The queue and its sender know no more of it than this.

use super::{AlertSettings, http};
use crate::Failure;

/// Where alerts are delivered.
pub enum Receiver {
    /// At a URL.
    Http(http::Receiver),
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
        settings.alert_url.as_ref().map(|url| http::Receiver::new(url, settings).map(Self::Http)).transpose()
    }

    /// Tries once, within the time that the settings allow.
    pub fn deliver(&self, alert: &[u8]) -> Result<(), Undelivered> {
        match self {
            Self::Http(receiver) => receiver.post(alert),
        }
    }
}
