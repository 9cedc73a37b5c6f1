//! `Serialize` for the views, in the protocol's own names: for log lines and for messages to other programs. One name
//! differs: `type` is the event's type, so the `type` of a remote communication is called `remote_type`.
//!
//! Data and payloads are strings where they are UTF-8, and arrays of byte values where they are not. Tokens that the
//! crate has no field for follow the fields under their own keys, as strings.

use core::fmt::Display;

use serde::ser::{Serialize, SerializeMap, SerializeStructVariant, Serializer};

use crate::audit::{Delivery, Lost, Position};
use crate::notification::Notification;
use crate::owned::OwnedNotification;
use crate::wire::data::Data;
use crate::wire::event::Event;
use crate::wire::header::Header;
use crate::wire::text::Text;
use crate::wire::token::Tokens;

/// `header`, `event`, `payload`, and `omitted` if bytes were omitted. If the payload has no typed view, `event` is null
/// and `event_error` says why.
impl Serialize for Notification<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("header", &self.header)?;
        let event = self.event();
        map.serialize_entry("event", &event.ok())?;
        optional(&mut map, "event_error", event.err().map(Displayed))?;
        map.serialize_entry("payload", &Data::new(self.payload))?;
        optional(&mut map, "omitted", (self.omitted != 0).then_some(self.omitted))?;
        map.end()
    }
}

impl<const N: usize> Serialize for OwnedNotification<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.notification().serialize(serializer)
    }
}

#[cfg(feature = "std")]
impl Serialize for crate::host::capture::CapturedNotification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.notification().serialize(serializer)
    }
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.tokens() {
            match key {
                "serial" => map.serialize_entry(key, &self.serial())?,
                "poolserial" => map.serialize_entry(key, &self.poolserial())?,
                "len" => map.serialize_entry(key, &self.len())?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// As an enum: `"first"`, `{"gap": {"missing": 2}}`.
impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let unit = |index, name| (index, name, None);
        let (index, name, number) = match self {
            Self::First => unit(0, "first"),
            Self::Redelivery { times } => (1, "redelivery", Some(("times", u64::from(*times)))),
            Self::Gap { missing } => (2, "gap", Some(("missing", *missing))),
            Self::Late => unit(3, "late"),
            Self::Restart => unit(4, "restart"),
        };
        let Some((key, number)) = number else {
            return serializer.serialize_unit_variant("Delivery", index, name);
        };
        let mut fields = serializer.serialize_struct_variant("Delivery", index, name, 1)?;
        fields.serialize_field(key, &number)?;
        fields.end()
    }
}

/// As a map of its fields.
impl Serialize for Lost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { count, first, last } = self;
        serializer.collect_map([("count", count), ("first", first), ("last", last)])
    }
}

/// As a map of its fields.
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { serial, poolserial } = self;
        serializer.collect_map([("serial", serial), ("poolserial", poolserial)])
    }
}

impl Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(self.as_bytes()),
        }
    }
}

/// As the struct in the variant.
impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ProcessState(event) => event.serialize(serializer),
            Self::ProcessLog(event) => event.serialize(serializer),
            Self::ProcessCommunication(event) => event.serialize(serializer),
            Self::RemoteCommunication(event) => event.serialize(serializer),
            Self::SupervisorStateChange(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("type", &self.event_type())?;
                map.end()
            }
            Self::Tick(event) => event.serialize(serializer),
            Self::ProcessGroup(event) => event.serialize(serializer),
        }
    }
}

/// Serializes a value as its `Display` text.
struct Displayed<T>(T);

impl<T: Display> Serialize for Displayed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An entry for a value that is present; an absent value has no entry.
fn optional<M: SerializeMap>(map: &mut M, key: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::word::{Channel, GroupChange, SupervisorState};
    use serde_json::json;

    fn notification<'a>(header: &'a str, payload: &'a [u8]) -> Notification<'a> {
        Notification { header: Header::parse(header.as_bytes()).unwrap(), payload, omitted: 0, retries_left: None }
    }

    #[test]
    fn a_notification_is_its_header_its_event_and_its_bytes() {
        let line = "ver:3.0 server:a b serial:1 pool:p poolserial:0 eventname:TICK_5 len:6 more:m";
        let header = json!({
            "ver": "3.0", "server": "a b", "serial": 1, "pool": "p", "poolserial": 0, "eventname": "TICK_5", "len": 6,
            "more": "m",
        });
        let mut tick = notification(line, b"when:5");
        let event = json!({ "type": "TICK_5", "when": 5 });
        assert_eq!(json!(tick), json!({ "header": header, "event": event, "payload": "when:5" }));
        assert_eq!(json!(OwnedNotification::<128>::try_from(&tick).unwrap()), json!(tick));
        let Ok(Event::Tick(content)) = tick.event() else { panic!() };
        assert_eq!(json!(content), event);

        (tick.payload, tick.omitted) = (b"wh\xff", 3);
        let written = json!(tick);
        assert_eq!(written["event"], json!(null));
        assert_eq!(written["event_error"], tick.event().unwrap_err().to_string());
        assert_eq!((&written["payload"], &written["omitted"]), (&json!([119, 104, 255]), &json!(3)));
    }

    #[test]
    fn small_things_are_their_names() {
        assert_eq!(json!([Channel::Stdout, Channel::Stderr]), json!(["stdout", "stderr"]));
        assert_eq!(json!([SupervisorState::Running, SupervisorState::Stopping]), json!(["RUNNING", "STOPPING"]));
        assert_eq!(json!([GroupChange::Added, GroupChange::Removed]), json!(["ADDED", "REMOVED"]));
        assert_eq!(json!(Tokens::new("a:1 b:")), json!({ "a": "1", "b": "" }));
        let deliveries = [
            Delivery::First,
            Delivery::Redelivery { times: 2 },
            Delivery::Gap { missing: 3 },
            Delivery::Late,
            Delivery::Restart,
        ];
        let names = json!(["first", { "redelivery": { "times": 2 } }, { "gap": { "missing": 3 } }, "late", "restart"]);
        assert_eq!(json!(deliveries), names);
        let lost = Lost { count: 2, first: 4, last: 7 };
        assert_eq!(json!(lost), json!({ "count": 2, "first": 4, "last": 7 }));
        assert_eq!(json!(Position { serial: 8, poolserial: 3 }), json!({ "serial": 8, "poolserial": 3 }));
    }
}
