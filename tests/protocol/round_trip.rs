//! The supervisor's end against the listener's end: what the one writes, the other reads, in both directions, and the
//! two go on together without end.
//!
//! Some texts of the protocol can be read in two ways. The strategies leave these out, and say so where they do.

use std::collections::VecDeque;

use crate::ground_truth::base64;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use supervisor_events::{
    BufferTooSmall, Channel, Data, Decoder, EncodedReply, Envelope, Event, EventType, GroupChange, Header, LengthUnit,
    Listener, ListenerOutput, ListenerState, NotifyError, ProcessCommunicationEvent, ProcessGroupEvent,
    ProcessLogEvent, ProcessState, ProcessStateEvent, RemoteCommunicationEvent, Reply, Session, Step, Supervisor,
    SupervisorState, Text, TickEvent, Tokens,
};

fn concat(fragments: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec(fragments, 0..6).prop_map(|fragments| fragments.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        vec(any::<u8>(), 0..24),
        select(vec![
            &b"\0"[..],
            b"\r\n",
            b"\n",
            b" ",
            b"\xff\xe2\x82",
            b" groupname:x pid:1\n",
            b"processname:p groupname:g from_state:RUNNING",
            b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3\nabc",
            b"RESULT 2\nOKREADY\n",
            "é€😀".as_bytes(),
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    vec(fragment, 0..5).prop_map(|fragments| fragments.concat())
}

/// Cuts `bytes` into pieces of these sizes, over and over.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), vec(1usize..8, 1..6), vec(1usize..300, 1..6)]
}

// ---- Typed events. ----

/// What an event of any type can be made of.
#[derive(Clone, Debug)]
struct Parts {
    event_type: EventType<'static>,
    processname: String,
    groupname: String,
    from_state: String,
    tries: Option<u32>,
    expected: Option<bool>,
    pid: Option<u32>,
    remote_type: String,
    data: Vec<u8>,
    when: u64,
    extra: String,
}

impl Parts {
    fn event(&self) -> Event<'_> {
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
}

/// All types but the abstract ones.
fn event_type() -> impl Strategy<Value = EventType<'static>> {
    let abstract_type = |kind: EventType<'_>| EventType::ALL.iter().any(|other| other.parent() == Some(kind));
    select(EventType::ALL.iter().copied().filter(|kind| !abstract_type(*kind)).collect::<Vec<_>>())
}

/// Ambiguous, and left out for events that carry data: a newline that follows ` groupname:` in the name. The line of
/// tokens ends at the first one.
fn processname(carries_data: bool) -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        "(?s).{0,6}",
        "[ :\n\r\0a]{1,3}",
        select(vec![
            "é日😀\u{a0}",
            "groupname:",
            " groupname:",
            " groupname",
            " groupname:x from_state:RUNNING pid:1",
            " pid:7",
            " channel:stdout",
            " from_state:STOPPED",
            "processname:",
        ])
        .prop_map(str::to_owned),
    ];
    concat(fragment).prop_filter("ambiguous", move |name| {
        let claimed = name.find(" groupname:").map_or("", |at| &name[at..]);
        !(carries_data && claimed.contains('\n'))
    })
}

/// supervisord refuses a space, a colon and a slash here. Ambiguous, and left out: an end of a line at the name's end,
/// where it can be the end of the whole line; and for events that carry data, a newline anywhere.
fn groupname(carries_data: bool) -> impl Strategy<Value = String> {
    let likely = select(vec!["", "g", "pid", "groupname", "grüppe😀", "one\ntwo"]).prop_map(str::to_owned);
    prop_oneof!["[^ :/]{0,8}", likely]
        .prop_filter("ambiguous", move |name| !(name.ends_with(['\r', '\n']) || carries_data && name.contains('\n')))
}

/// A state is a word. Ambiguous, and left out: an end of a line in it, for these are cut off the line's end.
fn from_state() -> impl Strategy<Value = String> {
    let known = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN", "pid:7"];
    prop_oneof![select(known.to_vec()).prop_map(str::to_owned), "[^ \r\n]{1,8}"]
}

