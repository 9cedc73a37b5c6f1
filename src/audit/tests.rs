//! What an audit makes of each sequence of numbers.

extern crate alloc;
use super::*;
use Delivery::{First, Gap, Late, Redelivery, Restart};
use alloc::vec::Vec;

/// An audit that has observed events with these numbers, and what it made of each.
fn observed<const N: usize>(numbers: impl IntoIterator<Item = (u64, u64)>) -> (SequenceAudit<N>, Vec<Delivery>) {
    let mut audit = SequenceAudit::with_history();
    let deliveries = observe(&mut audit, numbers);
    (audit, deliveries)
}

fn observe<const N: usize>(
    audit: &mut SequenceAudit<N>,
    numbers: impl IntoIterator<Item = (u64, u64)>,
) -> Vec<Delivery> {
    numbers
        .into_iter()
        .map(|(serial, poolserial)| {
            let line =
                alloc::format!("ver:3.0 server:s serial:{serial} pool:p poolserial:{poolserial} eventname:E len:0");
            audit.observe(&Header::parse(line.as_bytes()).unwrap())
        })
        .collect()
}

/// Events that have the same number in the pool and over all pools.
fn events(numbers: impl IntoIterator<Item = u64>) -> impl Iterator<Item = (u64, u64)> {
    numbers.into_iter().map(|number| (number, number))
}

fn deliveries(numbers: impl IntoIterator<Item = (u64, u64)>) -> Vec<Delivery> {
    observed::<16>(numbers).1
}

fn lost(count: u64, first: u64, last: u64) -> Option<Lost> {
    Some(Lost { count, first, last })
}

#[test]
fn in_order() {
    assert_eq!(deliveries([(7, 3), (8, 4), (20, 5)]), [First, First, First]);
}

#[test]
fn redeliveries_are_counted() {
    let expected = [First, Redelivery { times: 1 }, Redelivery { times: 2 }, First, Redelivery { times: 1 }];
    assert_eq!(deliveries([(0, 0), (0, 0), (0, 0), (1, 1), (1, 1)]), expected);
}

#[test]
fn an_event_comes_again_after_newer_ones() {
    // Another pool was slow to reject it.
    let expected = [First, First, First, Redelivery { times: 1 }, Redelivery { times: 2 }, First];
    assert_eq!(deliveries(events([5, 6, 7, 5, 5, 8])), expected);
}

#[test]
fn an_event_that_comes_again_after_the_history_looks_like_a_restart_but_nothing_is_lost() {
    let (mut audit, deliveries) = observed::<4>(events([0, 1, 2, 3, 4, 5, 6, 7, 2, 0, 8, 9]));
    assert_eq!(deliveries[8..], [Restart, Restart, First, First]);
    // One step forward, from an event that went back.
    assert_eq!(observe(&mut audit, events([1, 3, 10, 12])), [Restart, Gap { missing: 1 }, First, Gap { missing: 1 }]);
    assert_eq!(audit.missing(), 1);
    observe(&mut audit, events(13..40));
    assert_eq!(audit.take_lost(), lost(1, 11, 11));
}

#[test]
fn what_was_skipped_may_come_late() {
    // Another pool rejected an event, which was put at the head, with the newest number.
    let (mut audit, deliveries) = observed::<16>([(0, 0), (5, 3), (2, 1), (3, 2), (6, 4)]);
    assert_eq!(deliveries, [First, Gap { missing: 2 }, Late, Late, First]);
    assert_eq!(audit.missing(), 0);
    observe(&mut audit, events(7..100));
    assert_eq!(audit.take_lost(), lost(2, 5, 6));
}

#[test]
fn several_gaps_are_open_at_a_time() {
    // Two events were put at the head, one after the other.
    let (mut audit, deliveries) = observed::<16>(events([0, 5, 7, 6, 1, 2, 3, 4, 8]));
    let late = [Late; 5];
    assert_eq!(deliveries[..3], [First, Gap { missing: 4 }, Gap { missing: 1 }]);
    assert_eq!((&deliveries[3..8], deliveries[8]), (&late[..], First));
    assert_eq!(audit.missing(), 0);
    observe(&mut audit, events(9..100));
    assert_eq!(audit.take_lost(), None);
}

#[test]
fn what_does_not_come_is_lost_after_as_many_events_as_the_history_holds() {
    let (mut audit, _) = observed::<16>(events([0, 3]));
    for number in 4..19 {
        assert_eq!(observe(&mut audit, events([number, number])), [First, Redelivery { times: 1 }]);
        assert_eq!((audit.take_lost(), audit.missing()), (None, 2));
    }
    observe(&mut audit, events([19]));
    assert_eq!((audit.take_lost(), audit.missing()), (lost(2, 1, 2), 0));
    assert_eq!(audit.take_lost(), None);
    // Late is late, and nothing is lost twice.
    assert_eq!(observe(&mut audit, events([1])), [Late]);
    observe(&mut audit, events(20..100));
    assert_eq!(audit.take_lost(), None);
}

