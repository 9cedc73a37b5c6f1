//! Formats alerts for their receivers.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Severity;
use super::secrets::Token;
use crate::printable;

/// The longest summary and `dedup_key` that PagerDuty accepts, in characters.
const PAGERDUTY_SUMMARY: usize = 1024;
const PAGERDUTY_KEY: usize = 255;
/// The longest field for PagerDuty, in bytes: a quarter of what it accepts for a whole event.
const PAGERDUTY_FIELD: usize = 128 << 10;
/// The longest parts of a message to Slack, in bytes. Together they stay below 4,000, which Slack recommends.
const SLACK_TITLE: usize = 500;
const SLACK_PART: usize = 1000;
const SLACK_REPORT: usize = 2000;
/// How long Alertmanager considers an alert firing if nothing resolves it. Its own default is 5 minutes.
const FIRING: SignedDuration = SignedDuration::from_hours(24);

/// The format that the receiver at a URL expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Alerts as they are.
    Json,
    /// Incoming webhooks of Slack, and of compatible products: Mattermost, Rocket.Chat.
    Slack,
    /// Alertmanager's API, version 2: `POST /api/v2/alerts`.
    Alertmanager,
    /// PagerDuty's Events API, version 2.
    PagerDuty,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "slack" => Ok(Self::Slack),
            "alertmanager" => Ok(Self::Alertmanager),
            "pagerduty" => Ok(Self::PagerDuty),
            _ => Err(format!("is json, slack, alertmanager or pagerduty, not {text:?}")),
        }
    }
}

impl Format {
    /// Whether the token goes into a header of the request. Otherwise it is part of the message.
    pub fn has_token_header(self) -> bool {
        self != Self::PagerDuty
    }

    /// The body of a request with this alert; `None` if the alert is not meant for such a receiver.
    pub fn render(self, alert: &Value, token: Option<&Token>) -> Option<Value> {
        match self {
            Self::Json => Some(alert.clone()),
            Self::Slack => Some(json!({ "text": slack(alert) })),
            Self::Alertmanager => Some(alertmanager(alert)),
            Self::PagerDuty => is_incident(alert).then(|| pagerduty(alert, token.map(Token::text).unwrap_or_default())),
        }
    }
}

/// A text field; empty if it is missing.
pub fn text<'a>(alert: &'a Value, field: &str) -> &'a str {
    alert[field].as_str().unwrap_or_default()
}

/// One line: severity, event, the process or endpoint, the place.
pub fn summary(alert: &Value) -> String {
    let resolved = if is_resolved(alert) { "RESOLVED " } else { "" };
    let about = match (text(alert, "group"), text(alert, "process"), text(&alert["details"], "endpoint")) {
        (_, "", "") => String::new(),
        (_, "", endpoint) => format!(" {endpoint}"),
        (group, process, _) => format!(" {group}:{process}"),
    };
    let [severity, event, system, host] = ["severity", "event", "system", "host"].map(|field| text(alert, field));
    // An unnamed system has the name of its host.
    let place = if system == host { host.to_owned() } else { format!("{system} on {host}") };
    format!("{resolved}{severity}: {event}{about} ({place})")
}

fn is_resolved(alert: &Value) -> bool {
    text(alert, "status") == "resolved"
}

/// Whether somebody has to look into it, or had to. An hourly report does not count.
fn is_incident(alert: &Value) -> bool {
    alert["status"].is_string() || text(alert, "severity") != Severity::Info.name()
}

fn slack(alert: &Value) -> String {
    let part = |value: &Value| escaped(printable::json(&value.to_string()).chars(), SLACK_PART).concat();
    let mut lines = vec![format!("*{}*", escaped(printable::text(&summary(alert)).chars(), SLACK_TITLE).concat())];
    let mut details = alert["details"].clone();
    // A report is shown as text, and replaces the list that it was made from.
    let report = details.as_object_mut().and_then(|fields| {
        let report = fields.get("report")?.as_str()?.to_owned();
        fields.retain(|name, _| name != "report" && name != "processes");
        Some(report)
    });
    for (field, value) in [("details", &details), ("actions", &alert["actions"])] {
        if !value.is_null() && *value != json!([]) {
            lines.push(format!("{field}: {}", part(value)));
        }
    }
    if let Some(report) = report {
        lines.push(format!("```{}```", escaped(literal(&report).chars(), SLACK_REPORT).concat()));
    }
    let mut info = alert["process_info"].clone();
    if let Some(fields) = info.as_object_mut() {
        let stderr = fields.shift_remove("stderr");
        lines.push(format!("process: {}", part(&info)));
        if let Some(stderr) = stderr.as_ref().and_then(Value::as_str).filter(|stderr| !stderr.is_empty()) {
            // The end of the output usually says why.
            let mut end = escaped(literal(stderr).chars().rev(), SLACK_PART);
            end.reverse();
            lines.push(format!("```{}```", end.concat()));
        }
    }
    lines.join("\n")
}

