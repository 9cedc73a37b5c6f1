//! What strategies write between supervisord's tags.

use serde_json::{Value, json};

use crate::alerts::Severity;
use crate::log::Level;

/// A line that a process sent.
pub enum Message<'a> {
    Signal { kind: &'a str, strategy: &'a str, data: &'a str },
    Alert { level: &'a str, kind: &'a str, details: &'a str },
    Malformed { text: &'a str, why: &'static str },
}

impl<'a> Message<'a> {
    pub fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(4, ':');
        let why = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("SIGNAL"), Some(kind), Some(strategy), Some(data)) if !strategy.is_empty() => match kind {
                "ENTRY" | "EXIT" | "RISK_ALERT" | "PERFORMANCE_UPDATE" => return Self::Signal { kind, strategy, data },
                _ => "not a type of signal",
            },
            (Some("ALERT"), Some(level), Some(kind), Some(details)) if !level.is_empty() && !kind.is_empty() => {
                return Self::Alert { level, kind, details };
            }
            (Some("SIGNAL"), ..) => "a signal is SIGNAL:TYPE:STRATEGY:data",
            (Some("ALERT"), ..) => "an alert is ALERT:LEVEL:TYPE:details",
            _ => "neither SIGNAL nor ALERT",
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
            Self::Malformed { text, why } => json!({ "malformed": text, "why": why }),
        }
    }

    pub fn level(&self) -> Level {
        match self {
            Self::Signal { kind: "RISK_ALERT", .. } | Self::Alert { .. } | Self::Malformed { .. } => Level::Warning,
            Self::Signal { .. } => Level::Info,
        }
    }

    pub fn summary(&self, process: &str) -> String {
        match self {
            Self::Signal { kind, strategy, .. } => format!("Strategy signal from {process}: {kind} on {strategy}"),
            Self::Alert { level, kind, details } => {
                format!("Process alert from {process}: {level} - {kind}: {details}")
            }
            Self::Malformed { why, .. } => format!("Malformed message from {process}: {why}"),
        }
    }

    /// Severity and kind, where somebody has to know at once.
    pub fn alert(&self) -> Option<(Severity, &'a str)> {
        match *self {
            Self::Signal { kind: kind @ "RISK_ALERT", .. } => Some((Severity::Critical, kind)),
            // Any word may be there. It is in the details as it came.
            Self::Alert { level, kind, .. } => Some((Severity::from_word(level).unwrap_or(Severity::Warning), kind)),
            _ => None,
        }
    }
}
