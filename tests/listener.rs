//! Whose turn it is: every state of the listener against everything that can happen in it, for both levels.

use supervisor_events::{LengthUnit, Listener, ProtocolErrorKind, READY, Reply, Session, State, Step, TurnError};

const EVENT: &[u8] = b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";
const HEADER: usize = EVENT.len() - 6;

/// What a test can do to either level.
trait Machine {
    fn state(&self) -> State;
    fn offset(&self) -> u64;
    /// Feeds bytes to the end of the next event or of the input; tells whether an event was completed, and how much of
    /// the input is left.
    fn feed(&mut self, input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)>;
    fn ready(&mut self) -> Result<Vec<u8>, TurnError>;
    fn reply(&mut self) -> Result<Vec<u8>, TurnError>;
    fn reply_and_ready(&mut self) -> Result<Vec<u8>, TurnError>;
    fn end(&self) -> Result<(), (u64, ProtocolErrorKind)>;
}

/// All but the feeding is the same for both.
macro_rules! machine {
    ($machine:ty, $feed:item) => {
        impl Machine for $machine {
            $feed
            fn state(&self) -> State {
                self.state()
            }
            fn offset(&self) -> u64 {
                self.offset()
            }
            fn ready(&mut self) -> Result<Vec<u8>, TurnError> {
                self.ready().map(<[u8]>::to_vec)
            }
            fn reply(&mut self) -> Result<Vec<u8>, TurnError> {
                self.reply(Reply::OK).map(|answer| answer.write_to(&mut [0; 32]).unwrap().to_vec())
            }
            fn reply_and_ready(&mut self) -> Result<Vec<u8>, TurnError> {
                self.reply_and_ready(Reply::OK).map(|answer| answer.write_to(&mut [0; 32]).unwrap().to_vec())
            }
            fn end(&self) -> Result<(), (u64, ProtocolErrorKind)> {
                self.end().map_err(|error| (error.offset, error.kind))
            }
        }
    };
}

