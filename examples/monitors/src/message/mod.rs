//! Messages that strategies write between supervisord's tags.
//!
//! ```text
//! SIGNAL:TYPE:STRATEGY:data      TYPE is ENTRY, EXIT, RISK_ALERT, PERFORMANCE_UPDATE or a setting's
//! ALERT:LEVEL:TYPE:details       LEVEL is one of the words that Severity::from_word knows
//! ALERT:TYPE:STRATEGY:details    where there is no such word
//! ```

mod performance;
mod trade;

use serde_json::{Value, json};

use crate::alerts::Severity;
use crate::log::Level;
pub use performance::{Performance, Range, figures};

/// A line from a process.
pub enum Message<'a> {
    Signal {
        kind: &'a str,
        strategy: &'a str,
        data: &'a str,
    },
    Alert {
        level: &'a str,
        kind: &'a str,
        details: &'a str,
    },
    /// An alert without a level.
    AlertAbout {
        kind: &'a str,
        strategy: &'a str,
        details: &'a str,
    },
    Malformed {
        text: &'a str,
        why: &'static str,
    },
}

impl<'a> Message<'a> {
    /// Parses a line. Only the built-in types of signals are allowed.
    pub fn parse(text: &'a str) -> Self {
        Self::with_types(text, &[])
    }

    /// Parses a line. Signals may also be of these types.
    pub fn with_types(text: &'a str, types: &[String]) -> Self {
        let mut parts = text.splitn(4, ':');
        let why = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("SIGNAL"), Some(kind), Some(strategy), Some(data)) if !strategy.is_empty() => {
                match wrong(kind, data, types) {
                    None => return Self::Signal { kind, strategy, data },
                    Some(why) => why,
                }
            }
            (Some("ALERT"), Some(first), Some(second), Some(details)) if !first.is_empty() && !second.is_empty() => {
                return match Severity::from_word(first) {
                    Some(_) => Self::Alert { level: first, kind: second, details },
                    None => Self::AlertAbout { kind: first, strategy: second, details },
                };
            }
            (Some("SIGNAL"), ..) => "a signal is SIGNAL:TYPE:STRATEGY:data",
            (Some("ALERT"), ..) => "an alert is ALERT:LEVEL:TYPE:details or ALERT:TYPE:STRATEGY:details",
            _ => "it starts with neither SIGNAL: nor ALERT:",
        };
        Self::Malformed { text, why }
    }

    pub fn fields(&self) -> Value {
        match *self {
            Self::Signal { kind: "RISK_ALERT", strategy, data } => {
                json!({ "strategy_id": strategy, "alert_type": "RISK", "data": data, "requires_action": true })
            }
            Self::Signal { kind: "PERFORMANCE_UPDATE", strategy, data } => json!({
                "strategy_id": strategy, "update_type": "PERFORMANCE", "data": data, "figures": figures(data),
            }),
            Self::Signal { kind, strategy, data } => {
                json!({ "strategy_id": strategy, "signal_type": kind, "data": data })
            }
            Self::Alert { level, kind, details } => {
                json!({ "alert_level": level, "alert_type": kind, "details": details })
            }
            Self::AlertAbout { kind, strategy, details } => {
                json!({ "strategy_id": strategy, "alert_type": kind, "details": details })
            }
            Self::Malformed { text, why } => json!({ "malformed": text, "why": why }),
        }
    }

    pub fn level(&self) -> Level {
        match self {
            Self::Signal { kind: "RISK_ALERT", .. } => Level::Warning,
            Self::Signal { .. } => Level::Info,
            _ => Level::Warning,
        }
    }

    pub fn summary(&self, process: &str) -> String {
        match self {
            Self::Signal { kind, strategy, .. } => format!("Strategy signal from {process}: {kind} on {strategy}"),
            Self::Alert { level, kind, details } => {
                format!("Process alert from {process}: {level} - {kind}: {details}")
            }
            Self::AlertAbout { kind, strategy, details } => {
                format!("Process alert from {process}: {kind} on {strategy}: {details}")
            }
            Self::Malformed { why, .. } => format!("Malformed message from {process}: {why}"),
        }
    }

    /// Whether it was meant to be a signal or an alert, but is malformed.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Malformed { text, .. } if text.starts_with("SIGNAL") || text.starts_with("ALERT"))
    }

    /// Severity and kind, if it should be sent as an alert.
    pub fn alert(&self) -> Option<(Severity, &'a str)> {
        match *self {
            Self::Signal { kind: kind @ "RISK_ALERT", .. } => Some((Severity::Critical, kind)),
            Self::Alert { level, kind, .. } => Severity::from_word(level).map(|severity| (severity, kind)),
            Self::AlertAbout { kind, .. } => Some((Severity::Warning, kind)),
            Self::Signal { .. } | Self::Malformed { .. } => None,
        }
    }
}

/// What is wrong with a signal.
fn wrong(kind: &str, data: &str, types: &[String]) -> Option<&'static str> {
    match kind {
        _ if data.trim().is_empty() => Some("it has no data"),
        "ENTRY" if !trade::is_entry(data) => {
            Some("the data of an ENTRY are SYMBOL QUANTITY or SYMBOL:QUANTITY@PRICE, with numbers above 0")
        }
        "EXIT" if !trade::is_exit(data) => {
            Some("the data of an EXIT are SYMBOL, SYMBOL QUANTITY or SYMBOL:QUANTITY@PRICE, with numbers above 0")
        }
        "PERFORMANCE_UPDATE" if figures(data).is_none() => {
            Some("the data of a PERFORMANCE_UPDATE are NAME=NUMBER, separated by spaces or commas")
        }
        "ENTRY" | "EXIT" | "RISK_ALERT" | "PERFORMANCE_UPDATE" => None,
        _ if types.iter().any(|known| known == kind) => None,
        _ => Some("the TYPE of a signal is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE, or one of --signal-types"),
    }
}
