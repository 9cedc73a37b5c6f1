//! The names of events, and which is a kind of which.
//!
//! The hierarchy is supervisor's table, not a matter of prefixes: a plugin may register a name such as `PROCESS`.

use super::event::ProcessState;
use super::scan::{FAST, place_in, rfind};
use super::text::Text;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(, $parent:ident)?;)*) => {
        /// The type of an event: supervisor 4.3.0's table, abstract types included.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum EventType<'a> {
            $($(#[$doc])* $variant,)*
            /// Any other name: a plugin's event, or a newer server's. An event that nobody registered is `None` by name.
            Other(Text<'a>),
        }

        /// The places of the types in the table.
        enum Place {
            $($variant,)*
        }

        impl<'a> EventType<'a> {
            /// All types of the table.
            pub const ALL: &'static [EventType<'static>] = &[$(EventType::$variant,)*];

            /// The type at a place of the table.
            fn nth(place: usize) -> Option<Self> {
                match place {
                    $(place if place == Place::$variant as usize => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The type's `eventname`.
            pub fn name(self) -> &'a str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name.as_str(),
                }
            }

            /// The type that this one is a kind of: none for EVENT, and EVENT for names that are not in the table.
            pub fn parent(self) -> Option<EventType<'static>> {
                match self {
                    $(Self::$variant => None$(.or(Some(EventType::$parent)))?,)*
                    Self::Other(_) => Some(EventType::Event),
                }
            }
        }
    };
}

event_types! {
    /// Abstract: any event.
    Event = "EVENT";
    /// Abstract: a process changed its state.
    ProcessState = "PROCESS_STATE", Event;
    /// Abstract: a process sent data between the communication tags.
    ProcessCommunication = "PROCESS_COMMUNICATION", Event;
    /// Abstract: a process wrote output.
    ProcessLog = "PROCESS_LOG", Event;
    /// Somebody called `supervisor.sendRemoteCommEvent`.
    RemoteCommunication = "REMOTE_COMMUNICATION", Event;
    /// Abstract: supervisord changed its state.
    SupervisorStateChange = "SUPERVISOR_STATE_CHANGE", Event;
    /// Abstract: time has passed.
    Tick = "TICK", Event;
    /// Abstract: a group was added or removed.
    ProcessGroup = "PROCESS_GROUP", Event;
    /// A process was stopped.
    ProcessStateStopped = "PROCESS_STATE_STOPPED", ProcessState;
    /// A process is being started.
    ProcessStateStarting = "PROCESS_STATE_STARTING", ProcessState;
    /// A process was started.
    ProcessStateRunning = "PROCESS_STATE_RUNNING", ProcessState;
    /// A process ended too soon, and will be started again.
    ProcessStateBackoff = "PROCESS_STATE_BACKOFF", ProcessState;
    /// A process is being stopped.
    ProcessStateStopping = "PROCESS_STATE_STOPPING", ProcessState;
    /// A process ended by itself.
    ProcessStateExited = "PROCESS_STATE_EXITED", ProcessState;
    /// A process ended too soon, too often.
    ProcessStateFatal = "PROCESS_STATE_FATAL", ProcessState;
    /// supervisord lost track of a process.
    ProcessStateUnknown = "PROCESS_STATE_UNKNOWN", ProcessState;
    /// A process sent data on its standard output.
    ProcessCommunicationStdout = "PROCESS_COMMUNICATION_STDOUT", ProcessCommunication;
    /// A process sent data on its standard error.
    ProcessCommunicationStderr = "PROCESS_COMMUNICATION_STDERR", ProcessCommunication;
    /// A process wrote to its standard output.
    ProcessLogStdout = "PROCESS_LOG_STDOUT", ProcessLog;
    /// A process wrote to its standard error.
    ProcessLogStderr = "PROCESS_LOG_STDERR", ProcessLog;
    /// supervisord has started.
    SupervisorStateChangeRunning = "SUPERVISOR_STATE_CHANGE_RUNNING", SupervisorStateChange;
    /// supervisord is stopping.
    SupervisorStateChangeStopping = "SUPERVISOR_STATE_CHANGE_STOPPING", SupervisorStateChange;
    /// Every 5 seconds.
    Tick5 = "TICK_5", Tick;
    /// Every minute.
    Tick60 = "TICK_60", Tick;
    /// Every hour.
    Tick3600 = "TICK_3600", Tick;
    /// A group was added to supervisord.
    ProcessGroupAdded = "PROCESS_GROUP_ADDED", ProcessGroup;
    /// A group was removed from supervisord.
    ProcessGroupRemoved = "PROCESS_GROUP_REMOVED", ProcessGroup;
}