#[test]
fn while_skipped_numbers_come_the_rest_is_waited_for() {
    // A large buffer is drained while other pools continue to reject events.
    let (mut audit, _) = observed::<4>(events([0, 100]));
    let mut newest = 100;
    for number in (1..100).filter(|number| *number != 50) {
        observe(&mut audit, events([number]));
        if number % 2 == 0 {
            newest += 1;
            observe(&mut audit, events([newest]));
        }
    }
    assert_eq!(audit.take_lost(), lost(1, 50, 50));
    assert_eq!(audit.missing(), 0);
}

#[test]
fn a_caller_with_a_clock_gives_up() {
    let (mut audit, _) = observed::<16>(events([0, 3, 7]));
    assert_eq!((audit.missing(), audit.take_lost()), (5, None));
    observe(&mut audit, events([1, 5]));
    audit.give_up();
    assert_eq!((audit.missing(), audit.take_lost()), (0, lost(3, 2, 6)));
    audit.give_up();
    assert_eq!(audit.take_lost(), None);
    assert_eq!(observe(&mut audit, events([2])), [Late]);
}

#[test]
fn losses_that_are_not_taken_add_up() {
    let (mut audit, _) = observed::<4>(events([0, 2]));
    audit.give_up();
    observe(&mut audit, events([5]));
    audit.give_up();
    assert_eq!(audit.take_lost(), lost(3, 1, 4));
    let say = |count, first, last| Lost { count, first, last }.to_string();
    assert_eq!(say(1, 3, 3), "1 event was lost: poolserial 3");
    assert_eq!(say(2, 3, 7), "2 events were lost: poolserial 3 to 7");
}

#[test]
fn the_oldest_gap_is_lost_if_there_are_too_many() {
    // Late arrivals split a gap, and there is room for four parts.
    let (mut audit, _) = observed::<4>(events([0, 20, 2, 4, 6]));
    assert_eq!((audit.take_lost(), audit.missing()), (None, 16));
    observe(&mut audit, events([8]));
    assert_eq!((audit.take_lost(), audit.missing()), (lost(1, 1, 1), 14));
    // The shortest history.
    let (mut audit, deliveries) = observed::<1>(events([0, 2, 2, 1, 4, 5]));
    let expected = [First, Gap { missing: 1 }, Redelivery { times: 1 }, Late, Gap { missing: 1 }, First];
    assert_eq!(deliveries, expected);
    assert_eq!((audit.take_lost(), audit.missing()), (lost(1, 3, 3), 0));
}

#[test]
fn a_new_numbering_may_repeat_the_old_numbers() {
    // 8 is an event of the old numbering and, after the restart, another one.
    let expected = [First, First, First, Restart, First, First, First];
    assert_eq!(deliveries([(7, 1), (8, 2), (9, 3), (7, 0), (8, 1), (9, 2), (10, 3)]), expected);
    assert_eq!(deliveries([(1, 1), (2, 2), (0, 0), (1, 1), (2, 2)]), [First, First, Restart, First, First]);
}

#[test]
fn after_a_late_event_the_rest_of_its_gap_is_waited_for_anew() {
    let (mut audit, _) = observed::<4>(events([0, 5, 6, 7, 8]));
    assert_eq!((audit.take_lost(), audit.missing()), (None, 4));
    // One more would have been enough.
    assert_eq!(observe(&mut audit, events([2, 9, 10, 11])), [Late, First, First, First]);
    assert_eq!((audit.take_lost(), audit.missing()), (lost(1, 1, 1), 2));
    observe(&mut audit, events([12]));
    assert_eq!((audit.take_lost(), audit.missing()), (lost(2, 3, 4), 0));
}

#[test]
fn more_events_may_be_outstanding_than_the_history_holds() {
    // Each is put at the head of the queue, and so comes before all that were skipped.
    let (mut audit, deliveries) = observed::<16>(events([0, 100]));
    assert_eq!((deliveries[1], audit.missing()), (Gap { missing: 99 }, 99));
    assert_eq!(observe(&mut audit, events(1..100)), [Late; 99]);
    assert_eq!((audit.take_lost(), audit.missing()), (None, 0));
    // Each late arrival splits a gap. With one more part than there is room for, the oldest part is lost.
    let (mut audit, _) = observed::<16>(events([0, 100].into_iter().chain((2..=30).step_by(2))));
    assert_eq!((audit.take_lost(), audit.missing()), (None, 84));
    observe(&mut audit, events([32]));
    assert_eq!((audit.take_lost(), audit.missing()), (lost(1, 1, 1), 82));
}

#[test]
fn what_is_remembered_is_forgotten_in_time() {
    // A gap: for twice as many events as the history holds.
    assert_eq!(observed::<2>(events([0, 2, 3, 4, 5, 1])).1[5], Late);
    assert_eq!(observed::<2>(events([0, 2, 3, 4, 5, 6, 1])).1[6], Restart);
    // The numbers before a restart: for as many.
    assert_eq!(observed::<2>(events([10, 0, 1, 11])).1[3], First);
    assert_eq!(observed::<2>(events([10, 0, 1, 2, 11])).1[4], Gap { missing: 8 });
    // An event: the one after a gap is not a part of it.
    assert_eq!(observed::<1>(events([0, 5, 6, 5])).1[3], Restart);
}

