//! Detects lost and repeated events from the numbers in their headers.
//!
//! Every pool numbers its events (`poolserial`). In a pool with one listener (`numprocs=1`), that listener sees each
//! number once, in order, with these exceptions, which [`SequenceAudit::observe`] tells apart:
//!
//! * An event that was rejected, or whose listener died while handling it, comes **again** with the same numbers. So
//!   does an event that the pool subscribed to twice, by overlapping names in `events`.
//! * An event that another pool did not accept is put at the head of this pool's queue with the newest number. The
//!   numbers jump, and then the skipped numbers come **late**. This happens most often near a reload or a shutdown,
//!   when listeners are stopped while they are BUSY.
//! * The pool's buffer (`buffer_size`, 10 events by default) overflowed while the listener was busy: the oldest events
//!   are **lost**. The numbers jump, and the skipped numbers never come.
//! * supervisord, or the pool, was restarted: the numbers start at 0 again. `serial` continues across SIGHUP, and
//!   starts at 0 with a new supervisord.
//!
//! So a jump alone proves no loss. [`SequenceAudit::take_lost`] reports only what has not arrived after enough other
//! events, or within the time that the caller allows.
//!
//! With several listeners in a pool, each sees only some of the numbers: what looks lost went to another listener.

use core::fmt;

use heapless::Deque;

use crate::wire::header::Header;

/// An event's position in the sequence of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Delivery {
    /// The next event, delivered for the first time. Also the very first event, whatever its number.
    First,
    /// An event that was delivered before.
    Redelivery {
        /// How often it has been redelivered: 1 at the second delivery.
        times: u32,
    },
    /// Delivered for the first time, and the numbers between the previous event and this one are missing. They may
    /// still come: see [`SequenceAudit::take_lost`].
    Gap {
        /// How many numbers are missing.
        missing: u64,
    },
    /// An event from an earlier gap. It may have been reported as lost in the meantime.
    Late,
    /// The numbering has started again.
    Restart,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("delivered for the first time"),
            Self::Redelivery { times: 1 } => f.write_str("delivered again"),
            Self::Redelivery { times } => write!(f, "delivered again, {times} times"),
            Self::Gap { missing } => write!(f, "delivered for the first time; {missing} before it are missing"),
            Self::Late => f.write_str("delivered late"),
            Self::Restart => f.write_str("the first of a new numbering"),
        }
    }
}

/// Events that never came: the pool's buffer overflowed. A larger `buffer_size` prevents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Lost {
    /// How many events were lost.
    pub count: u64,
    /// The first one's `poolserial`.
    pub first: u64,
    /// The last one's `poolserial`. If `count` is smaller than the range, some events in the range did come.
    pub last: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, first, last } = self;
        match count {
            1 => write!(f, "1 event was lost: poolserial {first}"),
            _ => write!(f, "{count} events were lost: poolserial {first} to {last}"),
        }
    }
}

/// The numbers of an event, to be saved when a listener ends: [`SequenceAudit::resume_from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Position {
    /// The event's number over all pools.
    pub serial: u64,
    /// The event's number in its pool.
    pub poolserial: u64,
}

/// Follows the numbers of one pool's events. Feed it each header.
///
/// `N`, which is at least 1, is the length of its history, in events:
///
/// * A redelivery is recognised if the event is among the last `N`. It may come after newer events, if another pool is
///   slow to reject it.
/// * A missing number counts as lost once `N` other events have been delivered for the first time, in order or with a
///   jump. The queue is in order except for the events that are put at its head, and every BUSY listener of this
///   supervisord can put one there at the same time. So `N` should be at least the number of listeners; 16 is enough
///   for most systems. When skipped numbers begin to arrive, the count starts again for the rest of them, however many
///   there are.
/// * At most `N` gaps are kept. If there are more, the oldest one counts as lost.
///
/// Numbers that are missing when the input ends or the numbering restarts are never reported as lost: supervisord
/// discards its queues at that moment, and what it discards looks the same as what was lost before.
///
/// ```
/// use supervisor_events::{Delivery, Header, SequenceAudit};
///
/// let line = |n: u64| {
///     format!("ver:3.0 server:s serial:{n} pool:p poolserial:{n} eventname:TICK_5 len:6")
/// };
/// let mut audit = SequenceAudit::new();
/// let mut observe = |n| audit.observe(&Header::parse(line(n).as_bytes()).unwrap());
///
/// assert_eq!(observe(0), Delivery::First);
/// assert_eq!(observe(0), Delivery::Redelivery { times: 1 });
/// assert_eq!(observe(4), Delivery::Gap { missing: 3 });
/// assert_eq!(observe(1), Delivery::Late);
///
/// // 2 and 3 have not arrived yet. A host without a clock waits for 16 more events …
/// for poolserial in 5..20 {
///     assert_eq!(observe(poolserial), Delivery::First);
/// }
/// assert_eq!(audit.missing(), 2);
/// // … a host with a clock waits only a few seconds.
/// audit.give_up();
/// let lost = audit.take_lost().unwrap();
/// assert_eq!((lost.count, lost.first, lost.last), (2, 2, 3));
/// assert_eq!((audit.missing(), audit.take_lost()), (0, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SequenceAudit<const N: usize = 16> {
    /// The last events, each with the number of its redeliveries.
    recent: Deque<(Position, u32), N>,
    /// The event with the highest number.
    newest: Option<Position>,
    /// If the numbers have gone back: the newest event before that, and its age in first deliveries.
    before: Option<(Position, usize)>,
    /// The numbers that were skipped, the oldest gap first.
    skipped: Deque<Skipped, N>,
    /// Losses that have not been taken.
    lost: Option<Lost>,
}

