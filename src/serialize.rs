//! `Serialize` for the views, in the protocol's own names: for log lines and for messages to other programs. One name
//! differs: `type` is the event's type, so the `type` of a remote communication is called `remote_type`.
//!
//! Data and payloads are strings if they are UTF-8, and arrays of byte values if they are not. Tokens that the crate
//! has no field for follow the fields under their own keys, as strings.
//!
//! No key of a map occurs twice, whatever a server sends: many readers of JSON refuse that, or keep the last value. A
//! token without a field whose key is also a field's, such as a `type` in a process's payload, is called `extra:type`,
//! which no token's own key can be. If several tokens without a field have the same key, the map has the first, as in
//! [`Tokens::get`](crate::Tokens::get). Finding it takes time quadratic in the number of tokens, so the map leaves out
//! those after the first 64.

use serde::ser::{Serialize, SerializeMap, SerializeStructVariant, Serializer};

use crate::audit::{Delivery, Lost, Position};
use crate::notification::Notification;
use crate::owned::OwnedNotification;
use crate::wire::data::Data;
use crate::wire::event::Event;
use crate::wire::fields;
use crate::wire::header::Header;
use crate::wire::key::Key;
use crate::wire::serialize::{Displayed, is_first};

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
        for (index, (key, value)) in self.tokens().enumerate() {
            match fields::KEYS.find(key.as_bytes()) {
                Some(Key::Serial) => map.serialize_entry(key, &self.serial())?,
                Some(Key::Poolserial) => map.serialize_entry(key, &self.poolserial())?,
                Some(Key::Len) => map.serialize_entry(key, &self.len())?,
                Some(_) => map.serialize_entry(key, value)?,
                None if is_first(self.tokens(), index, key) => map.serialize_entry(key, value)?,
                None => {}
            }
        }
        map.end()
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

/// As the struct that the variant holds.
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

