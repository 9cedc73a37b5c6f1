//! Both ends of the protocol with bounded pipes between them. In whatever order they act, each event is answered, a
//! rejected one comes again, and neither end waits for the other while there is something to do.

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use supervisor_events::{LengthUnit, ListenerState};

use super::ends::{Ear, Machine, Said, Sent, result};
use super::stream::shorten;

/// A script and a schedule, made from any bytes.
#[derive(Debug, Arbitrary)]
pub struct Input {
    bytes: bool,
    whole: bool,
    at_once: bool,
    rooms: [u8; 2],
    events: u8,
    schedule: [Action; 8],
    kind: Kind,
    kinds: Vec<Kind>,
}

#[derive(Debug, Arbitrary)]
struct Kind {
    server: String,
    pool: String,
    eventname: String,
    payload: Vec<u8>,
    rejections: Vec<Vec<u8>>,
}

impl Input {
    /// Checks that the two ends finish the script.
    pub fn check(self) {
        let unit = if self.bytes { LengthUnit::Bytes } else { LengthUnit::CodePoints };
        let kinds = [self.kind].into_iter().chain(self.kinds).map(|kind| kind.made_readable(unit)).collect();
        let script = Script { unit, events: usize::from(self.events % 32), kinds };
        // A pipe has room for at least one byte.
        let rooms = self.rooms.map(|room| usize::from(room) + 1);
        let mut joined = Joined::new(&script, self.whole, self.at_once, rooms);
        joined.run(&self.schedule);
        joined.assert_is_done();
    }
}

impl Kind {
    /// The event and its rejections, reduced to an event that fits and has only one reading.
    fn made_readable(mut self, unit: LengthUnit) -> (Sent, Vec<Vec<u8>>) {
        self.pool.retain(|char| !" :/\n".contains(char));
        self.eventname.retain(|char| !" \n".contains(char));
        if self.eventname.is_empty() {
            self.eventname.push('E');
        }
        // A header may hold at most 16 newlines.
        if Sent::is_ambiguous(&self.server) || self.server.matches('\n').count() > 16 {
            self.server.retain(|char| char != '\n');
        }
        for text in [&mut self.server, &mut self.pool, &mut self.eventname] {
            shorten(text, 200);
        }
        self.payload.truncate(512);
        let payload = match unit {
            LengthUnit::CodePoints => String::from_utf8_lossy(&self.payload).into_owned().into(),
            LengthUnit::Bytes => self.payload,
        };
        self.rejections.retain(|data| data != b"OK");
        self.rejections.truncate(4);
        (Sent::new([&self.server, &self.pool, &self.eventname], [0, 0], &payload), self.rejections)
    }
}

/// What one of the two does when it acts; the number is the most bytes that it moves.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Action {
    /// An event happens, and goes to the end of the queue.
    Happen,
    /// The supervisor writes, beginning with the next event if the listener is READY.
    Send(u16),
    /// The listener reads, and prepares its answer.
    Receive(u16),
    /// The listener writes.
    Answer(u16),
    /// The supervisor reads.
    Hear(u16),
}

/// A pipe of bounded room, and the bytes that its writer could not put into it yet.
struct Pipe {
    unwritten: VecDeque<u8>,
    bytes: VecDeque<u8>,
    room: usize,
}

impl Pipe {
    pub fn new(room: usize) -> Self {
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

/// The events, and the listener's answers to each: rejections, then OK.
#[derive(Clone, Debug)]
pub struct Script {
    pub unit: LengthUnit,
    pub events: usize,
    /// Used over and over, with serials of their own.
    pub kinds: Vec<(Sent, Vec<Vec<u8>>)>,
}

impl Script {
    fn event(&self, serial: usize) -> Sent {
        let (kind, _) = &self.kinds[serial % self.kinds.len()];
        Sent { serial: serial as u64, poolserial: serial as u64, ..kind.clone() }
    }

    /// All deliveries in order, with a rejected event again before the next one: the serial and the answer.
    fn deliveries(&self) -> impl Iterator<Item = (usize, &[u8])> {
        (0..self.events).flat_map(|serial| {
            let (_, rejections) = &self.kinds[serial % self.kinds.len()];
            rejections.iter().map(Vec::as_slice).chain([&b"OK"[..]]).map(move |answer| (serial, answer))
        })
    }
}

/// The two ends, and the pipes between them.
pub struct Joined<'s> {
    script: &'s Script,
    happened: usize,
    queue: VecDeque<usize>,
    ear: Ear,
    /// The event that the listener is BUSY with.
    current: Option<usize>,
    down: Pipe,
    machine: Machine,
    /// Whether RESULT and READY are one write.
    at_once: bool,
    up: Pipe,
    /// The deliveries and answers still to come: at the listener, and at the supervisor.
    to_receive: Box<dyn Iterator<Item = (usize, &'s [u8])> + 's>,
    to_hear: Box<dyn Iterator<Item = (usize, &'s [u8])> + 's>,
}

impl<'s> Joined<'s> {
    pub fn new(script: &'s Script, whole: bool, at_once: bool, rooms: [usize; 2]) -> Self {
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

    /// Carries out an action; returns whether it had any effect.
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
                self.down.write(most.into())
            }
            Action::Receive(most) => {
                let piece = self.down.read(most.into());
                if let Some(received) = self.machine.read(&piece) {
                    let (serial, answer) = self.to_receive.next().expect("an expected event");
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
                self.up.write(most.into())
            }
            Action::Hear(most) => {
                let piece = self.up.read(most.into());
                for said in self.ear.hear(&piece) {
                    let Said::Result { ok, .. } = said else { continue };
                    let answered = self.current.take().expect("an answer to an event");
                    let (serial, answer) = self.to_hear.next().expect("an expected answer");
                    assert_eq!((answered, said), (serial, result(answer)));
                    if !ok {
                        self.queue.push_front(answered);
                    }
                }
                !piece.is_empty()
            }
        }
    }

    /// Repeats the schedule until neither end can do anything.
    pub fn run(&mut self, schedule: &[Action]) {
        use Action::{Answer, Happen, Hear, Receive, Send};
        loop {
            let mut moved = false;
            // An action that the schedule leaves out gets its turn when no other one has an effect.
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

    /// Checks that all events were answered: if an end had waited in vain for the other, some would be left.
    pub fn assert_is_done(&mut self) {
        assert_eq!((self.to_receive.next(), self.to_hear.next()), (None, None));
        assert_eq!((self.happened, self.queue.len(), self.current), (self.script.events, 0, None));
        assert!(self.down.is_empty() && self.up.is_empty());
        assert_eq!((self.machine.state(), self.ear.state()), (ListenerState::Ready, ListenerState::Ready));
    }
}