/// The largest number, 2⁶³ − 1, as a mask. 0 follows it.
const MASK: u64 = (1 << 63) - 1;

const fn next(number: u64) -> u64 {
    number.wrapping_add(1) & MASK
}

/// The forward distance from one number to another.
const fn steps(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) & MASK
}

/// Whether a forward distance means that the sequence went back: it is more than half the number space.
const fn is_back(steps: u64) -> bool {
    steps > MASK / 2
}

impl SequenceAudit {
    /// An audit that has seen nothing, with a history of 16 events.
    pub const fn new() -> Self {
        Self::with_history()
    }
}

impl<const N: usize> SequenceAudit<N> {
    /// Like [`new`](SequenceAudit::new), with a history of `N` events: `SequenceAudit::<64>::with_history()`.
    pub const fn with_history() -> Self {
        Self { recent: Deque::new(), newest: None, before: None, skipped: Deque::new(), lost: None }
    }

    /// Continues at a saved [`position`](Self::position), to find events that were lost while no listener was running.
    ///
    /// The first event is compared with the saved one. The same event again is a `Redelivery`, the next one `First`,
    /// and a later one makes a `Gap`. If the numbers have gone back, it is a `Restart`: of supervisord, or of the pool
    /// by a reload.
    ///
    /// Do not use a position of another pool or of another run of supervisord. The numbers of a new run start at 0, so
    /// it is recognised only until they have passed the saved ones; after that it looks like a gap. If the listener may
    /// be down for that long, save what identifies the run together with the position, such as supervisord's process id
    /// and start time.
    ///
    /// ```
    /// use supervisor_events::{Delivery, Header, Position, SequenceAudit};
    ///
    /// // Saved by the listener's previous process, from `audit.position()`.
    /// let saved = Some(Position { serial: 40, poolserial: 12 });
    ///
    /// let mut audit = SequenceAudit::new();
    /// if let Some(position) = saved {
    ///     audit = audit.resume_from(position);
    /// }
    /// let line = b"ver:3.0 server:s serial:44 pool:p poolserial:16 eventname:TICK_5 len:15";
    /// let header = Header::parse(line)?;
    /// assert_eq!(audit.observe(&header), Delivery::Gap { missing: 3 });
    /// assert_eq!(audit.position(), Some(Position { serial: 44, poolserial: 16 }));
    /// # Ok::<(), supervisor_events::TokenError>(())
    /// ```
    #[must_use = "it returns the audit that continues"]
    pub fn resume_from(self, position: Position) -> Self {
        let mut resumed = Self { newest: Some(position), lost: self.lost, ..Self::with_history() };
        resumed.remember(position);
        resumed
    }

    /// The newest event: the one with the highest number in the current numbering. `None` before the first event.
    ///
    /// Save it each time an event has been answered. It does not contain the numbers that are [missing](Self::missing)
    /// at that moment: if they arrive after [`resume_from`](Self::resume_from), the first of them looks like a restart,
    /// but nothing counts as lost because of it.
    pub const fn position(&self) -> Option<Position> {
        self.newest
    }

    /// Classifies the next event by its header.
    pub fn observe(&mut self, header: &Header<'_>) -> Delivery {
        let event = Position { serial: header.serial(), poolserial: header.poolserial() };
        if let Some((_, times)) = self.recent.iter_mut().find(|(known, _)| *known == event) {
            *times = times.saturating_add(1);
            return Delivery::Redelivery { times: *times };
        }
        let delivery = self.classify(event);
        if delivery == Delivery::Restart {
            // A new supervisord uses the same numbers again.
            self.recent.clear();
        }
        self.remember(event);
        delivery
    }

    /// The events that have turned out to be lost since the last call. Call it after every event; losses that are not
    /// taken add up.
    pub const fn take_lost(&mut self) -> Option<Lost> {
        self.lost.take()
    }