/// An entry for a value that is present; an absent value has no entry.
fn optional<M: SerializeMap>(map: &mut M, key: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;
    use crate::wire::event_type::EventType;
    use crate::wire::word::{Channel, GroupChange, SupervisorState};
    use serde_json::json;
    use std::string::{String, ToString};
    use std::vec;
    use std::vec::Vec;

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
        #[cfg(feature = "std")]
        {
            let stream = std::format!("{line}\nwhen:5");
            let mut captured = crate::host::capture::Notifications::new(stream.as_bytes(), crate::LengthUnit::Bytes);
            assert_eq!(json!(captured.next().unwrap().unwrap()), json!(tick));
        }
        let Ok(Event::Tick(content)) = tick.event() else { panic!() };
        assert_eq!(json!(content), event);
        let change = Event::parse(EventType::SupervisorStateChangeStopping, b"").unwrap();
        assert_eq!(json!(change), json!({ "type": "SUPERVISOR_STATE_CHANGE_STOPPING" }));

        (tick.payload, tick.omitted) = (b"wh\xff", 3);
        let written = json!(tick);
        assert_eq!(written["event"], json!(null));
        assert_eq!(written["event_error"], tick.event().unwrap_err().to_string());
        assert_eq!((&written["payload"], &written["omitted"]), (&json!([119, 104, 255]), &json!(3)));
    }

    /// The keys of a JSON object, duplicates included.
    fn keys(json: &str) -> Vec<String> {
        struct Keys;
        impl<'de> serde::de::Visitor<'de> for Keys {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(keys)
            }
        }
        serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(json), Keys).unwrap()
    }

    #[test]
    fn a_token_that_is_named_like_an_entry_is_kept_beside_it() {
        let parse =
            |name, payload: &'static str| json!(Event::parse(EventType::from_name(name), payload.as_bytes()).unwrap());
        assert_eq!(
            parse("PROCESS_STATE_FATAL", "processname:p groupname:g from_state:BACKOFF type:t data:d x:1 type:u x:2"),
            json!({
                "type": "PROCESS_STATE_FATAL", "processname": "p", "groupname": "g", "from_state": "BACKOFF",
                "extra:type": "t", "data": "d", "x": "1",
            })
        );
        assert_eq!(
            parse("PROCESS_LOG_STDOUT", "processname:p groupname:g pid:1 channel:stdout data:d\nx"),
            json!({
                "type": "PROCESS_LOG_STDOUT", "processname": "p", "groupname": "g", "pid": 1, "channel": "stdout",
                "data": "x", "extra:data": "d",
            })
        );
        let header = Header::parse(b"ver:3.0 server:s serial:1 pool:p poolserial:0 eventname:E len:6 x:1 y:2 x:3");
        let written = json!(header.unwrap());
        assert_eq!((&written["x"], &written["y"]), (&json!("1"), &json!("2")));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri is too slow for so many tokens")]
    fn tokens_that_are_too_many_are_left_out_but_none_that_has_a_field() {
        let many: String = (0..100).map(|number| std::format!("k{number}:v ")).collect();
        assert_eq!(keys(&json!(Tokens::new(&many)).to_string()).len(), 64);
        let line = std::format!("ver:3.0 {many}eventname:E poolserial:0 serial:1 len:6 pool:p server:s");
        let keys = keys(&serde_json::to_string(&Header::parse(line.as_bytes()).unwrap()).unwrap());
        assert_eq!(keys.len(), 63 + 7, "`ver` is one of 64");
        assert!(
            ["eventname", "pool", "poolserial", "serial", "len", "server"]
                .iter()
                .all(|key| keys.contains(&(*key).into()))
        );
    }

    proptest::proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "Miri is too slow for the making of such texts")]
        fn no_key_occurs_twice(
            name in "PROCESS_STATE_(FATAL|EXITED)|PROCESS_LOG_STDOUT|TICK_5|PROCESS_GROUP_ADDED|PROCESS_COMMUNICATION_STDERR",
            extra in "( (type|data|channel|state|when|change|period|extra|x|pid|groupname|tries):[a-z1:]{0,3}){0,8}",
        ) {
            let line = match name.as_str() {
                "TICK_5" => std::format!("when:5{extra}"),
                "PROCESS_GROUP_ADDED" => std::format!("groupname:g{extra}\n"),
                _ => std::format!("processname:p groupname:g from_state:RUNNING{extra}"),
            };
            let header = std::format!("ver:3.0 server:s serial:1 pool:p poolserial:0 eventname:{name} len:6{extra}");
            let header = Header::parse(header.as_bytes()).unwrap();
            let mut written = vec![serde_json::to_string(&header).unwrap()];
            if let Ok(event) = Event::parse(header.event_type(), line.as_bytes()) {
                written.push(serde_json::to_string(&event).unwrap());
            }
            for json in written {
                let mut keys = keys(&json);
                let count = keys.len();
                keys.sort();
                keys.dedup();
                proptest::prop_assert_eq!(keys.len(), count, "{}", json);
            }
        }
    }

    /// An error of the writer is passed on, wherever it comes.
    #[test]
    fn what_does_not_fit_is_an_error() {
        fn check(value: &impl Serialize) {
            let whole = serde_json::to_vec(value).unwrap();
            let mut buffer = vec![0; whole.len()];
            for room in (0..whole.len()).step_by(if cfg!(miri) { 50 } else { 1 }) {
                assert!(serde_json::to_writer(&mut buffer[..room], value).is_err(), "{room}");
            }
            assert!(serde_json::to_writer(&mut buffer[..], value).is_ok());
            assert_eq!(buffer, whole);
        }
        let line = |name| std::format!("ver:3.0 server:s serial:1 pool:p poolserial:0 eventname:{name} len:6 x:1 y:2");
        for (name, payload) in [
            ("PROCESS_STATE_EXITED", &b"processname:p groupname:g from_state:RUNNING expected:1 pid:2 type:t x:1"[..]),
            ("PROCESS_STATE_STARTING", b"processname:p groupname:g from_state:STOPPED tries:0"),
            ("PROCESS_LOG_STDOUT", b"processname:p groupname:g pid:1 channel:stdout\nx"),
            ("PROCESS_COMMUNICATION_STDERR", b"processname:p groupname:g pid:1\nx"),
            ("REMOTE_COMMUNICATION", b"type:t\nx"),
            ("SUPERVISOR_STATE_CHANGE_RUNNING", b""),
            ("TICK_5", b"when:5"),
            ("PROCESS_GROUP_ADDED", b"groupname:g\n"),
            ("OURS", b"\xff"),
        ]
        .into_iter()
        // Miri is too slow for all of them.
        .take(if cfg!(miri) { 1 } else { usize::MAX })
        {
            let line = line(name);
            let mut notification = notification(&line, payload);
            notification.omitted = 1;
            check(&notification);
            check(&OwnedNotification::<256>::try_from(&notification).unwrap());
            let event = notification.event();
            assert_eq!(event.is_err(), name == "OURS");
            if let Ok(event) = event {
                check(&event);
            }
        }
        check(&[Delivery::First, Delivery::Redelivery { times: 2 }, Delivery::Gap { missing: 3 }, Delivery::Late]);
        check(&Tokens::new("a:1 b:"));
        check(&Lost { count: 2, first: 4, last: 7 });
        check(&Position { serial: 8, poolserial: 3 });
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
