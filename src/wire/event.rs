//! The payloads, typed: one type per shape, in the protocol's own names.
//!
//! A payload begins with a line of tokens; for the events that carry data, the data follows the line's newline and goes
//! to the end of the payload. Names of processes may hold spaces, colons and newlines, and text that looks like tokens;
//! names of groups may not (supervisord refuses space, `:` and `/` in them). So `groupname` is the last such token of
//! the line, and what stands before it belongs to `processname`.

use nom::{Parser, combinator::opt, sequence::preceded};

use super::event_type::{EventType, STATES};
use super::key::{Key, Keys};
use super::line::{Line, Values};
use super::scan::{FAST, find, part, place_in};
use super::text::Text;
use super::token::{Tokens, decimal, mark, word};
use super::writer::Writer;
use crate::error::{EventError, NoRoom};

/// A payload's content by its type. Borrows from the payload.
///
/// ```
/// use supervisor_events::{Event, EventType, ProcessState};
///
/// let payload = b"processname:risk_manager groupname:trading_system from_state:BACKOFF";
/// let Event::ProcessState(event) = Event::parse(EventType::ProcessStateFatal, payload)? else { panic!() };
/// assert_eq!((event.state, event.from_state), (ProcessState::Fatal, ProcessState::Backoff));
/// assert_eq!(event.processname, "risk_manager");
/// # Ok::<(), supervisor_events::EventError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event<'a> {
    /// PROCESS_STATE_…
    ProcessState(ProcessStateEvent<'a>),
    /// PROCESS_LOG_…
    ProcessLog(ProcessLogEvent<'a>),
    /// PROCESS_COMMUNICATION_…
    ProcessCommunication(ProcessCommunicationEvent<'a>),
    /// REMOTE_COMMUNICATION
    RemoteCommunication(RemoteCommunicationEvent<'a>),
    /// SUPERVISOR_STATE_CHANGE_…
    SupervisorStateChange(SupervisorState),
    /// TICK_…
    Tick(TickEvent<'a>),
    /// PROCESS_GROUP_…
    ProcessGroup(ProcessGroupEvent<'a>),
}

/// The state of a process, by supervisord's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ProcessState<'a> {
    /// Not running, as asked for.
    Stopped,
    /// Started, but not for long enough to be RUNNING.
    Starting,
    /// Running.
    Running,
    /// Ended while STARTING; will be started again.
    Backoff,
    /// Told to stop.
    Stopping,
    /// Ended by itself.
    Exited,
    /// Could not be started.
    Fatal,
    /// supervisord does not know.
    Unknown,
    /// A name that supervisor 4.3.0 does not have.
    Other(Text<'a>),
}

impl<'a> ProcessState<'a> {
    /// The state with this name.
    #[inline]
    pub fn from_name(name: &'a str) -> Self {
        Self::from_text(Text::new(name))
    }

    pub(crate) fn from_text(name: Text<'a>) -> Self {
        if FAST { Self::by_match(name) } else { Self::by_list(name) }
    }

    /// Looks the name up in the least room.
    fn by_list(name: Text<'a>) -> Self {
        match place_in(STATES, name.as_bytes()) {
            Some(0) => Self::Stopped,
            Some(1) => Self::Starting,
            Some(2) => Self::Running,
            Some(3) => Self::Backoff,
            Some(4) => Self::Stopping,
            Some(5) => Self::Exited,
            Some(6) => Self::Fatal,
            Some(7) => Self::Unknown,
            _ => Self::Other(name),
        }
    }

    /// Looks the name up in the least time.
    #[inline]
    fn by_match(name: Text<'a>) -> Self {
        match name.as_str() {
            "STOPPED" => Self::Stopped,
            "STARTING" => Self::Starting,
            "RUNNING" => Self::Running,
            "BACKOFF" => Self::Backoff,
            "STOPPING" => Self::Stopping,
            "EXITED" => Self::Exited,
            "FATAL" => Self::Fatal,
            "UNKNOWN" => Self::Unknown,
            _ => Self::Other(name),
        }
    }

    /// The state that a process enters with this event, if it is one of those.
    #[inline]
    fn entered(event_type: EventType<'_>) -> Self {
        use EventType as T;
        match event_type {
            T::ProcessStateStopped => Self::Stopped,
            T::ProcessStateStarting => Self::Starting,
            T::ProcessStateRunning => Self::Running,
            T::ProcessStateBackoff => Self::Backoff,
            T::ProcessStateStopping => Self::Stopping,
            T::ProcessStateExited => Self::Exited,
            T::ProcessStateFatal => Self::Fatal,
            _ => Self::Unknown,
        }
    }

    /// The state's name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Backoff => "BACKOFF",
            Self::Stopping => "STOPPING",
            Self::Exited => "EXITED",
            Self::Fatal => "FATAL",
            Self::Unknown => "UNKNOWN",
            Self::Other(name) => name.as_str(),
        }
    }
}

/// A process changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProcessStateEvent<'a> {
    /// The state that the process is in now, from the event's name.
    pub state: ProcessState<'a>,
    /// The process's name.
    pub processname: Text<'a>,
    /// Its group's name; may be empty.
    pub groupname: Text<'a>,
    /// The state that it was in before.
    pub from_state: ProcessState<'a>,
    /// STARTING, BACKOFF: how often it was tried; goes to `startretries` + 1.
    pub tries: Option<u32>,
    /// EXITED: whether the exit code was one of `exitcodes`. A death by a signal is not.
    pub expected: Option<bool>,
    /// RUNNING, STOPPING, STOPPED, EXITED: the process id; 0 if there is none any more.
    pub pid: Option<u32>,
    /// Tokens that supervisor 4.3.0 does not send.
    pub extra: Tokens<'a>,
}

/// The stream that a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Channel {
    /// The channel's name: `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A process wrote output. Any piece of it, not a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProcessLogEvent<'a> {
    /// The stream that it wrote to: the token's value, or from the event's name where the server sends no token.
    pub channel: Channel,
    /// The process's name.
    pub processname: Text<'a>,
    /// Its group's name; may be empty.
    pub groupname: Text<'a>,
    /// The process id. Some servers do not send it.
    pub pid: Option<u32>,
    /// What was written.
    pub data: Data<'a>,
    /// Tokens that supervisor 4.3.0 does not send.
    pub extra: Tokens<'a>,
}

/// A process sent data between the [communication tags](crate::communication).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProcessCommunicationEvent<'a> {
    /// The stream that it wrote to, from the event's name.
    pub channel: Channel,
    /// The process's name.
    pub processname: Text<'a>,
    /// Its group's name; may be empty.
    pub groupname: Text<'a>,
    /// The process id. Some servers do not send it.
    pub pid: Option<u32>,
    /// What stood between the tags; at most the last `…_capture_maxbytes` bytes of it.
    pub data: Data<'a>,
    /// Tokens that supervisor 4.3.0 does not send.
    pub extra: Tokens<'a>,
}