    /// How many numbers are missing and do not count as lost yet. While there are any, a host with a clock needs a
    /// timeout, after which it calls [`give_up`](Self::give_up).
    pub fn missing(&self) -> u64 {
        self.skipped.iter().filter(|range| !range.lost).fold(0, |sum, range| sum.saturating_add(range.len()))
    }

    /// Counts all missing numbers as lost. Call it when nothing has filled the gap for long enough: a few seconds after
    /// the last [`Gap`](Delivery::Gap) or [`Late`](Delivery::Late) will do.
    pub fn give_up(&mut self) {
        for range in &mut self.skipped {
            range.give_up(&mut self.lost);
        }
    }

    fn remember(&mut self, event: Position) {
        if self.recent.is_full() {
            self.recent.pop_front();
        }
        let pushed = self.recent.push_back((event, 0));
        debug_assert!(pushed.is_ok(), "there is room");
    }

    /// Classifies an event that is not among the recent ones.
    fn classify(&mut self, event: Position) -> Delivery {
        let number = event.poolserial;
        if self.take_skipped(number) {
            return Delivery::Late;
        }
        let Some(newest) = self.newest.replace(event) else { return Delivery::First };
        let expected = self.expected(newest, number);
        let missing = steps(expected, number);
        if is_back(missing) {
            self.skipped.clear();
            self.before.get_or_insert((newest, 0));
            return Delivery::Restart;
        }
        self.age();
        if missing == 0 {
            return Delivery::First;
        }
        self.skip(Skipped { from: expected, to: number, age: 0, lost: false });
        Delivery::Gap { missing }
    }

    /// The number that should have come instead of `number`.
    ///
    /// The numbers also go back if an event that the history no longer holds is redelivered. That is not a restart:
    /// afterwards, the numbers continue where they were.
    fn expected(&mut self, newest: Position, number: u64) -> u64 {
        let expected = next(newest.poolserial);
        let Some((before, _)) = self.before else { return expected };
        let before = next(before.poolserial);
        if is_back(steps(before, number)) || steps(before, number) >= steps(expected, number) {
            return expected;
        }
        self.before = None;
        self.skipped.clear();
        before
    }

    /// Removes a number from the skipped ones. Returns whether it was one of them.
    fn take_skipped(&mut self, number: u64) -> bool {
        let Some(range) = self.skipped.iter_mut().find(|range| range.holds(number)) else { return false };
        // Numbers that were skipped together are delivered in order, so the rest of them are on their way.
        let rest = Skipped { from: next(number), age: 0, ..*range };
        range.to = number;
        self.skipped.retain(|range| range.len() != 0);
        if rest.len() != 0 {
            self.skip(rest);
        }
        true
    }

    /// Keeps skipped numbers. If there is no room, the oldest ones count as lost.
    fn skip(&mut self, range: Skipped) {
        if self.skipped.is_full()
            && let Some(mut oldest) = self.skipped.pop_front()
        {
            oldest.give_up(&mut self.lost);
        }
        let pushed = self.skipped.push_back(range);
        debug_assert!(pushed.is_ok(), "there is room");
    }

    /// Counts a first delivery.
    fn age(&mut self) {
        for range in &mut self.skipped {
            range.age = range.age.saturating_add(1);
            if range.age >= N {
                range.give_up(&mut self.lost);
            }
        }
        // Kept for as long again, in case they arrive after all.
        self.skipped.retain(|range| range.age < N.saturating_mul(2));
        self.before = self.before.map(|(before, age)| (before, age.saturating_add(1))).filter(|(_, age)| *age < N);
    }
}

/// Numbers that were skipped, as a half-open range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Skipped {
    from: u64,
    to: u64,
    /// The number of first deliveries since then.
    age: usize,
    /// Whether they count as lost.
    lost: bool,
}

impl Skipped {
    const fn len(&self) -> u64 {
        steps(self.from, self.to)
    }

    const fn holds(&self, number: u64) -> bool {
        steps(self.from, number) < self.len()
    }

    /// Adds the numbers to the losses, once.
    fn give_up(&mut self, lost: &mut Option<Lost>) {
        if self.lost {
            return;
        }
        self.lost = true;
        let Self { from: first, to, .. } = *self;
        let (count, last) = (self.len(), to.wrapping_sub(1) & MASK);
        *lost = Some(match *lost {
            None => Lost { count, first, last },
            Some(before) => Lost {
                count: before.count.saturating_add(count),
                first: if is_back(steps(before.first, first)) { first } else { before.first },
                last: if is_back(steps(before.last, last)) { before.last } else { last },
            },
        });
    }
}

impl<const N: usize> Default for SequenceAudit<N> {
    fn default() -> Self {
        Self::with_history()
    }
}

#[cfg(test)]
mod tests;
