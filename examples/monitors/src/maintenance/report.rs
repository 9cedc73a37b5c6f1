//! The hourly report: what happened, and the state at the end of the hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Counts;
use crate::alerts::Journal;
use crate::log::now;
use crate::message::Performance;
use crate::supervisord::Supervisord;
use crate::trail::Trail;

/// The fields of messages whose values are counted.
const COUNTED: [&str; 5] = ["strategy_id", "signal_type", "update_type", "alert_type", "process"];
/// Alerts that are reports themselves.
const REPORTS: [&str; 2] = ["HOURLY_REPORT", "DAILY_SUMMARY"];

/// The sources of a report.
pub struct Sources<'a> {
    /// Messages from processes.
    pub trail: &'a Trail,
    /// Alerts.
    pub journal: &'a Journal,
    /// What processes did since the last report; `None` if unknown.
    pub counts: Option<&'a Counts>,
    /// The current states.
    pub supervisord: &'a Supervisord,
}

impl Sources<'_> {
    /// The report for this period.
    pub fn report(&self, from: Timestamp, to: Timestamp) -> Value {
        let is_within = |record: &Value| {
            let at = record["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            at.is_some_and(|at| from <= at && at < to)
        };
        let mut messages: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        let (mut malformed, mut performance) = (0, Performance::default());
        let read = self.trail.read(|record| {
            if is_within(&record) {
                malformed += u64::from(!record["malformed"].is_null());
                if let (Some(strategy), Some(figures)) = (record["strategy_id"].as_str(), record["figures"].as_object())
                {
                    let figures = figures.iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
                    figures.for_each(|(name, value)| performance.add(strategy, name, value));
                }
                for key in COUNTED {
                    if let Some(value) = record[key].as_str() {
                        *messages.entry(key).or_default().entry(value.into()).or_default() += 1;
                    }
                }
            }
        });
        let mut alerts: BTreeMap<String, u64> = BTreeMap::new();
        let noted = self.journal.read(|alert| {
            let event = alert["event"].as_str().unwrap_or_default();
            // Resolved alerts were counted when they began.
            if is_within(alert) && alert["status"] != "resolved" && !REPORTS.contains(&event) {
                *alerts.entry(event.into()).or_default() += 1;
            }
        });
        let states = self.supervisord.processes().map(|processes| {
            let states = processes.iter().map(|process| (process.full_name(), process.state));
            states.collect::<BTreeMap<_, _>>()
        });
        let errors = [
            read.err().map(|error| error.to_string()),
            noted.as_ref().err().map(ToString::to_string),
            states.as_ref().err().map(ToString::to_string),
        ];
        json!({
            "timestamp": now(), "from": from.to_string(), "to": to.to_string(), "totals": self.totals(),
            "processes": self.counts, "alerts": noted.ok().flatten().map(|()| alerts), "messages": messages,
            "malformed": malformed, "performance": performance, "states": states.ok(), "errors": errors.iter().flatten().collect::<Vec<_>>(),
        })
    }

    /// The sums over all processes.
    fn totals(&self) -> Option<Value> {
        let counts = self.counts?;
        let sum = |of: fn(&super::counts::Count) -> u64| counts.values().map(of).sum::<u64>();
        Some(json!({
            "crashes": sum(|count| count.crashes), "fatal": sum(|count| count.fatal),
            "restarts": sum(|count| count.restarts), "stops": sum(|count| count.stops),
            "starts": sum(|count| count.starts), "exits": sum(|count| count.exits),
        }))
    }
}