/// Tokens without an own field. Left out: ends of lines, as in `from_state`; and keys that have a field.
fn extra() -> impl Strategy<Value = String> {
    let fields = ["processname", "groupname", "from_state", "tries", "expected", "pid", "channel", "when"];
    let key = prop_oneof!["[^ :\r\n]{1,6}", select(vec!["exitstatus", "pids", "Pid"]).prop_map(str::to_owned)];
    let key = key.prop_filter("the key has a field", move |key| !fields.contains(&key.as_str()));
    let value = prop_oneof!["[^ \r\n]{0,6}", select(vec!["groupname:x", "pid:1", ":"]).prop_map(str::to_owned)];
    vec((key, value).prop_map(|(key, value)| format!("{key}:{value}")), 0..4).prop_map(|tokens| tokens.join(" "))
}

/// The rest of a line: anything but its end.
fn remote_type() -> impl Strategy<Value = String> {
    concat(prop_oneof![".{0,6}", "[ :\r\0]{1,3}", Just("type:".to_owned())])
}

fn parts() -> impl Strategy<Value = Parts> {
    let numbers = (option::of(any::<u32>()), option::of(any::<bool>()), option::of(any::<u32>()), any::<u64>());
    let texts = (from_state(), remote_type(), bytes(), extra());
    let names = event_type().prop_flat_map(|event_type| {
        let carries_data = event_type.is_a(EventType::ProcessLog) || event_type.is_a(EventType::ProcessCommunication);
        (Just(event_type), processname(carries_data), groupname(carries_data))
    });
    (names, texts, numbers).prop_map(|((event_type, processname, groupname), texts, (tries, expected, pid, when))| {
        let (from_state, remote_type, data, extra) = texts;
        Parts { event_type, processname, groupname, from_state, tries, expected, pid, remote_type, data, when, extra }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_typed_event_is_read_as_it_was_written(parts in parts()) {
        let event = parts.event();
        prop_assert_eq!(event.event_type(), Some(parts.event_type));
        let mut buffer = [b'~'; 4096];
        let payload = event.write_to(&mut buffer).unwrap().to_vec();
        prop_assert_eq!(Event::parse(parts.event_type, &payload), Ok(event), "{}", payload.escape_ascii());
        prop_assert!(buffer[payload.len()..].iter().all(|byte| *byte == b'~'), "nothing is written behind it");

        let needed = payload.len();
        for room in 0..needed {
            prop_assert_eq!(event.write_to(&mut buffer[..room]), Err(BufferTooSmall { needed }));
        }
        prop_assert_eq!(event.write_to(&mut buffer[..needed]), Ok(&payload[..]));
    }
}

/// Two ends could agree on a language of their own: this is supervisord's.
#[test]
fn what_supervisord_wrote_is_written_again() {
    let (mut envelopes, mut payloads) = (0, 0);
    for vector in crate::ground_truth::notifications() {
        let name = &vector["name"];
        let recorded = base64(&vector["envelope_b64"]);
        let mut decoder = Decoder::<8192>::with_header_limit(LengthUnit::CodePoints);
        let mut input = &recorded[..];
        let Ok(Some(Step::Header(header))) = decoder.advance(&mut input) else { panic!("{name}: a header") };
        let sent = Sent::new(
            [header.server(), header.pool(), header.eventname()],
            [header.serial(), header.poolserial()],
            input,
        );
        let mut buffer = vec![0; recorded.len()];
        assert_eq!(sent.envelope().write_to(LengthUnit::CodePoints, &mut buffer), Ok(&recorded[..]), "{name}");
        envelopes += 1;
        if vector["ambiguous"] != true
            && let Ok(event) = Event::parse(header.event_type(), input)
        {
            assert_eq!(event.write_to(&mut buffer), Ok(input), "{name}");
            payloads += 1;
        }
    }
    assert!(envelopes >= 160 && payloads >= 140, "{envelopes} envelopes, {payloads} payloads");
}

// ---- Notifications and replies. ----

/// What an envelope is made of, and what is made of it.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    server: String,
    serial: u64,
    pool: String,
    poolserial: u64,
    eventname: String,
    payload: Vec<u8>,
}

impl Sent {
    fn new([server, pool, eventname]: [&str; 3], [serial, poolserial]: [u64; 2], payload: &[u8]) -> Self {
        let (server, pool, eventname) = (server.into(), pool.into(), eventname.into());
        Self { server, serial, pool, poolserial, eventname, payload: payload.into() }
    }

    fn envelope(&self) -> Envelope<'_> {
        let Self { server, serial, pool, poolserial, eventname, payload } = self;
        Envelope { server, serial: *serial, pool, poolserial: *poolserial, eventname, payload }
    }

    fn len(&self, unit: LengthUnit) -> u64 {
        match unit {
            LengthUnit::CodePoints => std::str::from_utf8(&self.payload).unwrap().chars().count() as u64,
            LengthUnit::Bytes => self.payload.len() as u64,
        }
    }
}