/// Somebody called `supervisor.sendRemoteCommEvent(type, data)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RemoteCommunicationEvent<'a> {
    /// The first argument: the rest of the first line. May hold spaces and colons.
    pub remote_type: Text<'a>,
    /// The second argument.
    pub data: Data<'a>,
}

/// The state that supervisord entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SupervisorState {
    /// It has started.
    Running,
    /// It is stopping.
    Stopping,
}

/// Time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TickEvent<'a> {
    /// The period in seconds, from the event's name: 5, 60 or 3600.
    pub period: u32,
    /// The boundary of the period, in Unix seconds. Goes back with the clock.
    pub when: u64,
    /// Tokens that supervisor 4.3.0 does not send.
    pub extra: Tokens<'a>,
}

/// What happened to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum GroupChange {
    /// It was added.
    Added,
    /// It was removed.
    Removed,
}

/// A group was added to supervisord, or removed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ProcessGroupEvent<'a> {
    /// What happened, from the event's name.
    pub change: GroupChange,
    /// The group's name: the rest of the line.
    pub groupname: Text<'a>,
}

/// What a process wrote or somebody sent: any bytes.
///
/// supervisord 4 replaces what is not UTF-8 as a whole by a text, `Undecodable: b'\xff'`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    /// Wraps bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// If they are not UTF-8. supervisord 4 sends only UTF-8; a cut by `…_capture_maxbytes` may still fall into the
    /// middle of a character there, which it then reports as undecodable.
    pub fn to_str(&self) -> Result<&'a str, core::str::Utf8Error> {
        core::str::from_utf8(self.0)
    }

    /// The Python literal, `b'\xff'`, where supervisord could not decode what was written as UTF-8.
    ///
    /// A process can write this text itself; the two cannot be told apart.
    ///
    /// ```
    /// use supervisor_events::Data;
    /// assert_eq!(Data::new(br"Undecodable: b'\xff'").undecodable(), Some(r"b'\xff'"));
    /// assert_eq!(Data::new(b"fine").undecodable(), None);
    /// ```
    pub fn undecodable(&self) -> Option<&'a str> {
        let literal = self.0.strip_prefix(b"Undecodable: ")?;
        match literal {
            [b'b', quote @ (b'\'' | b'"'), .., end] if quote == end => core::str::from_utf8(literal).ok(),
            _ => None,
        }
    }
}

