//! Typed events: an event that is parsed or made, then written, is parsed to the same event, unless it
//! [has two readings](Parts::is_ambiguous).

use arbitrary::{Arbitrary, Unstructured};
use supervisor_events::{
    Channel, Data, Event, EventError, EventType, GroupChange, ProcessCommunicationEvent, ProcessGroupEvent,
    ProcessLogEvent, ProcessState, ProcessStateEvent, RemoteCommunicationEvent, SupervisorState, Text, TickEvent,
    Tokens,
};

/// A payload of any type, or the parts of one.
#[derive(Debug, Arbitrary)]
pub enum Input<'a> {
    /// Bytes that arrive.
    Payload(#[arbitrary(with = concrete)] EventType<'static>, &'a [u8]),
    /// An event to send.
    Made(Parts),
}

impl Input<'_> {
    /// Checks that an event that is written is read as the same event.
    pub fn check(self) {
        match self {
            Self::Payload(event_type, payload) => match Event::parse(event_type, payload) {
                Ok(event) if Parts::of(event_type, event).is_ambiguous() => {}
                Ok(event) => assert_is_read_as_written(event_type, event),
                Err(error) => assert_ne!(error, EventError::UnknownType),
            },
            Self::Made(parts) if parts.is_ambiguous() => {}
            Self::Made(parts) => {
                let event = parts.event();
                assert_eq!(event.event_type(), Some(parts.event_type));
                assert_is_read_as_written(parts.event_type, event);
            }
        }
    }
}

fn assert_is_read_as_written(event_type: EventType<'_>, event: Event<'_>) {
    let mut buffer = [0; 8192];
    let Ok(written) = event.write_to(&mut buffer) else { return };
    assert_eq!(Event::parse(event_type, written), Ok(event), "{}", written.escape_ascii());
}

/// All types except the abstract ones.
pub fn concrete_types() -> impl Iterator<Item = EventType<'static>> {
    let is_abstract = |kind: EventType<'_>| EventType::ALL.iter().any(|other| other.parent() == Some(kind));
    EventType::ALL.iter().copied().filter(move |kind| !is_abstract(*kind))
}

