//! The names of events, the hierarchy of their types, and the shapes of their payloads.
//!
//! The hierarchy is supervisor's table, not a matter of prefixes: a plugin may register a name such as `PROCESS`.

use super::bytes::{SMALL, distinct, index_in};
use super::error::UnknownName;
use super::table::table;
use super::text::Text;
use super::word::{Channel, GroupChange, ProcessState, SupervisorState};

/// The shape of a payload, with the values that the event's name gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    ProcessState(ProcessState),
    ProcessLog(Channel),
    ProcessCommunication(Channel),
    RemoteCommunication,
    SupervisorStateChange(SupervisorState),
    /// The period in seconds.
    Tick(u32),
    ProcessGroup(GroupChange),
}

macro_rules! make_event_types {
    (
        keys { $($keys:tt)* }
        words { $($words:tt)* }
        event_types {
            $(#[$root_doc:meta])* $root:ident = $root_name:literal;
            $($(#[$doc:meta])* $variant:ident = $name:literal, $parent:ident $(=> $Shape:ident $(($($said:tt)+))?)?;)*
        }
        $($sections:tt)*
    ) => {
        /// The type of an event: supervisor 4.3.0's table, abstract types included.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum EventType<'a> {
            $(#[$root_doc])* $root,
            $($(#[$doc])* $variant,)*
            /// Any other name: a plugin's event, or a newer server's. supervisord sends `None` as the name of an event
            /// type that nobody registered.
            Other(Text<'a>),
        }

        impl<'a> EventType<'a> {
            /// All types of the table.
            pub const ALL: &'static [EventType<'static>] = &[EventType::$root, $(EventType::$variant,)*];

            /// The type's `eventname`.
            pub fn name(self) -> &'a str {
                match self {
                    Self::$root => $root_name,
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name.as_str(),
                }
            }

            /// The type that this one is a kind of: `None` for EVENT, and EVENT for names that are not in the table.
            pub fn parent(self) -> Option<EventType<'static>> {
                match self {
                    Self::$root => None,
                    $(Self::$variant => Some(EventType::$parent),)*
                    Self::Other(_) => Some(EventType::$root),
                }
            }

            /// The type at an index of the table. A match makes smaller code than the table itself.
            fn at(index: usize) -> Option<Self> {
                enum Index { $root, $($variant,)* }
                match index {
                    index if index == Index::$root as usize => Some(Self::$root),
                    $(index if index == Index::$variant as usize => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub(crate) fn from_text(name: Text<'a>) -> Self {
                let bytes = name.as_bytes();
                if SMALL {
                    let list = concat!($root_name, " ", $($name, " ",)*);
                    let index = index_in(list, bytes, |one, other| one == other);
                    return index.and_then(Self::at).unwrap_or(Self::Other(name));
                }
                $(if bytes == $name.as_bytes() {
                    return Self::$variant;
                })*
                if bytes == $root_name.as_bytes() { Self::$root } else { Self::Other(name) }
            }

            /// The shape of the payload; `None` for abstract and unknown types.
            pub(crate) const fn shape(self) -> Option<Shape> {
                match self {
                    $($(Self::$variant => Some(Shape::$Shape $(($($said)+))?),)?)*
                    _ => None,
                }
            }
        }

        impl Shape {
            /// The type of an event with this shape and these values. `None` for a period that no tick has.
            pub(crate) const fn event_type(self) -> Option<EventType<'static>> {
                match self {
                    $($(Self::$Shape $(($($said)+))? => Some(EventType::$variant),)?)*
                    Self::Tick(_) => None,
                }
            }
        }

        const _: () = {
            assert!(distinct(&[$root_name, $($name,)*]), "two types have the same name");
            $(assert!(
                EventType::$variant.shape().is_some() || is_parent(EventType::$variant),
                concat!($name, " has no shape, and nothing is a kind of it"),
            );)*
        };

        #[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
        const fn is_parent(event_type: EventType<'_>) -> bool {
            $(matches!(event_type, EventType::$parent) ||)* false
        }
    };
}

table!(make_event_types);

impl<'a> EventType<'a> {
    /// The type with this `eventname`.
    pub fn from_name(name: &'a str) -> Self {
        Self::from_text(Text::new(name))
    }

    /// Whether a listener that subscribes to `other` receives events of this type.
    ///
    /// ```
    /// use supervisor_events::EventType;
    ///
    /// let fatal = EventType::from_name("PROCESS_STATE_FATAL");
    /// assert!(fatal.is_a(EventType::ProcessState) && fatal.is_a(EventType::Event));
    /// assert!(fatal.is_a(fatal));
    /// assert!(!EventType::from_name("TICK_5_OURS").is_a(EventType::Tick));
    /// ```
    pub fn is_a(self, other: EventType<'_>) -> bool {
        let mut kind = self;
        loop {
            if kind == other {
                return true;
            }
            match kind.parent() {
                Some(parent) => kind = parent,
                None => return false,
            }
        }
    }
}

impl core::fmt::Display for EventType<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

const NO_TYPE: UnknownName = UnknownName::instead_of("an event type of supervisor 4.3.0");

/// Parses a name that is in the table. For any other name, use [`EventType::from_name`].
impl core::str::FromStr for EventType<'static> {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|event_type| event_type.name() == name).ok_or(NO_TYPE)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EventType<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn every_name_is_found_again_and_is_an_event() {
        assert!(EventType::ALL.len() >= 27, "supervisor 4.3.0 has 27");
        for &event_type in EventType::ALL {
            assert_eq!(EventType::from_name(event_type.name()), event_type);
            assert_eq!(event_type.name().parse(), Ok(event_type));
            assert_eq!(alloc::format!("{event_type:>40}"), alloc::format!("{:>40}", event_type.name()));
            assert!(event_type.is_a(EventType::Event));
            // supervisor's concrete names begin with their parent's; nothing else may be a kind of that parent.
            let prefix = event_type.name();
            for &other in EventType::ALL.iter().filter(|other| other.is_a(event_type) && **other != event_type) {
                assert!(event_type == EventType::Event || other.name().starts_with(prefix));
            }
        }
        assert_eq!(EventType::from_name("PROCESS").parent(), Some(EventType::Event));
        for name in ["tick_5", "TICK_", "EVENT_", "_", "", "PROCESS_STATE_", "TICK_5 ", "TICK 5", "TICK_5\nX"] {
            assert_eq!(EventType::from_name(name), EventType::Other(name.into()));
            assert_eq!(name.parse::<EventType<'_>>(), Err(NO_TYPE));
        }
    }

    #[test]
    fn a_shape_knows_its_type() {
        for &event_type in EventType::ALL {
            assert_eq!(event_type.shape().and_then(Shape::event_type), event_type.shape().map(|_| event_type));
        }
        assert_eq!(Shape::Tick(7).event_type(), None);
    }

    #[test]
    fn types_without_a_shape_are_those_that_listeners_subscribe_to() {
        for &event_type in EventType::ALL {
            let has_kinds = EventType::ALL.iter().any(|other| other.parent() == Some(event_type));
            assert_eq!(event_type.shape().is_none(), has_kinds, "{event_type}");
        }
    }
}