impl<'a> Event<'a> {
    /// Reads the payload of an event of this type.
    ///
    /// # Errors
    ///
    /// [`EventError::UnknownType`] for a type outside supervisor's table, or an abstract one;
    /// [`EventError::Payload`] for a payload that does not have its type's shape.
    pub fn parse(event_type: EventType<'_>, payload: &'a [u8]) -> Result<Self, EventError> {
        let shape = Shape::of(event_type).ok_or(EventError::UnknownType)?;
        if FAST && let Some(event) = usual(shape, event_type, payload) {
            return Ok(event);
        }
        general(shape, event_type, payload)
    }

    /// The type of the event.
    pub fn event_type(&self) -> Option<EventType<'static>> {
        use EventType as T;
        Some(match self {
            Self::ProcessState(event) => match event.state {
                ProcessState::Stopped => T::ProcessStateStopped,
                ProcessState::Starting => T::ProcessStateStarting,
                ProcessState::Running => T::ProcessStateRunning,
                ProcessState::Backoff => T::ProcessStateBackoff,
                ProcessState::Stopping => T::ProcessStateStopping,
                ProcessState::Exited => T::ProcessStateExited,
                ProcessState::Fatal => T::ProcessStateFatal,
                ProcessState::Unknown => T::ProcessStateUnknown,
                ProcessState::Other(_) => return None,
            },
            Self::ProcessLog(event) => match event.channel {
                Channel::Stdout => T::ProcessLogStdout,
                Channel::Stderr => T::ProcessLogStderr,
            },
            Self::ProcessCommunication(event) => match event.channel {
                Channel::Stdout => T::ProcessCommunicationStdout,
                Channel::Stderr => T::ProcessCommunicationStderr,
            },
            Self::RemoteCommunication(_) => T::RemoteCommunication,
            Self::SupervisorStateChange(SupervisorState::Running) => T::SupervisorStateChangeRunning,
            Self::SupervisorStateChange(SupervisorState::Stopping) => T::SupervisorStateChangeStopping,
            Self::Tick(event) => match event.period {
                5 => T::Tick5,
                60 => T::Tick60,
                3600 => T::Tick3600,
                _ => return None,
            },
            Self::ProcessGroup(event) => match event.change {
                GroupChange::Added => T::ProcessGroupAdded,
                GroupChange::Removed => T::ProcessGroupRemoved,
            },
        })
    }
}

// ---- From an event to its payload. ----

