//! What strategies write between supervisord's tags.
//!
//! ```text
//! SIGNAL:TYPE:STRATEGY:data      TYPE is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE
//! ALERT:LEVEL:TYPE:details       LEVEL is one of the words that Severity::from_word knows
//! ALERT:TYPE:STRATEGY:details    where there is no such word
//! ```

use serde_json::{Value, json};

use crate::alerts::Severity;
use crate::log::Level;

/// A line that a process sent.
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
    /// One without a level.
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
    pub fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(4, ':');
        let why = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("SIGNAL"), Some(kind), Some(strategy), Some(data)) if !strategy.is_empty() => match kind {
                "ENTRY" | "EXIT" | "RISK_ALERT" | "PERFORMANCE_UPDATE" => return Self::Signal { kind, strategy, data },
                _ => "the TYPE of a signal is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE",
            },
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
            Self::Signal { kind: "PERFORMANCE_UPDATE", strategy, data } => {
                json!({ "strategy_id": strategy, "update_type": "PERFORMANCE", "data": data })
            }
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
            Self::Signal { kind: "ENTRY" | "EXIT" | "PERFORMANCE_UPDATE", .. } => Level::Info,
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

    /// Severity and kind, where somebody has to know at once.
    pub fn alert(&self) -> Option<(Severity, &'a str)> {
        match *self {
            Self::Signal { kind: kind @ "RISK_ALERT", .. } => Some((Severity::Critical, kind)),
            Self::Alert { level, kind, .. } => Severity::from_word(level).map(|severity| (severity, kind)),
            Self::AlertAbout { kind, .. } => Some((Severity::Warning, kind)),
            Self::Signal { .. } | Self::Malformed { .. } => None,
        }
    }
}
