//! Any sequence of calls, in turn or out of turn, against a plain model: of [`Listener`], [`Session`], and the hosts'
//! [`Driver`](supervisor_events::host::driver::Driver) ([`driving`](super::driving)).

use arbitrary::Arbitrary;
use supervisor_events::{
    LengthUnit, Listener, ListenerState, ProtocolErrorKind, READY, Reply, Session, Step, TurnError,
};

use super::driving;
use super::stream::{Event, Stream};

/// The stream that supervisord sends, and the calls.
#[derive(Debug, Arbitrary)]
pub struct Input {
    bytes: bool,
    /// Whether bytes that are not a header follow the events.
    garbage: bool,
    buffer: u8,
    events: Vec<Event>,
    calls: Vec<Call>,
    driven: driving::Script,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Call {
    Ready,
    Reply,
    ReplyAndReady,
    End,
    /// The next bytes: possibly none, possibly beyond the end of the event.
    Feed(u8),
    /// The rest of the event.
    FeedEvent,
    /// A larger buffer.
    Grow(u8),
}

impl Input {
    /// Makes the calls of each machine, and of the model.
    pub fn check(self) {
        let unit = if self.bytes { LengthUnit::Bytes } else { LengthUnit::CodePoints };
        let stream = Stream::new(unit, self.events, self.garbage);
        play(Listener::<2048>::with_header_limit(unit), &stream, &self.calls);
        let buffer = stream.longest_header() + 1 + usize::from(self.buffer);
        play(Session::new(vec![0; buffer], unit), &stream, &self.calls);
        self.driven.check(unit, &stream, buffer);
    }
}

/// The calls that both machines have.
pub trait Machine {
    /// Its state.
    fn state(&self) -> ListenerState;
    /// How many bytes it has consumed.
    fn offset(&self) -> u64;
    /// How many bytes can be fed at once.
    fn room(&mut self) -> usize;
    /// Feeds bytes up to the end of the next event or of the input; returns whether an event was completed.
    fn feed(&mut self, input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)>;
    /// Asks for the bytes of READY.
    fn ready(&mut self) -> Result<Vec<u8>, TurnError>;
    /// Answers OK.
    fn reply(&mut self) -> Result<Vec<u8>, TurnError>;
    /// Answers OK, with READY.
    fn reply_and_ready(&mut self) -> Result<Vec<u8>, TurnError>;
    /// Ends the input.
    fn end(&self) -> Result<(), (u64, ProtocolErrorKind)>;
    /// Enlarges the buffer, if there is one.
    fn grow(&mut self, more: usize);
}

/// Everything but `feed`, `room` and `grow` is the same for both.
macro_rules! machine {
    (impl[$($generics:tt)*] $machine:ty { $($own:item)* }) => {
        impl<$($generics)*> Machine for $machine {
            $($own)*
            fn state(&self) -> ListenerState {
                self.state()
            }
            fn offset(&self) -> u64 {
                self.offset()
            }
            fn ready(&mut self) -> Result<Vec<u8>, TurnError> {
                self.ready().map(<[u8]>::to_vec)
            }
            fn reply(&mut self) -> Result<Vec<u8>, TurnError> {
                self.reply(&Reply::OK).map(|answer| answer.write_to(&mut [0; 32]).unwrap().to_vec())
            }
            fn reply_and_ready(&mut self) -> Result<Vec<u8>, TurnError> {
                self.reply_and_ready(&Reply::OK).map(|answer| answer.write_to(&mut [0; 32]).unwrap().to_vec())
            }
            fn end(&self) -> Result<(), (u64, ProtocolErrorKind)> {
                self.end().map_err(|error| (error.offset, error.kind))
            }
        }
    };
}

machine!(impl[const N: usize] Listener<N> {
    fn feed(&mut self, mut input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)> {
        loop {
            match self.advance(&mut input).map_err(|error| (error.offset, error.kind))? {
                Some(Step::Complete) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    fn room(&mut self) -> usize {
        usize::MAX
    }

    fn grow(&mut self, _: usize) {}
});

machine!(impl[] Session<Vec<u8>> {
    fn feed(&mut self, input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)> {
        self.space()[..input.len()].copy_from_slice(input);
        self.received(input.len()).map(|event| event.is_some()).map_err(|error| (error.offset, error.kind))
    }

    fn room(&mut self) -> usize {
        self.space().len()
    }

    fn grow(&mut self, more: usize) {
        let size = self.buffer_mut().len() + more;
        self.buffer_mut().resize(size, 0);
    }
});

/// A listener as its caller sees it.
struct Model<'s> {
    stream: &'s Stream,
    state: ListenerState,
    /// How many bytes of the stream have been consumed.
    at: usize,
    /// Whether a complete event is waiting for its answer.
    is_due: bool,
    /// Whether more than the event was read.
    is_unread: bool,
    broken: Option<(u64, ProtocolErrorKind)>,
}

impl Model<'_> {
    fn feed(&mut self, input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)> {
        self.broken.map_or(Ok(()), Err)?;
        if self.state == ListenerState::Acknowledged || self.is_due {
            // A session already has the unread bytes, and reports them at once; see `play`.
            return if input.is_empty() { Ok(false) } else { self.fail(self.at, ProtocolErrorKind::OutOfTurn) };
        }
        let Some(place) = self.stream.event_at(self.at) else {
            let is_garbage = !input.is_empty();
            return if is_garbage { self.fail(self.at, ProtocolErrorKind::NotAHeader) } else { Ok(false) };
        };
        let to = self.at + input.len();
        if place.payload <= to {
            self.state = ListenerState::Busy;
        }
        self.at = to.min(place.end);
        if to < place.end || self.state != ListenerState::Busy {
            return Ok(false);
        }
        (self.is_due, self.is_unread) = (true, place.end < to);
        Ok(true)
    }

    fn fail<T>(&mut self, at: usize, kind: ProtocolErrorKind) -> Result<T, (u64, ProtocolErrorKind)> {
        self.broken = Some((at as u64, kind));
        Err((at as u64, kind))
    }

    /// Why READY is refused; `None` if it is not.
    fn refuses_ready(&self) -> Option<Refusal> {
        match self.state {
            _ if self.broken.is_some() => Some(Refusal::Broken),
            ListenerState::Acknowledged if self.is_unread => Some(Refusal::Unread),
            ListenerState::Acknowledged => None,
            state => Some(Refusal::NotAcknowledged(state)),
        }
    }

    fn refuses_reply(&self) -> Option<Refusal> {
        match self.broken {
            Some(_) => Some(Refusal::Broken),
            None if self.is_due => None,
            None => Some(Refusal::NoEvent(self.state)),
        }
    }

    fn end(&self) -> Result<(), (u64, ProtocolErrorKind)> {
        self.broken.map_or(Ok(()), Err)?;
        let at = self.at as u64;
        match self.stream.event_at(self.at) {
            _ if self.is_due || self.state == ListenerState::Acknowledged => Ok(()),
            Some(place) if self.state == ListenerState::Busy => {
                Err((at, ProtocolErrorKind::TruncatedPayload { missing: self.stream.missing(place, self.at) }))
            }
            Some(place) if place.begin < self.at => Err((at, ProtocolErrorKind::TruncatedHeader)),
            _ => Ok(()),
        }
    }
}

/// The caller's faults, without the stream's error in them.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Broken,
    Unread,
    NotAcknowledged(ListenerState),
    NoEvent(ListenerState),
}

impl From<TurnError> for Refusal {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::NotAcknowledged(state) => Self::NotAcknowledged(state),
            TurnError::NoEvent(state) => Self::NoEvent(state),
            TurnError::UnreadInput => Self::Unread,
            TurnError::Broken(_) => Self::Broken,
            _ => panic!("what is {error:?}?"),
        }
    }
}

