//! Formats an alert as a mail for somebody who reads it at night.

use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::error::Error;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, To};
use lettre::message::{Mailbox, Mailboxes};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::alerts::format::{summary, text};
use crate::printable;

/// The longest subject, and the longest detail in the text, in characters. The JSON at the end has everything.
const SUBJECT: usize = 200;
const DETAIL: usize = 2000;
/// The longest name in an identifier, in bytes: a header line holds 998.
const NAME: usize = 400;
/// Characters that are encoded in an identifier.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'/');

/// A mail.
pub struct Letter {
    /// The Message-ID. It is the same for repeated deliveries of one alert, so duplicates can be recognised.
    pub id: String,
    pub bytes: Vec<u8>,
}

impl Letter {
    pub fn new(alert: &Value, from: &Mailbox, to: &Mailboxes) -> Result<Self, Error> {
        let id = identifier(alert, "key");
        // An old alert keeps its time.
        let date = text(alert, "timestamp").parse::<Timestamp>().map_or_else(|_| SystemTime::now(), SystemTime::from);
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
        let message = Message::builder()
            .from(from.clone())
            .mailbox(To::from(to.clone()))
            .subject(subject(alert))
            .date(date)
            .message_id(Some(id.clone()))
            // An alert and its resolution form one thread.
            .references(identifier(alert, "incident"))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(body(alert))?;
        Ok(Self { id, bytes: message.formatted() })
    }
}

/// `<NAME@HOST>`, in characters that every mail reader handles.
fn identifier(alert: &Value, field: &str) -> String {
    let mut name = utf8_percent_encode(text(alert, field), ENCODED).to_string();
    if name.len() > NAME {
        let sum = crc32fast::hash(name.as_bytes());
        name.truncate(NAME);
        let _ = write!(name, "/{sum:08x}");
    }
    let host = text(alert, "host").chars().filter(|char| char.is_ascii_alphanumeric() || *char == '-');
    let host: String = host.collect();
    format!("<{name}@{}>", if host.is_empty() { "localhost" } else { &host })
}

/// One line: line breaks in a process's name would start further header lines.
fn subject(alert: &Value) -> String {
    let line = summary(alert);
    let line = line.split(|char: char| char.is_whitespace() || char.is_control()).filter(|word| !word.is_empty());
    printable::text(&line.collect::<Vec<_>>().join(" ")).chars().take(SUBJECT).collect()
}

fn body(alert: &Value) -> String {
    let mut lines = vec![summary(alert), String::new()];
    let mut say = |what: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{:<9}{value}", format!("{what}:")));
        }
    };
    say("When", text(alert, "timestamp").into());
    say("Where", format!("{}, supervisord {:?}", text(alert, "host"), text(alert, "server")));
    say("Status", text(alert, "status").into());
    say("Ended", ended(&alert["process_info"]));
    let details = alert["details"].as_object().into_iter().flatten();
    let details = details.map(|(name, value)| format!("{name}: {}", plain(value)));
    section(&mut lines, "What happened", details);
    let stderr = text(&alert["process_info"], "stderr").lines().map(String::from);
    section(&mut lines, "The last lines of its standard error", stderr);
    section(&mut lines, "What was done about it", alert["actions"].as_array().into_iter().flatten().map(action));
    lines.push(String::new());
    let json = serde_json::to_string_pretty(alert).unwrap_or_default();
    printable::text(&lines.join("\n")) + "\nThe alert:\n" + &printable::json(&json) + "\n"
}

fn section(lines: &mut Vec<String>, title: &str, content: impl Iterator<Item = String>) {
    let mut content = content.map(|line| format!("  {line}")).peekable();
    if content.peek().is_some() {
        lines.extend([String::new(), format!("{title}:")]);
        lines.extend(content);
    }
}

