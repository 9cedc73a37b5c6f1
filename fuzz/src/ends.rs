//! The two ends of the protocol, with everything sent and received in a form that can be compared.
//!
//! The fuzz target `both_ends` and `tests/protocol/round_trip.rs` share it.

use supervisor_events::{
    EncodedReply, Envelope, Header, LengthUnit, Listener, ListenerOutput, ListenerState, Reply, Session, Step,
    Supervisor,
};

/// An event as it is sent, and as it is received.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub server: String,
    pub serial: u64,
    pub pool: String,
    pub poolserial: u64,
    pub eventname: String,
    pub payload: Vec<u8>,
}

impl Sent {
    pub fn new([server, pool, eventname]: [&str; 3], [serial, poolserial]: [u64; 2], payload: &[u8]) -> Self {
        let (server, pool, eventname) = (server.into(), pool.into(), eventname.into());
        Self { server, serial, pool, poolserial, eventname, payload: payload.into() }
    }

    /// Whether a reader may take a newline in the identifier for the end of the header: the header ends at the first
    /// newline after both `eventname:` and `len:`.
    pub fn is_ambiguous(server: &str) -> bool {
        let before = server.rfind('\n').map_or("", |newline| &server[..newline]);
        before.contains("eventname:") && before.contains("len:")
    }

    /// The event for a `Supervisor`.
    pub fn envelope(&self) -> Envelope<'_> {
        let Self { server, serial, pool, poolserial, eventname, payload } = self;
        Envelope { server, serial: *serial, pool, poolserial: *poolserial, eventname, payload }
    }

    pub fn len(&self, unit: LengthUnit) -> u64 {
        match unit {
            LengthUnit::CodePoints => std::str::from_utf8(&self.payload).unwrap().chars().count() as u64,
            LengthUnit::Bytes => self.payload.len() as u64,
        }
    }
}

/// An event as it was read, and the `len` of its header.
pub type Received = (Sent, u64);

fn received(header: Header<'_>, payload: &[u8]) -> Received {
    assert_eq!(header.ver(), "3.0");
    let texts = [header.server(), header.pool(), header.eventname()];
    (Sent::new(texts, [header.serial(), header.poolserial()], payload), header.len())
}

/// The listener's end, which gets events in pieces or whole.
pub enum Machine {
    Pieces(Box<Listener>, Option<Received>),
    Whole(Session<Vec<u8>>),
}

impl Machine {
    pub fn new(unit: LengthUnit, whole: bool) -> Self {
        match whole {
            false => Self::Pieces(Box::new(Listener::new(unit)), None),
            true => Self::Whole(Session::new(vec![0; 16_384], unit)),
        }
    }

    pub fn state(&self) -> ListenerState {
        match self {
            Self::Pieces(listener, _) => listener.state(),
            Self::Whole(session) => session.state(),
        }
    }

    pub fn ready(&mut self) -> &'static [u8] {
        match self {
            Self::Pieces(listener, _) => listener.ready().unwrap(),
            Self::Whole(session) => session.ready().unwrap(),
        }
    }

    pub fn reply(&mut self, reply: &[u8]) -> Vec<u8> {
        let reply = Reply::new(reply);
        let answer = match self {
            Self::Pieces(listener, _) => listener.reply(&reply),
            Self::Whole(session) => session.reply(&reply),
        };
        Self::bytes(answer.unwrap())
    }

    pub fn reply_and_ready(&mut self, reply: &[u8]) -> Vec<u8> {
        let reply = Reply::new(reply);
        let answer = match self {
            Self::Pieces(listener, _) => listener.reply_and_ready(&reply),
            Self::Whole(session) => session.reply_and_ready(&reply),
        };
        Self::bytes(answer.unwrap())
    }

    fn bytes(answer: EncodedReply<'_>) -> Vec<u8> {
        let (head, data, ready) = answer.parts();
        [head.as_bytes(), data, ready].concat()
    }

    /// Takes a piece of the stream that does not extend past the end of an event.
    pub fn read(&mut self, mut piece: &[u8]) -> Option<Received> {
        let mut complete = None;
        match self {
            Self::Pieces(listener, arriving) => {
                while let Some(step) = listener.advance(&mut piece).unwrap() {
                    assert!(complete.is_none(), "nothing follows an event before its reply");
                    match step {
                        Step::Header(header) => assert!(arriving.replace(received(header, b"")).is_none()),
                        Step::Payload(data) => arriving.as_mut().unwrap().0.payload.extend(data),
                        Step::Complete => complete = Some(arriving.take().unwrap()),
                    }
                }
                assert!(piece.is_empty());
            }
            Self::Whole(session) => {
                while !piece.is_empty() {
                    assert!(complete.is_none(), "nothing follows an event before its reply");
                    let space = session.space();
                    let (now, later) = piece.split_at(piece.len().min(space.len()));
                    space[..now.len()].copy_from_slice(now);
                    piece = later;
                    complete = session.received(now.len()).unwrap().map(|notification| {
                        assert_eq!(notification.omitted, 0);
                        received(notification.header, notification.payload)
                    });
                }
            }
        }
        complete
    }
}

/// What the supervisor's end heard, with the pieces of a RESULT assembled.
#[derive(Debug, PartialEq)]
pub enum Said {
    Ready,
    Result { data: Vec<u8>, ok: bool },
}

/// The supervisor's end, and the part of a RESULT that it has heard.
pub struct Ear {
    pub supervisor: Supervisor,
    /// The length in the line of a RESULT.
    due: Option<u64>,
    data: Vec<u8>,
}

impl Ear {
    pub fn new(unit: LengthUnit) -> Self {
        Self { supervisor: Supervisor::new(unit), due: None, data: Vec::new() }
    }

    pub fn state(&self) -> ListenerState {
        self.supervisor.state()
    }

    pub fn hear(&mut self, mut piece: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(heard) = self.supervisor.advance(&mut piece) {
            match heard {
                ListenerOutput::Ready => said.push(Said::Ready),
                ListenerOutput::ResultLine { len, quirk: None } => assert_eq!(self.due.replace(len), None),
                ListenerOutput::ResultData(data) => self.data.extend(data),
                ListenerOutput::Result { ok } => {
                    let data = std::mem::take(&mut self.data);
                    assert_eq!(self.due.take(), Some(data.len() as u64));
                    said.push(Said::Result { data, ok });
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(piece.is_empty());
        said
    }

    pub fn hear_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Said> {
        pieces.flat_map(|piece| self.hear(piece)).collect()
    }
}

pub fn result(data: &[u8]) -> Said {
    Said::Result { data: data.into(), ok: data == b"OK" }
}