/// An event as it was read, and the `len` of its header.
type Received = (Sent, u64);

fn received(header: Header<'_>, payload: &[u8]) -> Received {
    assert_eq!(header.ver(), "3.0");
    let texts = [header.server(), header.pool(), header.eventname()];
    (Sent::new(texts, [header.serial(), header.poolserial()], payload), header.len())
}

/// The listener's end: event by event in pieces, or whole.
enum Machine {
    Pieces(Box<Listener>, Option<Received>),
    Whole(Session<Vec<u8>>),
}

impl Machine {
    fn new(unit: LengthUnit, whole: bool) -> Self {
        match whole {
            false => Self::Pieces(Box::new(Listener::new(unit)), None),
            true => Self::Whole(Session::new(vec![0; 16_384], unit)),
        }
    }

    fn state(&self) -> ListenerState {
        match self {
            Self::Pieces(listener, _) => listener.state(),
            Self::Whole(session) => session.state(),
        }
    }

    fn ready(&mut self) -> &'static [u8] {
        match self {
            Self::Pieces(listener, _) => listener.ready().unwrap(),
            Self::Whole(session) => session.ready().unwrap(),
        }
    }

    fn reply(&mut self, reply: &[u8]) -> Vec<u8> {
        let reply = Reply::new(reply);
        let answer = match self {
            Self::Pieces(listener, _) => listener.reply(&reply),
            Self::Whole(session) => session.reply(&reply),
        };
        Self::bytes(answer.unwrap())
    }

    fn reply_and_ready(&mut self, reply: &[u8]) -> Vec<u8> {
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

    /// Takes a piece of the stream, which ends at an event's end at the latest.
    fn read(&mut self, mut piece: &[u8]) -> Option<Received> {
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

/// What the supervisor's end heard; the pieces of a RESULT put together.
#[derive(Debug, PartialEq)]
enum Said {
    Ready,
    Result { data: Vec<u8>, ok: bool },
}

/// The supervisor's end.
struct Ear {
    supervisor: Supervisor,
    /// The length that the line of a RESULT said.
    due: Option<u64>,
    data: Vec<u8>,
}

impl Ear {
    fn new(unit: LengthUnit) -> Self {
        Self { supervisor: Supervisor::new(unit), due: None, data: Vec::new() }
    }

    fn state(&self) -> ListenerState {
        self.supervisor.state()
    }

    fn hear(&mut self, mut piece: &[u8]) -> Vec<Said> {
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

    fn hear_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Said> {
        pieces.flat_map(|piece| self.hear(piece)).collect()
    }
}

fn result(data: &[u8]) -> Said {
    Said::Result { data: data.into(), ok: data == b"OK" }
}

/// Ambiguous, and left out: an identifier in which `eventname:` and `len:` stand before a newline, for it may then be
/// this newline that ends the header.
fn server() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        "(?s).{0,6}",
        "[ \n:a]{1,3}",
        select(vec![
            "trading host:9001",
            "süp 日本😀",
            "ver:",
            " server:y ver:2.0",
            " serial:99",
            " pool:x poolserial:7",
            " eventname:E",
            " len:3",
            "x serial:1 pool:x poolserial:2 eventname:E len:3",
        ])
        .prop_map(str::to_owned),
    ];
    concat(fragment).prop_filter("ambiguous", |server| {
        let before = server.rfind('\n').map_or("", |newline| &server[..newline]);
        !(before.contains("eventname:") && before.contains("len:"))
    })
}

/// supervisord refuses a colon and a slash here, and spaces but the outer ones.
fn pool() -> impl Strategy<Value = String> {
    prop_oneof![" {0,2}[^ :/\n]{0,8} {0,2}", select(vec!["listener", "serial", "nbsp\u{a0}x"]).prop_map(str::to_owned)]
}

/// One word.
fn eventname() -> impl Strategy<Value = String> {
    prop_oneof![event_type().prop_map(|kind| kind.name().to_owned()), "[^ \n]{1,12}"]
}

/// `len` counts code points only of text; bytes it counts of anything.
fn payload(unit: LengthUnit, most: usize) -> BoxedStrategy<Vec<u8>> {
    let any = prop_oneof![bytes(), vec(any::<u8>(), 0..most)];
    match unit {
        LengthUnit::Bytes => any.boxed(),
        LengthUnit::CodePoints => {
            let text = any.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let wide = vec(select(vec!['a', 'é', '日', '😀']), 0..most / 4).prop_map(String::from_iter);
            prop_oneof![text, "(?s).{0,10}", wide].prop_map(String::into_bytes).boxed()
        }
    }
}

fn sent(unit: LengthUnit, most: usize) -> impl Strategy<Value = Sent> {
    (server(), pool(), eventname(), any::<[u64; 2]>(), payload(unit, most)).prop_map(
        |(server, pool, eventname, numbers, payload)| Sent::new([&server, &pool, &eventname], numbers, &payload),
    )
}

fn unit() -> impl Strategy<Value = LengthUnit> {
    select(vec![LengthUnit::CodePoints, LengthUnit::Bytes])
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(b"OK".to_vec()), rejection()]
}

