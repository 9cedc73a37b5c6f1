//! An event as a message: subject, headers, payload.
//!
//! Values that may contain anything are percent-encoded as UTF-8: in subjects everything except ASCII letters, digits,
//! `-` and `_`; in headers everything except visible ASCII, and `%`. So both can be decoded to what supervisord sent.

use std::env;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use supervisor_events::{Event, EventType, Header, Notification};

use crate::log::now;

const TOKEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
const HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The header by which the broker recognises repeated messages.
pub const ID: &str = "Nats-Msg-Id";
/// The event name in the subject of a message about dropped events.
pub const DROPPED: &str = "FORWARD_MONITOR_DROPPED";

/// The event name in the subject of a last state.
pub const LAST: &str = "last";

/// A message to publish. Its headers are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

impl Message {
    /// Serialises the message for the spool: lines of text, an empty line, the payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lines = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        let mut bytes = format!("{}\n{}\n", self.subject, lines.collect::<String>()).into_bytes();
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Parses what `to_bytes` wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let mut lines = str::from_utf8(&bytes[..end]).ok()?.split('\n');
        let subject = lines.next()?.into();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.into(), value.into()));
        Some(Self { subject, headers: lines.map(pair).collect::<Option<_>>()?, payload: bytes[end + 2..].into() })
    }

    /// The encoded value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The id of its event; for dropped events, the id of the last one.
    pub fn last_id(&self) -> &str {
        self.header("Forward-Last-Id").or(self.header(ID)).unwrap_or_default()
    }

    /// The copy that is kept until a newer one for the same process, group or supervisord replaces it. `None` if the
    /// event is about none of these.
    pub fn last(&self) -> Option<Self> {
        let what = if self.header("Forward-Dropped").is_some() {
            "dropped".into()
        } else {
            let eventname = decode(self.header("Supervisor-eventname")?);
            match Event::parse(EventType::from_name(&eventname), &self.payload).ok()? {
                Event::ProcessState(event) => {
                    let [group, name] =
                        [event.groupname.to_string(), event.processname.to_string()].map(|it| token(&it));
                    format!("process.{group}.{name}")
                }
                Event::ProcessGroup(event) => format!("group.{}", token(event.groupname.as_ref())),
                Event::SupervisorStateChange(state) => format!("supervisor.{}", state.name()),
                _ => return None,
            }
        };
        let (before, _) = self.subject.rsplit_once('.')?;
        let server = token(&decode(self.header("Supervisor-server")?));
        let mut last = Self { subject: format!("{before}.{LAST}.{server}.{what}"), ..self.clone() };
        // Both messages may go to the same stream, where equal ids would make one a duplicate.
        last.headers.iter_mut().filter(|(name, _)| name == ID).for_each(|(_, id)| id.push_str("/last"));
        Some(last)
    }

    /// Cuts the payload if the message is larger than the broker allows. `None` if the headers alone are too large.
    pub fn cut_to(mut self, limit: usize) -> Option<Self> {
        // Leaves room for the header about the cut, and for the broker's own framing.
        let around = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>() + 64;
        if around + self.payload.len() > limit {
            let keep = limit.checked_sub(around)?;
            let omitted: u64 = self.header("Forward-Omitted").and_then(|omitted| omitted.parse().ok()).unwrap_or(0);
            let omitted = omitted + (self.payload.len() - keep) as u64;
            self.payload.truncate(keep);
            self.headers.retain(|header| header.0 != "Forward-Omitted");
            self.headers.push(("Forward-Omitted".into(), omitted.to_string()));
        }
        Some(self)
    }
}

/// The origin of messages: this listener, and the supervisord that started it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The beginning of all subjects.
    pub prefix: String,
    /// The host.
    pub host: String,
    /// Identifies this run of supervisord on this host: each run's serials begin at 0.
    pub run: String,
    /// The listener's group and name.
    pub process: String,
}

