//! The daily summary, computed from hourly reports.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use jiff::civil::time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::files;
use crate::log::now;
use crate::message::Performance;
use crate::settings::Optional;

/// When the summary is made.
#[derive(Clone, Debug, Args)]
pub struct SummarySettings {
    /// The hour, 0 to 23, after which an alert DAILY_SUMMARY summarises the last 24 hours. If empty, there is none
    #[arg(long, env, default_value = "0")]
    pub summary_at: Optional<Hour>,
    /// The time zone of that hour, such as Europe/Berlin
    #[arg(long, env, default_value = "UTC")]
    pub summary_zone: Zone,
}

/// An hour of a day.
#[derive(Clone, Copy, Debug)]
pub struct Hour(i8);

impl FromStr for Hour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hour = text.parse().ok().filter(|hour| (0..24).contains(hour));
        hour.map(Self).ok_or_else(|| format!("is an hour, 0 to 23, not {text:?}"))
    }
}

/// A time zone, by its name.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = TimeZone::get(text).map(Self);
        zone.map_err(|_| format!("is a time zone that this system knows (tzdata), such as Europe/Berlin, not {text:?}"))
    }
}

/// The latest time up to `at` at which a summary was due, in seconds since 1970.
pub fn due(settings: &SummarySettings, at: Timestamp) -> Option<i64> {
    let (Hour(hour), Zone(zone)) = (settings.summary_at.0?, &settings.summary_zone);
    let now = at.to_zoned(zone.clone());
    let of_day = |date: jiff::civil::Date| date.to_datetime(time(hour, 0, 0, 0)).to_zoned(zone.clone()).ok();
    let today = of_day(now.date()).filter(|due| *due <= now);
    today.or_else(|| of_day(now.date().yesterday().ok()?)).map(|due| due.timestamp().as_second())
}

/// The summary of the 24 hours up to `due`, in seconds since 1970.
pub fn summary(reports: &Path, due: i64) -> Result<Value, String> {
    let to = Timestamp::from_second(due).map_err(|error| error.to_string())?;
    let from = to.checked_sub(24.hours()).map_err(|error| error.to_string())?;
    let hours = of_day(reports, from, to).map_err(|error| format!("{}: {error}", reports.display()))?;
    let (mut sum, mut performance) = (json!({}), Performance::default());
    for report in &hours {
        // Reports of another version may lack it.
        performance.extend(serde_json::from_value(report["performance"].clone()).unwrap_or_default());
        for key in ["totals", "processes", "alerts", "messages", "malformed"] {
            add(&mut sum[key], &report[key]);
        }
    }
    let errors: usize = hours.iter().map(|report| report["errors"].as_array().map_or(0, Vec::len)).sum();
    let mut summary = json!({
        "timestamp": now(), "from": from.to_string(), "to": to.to_string(), "reports": hours.len(),
    });
    for (key, value) in sum.as_object().into_iter().flatten() {
        summary[key] = value.clone();
    }
    summary["performance"] = json!(performance);
    summary["states"] = hours.last().map_or(Value::Null, |report| report["states"].clone());
    summary["errors"] = errors.into();
    Ok(summary)
}

/// The reports of this period, in order.
fn of_day(directory: &Path, from: Timestamp, to: Timestamp) -> io::Result<Vec<Value>> {
    let mut paths = files::of(directory)?;
    paths.retain(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"report-")));
    // The names sort by time.
    paths.sort();
    let is_within = |report: &Value| {
        let end = report["to"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        end.is_some_and(|end| from < end && end <= to)
    };
    let read = |path| Ok(serde_json::from_slice(&fs::read(path)?).unwrap_or_default());
    let reports = paths.iter().map(read).collect::<io::Result<Vec<Value>>>()?;
    Ok(reports.into_iter().filter(is_within).collect())
}

/// Adds up numbers at any depth.
fn add(sum: &mut Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if !sum.is_object() {
                *sum = json!({});
            }
            fields.iter().for_each(|(key, value)| add(&mut sum[key], value));
        }
        Value::Number(number) => *sum = (sum.as_u64().unwrap_or(0) + number.as_u64().unwrap_or(0)).into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hour: &str, zone: &str) -> SummarySettings {
        SummarySettings { summary_at: hour.parse().unwrap(), summary_zone: zone.parse().unwrap() }
    }

    fn due_at(settings: &SummarySettings, at: &str) -> Option<String> {
        let due = due(settings, at.parse().unwrap())?;
        Some(Timestamp::from_second(due).unwrap().to_string())
    }

    #[test]
    fn a_summary_is_due_at_its_hour_in_its_zone() {
        for (hour, zone, at, expected) in [
            ("0", "UTC", "2026-03-01T00:00:00Z", Some("2026-03-01T00:00:00Z")),
            ("0", "UTC", "2026-03-01T23:00:00Z", Some("2026-03-01T00:00:00Z")),
            ("7", "UTC", "2026-03-01T06:59:59Z", Some("2026-02-28T07:00:00Z")),
            ("", "UTC", "2026-03-01T00:00:00Z", None),
        ] {
            assert_eq!(due_at(&settings(hour, zone), at).as_deref(), expected, "{hour} {zone} {at}");
        }
        for wrong in ["24", "-1", "x"] {
            assert!(wrong.parse::<Hour>().is_err(), "{wrong}");
        }
        assert!("Nowhere/Else".parse::<Zone>().is_err());
    }

    #[test]
    fn numbers_are_added_wherever_they_are() {
        let mut sum = Value::Null;
        add(&mut sum, &json!({ "a": 1, "b": { "c": 2 }, "d": null }));
        add(&mut sum, &json!({ "a": 2, "b": { "e": 3 }, "d": { "f": 1 } }));
        assert_eq!(sum, json!({ "a": 3, "b": { "c": 2, "e": 3 }, "d": { "f": 1 } }));
        add(&mut sum, &Value::Null);
        assert_eq!(sum["a"], 3);
    }
}
