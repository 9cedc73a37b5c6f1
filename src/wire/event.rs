//! Typed events: read from a payload, and written back as one.

use super::bytes::SMALL;
use super::data::Data;
use super::error::{BufferTooSmall, EventError};
use super::event_type::{EventType, Shape};
use super::grammar::payload::{TokenLine, first_line, only_line};
use super::payload::{
    ProcessCommunicationEvent, ProcessGroupEvent, ProcessLogEvent, ProcessStateEvent, RemoteCommunicationEvent,
    TickEvent,
};
use super::short_cut::UsualLine;
use super::value::Values;
use super::word::SupervisorState;
use super::writer::Writer;

/// A payload's typed content. Borrows from the payload.
///
/// ```
/// use supervisor_events::{Event, EventType, ProcessState};
///
/// let payload = b"processname:risk_manager groupname:trading_system from_state:BACKOFF";
/// let event = Event::parse(EventType::ProcessStateFatal, payload)?;
/// let Event::ProcessState(event) = event else { panic!("it is another event") };
/// assert_eq!(event.state, ProcessState::Fatal);
/// assert_eq!(event.from_state, ProcessState::Backoff);
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

impl<'a> Event<'a> {
    /// Reads the payload of an event of this type.
    ///
    /// # Errors
    ///
    /// [`EventError::UnknownType`] for a type outside supervisor's table, or an abstract one;
    /// [`EventError::Payload`] for a payload that does not have its type's shape.
    pub fn parse(event_type: EventType<'_>, payload: &'a [u8]) -> Result<Self, EventError> {
        let shape = event_type.shape().ok_or(EventError::UnknownType)?;
        if !SMALL && let Ok(event) = Self::read::<UsualLine<'_>>(shape, payload) {
            return Ok(event);
        }
        Self::by_grammar(shape, payload)
    }

    /// Out of line, to keep the short cut's code small.
    #[cold]
    fn by_grammar(shape: Shape, payload: &'a [u8]) -> Result<Self, EventError> {
        Self::read::<TokenLine<'_>>(shape, payload)
    }

    /// Reads the payload with the short cut or the grammar.
    #[inline]
    pub(super) fn read<V: Values<'a>>(shape: Shape, payload: &'a [u8]) -> Result<Self, V::Error> {
        let without_data = |payload| (only_line(payload), Data::default());
        let ((line, data), known) = match shape {
            Shape::ProcessState(_) => (without_data(payload), ProcessStateEvent::KEYS),
            Shape::ProcessLog(_) => (V::split(payload), ProcessLogEvent::KEYS),
            Shape::ProcessCommunication(_) => (V::split(payload), ProcessCommunicationEvent::KEYS),
            Shape::RemoteCommunication => (first_line(payload), RemoteCommunicationEvent::KEYS),
            Shape::SupervisorStateChange(state) => return Ok(Self::SupervisorStateChange(state)),
            Shape::Tick(_) => (without_data(payload), TickEvent::KEYS),
            Shape::ProcessGroup(_) => (without_data(payload), ProcessGroupEvent::KEYS),
        };
        let values = &mut V::tokens(line, known);
        let event = match shape {
            Shape::ProcessState(state) => Self::ProcessState(ProcessStateEvent::read(state, values)),
            Shape::ProcessLog(channel) => Self::ProcessLog(ProcessLogEvent::read(channel, values, data)),
            Shape::ProcessCommunication(channel) => {
                Self::ProcessCommunication(ProcessCommunicationEvent::read(channel, values, data))
            }
            Shape::RemoteCommunication => Self::RemoteCommunication(RemoteCommunicationEvent::read(values, data)),
            Shape::SupervisorStateChange(state) => Self::SupervisorStateChange(state),
            Shape::Tick(period) => Self::Tick(TickEvent::read(period, values)),
            Shape::ProcessGroup(change) => Self::ProcessGroup(ProcessGroupEvent::read(change, values)),
        };
        values.finish()?;
        Ok(event)
    }

    fn shape(&self) -> Shape {
        match self {
            Self::ProcessState(event) => event.shape(),
            Self::ProcessLog(event) => event.shape(),
            Self::ProcessCommunication(event) => event.shape(),
            Self::RemoteCommunication(event) => event.shape(),
            Self::SupervisorStateChange(state) => Shape::SupervisorStateChange(*state),
            Self::Tick(event) => event.shape(),
            Self::ProcessGroup(event) => event.shape(),
        }
    }

    /// The type of the event; `None` for a tick with a period that no type has.
    pub fn event_type(&self) -> Option<EventType<'static>> {
        self.shape().event_type()
    }

    /// Writes the payload that supervisord sends for this event to the start of `buffer`, and returns that part. Leaves
    /// out values that are `None`; writes `extra` tokens last. Names that no configuration allows are written
    /// unchanged, and may read back differently: a group's name with a colon in a later word, a newline in a token.
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
    pub fn write_to<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = Writer::new(buffer);
        let out = &mut writer;
        match self {
            Self::ProcessState(event) => event.write(out),
            Self::ProcessLog(event) => event.write(out),
            Self::ProcessCommunication(event) => event.write(out),
            Self::RemoteCommunication(event) => event.write(out),
            Self::SupervisorStateChange(_) => {}
            Self::Tick(event) => event.write(out),
            Self::ProcessGroup(event) => {
                event.write(out);
                out.put(b"\n");
            }
        }
        writer.finish()
    }
}
