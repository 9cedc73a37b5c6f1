//! `Serialize` for the views, in the protocol's own names: what a log line or a message to another program wants.
//!
//! Data and payloads are strings where they are UTF-8, and arrays of byte values where they are not. Tokens that the
//! crate has no field for follow the fields under their own keys, as strings.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::wire::event::{Data, Event, ProcessState};
use crate::wire::event_type::EventType;
use crate::wire::header::Header;

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.tokens() {
            match key {
                "serial" => map.serialize_entry(key, &self.serial)?,
                "poolserial" => map.serialize_entry(key, &self.poolserial)?,
                "len" => map.serialize_entry(key, &self.len)?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

impl Serialize for EventType<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for ProcessState<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
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

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.event_type())?;
        let extra = match self {
            Self::ProcessState(event) => {
                map.serialize_entry("processname", event.processname)?;
                map.serialize_entry("groupname", event.groupname)?;
                map.serialize_entry("from_state", &event.from_state)?;
                optional(&mut map, "tries", event.tries)?;
                optional(&mut map, "expected", event.expected)?;
                optional(&mut map, "pid", event.pid)?;
                Some(event.extra)
            }
            Self::ProcessLog(event) => {
                map.serialize_entry("processname", event.processname)?;
                map.serialize_entry("groupname", event.groupname)?;
                optional(&mut map, "pid", event.pid)?;
                map.serialize_entry("channel", event.channel.name())?;
                map.serialize_entry("data", &event.data)?;
                Some(event.extra)
            }
            Self::ProcessCommunication(event) => {
                map.serialize_entry("processname", event.processname)?;
                map.serialize_entry("groupname", event.groupname)?;
                optional(&mut map, "pid", event.pid)?;
                map.serialize_entry("data", &event.data)?;
                Some(event.extra)
            }
            Self::RemoteCommunication(event) => {
                map.serialize_entry("remote_type", event.remote_type)?;
                map.serialize_entry("data", &event.data)?;
                None
            }
            Self::SupervisorStateChange(_) => None,
            Self::Tick(event) => {
                map.serialize_entry("when", &event.when)?;
                Some(event.extra)
            }
            Self::ProcessGroup(event) => {
                map.serialize_entry("groupname", event.groupname)?;
                None
            }
        };
        for (key, value) in extra.into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// An entry for what the payload has; what it lacks has none.
fn optional<M: SerializeMap>(map: &mut M, key: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}