fn ended(info: &Value) -> String {
    if !info.is_object() {
        return String::new();
    }
    if let Some(error) = info["error"].as_str() {
        return format!("unknown: {error}");
    }
    let status = match info["exit_status"].as_i64() {
        Some(-1) => "by a signal".to_owned(),
        Some(status) => format!("exit status {status}"),
        None => "exit status unknown".to_owned(),
    };
    let parts = [status, text(info, "spawn_error").into(), format!("now {}", text(info, "state"))];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn action(action: &Value) -> String {
    let mut line = format!("{}: {}", text(action, "action"), text(action, "outcome"));
    for field in ["processes", "error"] {
        if !action[field].is_null() {
            let _ = write!(line, ", {}", plain(&action[field]));
        }
    }
    line
}

/// A value for the text: strings without quotes, and not too long.
fn plain(value: &Value) -> String {
    let full = value.as_str().map_or_else(|| value.to_string(), String::from);
    let mut start: String = full.chars().take(DETAIL).collect();
    if start.len() < full.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert() -> Value {
        json!({
            "timestamp": "2026-01-12T09:31:20.104113Z", "severity": "CRITICAL", "process": "risk", "group": "t",
            "event": "PROCESS_FATAL", "details": { "message": "failed to start", "from_state": "BACKOFF" },
            "system": "trading", "host": "alpha", "server": "één host", "serial": 9,
            "key": "alpha/één host/ab/9/PROCESS_FATAL/0", "incident": "alpha/één host/t:risk/PROCESS_FATAL",
            "status": "firing",
            "actions": [
                { "action": "stop group t", "outcome": "stopping", "processes": [["feed", "OK"]] },
                { "action": "start b", "outcome": "failed", "error": "no" },
            ],
            "process_info": {
                "state": "FATAL", "exit_status": null, "spawn_error": "too quickly", "stderr": "a\n\u{1b}[31mb\n",
            },
        })
    }

    fn letter(alert: &Value) -> String {
        let [from, to] = ["Trading <a@x>", "b@y"].map(|text| text.parse::<Mailbox>().unwrap());
        let letter = Letter::new(alert, &from, &vec![to].into()).unwrap();
        String::from_utf8(letter.bytes).unwrap()
    }

    #[test]
    fn a_person_reads_what_happened() {
        let expected = "CRITICAL: PROCESS_FATAL t:risk (trading on alpha)\n\n\
            When:    2026-01-12T09:31:20.104113Z\nWhere:   alpha, supervisord \"één host\"\nStatus:  firing\n\
            Ended:   exit status unknown; too quickly; now FATAL\n\n\
            What happened:\n  message: failed to start\n  from_state: BACKOFF\n\n\
            The last lines of its standard error:\n  a\n  \\u{1b}[31mb\n\n\
            What was done about it:\n  stop group t: stopping, [[\"feed\",\"OK\"]]\n  start b: failed, no\n\n\
            The alert:\n{\n";
        let body = body(&alert());
        assert!(body.starts_with(expected), "{body}");
        let (_, json) = body.split_once("The alert:\n").unwrap();
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), alert());
    }

    #[test]
    fn no_name_begins_a_line_of_the_header() {
        let plain = letter(&alert());
        let id = "Message-ID: <alpha/%C3%A9%C3%A9n%20host/ab/9/PROCESS%5FFATAL/0@alpha>\r\n".replace("%5F", "_");
        assert!(plain.contains(&id) && plain.contains("Auto-Submitted: auto-generated\r\n"), "{plain}");
        let mut evil = alert();
        let name = "x\r\nBcc: all@x\r\n\r\nboo\u{85}\u{2028}\u{0}";
        for field in ["process", "host", "key", "incident", "event", "system", "severity"] {
            evil[field] = name.into();
        }
        let headers = |text: &str| {
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names = head.lines().filter(|line| !line.starts_with(' '));
            names.map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(headers(&letter(&evil)), headers(&plain));
        // Very long names change nothing.
        let mut long = alert();
        for field in ["process", "key", "incident"] {
            long[field] = "é".repeat(5000).into();
        }
        let text = letter(&long);
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
        assert_eq!(headers(&text), headers(&plain));
    }
}
