//! What reaches the stream when brokers, listeners and supervisords come and go: every event, once, in order.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::nats::{Nats, Place, assert_events, deliver, header, payload, terminate};
use crate::support::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_events::simulator::{Report, Simulator};

#[test]
fn a_broker_that_is_killed_again_and_again() {
    const EVENTS: u64 = 5000;
    const ROUND: u64 = 500;
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &["--deadline", "0.5"]);
    // Kills in another thread, so that it happens at any moment.
    let (kill, kills) = mpsc::channel();
    let (killed, dead) = mpsc::channel();
    let nats = thread::scope(|scope| {
        scope.spawn(move || {
            for nats in kills {
                let mut nats: Nats = nats;
                nats.kill();
                killed.send(nats).unwrap();
            }
        });
        let mut there = Some(nats);
        for number in 0..EVENTS {
            deliver(&mut listener, &payload(number));
            match number % ROUND {
                // In every other round, everything has been sent by now; in the others, the spool may still be in use.
                150 if (number / ROUND).is_multiple_of(2) => {
                    let nats = there.as_ref().unwrap();
                    wait_for("the spool", || (nats.count() > number).then_some(()));
                }
                200 => kill.send(there.take().unwrap()).unwrap(),
                400 => {
                    there = Some(dead.recv().unwrap());
                    there.as_mut().unwrap().restart();
                }
                _ => {}
            }
        }
        drop(kill);
        there.unwrap()
    });
    assert_events(&nats.messages(EVENTS), 0..EVENTS);
    // At least once in every other round: there, it was there before.
    assert!(place.log().matches("they go to the spool").count() >= 5, "{}", place.log());
    terminate(listener);
}

/// Kills the listener while it has an event; the pool continues with the next one.
fn kill_over(mut listener: Simulator, number: u64, after: Duration, next: impl Fn() -> Simulator) -> Simulator {
    let pid = Pid::from_raw(listener.pid().unwrap() as i32).unwrap();
    listener.notify("REMOTE_COMMUNICATION", &payload(number));
    thread::scope(|scope| {
        scope.spawn(move || {
            // Not to wait for anything, but to hit a different moment each time.
            thread::sleep(after);
            // It is not reaped until its output has ended, so the id is still its own.
            kill_process(pid, Signal::KILL).unwrap();
        });
        let mut ended = false;
        while !ended {
            ended = listener.step(PATIENCE).iter().any(|report| matches!(report, Report::Ended));
        }
    });
    let mut new = next();
    std::mem::swap(&mut new.pool, &mut listener.pool);
    new.run(PATIENCE);
    assert_eq!(new.pool.waiting(), 0);
    new
}

/// From before the event arrives to after it was answered.
fn moments() -> impl Iterator<Item = (u64, Duration)> {
    (0..60).map(|moment| (moment, Duration::from_micros(moment * 60)))
}

#[test]
fn a_listener_that_is_killed_over_its_events() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &[]);
    for (number, after) in moments() {
        listener = kill_over(listener, number, after, || place.listener(&nats.url(), &[]));
    }
    assert_events(&nats.messages(60), 0..60);
    terminate(listener);
}

#[test]
fn a_listener_that_is_killed_while_the_broker_is_away() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    let mut listener = place.listener(&url, &[]);
    for (number, after) in moments() {
        listener = kill_over(listener, number, after, || place.listener(&url, &[]));
    }
    nats.restart();
    deliver(&mut listener, &payload(60));
    assert_events(&nats.messages(61), 0..61);
    terminate(listener);
}

#[test]
fn a_signal_leaves_the_spool_to_the_next_listener() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    let mut listener = place.listener(&url, &[]);
    (0..20).for_each(|number| deliver(&mut listener, &payload(number)));
    let pool = listener.pool.clone();
    terminate(listener);
    nats.restart();
    listener = place.listener(&url, &[]);
    listener.pool = pool;
    (20..40).for_each(|number| deliver(&mut listener, &payload(number)));
    assert_events(&nats.messages(40), 0..40);
    assert!(place.log().contains(r#""message":"the spool is open","spooled":20}"#), "{}", place.log());
    terminate(listener);
}

/// Here, the broker forgets ids at once, but accepted messages are marked in the spool.
#[test]
fn what_the_broker_has_is_not_sent_again() {
    let Some(mut nats) = Nats::start() else { return };
    let (url, forgetful) = (nats.url(), ["--duplicate-window", "0.1"]);
    let place = Place::new();
    nats.kill();
    let mut listener = place.listener(&url, &forgetful);
    (0..20).for_each(|number| deliver(&mut listener, &payload(number)));
    nats.restart();
    nats.messages(20);
    deliver(&mut listener, &payload(20));
    nats.messages(21);
    for _ in 0..3 {
        let mut pool = listener.pool.clone();
        terminate(listener);
        listener = place.listener(&url, &forgetful);
        // The last event again, as if its answer had been lost.
        pool.next_serial -= 1;
        listener.pool = pool;
        deliver(&mut listener, &payload(20));
    }
    deliver(&mut listener, &payload(21));
    assert_events(&nats.messages(22), 0..22);
    terminate(listener);
}

#[test]
fn two_runs_of_supervisord_with_the_same_serials() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    for _ in 0..2 {
        // The listener's parent is a different one each time.
        let mut shell = place.command(&["sh", "-c", r#""$@"; exit $?"#, "sh"], &nats.url(), &[]);
        let mut listener = Simulator::spawn(&mut shell).unwrap();
        (0..10).for_each(|number| deliver(&mut listener, &payload(number)));
        // Again, from the same run.
        listener.pool.next_serial = 9;
        deliver(&mut listener, &payload(9));
        listener.close_input();
        assert!(listener.wait(PATIENCE).unwrap().expect("its end").success());
    }
    let messages = nats.messages(20);
    assert_events(&messages[..10], 0..10);
    assert_events(&messages[10..], 0..10);
    let runs = [&messages[0], &messages[19]].map(|message| header(message, "Forward-Run"));
    assert_ne!(runs[0], runs[1]);
}

#[test]
fn listeners_of_one_pool_have_spools_of_their_own() {
    let Some(mut nats) = Nats::start() else { return };
    let url = nats.url();
    nats.kill();
    let place = Place::new();
    let mut listeners = ["one_00", "one_01"].map(|name| {
        let mut command = place.command(&[], &url, &[]);
        Simulator::spawn(command.env("SUPERVISOR_PROCESS_NAME", name)).unwrap()
    });
    for (number, listener) in (0..).zip(&mut listeners) {
        listener.pool.next_serial = number;
        deliver(listener, &payload(number));
    }
    // A listener that wants another one's spool waits, and gets it when the other is gone.
    let [one, other] = listeners;
    let mut command = place.command(&[], &url, &[]);
    let mut third = Simulator::spawn(command.env("SUPERVISOR_PROCESS_NAME", "one_00")).unwrap();
    terminate(one);
    third.pool.next_serial = 2;
    deliver(&mut third, &payload(2));
    nats.restart();
    let messages = nats.messages(3);
    let process = |name: &str| messages.iter().filter(|message| header(message, "Forward-Process") == name).count();
    assert_eq!((process("forward:one_00"), process("forward:one_01")), (2, 1));
    terminate(other);
    terminate(third);
}
