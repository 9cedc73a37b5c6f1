//! Finds the events that were lost because the pool's buffer overflowed while the listener was busy.

#[cfg(unix)]
use std::env;
use std::time::{Duration, Instant};

use crate::{Delivery, Header, Lost, Position, SequenceAudit};

/// How late an event may arrive. Near a reload or a shutdown, supervisord sends some out of order, milliseconds apart.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tracks which of a pool's events are missing.
#[derive(Debug)]
pub(super) struct Losses {
    audit: SequenceAudit,
    /// When the missing events count as lost.
    until: Option<Instant>,
}

impl Losses {
    /// Tracks the events after the one at `newest`, or after the first.
    pub(super) fn new(newest: Option<Position>) -> Self {
        let audit = SequenceAudit::new();
        let audit = match newest {
            Some(newest) => audit.resume_from(newest),
            None => audit,
        };
        Self { audit, until: None }
    }

    /// Takes the next header.
    pub(super) fn observe(&mut self, header: &Header<'_>) {
        if let Delivery::Gap { .. } | Delivery::Late = self.audit.observe(header) {
            self.until = Some(Instant::now() + PATIENCE);
        }
    }

    /// When to look for losses, if no event arrives earlier.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The events that have turned out to be lost by now.
    pub(super) fn take(&mut self) -> Option<Lost> {
        if self.until.is_some_and(|until| until <= Instant::now()) {
            self.until = None;
            self.audit.give_up();
        }
        self.audit.take_lost()
    }
}

/// Whether this process is its pool's only one, by the names that supervisord gives it: with `numprocs`, processes need
/// names of their own. In a pool with several processes, what one of them does not see has gone to another.
#[cfg(unix)]
pub(super) fn is_alone() -> bool {
    env::var_os("SUPERVISOR_PROCESS_NAME").is_some_and(|name| env::var_os("SUPERVISOR_GROUP_NAME") == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_in_time_is_lost() {
        let mut losses = Losses::new(None);
        for line in [
            "ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:E len:0",
            "ver:3.0 server:s serial:3 pool:p poolserial:3 eventname:E len:0",
        ] {
            losses.observe(&Header::parse(line.as_bytes()).unwrap());
        }
        assert!(losses.until().is_some());
        assert_eq!(losses.take(), None, "it may still come");
        losses.until = Some(Instant::now());
        assert_eq!(losses.take(), Some(Lost { count: 1, first: 2, last: 2 }));
        assert_eq!((losses.until(), losses.take()), (None, None));
    }
}