#[test]
fn half_the_numbers_are_ahead() {
    assert_eq!(deliveries(events([0, MASK / 2 + 1]))[1], Gap { missing: MASK / 2 });
    assert_eq!(deliveries(events([0, MASK / 2 + 2]))[1], Restart);
}

#[test]
fn a_resumed_audit_still_reports_what_was_lost_before() {
    let (mut audit, _) = observed::<16>(events([0, 3]));
    audit.give_up();
    let mut resumed = audit.clone().resume_from(audit.position().unwrap());
    assert_eq!(resumed.take_lost(), lost(2, 1, 2));
}

#[test]
fn a_delivery_is_a_phrase() {
    for (delivery, phrase) in [
        (First, "delivered for the first time"),
        (Redelivery { times: 1 }, "delivered again"),
        (Redelivery { times: 2 }, "delivered again, 2 times"),
        (Gap { missing: 7 }, "delivered for the first time; 7 before it are missing"),
        (Late, "delivered late"),
        (Restart, "the first of a new numbering"),
    ] {
        assert_eq!(delivery.to_string(), phrase);
    }
}

#[test]
fn numbers_wrap() {
    let (mut audit, deliveries) = observed::<16>([(1, MASK - 1), (2, MASK), (3, 0), (4, 2)]);
    assert_eq!(deliveries, [First, First, First, Gap { missing: 1 }]);
    audit.give_up();
    assert_eq!(audit.take_lost(), lost(1, 1, 1));
    let (mut audit, _) = observed::<16>(events([MASK - 2, 1, 0]));
    audit.give_up();
    assert_eq!(audit.take_lost(), lost(2, MASK - 1, MASK));
}

#[test]
fn a_restart_is_told_from_a_gap() {
    let (mut audit, deliveries) = observed::<16>([(90, 41), (92, 43), (0, 0), (1, 1)]);
    assert_eq!(deliveries, [First, Gap { missing: 1 }, Restart, First]);
    // What was missing is not known to be lost.
    audit.give_up();
    assert_eq!((audit.missing(), audit.take_lost()), (0, None));
    // SIGHUP: the pool's numbers start again, the global ones continue.
    assert_eq!(self::deliveries([(2, 2), (4, 0), (5, 1)]), [First, Restart, First]);
    // A new supervisord that happens to be at the same number.
    assert_eq!(self::deliveries([(90, 0), (0, 0)]), [First, Restart]);
}

#[test]
fn an_audit_continues_where_another_one_ended() {
    let (audit, _) = observed::<16>([(40, 12)]);
    let position = audit.position().unwrap();
    assert_eq!((position.serial, position.poolserial), (40, 12));
    let resumed = || SequenceAudit::<16>::with_history().resume_from(position);
    let first = |serial, poolserial| observe(&mut resumed(), [(serial, poolserial)])[0];
    assert_eq!(first(40, 12), Redelivery { times: 1 });
    assert_eq!(first(43, 13), First);
    assert_eq!(first(44, 16), Gap { missing: 3 });
    // A reload, another supervisord, and another supervisord that is at the same number of the pool.
    assert_eq!([first(41, 0), first(0, 0), first(17, 12)], [Restart; 3]);

    let mut audit = resumed();
    assert_eq!(audit.position(), Some(position));
    observe(&mut audit, [(44, 16)]);
    audit.give_up();
    assert_eq!(audit.take_lost(), lost(3, 13, 15));
}

#[test]
fn the_position_is_that_of_the_newest_event() {
    assert_eq!(SequenceAudit::new().position(), None);
    let newest = |numbers: &[(u64, u64)]| {
        let position = observed::<16>(numbers.iter().copied()).0.position().unwrap();
        (position.serial, position.poolserial)
    };
    // Late and repeated events are older; after a restart, the old numbers mean nothing.
    assert_eq!(newest(&[(3, 0), (9, 5), (4, 1), (9, 5), (3, 0)]), (9, 5));
    assert_eq!(newest(&[(3, 9), (4, 0)]), (4, 0));
}

#[test]
fn what_was_missing_before_comes_after_it_without_a_false_loss() {
    let position = observed::<16>(events([0, 11, 1, 2])).0.position().unwrap();
    let mut audit = SequenceAudit::new().resume_from(position);
    let deliveries = observe(&mut audit, events(3..11));
    assert_eq!((deliveries[0], &deliveries[1..]), (Restart, &[First; 7][..]));
    assert_eq!(observe(&mut audit, events([12, 14])), [First, Gap { missing: 1 }]);
    audit.give_up();
    assert_eq!(audit.take_lost(), lost(1, 13, 13));
}