impl Origin {
    /// The message for an event.
    pub fn event(&self, event: &Notification<'_>) -> Message {
        let headers = [
            (ID, self.id(&event.header)),
            ("Forward-Host", encode(&self.host)),
            ("Forward-Run", encode(&self.run)),
            ("Forward-Process", encode(&self.process)),
            ("Forward-Time", now()),
        ];
        let mut message = Message {
            subject: format!("{}.{}.{}", self.prefix, token(&self.host), token(event.header.eventname())),
            headers: headers.map(|(name, value)| (name.into(), value)).into(),
            payload: event.payload.into(),
        };
        if event.omitted > 0 {
            message.headers.push(("Forward-Omitted".into(), event.omitted.to_string()));
        }
        // The prefix separates them from headers that have a meaning to the broker.
        let tokens = event.header.tokens();
        message.headers.extend(tokens.map(|(key, value)| (format!("Supervisor-{}", encode(key)), encode(value))));
        message
    }

    /// A heartbeat for the supervisord whose event has this id. `None` if the id belongs to another run.
    pub fn alive(&self, last_id: &str, waiting: usize) -> Option<Message> {
        let mut parts = last_id.split('/');
        let [host, run] = [&self.host, &self.run].map(|part| token(part));
        if parts.next() != Some(&host) || parts.next() != Some(&run) {
            return None;
        }
        let server = parts.next()?;
        let headers = [
            ("Forward-Host", encode(&self.host)),
            ("Forward-Run", encode(&self.run)),
            ("Forward-Process", encode(&self.process)),
            ("Forward-Time", now()),
            ("Forward-Waiting", waiting.to_string()),
            ("Supervisor-server", encode(&un_token(server))),
        ];
        let headers = headers.map(|(name, value)| (name.into(), value)).into();
        Some(Message { subject: format!("{}.{host}.{LAST}.{server}.alive", self.prefix), headers, payload: Vec::new() })
    }

    /// The same for repeated deliveries of one event in one pool, and unique otherwise.
    fn id(&self, header: &Header<'_>) -> String {
        let [host, run, server, pool] = [&self.host, &self.run, header.server(), header.pool()].map(token);
        format!("{host}/{run}/{server}/{pool}/{}", header.serial())
    }
}

/// The message for `count` dropped events, from `first` to `last`.
pub fn dropped(count: u64, first: &Message, last: &Message) -> Message {
    let subject = first.subject.rsplit_once('.').map_or("", |(before, _)| before);
    // The headers that all of them share, and the last one's time.
    let kept =
        ["Forward-Host", "Forward-Run", "Forward-Process", "Forward-Time", "Supervisor-server", "Supervisor-pool"];
    let mut headers = vec![(ID.into(), format!("{}/dropped", first.last_id()))];
    headers.extend(last.headers.iter().filter(|(name, _)| kept.contains(&&name[..])).cloned());
    headers.push(("Forward-Dropped".into(), count.to_string()));
    headers.push(("Forward-First-Id".into(), first.last_id().into()));
    headers.push(("Forward-Last-Id".into(), last.last_id().into()));
    Message { subject: format!("{subject}.{DROPPED}"), headers, payload: Vec::new() }
}

/// Encodes a part of a subject. The broker forbids empty parts.
pub fn token(text: &str) -> String {
    if text.is_empty() { "%".into() } else { utf8_percent_encode(text, TOKEN).to_string() }
}

/// Decodes a part of a subject.
fn un_token(text: &str) -> String {
    if text == "%" { String::new() } else { decode(text) }
}

/// Encodes a header's value.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, HEADER).to_string()
}

/// Decodes a header's value.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The listener's own name, from supervisord.
pub fn process_name() -> String {
    let from_env = |variable| env::var(variable).unwrap_or_else(|_| "forward_monitor".into());
    format!("{}:{}", from_env("SUPERVISOR_GROUP_NAME"), from_env("SUPERVISOR_PROCESS_NAME"))
}
