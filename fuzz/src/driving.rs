//! Any way to carry out the instructions of a [`Driver`]: in pieces of any size, asking again and again, with calls out
//! of turn. It always writes and handles the same.

use arbitrary::Arbitrary;
use supervisor_events::host::driver::{Driver, DriverError, Next, Replied};
use supervisor_events::{LengthUnit, READY, Reply, TurnError};

use super::stream::Stream;

/// The acts of a host, and the answers of its handler.
#[derive(Debug, Arbitrary)]
pub struct Script {
    max_rejections: u8,
    acts: Vec<Act>,
    /// For the events in order, then OK.
    answers: Vec<Answer>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Act {
    /// Carries out the next instruction; the number is the most bytes that it writes or reads.
    Step(u8),
    /// Asks for the next instruction, and does nothing.
    Ask,
    /// Answers without having been asked.
    Reply,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
enum Answer {
    Ok,
    Fail,
}

/// A host and the supervisord that it talks to.
struct Host<'s> {
    driver: Driver<Vec<u8>>,
    stream: &'s Stream,
    answers: std::vec::IntoIter<Answer>,
    max_rejections: u32,
    /// The event that supervisord is sending, and how many of its bytes have been read.
    event: usize,
    read: usize,
    /// How often that event was rejected.
    rejected: u32,
    written: Vec<u8>,
    expected: Vec<u8>,
    is_stopped: bool,
}

impl Script {
    /// Carries out the script, then everything that is left to do.
    pub fn check(self, unit: LengthUnit, stream: &Stream, buffer: usize) {
        let max_rejections = u32::from(self.max_rejections % 4);
        let mut host = Host {
            driver: Driver::new(vec![0; buffer], unit).max_rejections(max_rejections),
            stream,
            answers: self.answers.into_iter(),
            max_rejections,
            event: 0,
            read: 0,
            rejected: 0,
            written: Vec::new(),
            expected: READY.to_vec(),
            is_stopped: false,
        };
        for act in self.acts {
            match act {
                Act::Step(most) => {
                    host.step(most.into());
                }
                Act::Ask => host.ask_twice(),
                Act::Reply => host.reply_out_of_turn(),
                Act::Stop => {
                    host.driver.stop();
                    host.is_stopped = true;
                }
            }
        }
        while host.step(usize::MAX) {}
        host.assert_is_done();
    }
}

impl Host<'_> {
    /// Carries out the next instruction. Returns false at the end.
    fn step(&mut self, most: usize) -> bool {
        match self.driver.next().expect("supervisord keeps to the protocol, and there is room") {
            Next::Write(bytes) => {
                let count = most.min(bytes.len());
                self.written.extend_from_slice(&bytes[..count]);
                self.driver.written(count);
            }
            Next::Flush => self.driver.flushed(),
            Next::Read(space) => {
                let Some(place) = self.stream.places().get(self.event) else {
                    // supervisord is gone.
                    self.driver.received(0);
                    return true;
                };
                let left = &self.stream.bytes[place.begin + self.read..place.end];
                let count = most.clamp(1, space.len()).min(left.len());
                space[..count].copy_from_slice(&left[..count]);
                self.read += count;
                self.driver.received(count);
            }
            Next::Handle(event) => {
                let place = self.stream.places()[self.event];
                let told = [event.header.as_str().as_bytes(), b"\n", event.payload].concat();
                assert!(self.stream.bytes[place.begin..place.end].starts_with(&told));
                assert_eq!(told.len() as u64 + event.omitted, (place.end - place.begin) as u64);
                assert_eq!(event.header.serial(), self.event as u64);
                self.answer();
            }
            Next::End => return false,
        }
        true
    }

    fn answer(&mut self) {
        let answer = self.answers.next().unwrap_or(Answer::Ok);
        let reply = if answer == Answer::Ok { Reply::OK } else { Reply::FAIL };
        let is_rejected = answer == Answer::Fail && self.rejected < self.max_rejections;
        assert_eq!(self.driver.rejects(&reply), is_rejected);
        let replied = self.driver.reply(&reply).expect("there is room");
        let is_replaced = answer == Answer::Fail && !is_rejected;
        assert_eq!(matches!(replied, Replied::Accepted(_)), is_replaced);
        self.read = 0;
        if is_rejected {
            self.expected.extend_from_slice(b"RESULT 4\nFAIL");
            self.rejected += 1;
        } else {
            self.expected.extend_from_slice(b"RESULT 2\nOK");
            (self.event, self.rejected) = (self.event + 1, 0);
        }
        self.expected.extend_from_slice(READY);
    }

    /// An instruction comes again until it is carried out.
    fn ask_twice(&mut self) {
        let once = format!("{:?}", self.driver.next());
        assert_eq!(format!("{:?}", self.driver.next()), once);
    }

    /// A reply is refused unless an event is waiting for its answer, and a refused one changes nothing.
    fn reply_out_of_turn(&mut self) {
        if !matches!(self.driver.next(), Ok(Next::Handle(_))) {
            let replied = self.driver.reply(&Reply::OK);
            assert!(matches!(replied, Err(DriverError::Turn(TurnError::NoEvent(_)))), "{replied:?}");
        }
    }

    /// Each event was answered, in order, and nothing else was written.
    fn assert_is_done(&self) {
        // A stopped driver does not write the last READY.
        let without_ready = self.expected.strip_suffix(READY).expect("it was expected");
        assert!(self.written == self.expected || self.is_stopped && self.written == without_ready);
        assert!(self.is_stopped || self.event == self.stream.places().len());
        assert_eq!(self.read, 0);
    }
}