/// Anything but `OK`, which is all that supervisord's own handler accepts.
fn rejection() -> impl Strategy<Value = Vec<u8>> {
    let likely = select(vec![&b"FAIL"[..], b"", b"O", b"KO", b"ok", b"OK\n", b"OKOK", b"READY\n", b"RESULT 2\nOK"]);
    let rejection = prop_oneof![likely.prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..120)];
    rejection.prop_filter("OK accepts", |data| data != b"OK")
}

/// An event, how it is sent and answered.
type Exchange = (Sent, Vec<u8>, [bool; 2], Vec<usize>);

fn exchanges() -> impl Strategy<Value = (LengthUnit, Vec<Exchange>)> {
    unit().prop_flat_map(|unit| (Just(unit), vec((sent(unit, 600), reply(), any::<[bool; 2]>(), sizes()), 1..4)))
}

proptest! {
    #[test]
    fn an_event_and_its_reply_arrive_as_they_were_sent((unit, exchanges) in exchanges(), whole: bool) {
        let mut buffer = [0; 4096];
        let mut ear = Ear::new(unit);
        let mut machine = Machine::new(unit, whole);
        prop_assert_eq!(ear.hear(machine.ready()), [Said::Ready]);

        for (sent, reply, [in_parts, at_once], sizes) in exchanges {
            // What does not fit changes nothing; the copies tell how much has to fit.
            let envelope = sent.envelope();
            let needed = ear.supervisor.clone().notify(&envelope, &mut buffer).unwrap().len();
            let header = ear.supervisor.clone().notify_header(&envelope, &mut buffer).unwrap().len();
            prop_assert_eq!(needed, header + sent.payload.len());
            for room in 0..needed {
                let error = ear.supervisor.notify(&envelope, &mut buffer[..room]).unwrap_err();
                prop_assert_eq!(error, NotifyError::BufferTooSmall(BufferTooSmall { needed }));
            }
            for room in 0..header {
                let error = ear.supervisor.notify_header(&envelope, &mut buffer[..room]).unwrap_err();
                prop_assert_eq!(error, NotifyError::BufferTooSmall(BufferTooSmall { needed: header }));
            }
            prop_assert_eq!(ear.state(), ListenerState::Ready);

            let stream = match in_parts {
                false => ear.supervisor.notify(&envelope, &mut buffer[..needed]).unwrap().to_vec(),
                true => {
                    let line = ear.supervisor.notify_header(&envelope, &mut buffer[..header]).unwrap();
                    [line, &sent.payload].concat()
                }
            };
            prop_assert_eq!(ear.state(), ListenerState::Busy);
            let error = ear.supervisor.notify(&envelope, &mut buffer).unwrap_err();
            prop_assert_eq!(error, NotifyError::NotReady(ListenerState::Busy));

            let received: Vec<_> = pieces(&stream, &sizes).filter_map(|piece| machine.read(piece)).collect();
            let len = sent.len(unit);
            prop_assert_eq!(received, [(sent, len)]);
            prop_assert_eq!(machine.state(), ListenerState::Busy);

            if at_once {
                let answer = machine.reply_and_ready(&reply);
                prop_assert_eq!(ear.hear_all(pieces(&answer, &sizes)), [result(&reply), Said::Ready]);
            } else {
                let answer = machine.reply(&reply);
                prop_assert_eq!(machine.state(), ListenerState::Acknowledged);
                let mut said = ear.hear_all(pieces(&answer, &sizes));
                // supervisord acts on a RESULT of no bytes when the next byte comes.
                let acted = if reply.is_empty() { ListenerState::Busy } else { ListenerState::Acknowledged };
                prop_assert_eq!(ear.state(), acted);
                prop_assert_eq!(said.is_empty(), reply.is_empty());
                let (first, rest) = machine.ready().split_at(1);
                said.extend(ear.hear(first));
                prop_assert_eq!(&said, &[result(&reply)]);
                prop_assert_eq!(ear.state(), ListenerState::Acknowledged);
                prop_assert_eq!(ear.hear_all(pieces(rest, &sizes)), [Said::Ready]);
            }
            prop_assert_eq!((machine.state(), ear.state()), (ListenerState::Ready, ListenerState::Ready));
        }
    }
}