impl Event<'_> {
    /// Writes the payload that supervisord sends for this event to the start of `buffer`, and returns that part. What is
    /// `None` is left out; `extra` tokens come last. Names that no configuration allows are written as they are, and may
    /// not be read back as the same: a group's name with a space, a newline in a token.
    ///
    /// # Errors
    ///
    /// If it does not fit.
    ///
    /// ```
    /// use supervisor_events::{Event, EventType};
    ///
    /// let payload = b"processname:cat groupname:cat from_state:RUNNING expected:0 pid:2766";
    /// let event = Event::parse(EventType::ProcessStateExited, payload)?;
    /// assert_eq!(event.write_to(&mut [0; 100]), Ok(&payload[..]));
    /// # Ok::<(), supervisor_events::EventError>(())
    /// ```
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], NoRoom> {
        let mut writer = Writer::new(buffer);
        let out = &mut writer;
        match self {
            Self::ProcessState(event) => {
                names(out, &event.processname, &event.groupname);
                token(out, " from_state:", event.from_state.name());
                numeral(out, " tries:", event.tries);
                numeral(out, " expected:", event.expected.map(u32::from));
                numeral(out, " pid:", event.pid);
                tokens(out, event.extra);
            }
            Self::ProcessLog(event) => {
                names(out, &event.processname, &event.groupname);
                numeral(out, " pid:", event.pid);
                token(out, " channel:", event.channel.name());
                tokens(out, event.extra);
                out.put(b"\n").put(event.data.as_bytes());
            }
            Self::ProcessCommunication(event) => {
                names(out, &event.processname, &event.groupname);
                numeral(out, " pid:", event.pid);
                tokens(out, event.extra);
                out.put(b"\n").put(event.data.as_bytes());
            }
            Self::RemoteCommunication(event) => {
                token(out, "type:", &event.remote_type);
                out.put(b"\n").put(event.data.as_bytes());
            }
            Self::SupervisorStateChange(_) => {}
            Self::Tick(event) => {
                out.put(b"when:").number(event.when);
                tokens(out, event.extra);
            }
            Self::ProcessGroup(event) => {
                token(out, "groupname:", &event.groupname);
                out.put(b"\n");
            }
        }
        writer.finish()
    }
}

fn token(out: &mut Writer<'_>, mark: &str, value: &str) {
    out.put(mark.as_bytes()).put(value.as_bytes());
}

fn names(out: &mut Writer<'_>, processname: &str, groupname: &str) {
    token(out, "processname:", processname);
    token(out, " groupname:", groupname);
}

fn numeral(out: &mut Writer<'_>, mark: &str, value: Option<u32>) {
    if let Some(value) = value {
        out.put(mark.as_bytes()).number(value.into());
    }
}

fn tokens(out: &mut Writer<'_>, tokens: Tokens<'_>) {
    for (key, value) in tokens {
        out.put(b" ").put(key.as_bytes()).put(b":").put(value.as_bytes());
    }
}

// ---- From a payload to its event. ----

/// The shape of a payload.
#[derive(Clone, Copy)]
enum Shape {
    State,
    Log,
    Communication,
    Remote,
    Supervisor,
    Tick,
    Group,
}

impl Shape {
    #[inline]
    fn of(event_type: EventType<'_>) -> Option<Self> {
        use EventType as T;
        Some(match event_type {
            T::ProcessStateStopped
            | T::ProcessStateStarting
            | T::ProcessStateRunning
            | T::ProcessStateBackoff
            | T::ProcessStateStopping
            | T::ProcessStateExited
            | T::ProcessStateFatal
            | T::ProcessStateUnknown => Self::State,
            T::ProcessLogStdout | T::ProcessLogStderr => Self::Log,
            T::ProcessCommunicationStdout | T::ProcessCommunicationStderr => Self::Communication,
            T::RemoteCommunication => Self::Remote,
            T::SupervisorStateChangeRunning | T::SupervisorStateChangeStopping => Self::Supervisor,
            T::Tick5 | T::Tick60 | T::Tick3600 => Self::Tick,
            T::ProcessGroupAdded | T::ProcessGroupRemoved => Self::Group,
            _ => return None,
        })
    }
}

// What the event's name says.

impl Channel {
    fn named(event_type: EventType<'_>) -> Self {
        match event_type {
            EventType::ProcessLogStdout | EventType::ProcessCommunicationStdout => Self::Stdout,
            _ => Self::Stderr,
        }
    }
}

