//! A command's environment: `SUPERVISOR_EVENT` is the event's name, and `SUPERVISOR_EVENT_TOKEN` is set for each token
//! of its header and payload. Data after the payload's first line is only on standard input, which gets the whole
//! payload.

use serde_json::Value;
use supervisor_events::Event;

use crate::run::Context;

/// The prefix of all variables: a token must not be able to set `PATH`.
const PREFIX: &str = "SUPERVISOR_EVENT";
/// The longest value, in bytes: the system limits the total.
const LONGEST: usize = 4096;

/// The variables for an event.
pub fn environment(context: &Context<'_>) -> Vec<(String, String)> {
    let header = context.header;
    let mut all = vec![
        (PREFIX.to_owned(), printable(header.eventname())),
        (name("run"), context.run.to_owned()),
        (name("omitted"), context.omitted.to_string()),
    ];
    let mut add = |key: &str, value: String| {
        let name = name(key);
        // The first value wins: a payload cannot override the header.
        if !all.iter().any(|(known, _)| *known == name) {
            all.push((name, printable(&value)));
        }
    };
    header.tokens().take(64).for_each(|(key, value)| add(key, value.to_owned()));
    if let Ok(event) = Event::parse(header.event_type(), context.payload)
        && let Ok(Value::Object(fields)) = serde_json::to_value(event)
    {
        for (key, value) in fields {
            match value {
                _ if key == "type" || key == "data" => {}
                Value::String(text) => add(&key, text),
                // As supervisord writes it.
                Value::Bool(is_so) => add(&key, u8::from(is_so).to_string()),
                Value::Number(number) => add(&key, number.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
    all
}

fn name(key: &str) -> String {
    let key = key.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' });
    format!("{PREFIX}_{}", key.take(64).collect::<String>())
}

/// A variable cannot contain NUL.
fn printable(value: &str) -> String {
    let end = value.floor_char_boundary(LONGEST);
    value[..end].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_events::Header;

    fn variables(header: &str, payload: &[u8]) -> Vec<(String, String)> {
        let header = Header::parse(header.as_bytes()).unwrap();
        environment(&Context { header: &header, run: "r", omitted: 0, payload })
    }

    fn get<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn each_token_is_a_variable_and_none_takes_the_place_of_another() {
        let header = "ver:3.0 server:a b serial:7 pool:p poolserial:0 eventname:PROCESS_STATE_EXITED len:9 new-one:n";
        let payload = b"processname:a b groupname:g from_state:RUNNING expected:0 pid:5 serial:9 x:y\0z PATH:evil";
        let variables = variables(header, payload);
        for (name, value) in [
            ("", Some("PROCESS_STATE_EXITED")),
            ("_SERVER", Some("a b")),
            ("_SERIAL", Some("7")),
            ("_POOL", Some("p")),
            ("_RUN", Some("r")),
            ("_NEW_ONE", Some("n")),
            ("_PROCESSNAME", Some("a b")),
            ("_GROUPNAME", Some("g")),
            ("_FROM_STATE", Some("RUNNING")),
            ("_EXPECTED", Some("0")),
            ("_PID", Some("5")),
            ("_X", Some("y\u{fffd}z")),
            ("_PATH", Some("evil")),
            ("_TYPE", None),
        ] {
            assert_eq!(get(&variables, &format!("SUPERVISOR_EVENT{name}")), value, "{name}: {variables:?}");
        }
        assert!(variables.iter().all(|(name, _)| name.starts_with("SUPERVISOR_EVENT")));
    }

    #[test]
    fn data_is_left_to_the_input_and_long_values_are_cut() {
        let long = "é".repeat(LONGEST);
        let header = format!("ver:3.0 server:{long} serial:7 pool:p poolserial:0 eventname:REMOTE_COMMUNICATION len:9");
        let variables = variables(&header, b"type:any thing\ndata");
        assert_eq!(get(&variables, "SUPERVISOR_EVENT_SERVER").map(str::len), Some(LONGEST));
        assert_eq!(get(&variables, "SUPERVISOR_EVENT_REMOTE_TYPE"), Some("any thing"));
        assert_eq!(get(&variables, "SUPERVISOR_EVENT_DATA"), None);
    }
}