// ---- Both ends, joined. ----

/// What one of the two does when it is its turn: with at most so many bytes.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// An event happens, and goes to the end of the queue.
    Happen,
    /// The supervisor writes; the next event, if it is due.
    Send(usize),
    /// The listener reads, and has its answer ready.
    Receive(usize),
    /// The listener writes.
    Answer(usize),
    /// The supervisor reads.
    Hear(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let size = || prop_oneof![1usize..8, 1usize..400];
    prop_oneof![
        1 => Just(Action::Happen),
        2 => size().prop_map(Action::Send),
        2 => size().prop_map(Action::Receive),
        2 => size().prop_map(Action::Answer),
        2 => size().prop_map(Action::Hear),
    ]
}

/// A pipe of bounded room, and what its writer has not been able to put into it.
struct Pipe {
    unwritten: VecDeque<u8>,
    bytes: VecDeque<u8>,
    room: usize,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self { unwritten: VecDeque::new(), bytes: VecDeque::new(), room }
    }

    /// Whether any byte was written.
    fn write(&mut self, most: usize) -> bool {
        let count = most.min(self.room - self.bytes.len()).min(self.unwritten.len());
        self.bytes.extend(self.unwritten.drain(..count));
        count != 0
    }

    fn read(&mut self, most: usize) -> Vec<u8> {
        self.bytes.drain(..most.min(self.bytes.len())).collect()
    }

    fn is_empty(&self) -> bool {
        self.unwritten.is_empty() && self.bytes.is_empty()
    }
}

/// The events, and how the listener answers each time that it gets one: with rejections, then with OK.
#[derive(Clone, Debug)]
struct Script {
    unit: LengthUnit,
    events: usize,
    /// Used over and over, with serials of their own.
    kinds: Vec<(Sent, Vec<Vec<u8>>)>,
}

impl Script {
    fn event(&self, serial: usize) -> Sent {
        let (kind, _) = &self.kinds[serial % self.kinds.len()];
        Sent { serial: serial as u64, poolserial: serial as u64, ..kind.clone() }
    }

    /// All deliveries in their order, a rejected event again before the next one: the serial and the answer.
    fn deliveries(&self) -> impl Iterator<Item = (usize, &[u8])> {
        (0..self.events).flat_map(|serial| {
            let (_, rejections) = &self.kinds[serial % self.kinds.len()];
            rejections.iter().map(Vec::as_slice).chain([&b"OK"[..]]).map(move |answer| (serial, answer))
        })
    }
}

fn script() -> impl Strategy<Value = Script> {
    let rejections = prop_oneof![2 => Just(vec![]), 1 => vec(rejection(), 1..4)];
    (unit(), 1000usize..2000)
        .prop_flat_map(move |(unit, events)| {
            (Just(unit), Just(events), vec((sent(unit, 80), rejections.clone()), 1..12))
        })
        .prop_map(|(unit, events, kinds)| Script { unit, events, kinds })
}