machine!(
    Listener,
    fn feed(&mut self, mut input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)> {
        loop {
            match self.advance(&mut input).map_err(|error| (error.offset, error.kind))? {
                Some(Step::Complete) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }
);

machine!(
    Session<Vec<u8>>,
    fn feed(&mut self, input: &[u8]) -> Result<bool, (u64, ProtocolErrorKind)> {
        let space = self.space();
        space[..input.len()].copy_from_slice(input);
        self.received(input.len()).map(|event| event.is_some()).map_err(|error| (error.offset, error.kind))
    }
);

fn machines() -> [Box<dyn Machine>; 2] {
    [Box::new(<Listener>::new(LengthUnit::CodePoints)), Box::new(Session::new(vec![0; 4096], LengthUnit::CodePoints))]
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Acknowledged,
    Ready,
    ReadyInHeader,
    BusyInPayload,
    BusyComplete,
    AcknowledgedAgain,
}

impl Start {
    fn reach(self, machine: &mut dyn Machine) {
        let steps: &[&[u8]] = match self {
            Self::Acknowledged => return,
            Self::Ready => &[],
            Self::ReadyInHeader => &[&EVENT[..5]],
            Self::BusyInPayload => &[&EVENT[..5], &EVENT[5..HEADER + 1]],
            Self::BusyComplete | Self::AcknowledgedAgain => &[EVENT],
        };
        machine.ready().unwrap();
        let completed = steps.iter().fold(false, |_, bytes| machine.feed(bytes).unwrap());
        assert_eq!(completed, matches!(self, Self::BusyComplete | Self::AcknowledgedAgain));
        if let Self::AcknowledgedAgain = self {
            machine.reply().unwrap();
        }
    }
}

use ProtocolErrorKind::{NotAHeader, OutOfTurn, TruncatedHeader, TruncatedPayload};
use Start::{Acknowledged, AcknowledgedAgain, BusyComplete, BusyInPayload, Ready, ReadyInHeader};

const ALL: [(Start, State); 6] = [
    (Acknowledged, State::Acknowledged),
    (Ready, State::Ready),
    (ReadyInHeader, State::Ready),
    (BusyInPayload, State::Busy),
    (BusyComplete, State::Busy),
    (AcknowledgedAgain, State::Acknowledged),
];

/// Runs `act` on both levels in each state, and checks that they agree with each other and with the table.
#[track_caller]
fn table<T: PartialEq + std::fmt::Debug>(act: impl Fn(&mut dyn Machine) -> T, expected: [(T, State); 6]) {
    for ((start, state), (result, after)) in ALL.into_iter().zip(expected) {
        for mut machine in machines() {
            start.reach(&mut *machine);
            assert_eq!(machine.state(), state, "{start:?}");
            assert_eq!(act(&mut *machine), result, "{start:?}");
            assert_eq!(machine.state(), after, "{start:?}");
        }
    }
}

#[test]
fn nothing_read() {
    table(
        |machine| machine.feed(b""),
        [
            (Ok(false), State::Acknowledged),
            (Ok(false), State::Ready),
            (Ok(false), State::Ready),
            (Ok(false), State::Busy),
            (Ok(false), State::Busy),
            (Ok(false), State::Acknowledged),
        ],
    );
}

#[test]
fn the_start_of_an_event() {
    let len = EVENT.len() as u64;
    table(
        |machine| machine.feed(b"ver:"),
        [
            (Err((0, OutOfTurn)), State::Acknowledged),
            (Ok(false), State::Ready),
            (Ok(false), State::Ready),
            (Ok(false), State::Busy),
            (Err((len, OutOfTurn)), State::Busy),
            (Err((len, OutOfTurn)), State::Acknowledged),
        ],
    );
}

#[test]
fn bytes_that_are_no_header() {
    let len = EVENT.len() as u64;
    table(
        |machine| machine.feed(b"\xe9"),
        [
            (Err((0, OutOfTurn)), State::Acknowledged),
            (Err((0, NotAHeader)), State::Ready),
            (Ok(false), State::Ready),
            (Ok(false), State::Busy),
            (Err((len, OutOfTurn)), State::Busy),
            (Err((len, OutOfTurn)), State::Acknowledged),
        ],
    );
}

#[test]
fn the_rest_of_an_event() {
    let rest = |machine: &mut dyn Machine| machine.feed(&EVENT[machine.offset() as usize % EVENT.len()..]);
    let len = EVENT.len() as u64;
    table(
        rest,
        [
            (Err((0, OutOfTurn)), State::Acknowledged),
            (Ok(true), State::Busy),
            (Ok(true), State::Busy),
            (Ok(true), State::Busy),
            (Err((len, OutOfTurn)), State::Busy),
            (Err((len, OutOfTurn)), State::Acknowledged),
        ],
    );
}

#[test]
fn saying_ready() {
    let refused = |state| Err(TurnError::NotAcknowledged(state));
    table(
        |machine| machine.ready(),
        [
            (Ok(READY.to_vec()), State::Ready),
            (refused(State::Ready), State::Ready),
            (refused(State::Ready), State::Ready),
            (refused(State::Busy), State::Busy),
            (refused(State::Busy), State::Busy),
            (Ok(READY.to_vec()), State::Ready),
        ],
    );
}

#[test]
fn replying() {
    let refused = |state| Err(TurnError::NoEvent(state));
    let expected = |ok: &[u8], after| {
        [
            (refused(State::Acknowledged), State::Acknowledged),
            (refused(State::Ready), State::Ready),
            (refused(State::Ready), State::Ready),
            (refused(State::Busy), State::Busy),
            (Ok(ok.to_vec()), after),
            (refused(State::Acknowledged), State::Acknowledged),
        ]
    };
    table(|machine| machine.reply(), expected(b"RESULT 2\nOK", State::Acknowledged));
    table(|machine| machine.reply_and_ready(), expected(b"RESULT 2\nOKREADY\n", State::Ready));
}

#[test]
fn the_end_of_the_input() {
    table(
        |machine| machine.end(),
        [
            (Ok(()), State::Acknowledged),
            (Ok(()), State::Ready),
            (Err((5, TruncatedHeader)), State::Ready),
            (Err((HEADER as u64 + 1, TruncatedPayload { missing: 5 })), State::Busy),
            (Ok(()), State::Busy),
            (Ok(()), State::Acknowledged),
        ],
    );
}

/// Goes on from any state to the end of one more event, and returns all that was said.
fn go_on(machine: &mut dyn Machine) -> Vec<u8> {
    let mut said = Vec::new();
    if machine.reply().map(|bytes| said.extend(bytes)).is_err() {
        let _ = machine.feed(&EVENT[machine.offset() as usize % EVENT.len()..]);
        said.extend(machine.reply().unwrap_or_default());
    }
    said.extend(machine.ready().unwrap_or_default());
    said
}

#[test]
fn a_refused_call_changes_nothing() {
    type Call = fn(&mut dyn Machine) -> Result<Vec<u8>, TurnError>;
    let calls: [Call; 3] = [|machine| machine.ready(), |machine| machine.reply(), |machine| machine.reply_and_ready()];
    let mut refused = 0;
    for (start, _) in ALL {
        for call in calls {
            for (mut asked, mut untouched) in machines().into_iter().zip(machines()) {
                start.reach(&mut *asked);
                start.reach(&mut *untouched);
                if call(&mut *asked).is_err() {
                    refused += 1;
                    assert_eq!(asked.offset(), untouched.offset(), "{start:?}");
                    assert_eq!(go_on(&mut *asked), go_on(&mut *untouched), "{start:?}");
                    assert_eq!(asked.state(), untouched.state(), "{start:?}");
                }
            }
        }
    }
    // Two levels; READY is refused in four states, either kind of RESULT in five.
    assert_eq!(refused, 2 * (4 + 5 + 5));
}

#[test]
fn no_ready_while_input_is_unread() {
    for mut machine in machines() {
        machine.ready().unwrap();
        let mut stream = EVENT.to_vec();
        stream.extend(b"\xa9");
        assert_eq!(machine.feed(&stream), Ok(true), "the event itself is complete");
        assert_eq!(machine.reply_and_ready(), Err(TurnError::UnreadInput));
        assert_eq!(machine.state(), State::Busy, "nothing has changed");
        assert_eq!(machine.reply(), Ok(b"RESULT 2\nOK".to_vec()));
        assert_eq!(machine.ready(), Err(TurnError::UnreadInput));
        assert_eq!(machine.state(), State::Acknowledged);
    }
}

#[test]
fn a_broken_stream_stays_broken() {
    for mut machine in machines() {
        machine.ready().unwrap();
        let error = machine.feed(b"RESULT").unwrap_err();
        assert_eq!(error, (0, NotAHeader));
        assert_eq!(machine.feed(EVENT), Err(error));
        assert_eq!(machine.feed(b""), Err(error));
        assert_eq!(machine.end(), Err(error));
        for refused in [machine.ready(), machine.reply(), machine.reply_and_ready()] {
            assert!(matches!(refused, Err(TurnError::Broken(broken)) if broken.kind == NotAHeader));
        }
    }
}

#[test]
fn an_event_that_does_not_fit_is_answered_all_the_same() {
    let large = "ver:3.0 server:s serial:7 pool:p poolserial:0 eventname:REMOTE_COMMUNICATION len:1005\ntype:";
    let mut stream = large.as_bytes().to_vec();
    let letters = ('à'..='ö').cycle().take(1000).collect::<String>();
    stream.extend(letters.bytes());
    // What was dropped is dropped, also if there is more room later.
    for (size, later) in [(1, 160), (7, 160), (90, 160), (1000, 160), (1, 300), (90, 300)] {
        let mut session = Session::new(vec![0; 160], LengthUnit::CodePoints);
        session.ready().unwrap();
        let mut rest = &stream[..];
        let (kept, omitted) = loop {
            if session.offset() > 200 {
                session.buffer_mut().resize(later, 0);
            }
            let space = session.space();
            let size = size.min(space.len()).min(rest.len());
            assert!(size > 0, "there is always room, and an end");
            space[..size].copy_from_slice(&rest[..size]);
            rest = &rest[size..];
            if let Some(notification) = session.received(size).unwrap() {
                assert_eq!(notification.header.serial(), 7);
                break (notification.payload.to_vec(), notification.omitted);
            }
        };
        assert!(rest.is_empty());
        let payload = &stream[large.len() - 5..];
        assert!(payload.starts_with(&kept) && kept.len() > 20, "{}", kept.len());
        assert_eq!(kept.len() as u64 + omitted, payload.len() as u64);
        assert_eq!(session.offset(), stream.len() as u64);
        assert_eq!(session.reply_and_ready(Reply::OK).unwrap().len(), 17);
        // The next one is whole again.
        session.space()[..EVENT.len()].copy_from_slice(EVENT);
        let next = session.received(EVENT.len()).unwrap().unwrap();
        assert_eq!((next.payload, next.omitted), (&EVENT[HEADER..], 0));
    }
}