/// Text for a literal block, which it cannot close.
fn literal(text: &str) -> String {
    printable::text(text).replace("```", "'''")
}

/// Escapes Slack's three control characters, so that a process cannot notify everybody. At most `bytes` bytes.
fn escaped(text: impl Iterator<Item = char>, bytes: usize) -> Vec<String> {
    let mut room = bytes;
    text.map(|char| match char {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        char => char.to_string(),
    })
    .take_while(|escape| {
        let left = room.checked_sub(escape.len());
        room = left.unwrap_or_default();
        left.is_some()
    })
    .collect()
}

/// In Alertmanager, the labels identify an alert. A resolution is therefore sent for each severity that the alert may
/// have had.
fn alertmanager(alert: &Value) -> Value {
    let annotations = json!({
        "summary": summary(alert), "details": alert["details"].to_string(), "actions": alert["actions"].to_string(),
        "process_info": alert["process_info"].to_string(), "event": alert["event"], "key": alert["key"],
        "serial": alert["serial"].to_string(),
    });
    let (own, all) = (text(alert, "severity"), Severity::ALL.map(Severity::name));
    let severities = if is_resolved(alert) { &all[..] } else { std::slice::from_ref(&own) };
    let time = if is_resolved(alert) { "endsAt" } else { "startsAt" };
    let mut rendered = Vec::new();
    for severity in severities {
        let mut one = json!({ "labels": labels(alert, severity), "annotations": annotations });
        one[time] = alert["timestamp"].clone();
        if text(alert, "status") == "firing" {
            one["endsAt"] = format!("{:.3}", Timestamp::now() + FIRING).into();
        }
        rendered.push(one);
    }
    rendered.into()
}

fn labels(alert: &Value, severity: &str) -> Map<String, Value> {
    let incident = text(alert, "incident");
    let kind = incident.rsplit_once('/').map_or_else(|| text(alert, "event"), |(_, kind)| kind);
    let severity = severity.to_lowercase();
    let fixed = [("alertname", kind), ("severity", &severity), ("incident", incident)];
    let fields = ["process", "group", "system", "host", "server"].map(|field| (field, text(alert, field)));
    // An empty label is the same as none.
    let labels = fixed.into_iter().chain(fields).filter(|(_, value)| !value.is_empty());
    labels.map(|(label, value)| (label.to_owned(), value.into())).collect()
}

fn pagerduty(alert: &Value, routing_key: &str) -> Value {
    let severity = match text(alert, "severity") {
        "CRITICAL" => "critical",
        "HIGH" => "error",
        "WARNING" => "warning",
        _ => "info",
    };
    let (process, group) = (text(alert, "process"), text(alert, "group"));
    json!({
        "routing_key": routing_key,
        "event_action": if is_resolved(alert) { "resolve" } else { "trigger" },
        "dedup_key": dedup_key(text(alert, "incident")),
        "payload": {
            "summary": summary(alert).chars().take(PAGERDUTY_SUMMARY).collect::<String>(),
            "source": alert["host"],
            "severity": severity,
            "timestamp": alert["timestamp"],
            "component": if process.is_empty() { "supervisord" } else { process },
            "group": if group.is_empty() { text(alert, "system") } else { group },
            "class": alert["event"],
            "custom_details": {
                "details": bounded(&alert["details"]), "actions": bounded(&alert["actions"]),
                "process_info": alert["process_info"], "server": alert["server"], "serial": alert["serial"],
                "key": alert["key"], "system": alert["system"],
            },
        },
    })
}

/// The value, or the beginning of its text if it is too long.
fn bounded(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= PAGERDUTY_FIELD {
        return value.clone();
    }
    text[..text.floor_char_boundary(PAGERDUTY_FIELD)].into()
}

