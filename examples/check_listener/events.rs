//! The events that the checks send, and which of them a listener subscribes to.

use supervisor_events::{
    Channel, Data, Event, EventType, GroupChange, ProcessCommunicationEvent, ProcessGroupEvent, ProcessLogEvent,
    ProcessState, ProcessStateEvent, RemoteCommunicationEvent, SupervisorState, Text, TickEvent,
};

/// An event to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub eventname: &'static str,
    pub payload: Vec<u8>,
}

impl Sample {
    /// Whether the payload continues after its first line.
    pub fn has_lines(&self) -> bool {
        self.payload.trim_ascii().contains(&b'\n')
    }

    /// Whether the event is one of a process.
    pub fn is_of_process(&self) -> bool {
        self.payload.starts_with(b"processname:")
    }

    /// Whether the event holds free text: a name, or data.
    pub fn has_text(&self) -> bool {
        self.is_of_process() || self.has_lines() || self.payload.starts_with(b"groupname:")
    }

    /// Whether the payload is one line, so that nothing about it is difficult.
    pub fn is_plain(&self) -> bool {
        !self.payload.is_empty() && !self.payload.contains(&b'\n')
    }
}

/// The free text in an event.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The process's name, or the type of a REMOTE_COMMUNICATION.
    pub process: &'a str,
    pub group: &'a str,
    pub data: &'a str,
}

pub const PLAIN: Words<'_> = Words { process: "cat", group: "pets", data: "a line\nand another one\n" };

/// A payload as supervisord makes it, for each concrete type.
pub fn samples(words: Words<'_>) -> Vec<Sample> {
    let named = |event: Event<'_>| {
        let mut buffer = [0; 1024];
        let payload = event.write_to(&mut buffer).expect("samples are short").to_vec();
        Sample { eventname: event.event_type().expect("samples are of known types").name(), payload }
    };
    process_states(words).into_iter().chain(supervisors_own(words)).chain(outputs(words)).map(named).collect()
}

fn process_states(words: Words<'_>) -> [Event<'_>; 9] {
    use ProcessState::*;
    let pid = Some(2766);
    [
        // The first is a state that most listeners have no reason to act on.
        (Running, Starting, None, None, pid),
        (Starting, Stopped, Some(0), None, None),
        (Backoff, Starting, Some(1), None, None),
        (Stopping, Running, None, None, pid),
        (Exited, Running, None, Some(false), pid),
        (Exited, Running, None, Some(true), pid),
        (Stopped, Stopping, None, None, pid),
        (Fatal, Backoff, None, None, None),
        (Unknown, Running, None, None, None),
    ]
    .map(|(state, from_state, tries, expected, pid)| {
        let mut event = ProcessStateEvent::new(state);
        (event.processname, event.groupname) = (Text::new(words.process), Text::new(words.group));
        (event.from_state, event.tries, event.expected, event.pid) = (from_state.into(), tries, expected, pid);
        Event::ProcessState(event)
    })
}

/// Ticks, and what happens to groups and to supervisord itself.
fn supervisors_own(words: Words<'_>) -> [Event<'_>; 7] {
    let tick = |period, when| {
        let mut event = TickEvent::new(period);
        event.when = when;
        Event::Tick(event)
    };
    let group = |change| {
        let mut event = ProcessGroupEvent::new(change);
        event.groupname = Text::new(words.group);
        Event::ProcessGroup(event)
    };
    [
        tick(5, 1_705_063_880),
        tick(60, 1_705_063_860),
        tick(3600, 1_705_060_800),
        group(GroupChange::Added),
        group(GroupChange::Removed),
        Event::SupervisorStateChange(SupervisorState::Running),
        Event::SupervisorStateChange(SupervisorState::Stopping),
    ]
}

/// The output and messages of processes, and messages of clients.
fn outputs(words: Words<'_>) -> [Event<'_>; 5] {
    let (processname, groupname) = (Text::new(words.process), Text::new(words.group));
    let (data, pid) = (Data::new(words.data.as_bytes()), Some(2766));
    let log = |channel| {
        let mut event = ProcessLogEvent::new(channel);
        (event.processname, event.groupname, event.pid, event.data) = (processname, groupname, pid, data);
        Event::ProcessLog(event)
    };
    let communication = |channel| {
        let mut event = ProcessCommunicationEvent::new(channel);
        (event.processname, event.groupname, event.pid, event.data) = (processname, groupname, pid, data);
        Event::ProcessCommunication(event)
    };
    let mut remote = RemoteCommunicationEvent::new();
    (remote.remote_type, remote.data) = (processname, data);
    [
        Event::RemoteCommunication(remote),
        log(Channel::Stdout),
        log(Channel::Stderr),
        communication(Channel::Stdout),
        communication(Channel::Stderr),
    ]
}

/// The event of this type, if there is one.
pub fn sample(eventname: &str, words: Words<'_>) -> Option<Sample> {
    samples(words).into_iter().find(|sample| sample.eventname == eventname)
}

/// The types that the listener subscribes to, as in `events=` of its section in supervisord's configuration.
#[derive(Clone, Debug)]
pub struct Subscription(Vec<EventType<'static>>);

impl Subscription {
    pub fn to_everything() -> Self {
        Self(vec![EventType::Event])
    }

    /// Reads names, separated by commas. supervisord also accepts them in lower case.
    pub fn parse(names: &str) -> Result<Self, String> {
        let known = |name: &str| {
            let name = name.trim().to_ascii_uppercase();
            let of = EventType::ALL.iter().find(|of| of.name() == name);
            of.copied().ok_or_else(|| format!("--events: supervisord has no event {name:?} of its own"))
        };
        names.split(',').map(known).collect::<Result<_, _>>().map(Self)
    }

    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn has(&self, eventname: &str) -> bool {
        self.0.iter().any(|of| EventType::from_name(eventname).is_a(*of))
    }

    /// Whether unknown types are among them.
    pub fn has_everything(&self) -> bool {
        self.0.contains(&EventType::Event)
    }

    pub fn samples(&self, words: Words<'_>) -> Vec<Sample> {
        let mut samples = samples(words);
        samples.retain(|sample| self.has(sample.eventname));
        samples
    }

    /// The easiest event.
    pub fn usual(&self) -> Sample {
        self.samples(PLAIN).into_iter().next().expect("each type of the table has a sample")
    }

    /// The first type whose event passes the test.
    pub fn first(&self, words: Words<'_>, is_right: impl Fn(&Sample) -> bool) -> Option<Sample> {
        self.samples(words).into_iter().find(is_right)
    }
}