fn play(mut machine: impl Machine, stream: &Stream, calls: &[Call]) {
    let (state, is_due, is_unread) = (ListenerState::Acknowledged, false, false);
    let mut model = Model { stream, state, at: 0, is_due, is_unread, broken: None };
    for call in calls {
        match *call {
            Call::Ready => {
                let said = machine.ready().map_err(Refusal::from);
                assert_eq!(said, model.refuses_ready().map_or(Ok(READY.to_vec()), Err));
                if said.is_ok() {
                    model.state = ListenerState::Ready;
                }
            }
            Call::Reply => {
                let said = machine.reply().map_err(Refusal::from);
                assert_eq!(said, model.refuses_reply().map_or(Ok(b"RESULT 2\nOK".to_vec()), Err));
                if said.is_ok() {
                    (model.state, model.is_due) = (ListenerState::Acknowledged, false);
                }
            }
            Call::ReplyAndReady => {
                let refusal = model.refuses_reply().or(model.is_unread.then_some(Refusal::Unread));
                let said = machine.reply_and_ready().map_err(Refusal::from);
                assert_eq!(said, refusal.map_or(Ok(b"RESULT 2\nOKREADY\n".to_vec()), Err));
                if said.is_ok() {
                    (model.state, model.is_due) = (ListenerState::Ready, false);
                }
            }
            Call::End => assert_eq!(machine.end(), model.end()),
            // A session already has the unread bytes, so an empty read reports them; a listener has to be fed them
            // again.
            Call::Feed(0) if model.is_unread => {}
            Call::Feed(count) => feed(&mut machine, &mut model, count.into()),
            Call::FeedEvent => {
                let left = stream.event_at(model.at).map_or(1, |place| place.end - model.at);
                feed(&mut machine, &mut model, left);
            }
            Call::Grow(more) => machine.grow(more.into()),
        }
        assert_eq!(machine.state(), model.state, "{call:?}");
        if model.broken.is_none() {
            assert_eq!(machine.offset(), model.at as u64, "{call:?}");
        }
    }
}

fn feed(machine: &mut impl Machine, model: &mut Model<'_>, count: usize) {
    let mut input = &model.stream.bytes[model.at..][..count.min(model.stream.bytes.len() - model.at)];
    loop {
        let (piece, rest) = input.split_at(input.len().min(machine.room()));
        let fed = machine.feed(piece);
        assert_eq!(fed, model.feed(piece));
        if fed != Ok(false) || rest.is_empty() {
            return;
        }
        input = rest;
    }
}