/// The name of the incident. A long name is shortened but stays unique.
fn dedup_key(incident: &str) -> String {
    if incident.chars().count() <= PAGERDUTY_KEY {
        return incident.to_owned();
    }
    let sum = format!("#{:08x}", crc32fast::hash(incident.as_bytes()));
    incident.chars().take(PAGERDUTY_KEY - sum.len()).chain(sum.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Value {
        json!({
            "timestamp": "2026-01-12T09:31:20.104113Z", "severity": "CRITICAL", "process": "worker", "group": "t",
            "event": "UNEXPECTED_EXIT", "details": { "pid": 7, "said": "<!channel>" }, "system": "trading",
            "host": "alpha", "server": "supervisor", "serial": 9, "key": "alpha/supervisor/1.2/9/UNEXPECTED_EXIT/0",
            "incident": "alpha/supervisor/t:worker/UNEXPECTED_EXIT", "status": "firing", "actions": [],
            "process_info": {
                "state": "BACKOFF", "exit_status": 3, "spawn_error": "", "stderr": "a & b\n\u{1b}[31m```\n",
            },
        })
    }

    fn endpoint(event: &str, severity: &str, status: &str) -> Value {
        let mut alert = alert();
        (alert["event"], alert["severity"], alert["status"]) = (event.into(), severity.into(), status.into());
        (alert["process"], alert["group"]) = (Value::Null, Value::Null);
        alert["incident"] = "alpha/supervisor/feed/ENDPOINT_DOWN".into();
        alert["details"]["endpoint"] = "feed".into();
        alert
    }

    /// A firing alert, and its resolution.
    fn endpoints() -> [Value; 2] {
        [endpoint("ENDPOINT_DOWN", "CRITICAL", "firing"), endpoint("ENDPOINT_UP", "INFO", "resolved")]
    }

    /// As long as processes can make it.
    fn long() -> Value {
        let mut alert = alert();
        let (long, endless) = ("é<".repeat(1000), "é<".repeat(200_000));
        (alert["process"], alert["details"], alert["actions"]) = (json!(long), json!(endless), json!([endless]));
        (alert["process_info"]["stderr"], alert["incident"]) = (long.clone().into(), format!("{long}/KIND").into());
        alert
    }

    fn render(format: Format, alert: &Value) -> Value {
        format.render(alert, Some(&"0123456789abcdef0123456789abcdef".parse().unwrap())).unwrap()
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    #[test]
    fn a_summary_names_what_it_is_about() {
        let [fired, resolved] = endpoints().map(|alert| summary(&alert));
        assert_eq!(fired, "CRITICAL: ENDPOINT_DOWN feed (trading on alpha)");
        assert_eq!(resolved, "RESOLVED INFO: ENDPOINT_UP feed (trading on alpha)");
        let mut unnamed = alert();
        unnamed["system"] = unnamed["host"].clone();
        assert_eq!(summary(&unnamed), "CRITICAL: UNEXPECTED_EXIT t:worker (alpha)");
    }

    /// `text` is required; Slack recommends 4,000 characters at most. Three characters are control characters.
    #[test]
    fn slack_shows_no_markup_of_others() {
        let expected = "*CRITICAL: UNEXPECTED_EXIT t:worker (trading on alpha)*\n\
                        details: {\"pid\":7,\"said\":\"&lt;!channel&gt;\"}\n\
                        process: {\"state\":\"BACKOFF\",\"exit_status\":3,\"spawn_error\":\"\"}\n\
                        ```a &amp; b\n\\u{1b}[31m'''\n```";
        assert_eq!(render(Format::Slack, &alert()), json!({ "text": expected }));
        let message = render(Format::Slack, &long());
        let text = message["text"].as_str().unwrap();
        assert!((3500..4000).contains(&text.len()), "{}", text.len());
        assert!(text.starts_with('*') && text.ends_with("&lt;```") && !text.contains('<'), "{text}");
        assert!(text.split('&').skip(1).all(|after| after.starts_with("lt;")), "{text}");
    }

    #[test]
    fn slack_shows_a_report_as_text() {
        let mut alert = alert();
        (alert["process"], alert["group"], alert["process_info"]) = (Value::Null, Value::Null, Value::Null);
        alert["details"] = json!({ "failures": 2, "report": "web has ended\n    ```<oops>", "processes": [{}, {}] });
        let expected = "*CRITICAL: UNEXPECTED_EXIT (trading on alpha)*\n\
                        details: {\"failures\":2}\n\
                        ```web has ended\n    '''&lt;oops&gt;```";
        assert_eq!(render(Format::Slack, &alert), json!({ "text": expected }));
        alert["details"]["report"] = "é<".repeat(200_000).into();
        assert!(render(Format::Slack, &alert)["text"].as_str().is_some_and(|text| text.len() < 4000));
    }

    /// `postableAlerts`: labels and annotations are strings, times are RFC 3339.
    #[test]
    fn alertmanager_knows_what_a_resolution_is_about() {
        let [fired, resolved] = endpoints().map(|alert| render(Format::Alertmanager, &alert));
        let labels = json!({
            "alertname": "ENDPOINT_DOWN", "severity": "critical", "incident": "alpha/supervisor/feed/ENDPOINT_DOWN",
            "system": "trading", "host": "alpha", "server": "supervisor",
        });
        assert_eq!(fired.as_array().unwrap().len(), 1);
        assert_eq!(fired[0]["labels"], labels);
        let same = resolved.as_array().unwrap().iter().filter(|alert| alert["labels"] == labels);
        assert_eq!((same.count(), resolved.as_array().unwrap().len()), (1, 4));
        assert_eq!(keys(&fired[0]), ["labels", "annotations", "startsAt", "endsAt"]);
        assert_eq!(keys(&resolved[0]), ["labels", "annotations", "endsAt"]);
        assert!(fired[0]["endsAt"].as_str().unwrap().parse::<Timestamp>().unwrap() > Timestamp::now());
        let strings = |value: &Value| value.as_object().is_some_and(|fields| fields.values().all(Value::is_string));
        assert!(strings(&fired[0]["annotations"]), "{fired}");
        // A one-off event expires by itself.
        let mut once = alert();
        once["status"] = Value::Null;
        assert_eq!(keys(&render(Format::Alertmanager, &once)[0]), ["labels", "annotations", "startsAt"]);
    }

    /// What the Events API v2 requires of an event.
    fn assert_pagerduty(event: &Value) {
        let is_text =
            |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
        assert_eq!(event["routing_key"].as_str().map(str::len), Some(32));
        assert!(["trigger", "acknowledge", "resolve"].contains(&event["event_action"].as_str().unwrap()), "{event}");
        assert!(is_text(&event["dedup_key"], 255), "{}", event["dedup_key"]);
        let payload = &event["payload"];
        assert!(is_text(&payload["summary"], 1024) && is_text(&payload["source"], usize::MAX), "{event}");
        assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()), "{event}");
        assert!(payload["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok(), "{event}");
        assert!(["component", "group", "class"].iter().all(|field| is_text(&payload[field], usize::MAX)), "{event}");
        assert!(payload["custom_details"].is_object(), "{event}");
        assert!(event.to_string().len() <= 512 << 10, "{}", event.to_string().len());
    }

    #[test]
    fn pagerduty_gets_what_its_schema_requires() {
        let event = render(Format::PagerDuty, &alert());
        assert_pagerduty(&event);
        assert_eq!(event["dedup_key"], "alpha/supervisor/t:worker/UNEXPECTED_EXIT");
        assert_eq!((&event["event_action"], &event["payload"]["severity"]), (&"trigger".into(), &"critical".into()));
        assert_eq!(event["payload"]["custom_details"]["process_info"]["exit_status"], 3);
        let [fired, resolved] = endpoints().map(|alert| render(Format::PagerDuty, &alert));
        assert_pagerduty(&fired);
        assert_pagerduty(&resolved);
        assert_eq!(fired["dedup_key"], resolved["dedup_key"]);
        assert_eq!((&fired["event_action"], &resolved["event_action"]), (&"trigger".into(), &"resolve".into()));

        let event = render(Format::PagerDuty, &long());
        assert_pagerduty(&event);
        let mut other = long();
        other["incident"] = format!("{}x", long()["incident"].as_str().unwrap()).into();
        assert_ne!(event["dedup_key"], render(Format::PagerDuty, &other)["dedup_key"]);
        // A report is not an incident.
        let mut report = endpoint("HOURLY_REPORT", "INFO", "firing");
        report["status"] = Value::Null;
        assert_eq!(Format::PagerDuty.render(&report, None), None);
    }
}