/// The names of the kinds, in the order of the table.
const KINDS: &str = "EVENT PROCESS_STATE PROCESS_COMMUNICATION PROCESS_LOG REMOTE_COMMUNICATION SUPERVISOR_STATE_CHANGE \
    TICK PROCESS_GROUP ";

/// What the types of a kind add to its name, in their order: a list for each kind that has types, and one for the two
/// kinds that have the same.
const WORDS: &str = "STOPPED STARTING RUNNING BACKOFF STOPPING EXITED FATAL UNKNOWN  STDOUT STDERR  RUNNING STOPPING  \
    5 60 3600  ADDED REMOVED  ";

/// The names of the states, in the order of [`ProcessState`]: the first list.
pub(crate) const STATES: &str = WORDS;

/// For each kind, where the list of its types begins, and the place of the first of them. EVENT and REMOTE_COMMUNICATION
/// have none: theirs is behind the last list.
static TYPES: [(u8, u8); 8] = [
    words(5, Place::Event),
    words(0, Place::ProcessStateStopped),
    words(1, Place::ProcessCommunicationStdout),
    words(1, Place::ProcessLogStdout),
    words(5, Place::RemoteCommunication),
    words(2, Place::SupervisorStateChangeRunning),
    words(3, Place::Tick5),
    words(4, Place::ProcessGroupAdded),
];

/// Where the list of [`WORDS`] begins that so many others stand before, and `first`.
const fn words(mut others: u32, first: Place) -> (u8, u8) {
    let mut rest = WORDS.as_bytes();
    loop {
        rest = match (others, rest) {
            (0, _) | (_, []) => return (WORDS.len().wrapping_sub(rest.len()) as u8, first as u8),
            (_, [b' ', b' ', after @ ..]) => {
                others = others.wrapping_sub(1);
                after
            }
            (_, [_, after @ ..]) => after,
        };
    }
}

impl<'a> EventType<'a> {
    /// The type with this `eventname`.
    pub fn from_name(name: &'a str) -> Self {
        Self::from_text(Text::new(name))
    }

    /// The same.
    pub(crate) fn from_text(name: Text<'a>) -> Self {
        let known = if FAST { Self::by_last_word(&name) } else { Self::by_lists(name.as_bytes()) };
        known.unwrap_or(Self::Other(name))
    }

    /// Looks the name up in the least room.
    fn by_lists(name: &[u8]) -> Option<Self> {
        if let Some(place) = place_in(KINDS, name) {
            return Self::nth(place);
        }
        let (kind, word) = name.split_at_checked(rfind(b'_', name)?)?;
        let (from, first) = *TYPES.get(place_in(KINDS, kind)?)?;
        let place = place_in(WORDS.get(usize::from(from)..)?, word.get(1..)?)?;
        Self::nth(place.wrapping_add(usize::from(first)))
    }

