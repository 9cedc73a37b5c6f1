//! A pool's queue: numbers events, keeps a bounded number of them, and takes rejected ones back. No I/O.

use core::fmt;
use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

use crate::{Data, Envelope};

/// How much of a payload `Debug` prints.
const PRINTED: usize = 256;

/// An event in a pool, with its numbers. `Debug` prints the payload as text, its first 256 bytes at most.
#[derive(Clone, PartialEq, Eq)]
pub struct PoolEvent {
    /// The event's number over all pools.
    pub serial: u64,
    /// The event's number in the pool.
    pub poolserial: u64,
    /// The name of its type.
    pub eventname: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// How often it was sent before.
    pub deliveries: u32,
}

impl fmt::Debug for PoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, poolserial, eventname, payload, deliveries } = self;
        let mut fields = f.debug_struct("PoolEvent");
        fields.field("serial", serial).field("poolserial", poolserial).field("eventname", eventname);
        match payload.split_at_checked(PRINTED) {
            Some((start, [_, ..])) => {
                fields.field("payload_start", &Data::new(start)).field("payload_len", &payload.len())
            }
            _ => fields.field("payload", &Data::new(payload)),
        };
        fields.field("deliveries", deliveries).finish()
    }
}

/// The events of one pool, as supervisord keeps them.
#[derive(Clone, Debug)]
pub struct Pool {
    /// supervisord's identifier.
    pub server: String,
    /// The pool's name.
    pub name: String,
    /// How many events it holds. If it is full, the oldest event is discarded for a new one.
    pub buffer_size: usize,
    /// The `serial` and `poolserial` of the next event.
    pub next_serial: u64,
    queue: VecDeque<PoolEvent>,
}

impl Default for Pool {
    /// supervisord's own names, and its `buffer_size` of 10.
    fn default() -> Self {
        Self {
            server: "supervisor".into(),
            name: "listener".into(),
            buffer_size: 10,
            next_serial: 0,
            queue: VecDeque::new(),
        }
    }
}

impl Pool {
    /// Appends an event to the queue; returns the event that is discarded for it, if any.
    pub fn accept(&mut self, eventname: &str, payload: &[u8]) -> Option<PoolEvent> {
        let number = self.next_serial;
        self.next_serial = number.wrapping_add(1) & (u64::MAX >> 1);
        let (eventname, payload) = (eventname.into(), payload.into());
        let discarded = self.make_room();
        self.queue.push_back(PoolEvent { serial: number, poolserial: number, eventname, payload, deliveries: 0 });
        discarded
    }

    /// Puts back an event that was rejected or could not be delivered; returns the event that is discarded for it, if
    /// any.
    pub fn take_back(&mut self, event: PoolEvent) -> Option<PoolEvent> {
        let discarded = self.make_room();
        self.queue.push_front(event);
        discarded
    }

    /// Takes the next event from the queue.
    pub fn next_event(&mut self) -> Option<PoolEvent> {
        self.queue.pop_front()
    }

    /// The notification of one of its events.
    pub fn envelope<'a>(&'a self, event: &'a PoolEvent) -> Envelope<'a> {
        Envelope {
            server: &self.server,
            serial: event.serial,
            pool: &self.name,
            poolserial: event.poolserial,
            eventname: &event.eventname,
            payload: &event.payload,
        }
    }

    /// How many events are waiting.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The waiting events, the next one first.
    pub fn events(&self) -> impl Iterator<Item = &PoolEvent> {
        self.queue.iter()
    }

    fn make_room(&mut self) -> Option<PoolEvent> {
        if self.queue.len() >= self.buffer_size { self.queue.pop_front() } else { None }
    }
}