fn concrete(input: &mut Unstructured<'_>) -> arbitrary::Result<EventType<'static>> {
    let types: Vec<_> = concrete_types().collect();
    input.choose(&types).copied()
}

/// The parts of an event of any type.
#[derive(Clone, Debug, Arbitrary)]
pub struct Parts {
    #[arbitrary(with = concrete)]
    pub event_type: EventType<'static>,
    pub processname: String,
    pub groupname: String,
    pub from_state: String,
    pub tries: Option<u32>,
    pub expected: Option<bool>,
    pub pid: Option<u32>,
    pub remote_type: String,
    pub data: Vec<u8>,
    pub when: u64,
    pub extra: String,
}

/// Keys that have a field in some event.
pub const FIELDS: [&str; 8] = ["processname", "groupname", "from_state", "tries", "expected", "pid", "channel", "when"];

impl Parts {
    /// The parts of an event, without its data.
    fn of(event_type: EventType<'static>, event: Event<'_>) -> Self {
        let mut parts = Self {
            event_type,
            processname: "".into(),
            groupname: "".into(),
            from_state: "RUNNING".into(),
            tries: None,
            expected: None,
            pid: None,
            remote_type: "".into(),
            data: Vec::new(),
            when: 0,
            extra: "".into(),
        };
        let (names, extra) = match event {
            Event::ProcessState(event) => {
                parts.from_state = event.from_state.name().into();
                ([event.processname, event.groupname], event.extra)
            }
            Event::ProcessLog(event) => ([event.processname, event.groupname], event.extra),
            Event::ProcessCommunication(event) => ([event.processname, event.groupname], event.extra),
            Event::ProcessGroup(event) => ([Text::new(""), event.groupname], event.extra),
            Event::Tick(event) => ([Text::new(""); 2], event.extra),
            Event::RemoteCommunication(event) => {
                parts.remote_type = event.remote_type.to_string();
                return parts;
            }
            _ => return parts,
        };
        [parts.processname, parts.groupname] = names.map(|name| name.to_string());
        parts.extra = extra.into_iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(" ");
        parts
    }

    /// The event, of its `event_type`.
    pub fn event(&self) -> Event<'_> {
        use EventType as T;
        match self.event_type {
            T::ProcessLogStdout => self.log(Channel::Stdout),
            T::ProcessLogStderr => self.log(Channel::Stderr),
            T::ProcessCommunicationStdout => self.communication(Channel::Stdout),
            T::ProcessCommunicationStderr => self.communication(Channel::Stderr),
            T::RemoteCommunication => {
                let mut event = RemoteCommunicationEvent::new();
                (event.remote_type, event.data) = (Text::new(&self.remote_type), Data::new(&self.data));
                Event::RemoteCommunication(event)
            }
            T::SupervisorStateChangeRunning => Event::SupervisorStateChange(SupervisorState::Running),
            T::SupervisorStateChangeStopping => Event::SupervisorStateChange(SupervisorState::Stopping),
            T::Tick5 => self.tick(5),
            T::Tick60 => self.tick(60),
            T::Tick3600 => self.tick(3600),
            T::ProcessGroupAdded => self.group(GroupChange::Added),
            T::ProcessGroupRemoved => self.group(GroupChange::Removed),
            state => self.state(state.name().strip_prefix("PROCESS_STATE_").unwrap().parse().unwrap()),
        }
    }

    fn state(&self, state: ProcessState) -> Event<'_> {
        let mut event = ProcessStateEvent::new(state);
        (event.processname, event.groupname) = self.names();
        (event.tries, event.expected, event.pid) = (self.tries, self.expected, self.pid);
        (event.from_state, event.extra) = (self.from_state[..].into(), Tokens::new(&self.extra));
        Event::ProcessState(event)
    }

    fn log(&self, channel: Channel) -> Event<'_> {
        let mut event = ProcessLogEvent::new(channel);
        (event.processname, event.groupname) = self.names();
        (event.pid, event.data, event.extra) = (self.pid, Data::new(&self.data), Tokens::new(&self.extra));
        Event::ProcessLog(event)
    }

    fn communication(&self, channel: Channel) -> Event<'_> {
        let mut event = ProcessCommunicationEvent::new(channel);
        (event.processname, event.groupname) = self.names();
        (event.pid, event.data, event.extra) = (self.pid, Data::new(&self.data), Tokens::new(&self.extra));
        Event::ProcessCommunication(event)
    }

    fn tick(&self, period: u32) -> Event<'_> {
        let mut event = TickEvent::new(period);
        (event.when, event.extra) = (self.when, Tokens::new(&self.extra));
        Event::Tick(event)
    }

    fn group(&self, change: GroupChange) -> Event<'_> {
        let mut event = ProcessGroupEvent::new(change);
        (event.groupname, event.extra) = (self.names().1, Tokens::new(&self.extra));
        Event::ProcessGroup(event)
    }

    fn names(&self) -> (Text<'_>, Text<'_>) {
        (Text::new(&self.processname), Text::new(&self.groupname))
    }

    /// Whether the written event has two readings, or a part is more than one token.
    ///
    /// * supervisord refuses a space, a colon and a slash in a group's name. A newline at the end of the name may be
    ///   that of the line.
    /// * The line of tokens of an event that carries data ends at the first newline after ` groupname:`, and the name
    ///   of the process may hold both.
    /// * A state is a word, and so are tokens without a field of their own. Newlines at the end of a line are cut off.
    pub fn is_ambiguous(&self) -> bool {
        let Self { event_type, processname, groupname, from_state, remote_type, extra, .. } = self;
        let is_word = |text: &str| !text.contains([' ', '\r', '\n']);
        let carries_data = event_type.is_a(EventType::ProcessLog) || event_type.is_a(EventType::ProcessCommunication);
        let claimed = processname.find(" groupname:").map_or("", |at| &processname[at..]);
        let is_token = |token: &str| {
            token.split_once(':').is_some_and(|(key, _)| !key.is_empty() && !FIELDS.contains(&key)) && is_word(token)
        };
        groupname.contains([' ', ':'])
            || groupname.ends_with(['\r', '\n'])
            || carries_data && (claimed.contains('\n') || groupname.contains('\n'))
            || from_state.is_empty()
            || !is_word(from_state)
            || remote_type.contains('\n')
            || !extra.is_empty() && !extra.split(' ').all(is_token)
    }
}