    /// Looks the name up in the least time: by its last word, which leaves little to compare.
    fn by_last_word(name: &str) -> Option<Self> {
        let (kind, last) = match name.as_bytes().iter().rposition(|byte| *byte == b'_') {
            Some(at) => (name.get(..at)?, name.get(at.saturating_add(1)..)?),
            None => (name, ""),
        };
        Some(match (kind, last) {
            ("TICK", "5") => Self::Tick5,
            ("TICK", "60") => Self::Tick60,
            ("TICK", "3600") => Self::Tick3600,
            ("PROCESS_STATE", state) => match ProcessState::from_name(state) {
                ProcessState::Stopped => Self::ProcessStateStopped,
                ProcessState::Exited => Self::ProcessStateExited,
                ProcessState::Starting => Self::ProcessStateStarting,
                ProcessState::Stopping => Self::ProcessStateStopping,
                ProcessState::Backoff => Self::ProcessStateBackoff,
                ProcessState::Fatal => Self::ProcessStateFatal,
                ProcessState::Running => Self::ProcessStateRunning,
                ProcessState::Unknown => Self::ProcessStateUnknown,
                ProcessState::Other(_) => return None,
            },
            ("PROCESS_LOG", "STDOUT") => Self::ProcessLogStdout,
            ("PROCESS_LOG", "STDERR") => Self::ProcessLogStderr,
            ("PROCESS_COMMUNICATION", "STDOUT") => Self::ProcessCommunicationStdout,
            ("PROCESS_COMMUNICATION", "STDERR") => Self::ProcessCommunicationStderr,
            ("PROCESS_GROUP", "ADDED") => Self::ProcessGroupAdded,
            ("PROCESS_GROUP", "REMOVED") => Self::ProcessGroupRemoved,
            ("REMOTE", "COMMUNICATION") => Self::RemoteCommunication,
            ("SUPERVISOR_STATE_CHANGE", "RUNNING") => Self::SupervisorStateChangeRunning,
            ("SUPERVISOR_STATE_CHANGE", "STOPPING") => Self::SupervisorStateChangeStopping,
            // The abstract ones.
            ("PROCESS", "STATE") => Self::ProcessState,
            ("PROCESS", "LOG") => Self::ProcessLog,
            ("PROCESS", "COMMUNICATION") => Self::ProcessCommunication,
            ("PROCESS", "GROUP") => Self::ProcessGroup,
            ("SUPERVISOR_STATE", "CHANGE") => Self::SupervisorStateChange,
            ("TICK", "") if name.len() == 4 => Self::Tick,
            ("EVENT", "") if name.len() == 5 => Self::Event,
            _ => return None,
        })
    }

    /// Whether a listener that subscribes to `other` receives events of this type.
    ///
    /// ```
    /// use supervisor_events::EventType;
    ///
    /// let fatal = EventType::from_name("PROCESS_STATE_FATAL");
    /// assert!(fatal.is_a(EventType::ProcessState) && fatal.is_a(EventType::Event) && fatal.is_a(fatal));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again_and_is_an_event() {
        assert_eq!(EventType::ALL.len(), 27);
        for &event_type in EventType::ALL {
            assert_eq!(EventType::by_lists(event_type.name().as_bytes()), Some(event_type));
            assert_eq!(EventType::by_last_word(event_type.name()), Some(event_type));
            assert!(event_type.is_a(EventType::Event));
            // supervisor's concrete names begin with their parent's; nothing else may be a kind of that parent.
            let prefix = event_type.name();
            for &other in EventType::ALL.iter().filter(|other| other.is_a(event_type) && **other != event_type) {
                assert!(event_type == EventType::Event || other.name().starts_with(prefix));
            }
        }
        assert_eq!(EventType::from_name("PROCESS").parent(), Some(EventType::Event));
        for name in [
            "tick_5",
            "TICK_",
            "EVENT_",
            "_",
            "",
            "_EVENT",
            "PROCESS_STATE_",
            "PROCESS_STATE_TICK_5",
            "TICK_5 ",
            "TICK 5",
            "TICK_5\nX",
            "EVENT_STOPPED",
            "REMOTE_COMMUNICATION_ADDED",
            "REMOTE_COMMUNICATION_STDOUT",
            "PROCESS_GROUP_",
        ] {
            assert_eq!((EventType::by_lists(name.as_bytes()), EventType::by_last_word(name)), (None, None));
            assert_eq!(EventType::from_name(name), EventType::Other(name.into()));
        }
    }
}
