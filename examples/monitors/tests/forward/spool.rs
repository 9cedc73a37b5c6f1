//! The spool's limits: lack of space, a partial record, a full disk.

use std::fs;

use crate::nats::{Nats, Place, assert_events, deliver, header, payload, terminate};
use crate::support::PATIENCE;
use supervisor_events::ListenerState;
use supervisor_events::simulator::{Report, Simulator};

#[test]
fn what_is_dropped_is_counted() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    let mut listener = place.listener(&url, &["--spool-bytes", "20000"]);
    for number in 0..500 {
        deliver(&mut listener, &payload(number));
        if number == 300 {
            // A count that was begun is kept, and another one follows it.
            let pool = listener.pool.clone();
            terminate(listener);
            listener = place.listener(&url, &["--spool-bytes", "20000"]);
            listener.pool = pool;
        }
    }
    let size = fs::metadata(place.spool()).unwrap().len();
    assert!((15_000..22_000).contains(&size), "{size}");
    nats.restart();
    place.wait_for_log("events were dropped while");
    // Earlier messages are there by now, so there is room again.
    let kept = nats.messages(3).iter().filter(|message| !message.subject.contains("DROPPED")).count() as u64;
    nats.messages(kept + 2);
    deliver(&mut listener, &payload(500));
    let mut messages = nats.messages(kept + 3);
    assert_events(&[messages.pop().unwrap()], 500..501);
    let dropped = messages.split_off(kept as usize);
    assert_events(&messages, 0..kept);
    let ids = |message, name| header(message, name).rsplit_once('/').unwrap().1.parse::<u64>().unwrap();
    let parts: Vec<_> = dropped
        .iter()
        .map(|message| {
            assert!(message.subject.ends_with(".FORWARD_MONITOR_DROPPED"));
            let count = header(message, "Forward-Dropped").parse::<u64>().unwrap();
            (ids(message, "Forward-First-Id"), ids(message, "Forward-Last-Id"), count)
        })
        .collect();
    assert_eq!(parts, [(kept, 300, 301 - kept), (301, 499, 199)]);
    assert!(place.log().contains(r#""dropped":199"#));
    terminate(listener);
}

#[test]
fn a_torn_end_is_cut_off() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    // Any of the last record's bytes may be the last one written; or other bytes may be in their place.
    for (number, keep) in (0..).zip([1, 7, 8, 9, 100, 250]) {
        let mut listener = place.listener(&url, &[]);
        listener.pool.next_serial = number;
        deliver(&mut listener, &payload(number));
        let mut pool = listener.pool.clone();
        let whole = fs::metadata(place.spool()).unwrap().len();
        deliver(&mut listener, &payload(number + 1));
        terminate(listener);
        let spool = fs::read(place.spool()).unwrap();
        let mut torn = spool[..whole as usize + keep].to_vec();
        if keep == 250 {
            torn = spool;
            *torn.last_mut().unwrap() ^= 1;
        }
        fs::write(place.spool(), torn).unwrap();
        // It was not answered, so it comes again.
        let mut listener = place.listener(&url, &[]);
        pool.next_serial = number + 1;
        listener.pool = pool;
        deliver(&mut listener, &payload(number + 1));
        // And is the first event of the next round, where it is recognised.
        terminate(listener);
    }
    assert_eq!(place.log().matches("it is cut off").count(), 6);
    nats.restart();
    let listener = place.listener(&url, &[]);
    assert_events(&nats.messages(7), 0..7);
    terminate(listener);
}

#[test]
fn a_damaged_record_costs_one_event() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    let mut listener = place.listener(&url, &[]);
    (0..4).for_each(|number| deliver(&mut listener, &payload(number)));
    terminate(listener);
    let mut spool = fs::read(place.spool()).unwrap();
    spool[40] ^= 1;
    fs::write(place.spool(), spool).unwrap();
    nats.restart();
    let listener = place.listener(&url, &[]);
    assert_events(&nats.messages(3), 1..4);
    assert_eq!(place.log().matches("the spool is damaged: a record is lost").count(), 1);
    terminate(listener);
}

#[test]
fn an_event_is_held_while_the_disk_is_full() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    // A limit on file sizes, without a signal when it is reached.
    let limited = ["sh", "-c", r#"trap "" XFSZ; ulimit -f 16; exec "$@""#, "sh"];
    let mut listener = Simulator::spawn(&mut place.command(&limited, &url, &[])).unwrap();
    let mut number = 0;
    while !place.log().contains("the event is held") {
        listener.notify("REMOTE_COMMUNICATION", &payload(number));
        number += 1;
        loop {
            let reports = listener.step(std::time::Duration::from_millis(100));
            let answered = reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. }));
            if answered || place.log().contains("the event is held") {
                break;
            }
        }
    }
    assert_eq!(listener.state(), ListenerState::Busy);
    // The broker is as good as a disk, and frees the disk as well.
    nats.restart();
    listener.run(PATIENCE);
    assert_eq!(listener.state(), ListenerState::Ready);
    (number..number + 5).for_each(|number| deliver(&mut listener, &payload(number)));
    assert_events(&nats.messages(number + 5), 0..number + 5);
    terminate(listener);
}
