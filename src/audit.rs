//! Detects lost and repeated events by the numbers in their headers.
//!
//! Every pool numbers its events (`poolserial`). In a pool with one listener (`numprocs=1`), that listener sees each
//! number once, in order, with these exceptions, which [`SequenceAudit::observe`] tells apart:
//!
//! * An event that was rejected, or whose listener died while handling it, comes **again** with the same numbers. So
//!   does an event that the pool subscribed to twice, by overlapping names in `events`.
//! * The pool's buffer (`buffer_size`, 10 events by default) overflowed while the listener was busy: the oldest events
//!   are **lost**, and the numbers jump.
//! * An event that another pool rejected is put at the head of this pool's queue with the newest number. The numbers
//!   jump, and then the skipped numbers come **late**.
//! * supervisord, or the pool, was restarted: the numbers start at 0 again. `serial` continues across SIGHUP, and
//!   starts at 0 with a new supervisord.
//!
//! With several listeners in a pool, each sees only some of the numbers: what looks lost went to another listener.

use heapless::Deque;

use crate::wire::header::Header;

/// Where an event belongs in the sequence of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Delivery {
    /// The next event, delivered for the first time. Also the very first event, whatever its number.
    First,
    /// An event that was delivered before.
    Redelivery {
        /// How often it has come again: 1 for the second delivery.
        times: u32,
    },
    /// Events between the previous one and this one are missing.
    Gap {
        /// How many.
        lost: u64,
    },
    /// An event that was counted as lost in the last gap.
    Late,
    /// The numbering has started again.
    Restart,
}

/// Follows the numbers of one pool's events. Feed it each header.
///
/// It remembers the last `N` events and recognises them: another pool may reject an event late, and then it comes again
/// after newer ones.
///
/// ```
/// use supervisor_events::{Delivery, Header, SequenceAudit};
///
/// let mut audit = SequenceAudit::new();
/// let mut observe = |serial: u64, poolserial: u64| {
///     let line = format!("ver:3.0 server:s serial:{serial} pool:p poolserial:{poolserial} eventname:TICK_5 len:6");
///     audit.observe(&Header::parse(line.as_bytes()).unwrap())
/// };
/// assert_eq!(observe(4, 0), Delivery::First);
/// assert_eq!(observe(4, 0), Delivery::Redelivery { times: 1 });
/// assert_eq!(observe(9, 3), Delivery::Gap { lost: 2 });
/// assert_eq!(observe(0, 0), Delivery::Restart);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SequenceAudit<const N: usize = 16> {
    /// The last events, each with the number of its redeliveries.
    recent: Deque<(Numbers, u32), N>,
    /// The number expected next; `None` before the first event.
    next: Option<u64>,
    /// The numbers of the last gap that may still come, as a half-open range.
    gap: (u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Numbers {
    serial: u64,
    poolserial: u64,
}

/// The largest number, 2⁶³ − 1, as a mask: 0 follows it.
const MASK: u64 = (1 << 63) - 1;

impl SequenceAudit {
    /// An audit that has seen nothing. It remembers the last 16 events.
    pub const fn new() -> Self {
        Self::with_history()
    }
}

impl<const N: usize> SequenceAudit<N> {
    /// Like [`new`](SequenceAudit::new), and remembers the last `N` events: `SequenceAudit::<64>::with_history()`.
    pub const fn with_history() -> Self {
        Self { recent: Deque::new(), next: None, gap: (0, 0) }
    }

    /// Takes the next header.
    pub fn observe(&mut self, header: &Header<'_>) -> Delivery {
        let numbers = Numbers { serial: header.serial(), poolserial: header.poolserial() };
        if let Some((_, times)) = self.recent.iter_mut().find(|(known, _)| *known == numbers) {
            *times = times.saturating_add(1);
            return Delivery::Redelivery { times: *times };
        }
        let delivery = self.place(numbers.poolserial);
        if delivery == Delivery::Restart {
            self.recent.clear();
        }
        if self.recent.is_full() {
            self.recent.pop_front();
        }
        let _ = self.recent.push_back((numbers, 0));
        delivery
    }

    /// Classifies a number that was not seen before.
    fn place(&mut self, number: u64) -> Delivery {
        let (gap_from, gap_to) = self.gap;
        if (number.wrapping_sub(gap_from) & MASK) < (gap_to.wrapping_sub(gap_from) & MASK) {
            self.gap.0 = number.wrapping_add(1) & MASK;
            return Delivery::Late;
        }
        let next = self.next.replace(number.wrapping_add(1) & MASK).unwrap_or(number);
        match number.wrapping_sub(next) & MASK {
            0 => Delivery::First,
            // A forward distance of more than half the number space means that the sequence went back.
            lost if lost <= MASK / 2 => {
                self.gap = (next, number);
                Delivery::Gap { lost }
            }
            _ => {
                self.gap = (0, 0);
                Delivery::Restart
            }
        }
    }
}

impl<const N: usize> Default for SequenceAudit<N> {
    fn default() -> Self {
        Self::with_history()
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use Delivery::{First, Gap, Late, Redelivery, Restart};

    fn deliveries(numbers: &[(u64, u64)]) -> alloc::vec::Vec<Delivery> {
        let mut audit = SequenceAudit::new();
        numbers
            .iter()
            .map(|(serial, poolserial)| {
                let line =
                    alloc::format!("ver:3.0 server:s serial:{serial} pool:p poolserial:{poolserial} eventname:E len:0");
                audit.observe(&Header::parse(line.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn in_order() {
        assert_eq!(deliveries(&[(7, 3), (8, 4), (20, 5)]), [First, First, First]);
    }

    #[test]
    fn redeliveries_are_counted() {
        let expected = [First, Redelivery { times: 1 }, Redelivery { times: 2 }, First, Redelivery { times: 1 }];
        assert_eq!(deliveries(&[(0, 0), (0, 0), (0, 0), (1, 1), (1, 1)]), expected);
    }

    #[test]
    fn an_event_comes_again_after_newer_ones() {
        // Another pool was slow to reject it.
        let numbers = [(5, 5), (6, 6), (7, 7), (5, 5), (5, 5), (8, 8)];
        let expected = [First, First, First, Redelivery { times: 1 }, Redelivery { times: 2 }, First];
        assert_eq!(deliveries(&numbers), expected);
    }

    #[test]
    fn what_was_jumped_over_may_come_late() {
        // Another pool rejected an event: it is put at the head, with the newest number.
        assert_eq!(deliveries(&[(0, 0), (5, 3), (2, 1), (3, 2), (6, 4)]), [First, Gap { lost: 2 }, Late, Late, First]);
    }

    #[test]
    fn numbers_wrap() {
        assert_eq!(deliveries(&[(1, MASK - 1), (2, MASK), (3, 0), (4, 2)]), [First, First, First, Gap { lost: 1 }]);
    }

    #[test]
    fn a_restart_is_told_from_a_gap() {
        assert_eq!(deliveries(&[(90, 41), (92, 43), (0, 0), (1, 1)]), [First, Gap { lost: 1 }, Restart, First]);
        // SIGHUP: the pool's numbers start again, the global ones continue.
        assert_eq!(deliveries(&[(2, 2), (4, 0), (5, 1)]), [First, Restart, First]);
        // A new supervisord that happens to be at the same number.
        assert_eq!(deliveries(&[(90, 0), (0, 0)]), [First, Restart]);
    }
}
