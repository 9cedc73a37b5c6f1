//! The switch: what it does at each event.

use supervisor_events::{Event, Notification, ProcessState, ProcessStateEvent, SequenceAudit, TickEvent};

use crate::{heartbeat, kill_line};

/// The processes without which there must be no trading. The index in the table is the bit in the kill line's reasons.
const CRITICAL: [&str; 3] = ["risk_manager", "order_executor", "hyperliquid_feed"];

/// The state that it keeps from one event to the next.
pub struct Switch {
    audit: SequenceAudit,
    /// For each critical process, the serial of the last event about it.
    judged: [u64; CRITICAL.len()],
    beats: u32,
}

impl Switch {
    pub const fn new() -> Self {
        Self { audit: SequenceAudit::new(), judged: [0; CRITICAL.len()], beats: 0 }
    }

    /// Acts on an event.
    pub fn take(&mut self, notification: &Notification<'_>) {
        self.audit.observe(&notification.header);
        if let Some(lost) = self.audit.take_lost() {
            defmt::warn!("{} events were lost: is the pool's buffer_size too small?", lost.count);
        }
        match notification.event() {
            Ok(Event::Tick(TickEvent { period: 5, .. })) => {
                self.beats = self.beats.wrapping_add(1);
                defmt::debug!("heartbeat {}", self.beats);
                heartbeat::beat();
            }
            Ok(Event::ProcessState(event)) => self.judge(&event, notification.header.serial()),
            // The listener does not subscribe to these, but events that another pool rejects come here as well.
            Ok(_) => {}
            Err(error) => defmt::warn!("{}: {}", notification.header.eventname(), error),
        }
    }

    fn judge(&mut self, event: &ProcessStateEvent<'_>, serial: u64) {
        let named = CRITICAL.iter().zip(&mut self.judged).zip(0..).find(|((name, _), _)| **name == event.processname);
        let Some(((name, judged), bit)) = named else { return };
        // An event that another pool rejected comes late: it says nothing about the present.
        if serial < *judged {
            return;
        }
        *judged = serial;
        match event.state {
            ProcessState::Fatal => {
                defmt::error!("{} is lost: {}", name, event.state);
                kill_line::assert(1 << bit);
            }
            ProcessState::Running => {
                defmt::info!("{} is there: {}", name, event.state);
                kill_line::release(1 << bit);
            }
            // In any other state nothing is decided: supervisord is still trying.
            _ => {}
        }
    }
}