impl SupervisorState {
    fn named(event_type: EventType<'_>) -> Self {
        match event_type {
            EventType::SupervisorStateChangeRunning => Self::Running,
            _ => Self::Stopping,
        }
    }
}

impl GroupChange {
    fn named(event_type: EventType<'_>) -> Self {
        match event_type {
            EventType::ProcessGroupAdded => Self::Added,
            _ => Self::Removed,
        }
    }
}

/// In seconds.
fn period(event_type: EventType<'_>) -> u32 {
    match event_type {
        EventType::Tick5 => 5,
        EventType::Tick60 => 60,
        _ => 3600,
    }
}

/// Any payload that can be read.
#[inline(never)]
fn general<'a>(shape: Shape, event_type: EventType<'_>, payload: &'a [u8]) -> Result<Event<'a>, EventError> {
    const GROUP: Keys = Keys::of(&[Key::Groupname]);
    const COMMUNICATION: Keys = GROUP.with(Key::Processname).with(Key::Pid);
    let known = match shape {
        Shape::State => const { COMMUNICATION.with(Key::FromState).with(Key::Tries).with(Key::Expected) },
        Shape::Log => COMMUNICATION.with(Key::Channel),
        Shape::Communication => COMMUNICATION,
        Shape::Remote => const { Keys::of(&[Key::Type]) },
        Shape::Supervisor => return Ok(Event::SupervisorStateChange(SupervisorState::named(event_type))),
        Shape::Tick => const { Keys::of(&[Key::When]) },
        Shape::Group => GROUP,
    };
    let (text, data) = match shape {
        // The name of a process may hold a newline: the line ends at the first one after `groupname`.
        Shape::Log | Shape::Communication => split_line(payload, place_of(b" groupname:", payload)),
        Shape::Remote => split_line(payload, 0),
        _ => split_line(payload, payload.len()),
    };
    // Some servers and plugins write spaces and newlines at its end.
    let text = if let Shape::Remote = shape { text } else { trim(text) };
    let mut line = Line { text: Text::checked(text), values: Values::NONE };
    if let Err(error) = line.values.read(text, known) {
        return Err(EventError::Payload(error));
    }
    Ok(match shape {
        Shape::State => {
            let from_state = ProcessState::from_text(line.str(Key::FromState));
            let Process { processname, groupname, pid, extra } = Process::of(&line, known);
            Event::ProcessState(ProcessStateEvent {
                state: ProcessState::entered(event_type),
                processname,
                groupname,
                from_state,
                tries: line.small(Key::Tries),
                expected: line.small(Key::Expected).map(|which| which != 0),
                pid,
                extra,
            })
        }
        Shape::Log | Shape::Communication => {
            let Process { processname, groupname, pid, extra } = Process::of(&line, known);
            let channel = match line.small(Key::Channel) {
                None => Channel::named(event_type),
                Some(0) => Channel::Stdout,
                Some(_) => Channel::Stderr,
            };
            if let Shape::Log = shape {
                Event::ProcessLog(ProcessLogEvent { channel, processname, groupname, pid, data, extra })
            } else {
                let event = ProcessCommunicationEvent { channel, processname, groupname, pid, data, extra };
                Event::ProcessCommunication(event)
            }
        }
        Shape::Remote => {
            Event::RemoteCommunication(RemoteCommunicationEvent { remote_type: line.str(Key::Type), data })
        }
        Shape::Tick => {
            let extra = Tokens::unknown(line.text, known);
            Event::Tick(TickEvent { period: period(event_type), when: line.values.slot(Key::When), extra })
        }
        // The first has returned above.
        Shape::Supervisor | Shape::Group => {
            let groupname = line.str(Key::Groupname);
            Event::ProcessGroup(ProcessGroupEvent { change: GroupChange::named(event_type), groupname })
        }
    })
}

/// What the events of processes have in common.
struct Process<'a> {
    processname: Text<'a>,
    groupname: Text<'a>,
    pid: Option<u32>,
    extra: Tokens<'a>,
}