/// Two hosts and what lies between them.
struct Joined<'s> {
    script: &'s Script,
    happened: usize,
    queue: VecDeque<usize>,
    ear: Ear,
    /// What the listener is BUSY with.
    current: Option<usize>,
    down: Pipe,
    machine: Machine,
    /// Whether RESULT and READY are one write.
    at_once: bool,
    up: Pipe,
    /// What is due next: at the listener, and at the supervisor.
    to_receive: Box<dyn Iterator<Item = (usize, &'s [u8])> + 's>,
    to_hear: Box<dyn Iterator<Item = (usize, &'s [u8])> + 's>,
}

impl<'s> Joined<'s> {
    fn new(script: &'s Script, whole: bool, at_once: bool, rooms: [usize; 2]) -> Self {
        Self {
            script,
            happened: 0,
            queue: VecDeque::new(),
            ear: Ear::new(script.unit),
            current: None,
            down: Pipe::new(rooms[0]),
            machine: Machine::new(script.unit, whole),
            at_once,
            up: Pipe::new(rooms[1]),
            to_receive: Box::new(script.deliveries()),
            to_hear: Box::new(script.deliveries()),
        }
    }

    /// Whether the action led to anything.
    fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Happen => {
                let happens = self.happened < self.script.events;
                if happens {
                    self.queue.push_back(self.happened);
                    self.happened += 1;
                }
                happens
            }
            Action::Send(most) => {
                if self.ear.state() == ListenerState::Ready
                    && let Some(serial) = self.queue.pop_front()
                {
                    let mut buffer = [0; 4096];
                    let event = self.script.event(serial);
                    let bytes = self.ear.supervisor.notify(&event.envelope(), &mut buffer).unwrap();
                    self.down.unwritten.extend(bytes);
                    assert_eq!(self.current.replace(serial), None);
                }
                self.down.write(most)
            }
            Action::Receive(most) => {
                let piece = self.down.read(most);
                if let Some(received) = self.machine.read(&piece) {
                    let (serial, answer) = self.to_receive.next().expect("an event that was due");
                    let event = self.script.event(serial);
                    let len = event.len(self.script.unit);
                    assert_eq!(received, (event, len));
                    self.up.unwritten.extend(match self.at_once {
                        true => self.machine.reply_and_ready(answer),
                        false => self.machine.reply(answer),
                    });
                }
                !piece.is_empty()
            }
            Action::Answer(most) => {
                if self.machine.state() == ListenerState::Acknowledged && self.up.unwritten.is_empty() {
                    self.up.unwritten.extend(self.machine.ready());
                }
                self.up.write(most)
            }
            Action::Hear(most) => {
                let piece = self.up.read(most);
                for said in self.ear.hear(&piece) {
                    let Said::Result { ok, .. } = said else { continue };
                    let answered = self.current.take().expect("an answer to an event");
                    let (serial, answer) = self.to_hear.next().expect("an answer that was due");
                    assert_eq!((answered, said), (serial, result(answer)));
                    if !ok {
                        self.queue.push_front(answered);
                    }
                }
                !piece.is_empty()
            }
        }
    }

    /// Goes on until nobody can do anything any more.
    fn run(&mut self, schedule: &[Action]) {
        use Action::{Answer, Happen, Hear, Receive, Send};
        loop {
            let mut moved = false;
            // Who is left out by the schedule gets a turn when nobody else can go on.
            for turns in [schedule, &[Happen, Send(1), Receive(1), Answer(1), Hear(1)]] {
                if !moved {
                    turns.iter().for_each(|action| moved |= self.act(*action));
                }
            }
            if !moved {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_two_ends_never_stop_before_all_is_done(
        script in script(),
        schedule in vec(action(), 1..16),
        rooms in prop_oneof![1 => Just([1, 1]), 3 => [1usize..64, 1..64], 4 => [1usize..4096, 1..4096]],
        whole: bool,
        at_once: bool,
    ) {
        let mut joined = Joined::new(&script, whole, at_once, rooms);
        joined.run(&schedule);

        // An end that waits for the other one for ever leaves events behind.
        prop_assert_eq!((joined.to_receive.next(), joined.to_hear.next()), (None, None));
        prop_assert_eq!((joined.happened, joined.queue.len(), joined.current), (script.events, 0, None));
        prop_assert!(joined.down.is_empty() && joined.up.is_empty());
        prop_assert_eq!((joined.machine.state(), joined.ear.state()), (ListenerState::Ready, ListenerState::Ready));
    }
}
