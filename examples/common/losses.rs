//! Which events were lost, because the pool's buffer overflowed while the monitor was busy.

use std::env;
use std::time::{Duration, Instant};

use supervisor_events::{Delivery, Header, Lost, SequenceAudit};

/// How long an event may come after one that followed it. Near a reload or a shutdown, supervisord sends some out of
/// order, milliseconds apart.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Losses {
    audit: SequenceAudit,
    /// When the order of events was last disturbed.
    disturbed: Option<Instant>,
    alone: bool,
}

impl Losses {
    pub fn new() -> Self {
        Self { audit: SequenceAudit::new(), disturbed: None, alone: is_alone() }
    }

    /// Takes the next header. Returns the events that turn out to be lost by now.
    pub fn observe(&mut self, header: &Header<'_>) -> Option<Lost> {
        if let Delivery::Gap { .. } | Delivery::Late = self.audit.observe(header) {
            self.disturbed = Some(Instant::now());
        }
        if self.disturbed.is_some_and(|since| since.elapsed() >= PATIENCE) {
            self.audit.give_up();
            self.disturbed = None;
        }
        self.audit.take_lost().filter(|_| self.alone)
    }
}

/// Whether this process is its pool's only one, by the names that supervisord gives: with `numprocs`, processes need
/// names of their own. Only then are numbers that are missing events that are lost.
fn is_alone() -> bool {
    env::var_os("SUPERVISOR_PROCESS_NAME").is_some_and(|name| env::var_os("SUPERVISOR_GROUP_NAME") == Some(name))
}