impl<'a> Process<'a> {
    #[inline(always)]
    fn of(line: &Line<'a>, known: Keys) -> Self {
        // The order is the one that takes the least room.
        let extra = Tokens::unknown(line.after(Key::Groupname), known);
        let groupname = line.str(Key::Groupname);
        Self { processname: line.str(Key::Processname), groupname, pid: line.small(Key::Pid), extra }
    }
}

// ---- The usual payloads, from the left: as supervisord sends them, with no space in a name. ----

/// Whatever is not usual goes to [`general`]. Both give the same result where both give one.
#[inline]
fn usual<'a>(shape: Shape, event_type: EventType<'_>, payload: &'a [u8]) -> Option<Event<'a>> {
    match shape {
        Shape::State => usual_process_state(ProcessState::entered(event_type), core::str::from_utf8(payload).ok()?),
        Shape::Log | Shape::Communication => usual_output(shape, event_type, payload),
        Shape::Tick => match preceded(mark("when:"), decimal).parse(payload).ok()? {
            (b"", when) => Some(Event::Tick(TickEvent { period: period(event_type), when, extra: Tokens::default() })),
            _ => None,
        },
        Shape::Supervisor => Some(Event::SupervisorStateChange(SupervisorState::named(event_type))),
        Shape::Remote => {
            let (line, data) = split_line(payload, 0);
            let remote_type = core::str::from_utf8(line.strip_prefix(b"type:")?).ok()?;
            Some(Event::RemoteCommunication(RemoteCommunicationEvent { remote_type: remote_type.into(), data }))
        }
        Shape::Group => {
            let groupname = core::str::from_utf8(trim(payload).strip_prefix(b"groupname:")?).ok()?;
            Some(Event::ProcessGroup(ProcessGroupEvent {
                change: GroupChange::named(event_type),
                groupname: groupname.into(),
            }))
        }
    }
}

fn usual_process_state<'a>(state: ProcessState<'static>, line: &'a str) -> Option<Event<'a>> {
    let (rest, processname) = preceded(mark("processname:"), word).parse(line).ok()?;
    let (rest, groupname) = preceded(mark(" groupname:"), word).parse(rest).ok()?;
    let (rest, from_state) = preceded(mark(" from_state:"), word).parse(rest).ok()?;
    let (processname, groupname) = (processname.into(), groupname.into());
    let (rest, tries) = opt(preceded(mark(" tries:"), decimal)).parse(rest).ok()?;
    let (rest, expected) = opt(preceded(mark(" expected:"), word)).parse(rest).ok()?;
    let (rest, pid) = opt(preceded(mark(" pid:"), decimal)).parse(rest).ok()?;
    if !rest.is_empty() || from_state.is_empty() {
        return None;
    }
    Some(Event::ProcessState(ProcessStateEvent {
        state,
        processname,
        groupname,
        from_state: ProcessState::from_name(from_state),
        tries: tries.map(u32::try_from).transpose().ok()?,
        expected: match expected {
            None => None,
            Some("0") => Some(false),
            Some("1") => Some(true),
            Some(_) => return None,
        },
        pid: pid.map(u32::try_from).transpose().ok()?,
        extra: Tokens::default(),
    }))
}

fn usual_output<'a>(shape: Shape, event_type: EventType<'_>, payload: &'a [u8]) -> Option<Event<'a>> {
    let (line, data) = split_line(payload, 0);
    let line = core::str::from_utf8(line).ok()?;
    let (rest, processname) = preceded(mark("processname:"), word).parse(line).ok()?;
    let (rest, groupname) = preceded(mark(" groupname:"), word).parse(rest).ok()?;
    let (rest, pid) = preceded(mark(" pid:"), decimal).parse(rest).ok()?;
    let (processname, groupname) = (processname.into(), groupname.into());
    let (pid, extra) = (Some(u32::try_from(pid).ok()?), Tokens::default());
    let channel = match rest {
        " channel:stdout" => Some(Channel::Stdout),
        " channel:stderr" => Some(Channel::Stderr),
        "" => None,
        _ => return None,
    };
    match (shape, channel) {
        (Shape::Log, Some(channel)) => {
            Some(Event::ProcessLog(ProcessLogEvent { channel, processname, groupname, pid, data, extra }))
        }
        (Shape::Communication, None) => {
            let event = ProcessCommunicationEvent {
                channel: Channel::named(event_type),
                processname,
                groupname,
                pid,
                data,
                extra,
            };
            Some(Event::ProcessCommunication(event))
        }
        _ => None,
    }
}

