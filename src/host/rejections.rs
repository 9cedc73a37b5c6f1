//! The limit on rejections, for every host: supervisord sends a rejected event again at once, endlessly.

use core::fmt;

use heapless::{String, Vec};

use crate::Notification;

/// How often each of the last few events was rejected, the latest at the end. With more than one listener in a pool,
/// several rejected events can alternate.
#[derive(Clone, Debug)]
pub(super) struct Rejections {
    /// How often one event may be rejected.
    pub(super) most: u32,
    counts: Vec<(u64, u32), 16>,
}

impl Rejections {
    pub(super) const fn new(most: u32) -> Self {
        Self { most, counts: Vec::new() }
    }

    fn times(&self, serial: u64) -> u32 {
        self.counts.iter().find(|(known, _)| *known == serial).map_or(0, |(_, times)| *times)
    }

    /// How often the event may still be rejected.
    pub(super) fn left(&self, serial: u64) -> u32 {
        self.most.saturating_sub(self.times(serial))
    }

    /// Describes an event that may not be rejected again.
    pub(super) fn accept(&self, event: &Notification<'_>) -> Accepted {
        let serial = event.header.serial();
        let mut eventname = String::new();
        // A longer name is cut.
        let _ = event.header.eventname().chars().try_for_each(|char| eventname.push(char));
        Accepted { serial, eventname, rejections: self.times(serial) }
    }

    /// Counts a rejection, or forgets an event that was not rejected: if its serial comes again, it is a new event.
    pub(super) fn note(&mut self, serial: u64, rejected: bool) {
        if !rejected && self.counts.is_empty() {
            return;
        }
        let times = self.times(serial);
        self.counts.retain(|(known, _)| *known != serial);
        if !rejected {
            return;
        }
        if self.counts.is_full() {
            let oldest = self.counts.first().map(|(serial, _)| *serial);
            self.counts.retain(|(serial, _)| Some(*serial) != oldest);
        }
        let pushed = self.counts.push((serial, times.saturating_add(1)));
        debug_assert!(pushed.is_ok(), "it fits");
    }
}

/// An event that was accepted instead of rejected once more. Its `Display` says so, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Accepted {
    serial: u64,
    rejections: u32,
    eventname: String<48>,
}

impl Accepted {
    /// The event's `serial`.
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// How often it was rejected before.
    pub const fn rejections(&self) -> u32 {
        self.rejections
    }

    /// The event's name. A name longer than 48 bytes, which only a plugin could have, is cut.
    pub fn eventname(&self) -> &str {
        &self.eventname
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, eventname, rejections } = self;
        write!(f, "event {serial} ({eventname}) ")?;
        match rejections {
            0 => f.write_str("may not be rejected")?,
            1 => f.write_str("was rejected once")?,
            times => write!(f, "was rejected {times} times")?,
        }
        f.write_str(
            ", and is accepted now: supervisord would send it again and again. \
             Reject only what may succeed soon",
        )
    }
}
