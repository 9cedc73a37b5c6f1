//! The queue between the thread that answers supervisord and the one that talks to the broker.
//!
//! Every event passes through the spool, which keeps the order. While the broker is reachable, the spool holds at most
//! one event: the answer waits for the broker, and nothing waits for the disk.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;

use super::message::Message;
use super::spool::{Spool, Stored};
use crate::Failure;
use crate::log::{Level, log};
use crate::sync::lock;

/// How long to wait before trying the disk again.
const PAUSE: Duration = Duration::from_secs(1);

/// How many different errors of the broker are logged.
const REASONS: usize = 8;

/// The messages under way, shared by both threads.
pub struct Queue {
    state: Mutex<State>,
    /// The broker has accepted a message, or has become reachable or unreachable.
    changed: Condvar,
    /// There is a message to publish.
    work: Notify,
    /// How long an event may wait for the broker before it is synced to disk instead.
    deadline: Duration,
    /// Whether to stop.
    stop: Arc<AtomicBool>,
}

struct State {
    spool: Spool,
    /// The newest message, if it could not be written to the spool.
    held: Option<Message>,
    broker: Broker,
    /// The errors of the broker that have been logged.
    said: Vec<String>,
    /// How many messages the broker has accepted.
    taken: usize,
    /// Whether the last event was dropped.
    dropping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Broker {
    /// No attempt has been made yet.
    Unknown,
    Here,
    Away,
}

impl State {
    /// The value of `taken` once the broker has accepted everything.
    fn all(&self) -> usize {
        self.taken + self.spool.messages() + usize::from(self.held.is_some())
    }

    fn is_away(&self) -> bool {
        self.broker == Broker::Away
    }
}

impl Queue {
    /// A queue in this spool.
    pub fn new(spool: Spool, deadline: Duration, stop: Arc<AtomicBool>) -> Self {
        let state = State { spool, held: None, broker: Broker::Unknown, said: Vec::new(), taken: 0, dropping: false };
        Self { state: state.into(), changed: Condvar::new(), work: Notify::new(), deadline, stop }
    }

    /// Takes on a message. On return, the broker has it, or it is safe in the spool, or it was dropped and counted.
    pub fn take(&self, message: &Message) -> Result<(), Failure> {
        let since = Instant::now();
        let left = || self.deadline.saturating_sub(since.elapsed());
        let mut state = self.lock();
        let mut complained = false;
        loop {
            let safe = match state.spool.append(message) {
                Ok(Stored::Full) if !state.is_away() && !left().is_zero() => {
                    // The broker is accepting messages, so there will be room.
                    state = self.wait(state, left());
                    continue;
                }
                Ok(Stored::Full) => Self::drop_message(&mut state, message),
                Ok(Stored::Written | Stored::Again) => {
                    (state.held, state.dropping) = (None, false);
                    self.work.notify_one();
                    let all = state.all();
                    // Behind other messages, it would have to wait for those too.
                    while state.taken < all && state.spool.messages() == 1 && !state.is_away() && !left().is_zero() {
                        state = self.wait(state, left());
                    }
                    if state.taken >= all { Ok(()) } else { state.spool.sync() }
                }
                Err(error) => {
                    // The broker can still accept it, after the messages before it.
                    state.held = Some(message.clone());
                    Err(error)
                }
            };
            let Err(error) = safe else { return Ok(()) };
            if !complained {
                let advice = "make room on the spool's disk, or repair it: the event is held until then, or until the \
                              broker has it, and no other event is accepted";
                log(Level::Error, advice, json!({ "error": error.to_string() }));
                complained = true;
            }
            self.work.notify_one();
            let (all, since) = (state.all(), Instant::now());
            while state.taken < all && since.elapsed() < PAUSE {
                state = self.wait(state, PAUSE.saturating_sub(since.elapsed()));
            }
            if state.taken >= all {
                return Ok(());
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err("it is neither on disk nor with the broker".into());
            }
        }
    }

    fn drop_message(state: &mut State, message: &Message) -> io::Result<()> {
        if let Err(error) = state.spool.drop_message(message) {
            state.held = Some(message.clone());
            return Err(error);
        }
        state.held = None;
        if !state.dropping {
            let details = json!({ "spooled": state.spool.messages() });
            log(Level::Error, "the spool is full: events are dropped and counted", details);
            state.dropping = true;
        }
        state.spool.sync()
    }

    /// Waits for a message; returns the oldest one.
    pub async fn oldest(&self) -> io::Result<Message> {
        loop {
            {
                let state = self.lock();
                if let Some(message) = state.spool.head()?.or_else(|| state.held.clone()) {
                    return Ok(message);
                }
            }
            self.work.notified().await;
        }
    }

    /// How many messages are waiting.
    pub fn waiting(&self) -> usize {
        self.lock().spool.messages()
    }

    /// The id of the last event taken on; empty if there was none.
    pub fn last_id(&self) -> String {
        self.lock().spool.last_id().into()
    }

    /// The broker has accepted the oldest message.
    pub fn taken(&self, message: &Message) {
        let mut state = self.lock();
        if state.spool.messages() == 0 {
            state.held = None;
        } else {
            state.spool.done();
        }
        state.taken += 1;
        if let Some(count) = message.header("Forward-Dropped") {
            let count: Option<u64> = count.parse().ok();
            log(Level::Error, "events were dropped while the spool was full", json!({ "dropped": count }));
        }
        self.is_here(state);
    }

    /// The broker is reachable. If messages are waiting, the first one will show whether it accepts them.
    pub fn reached(&self) {
        let state = self.lock();
        if state.taken == state.all() {
            self.is_here(state);
        }
    }

    fn is_here(&self, mut state: MutexGuard<'_, State>) {
        if state.broker != Broker::Here {
            log(Level::Info, "the broker accepts events", json!({ "spooled": state.spool.messages() }));
        }
        state.broker = Broker::Here;
        state.said.clear();
        self.changed.notify_all();
    }

    /// The broker is unreachable, or rejects messages.
    pub fn away(&self, error: &Failure) {
        let mut state = self.lock();
        let why = error.to_string();
        // A different error may need a different cure.
        if !state.said.contains(&why) && state.said.len() < REASONS {
            let details = json!({ "error": why, "spooled": state.spool.messages() });
            log(Level::Warning, "the broker does not accept events: they go to the spool", details);
            state.said.push(why);
        }
        state.broker = Broker::Away;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }
}