/// Without the spaces and newlines at its end, which some servers and plugins write.
fn trim(mut text: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\n' | b'\r', rest)) = text.split_last() {
        text = rest;
    }
    text
}

/// The line that ends at the first newline from byte `from` on, and the data behind it.
fn split_line(payload: &[u8], from: usize) -> (&[u8], Data<'_>) {
    let len = payload.len();
    let end = find(b'\n', part(payload, from, len)).map_or(len, |at| from.wrapping_add(at));
    (part(payload, 0, end), Data(part(payload, end.wrapping_add(1), len)))
}

/// Where `mark` stands for the first time; 0 if it does not.
fn place_of(mark: &[u8], text: &[u8]) -> usize {
    text.windows(mark.len()).position(|part| part == mark).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn every_state_is_found_by_its_name() {
        // What follows an empty word is not in the list.
        let (states, others) = STATES.split_once("  ").unwrap();
        for name in states.split(' ').chain(others.split(' ')).chain(["SOON", "FATAL ", "FATA", "stopped"]) {
            let state = ProcessState::by_match(name.into());
            assert_eq!((state, state.name()), (ProcessState::by_list(name.into()), name));
            assert_eq!(matches!(state, ProcessState::Other(_)), !states.split(' ').any(|state| state == name));
            let entered = ProcessState::entered(EventType::from_name(&alloc::format!("PROCESS_STATE_{name}")));
            assert_eq!(entered == state, !matches!(state, ProcessState::Other(_)));
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z:é.]{0,12}", "[0-9]{0,21}", "STOPPED|FATAL|SOON", "stdout|stderr|0|1|00|01", "[a-z ]{0,6}"]
    }

    proptest! {
        /// The two readers agree on every payload that the first one reads, and it reads what supervisord sends.
        #[test]
        fn one_grammar_two_readers(
            at in 0..EventType::ALL.len(), first in "(processname|when|type|groupname):", value in value(),
            tokens in proptest::collection::vec(
                ("groupname|from_state|tries|expected|pid|channel|key", value()),
                0..5,
            ),
            data in "(\n[a-z :\n]{0,30})?",
        ) {
            let event_type = EventType::ALL[at];
            let Some(shape) = Shape::of(event_type) else { return Ok(()) };
            let mut payload = first + &value;
            for (key, value) in tokens {
                payload.push_str(&alloc::format!(" {key}:{value}"));
            }
            payload.push_str(&data);
            if let Some(event) = usual(shape, event_type, payload.as_bytes()) {
                prop_assert_eq!(Ok(event), general(shape, event_type, payload.as_bytes()));
            }
        }

        #[test]
        fn the_usual_is_read(name in "[a-zé_0-9:]{0,12}", number: u32, exited: bool) {
            let names = alloc::format!("processname:{name} groupname:{name}");
            let tail = if exited { "expected:1 pid" } else { "tries" };
            let state = alloc::format!("{names} from_state:RUNNING {tail}:{number}");
            let output = alloc::format!("{names} pid:{number} channel:stderr\ndata\n");
            let communication = alloc::format!("{names} pid:{number}\ndata\n");
            for (event_type, payload) in [
                (EventType::ProcessStateExited, state),
                (EventType::ProcessLogStdout, output),
                (EventType::ProcessCommunicationStdout, communication),
                (EventType::Tick5, alloc::format!("when:{number}")),
            ] {
                let shape = Shape::of(event_type).unwrap();
                let event = usual(shape, event_type, payload.as_bytes());
                prop_assert!(event.is_some());
                prop_assert_eq!(event, general(shape, event_type, payload.as_bytes()).ok());
            }
        }
    }
}
