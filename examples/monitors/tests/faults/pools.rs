//! `comm_monitor` in a pool of four, on a slow disk: killed again and again, given every event twice, stopped.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::figures::figure;
use crate::subjects::{MESSAGE, Subject, named, records, serials};
use crate::support::instrumented::{Instrumented, wait_until_stopped};
use crate::support::receiver::Collector;
use crate::support::wait_for;

fn subject() -> &'static Subject {
    named("comm_monitor")
}

fn start(sync_millis: usize, more: &str) -> Option<Instrumented> {
    let section = subject().section(&subject().command(&Collector::start()), 4, sync_millis);
    let server = Instrumented::start("pools", &(section + more))?;
    subject().wait_until_idle(&server);
    Some(server)
}

/// What has to hold of a trail: every event that was acknowledged is there, or was set aside. How many are there twice,
/// and how many were set aside.
fn assert_whole(server: &Instrumented, sent: usize) -> (usize, usize) {
    let trail = server.directory().join("audit.jsonl");
    assert!(server.file("audit.jsonl").ends_with('\n'));
    let recorded = serials(&trail);
    let once: BTreeSet<_> = recorded.iter().copied().collect();
    let set_aside: BTreeSet<_> =
        serials(&server.directory().join("state/comm_monitor.dead-letters.jsonl")).into_iter().collect();
    let acknowledged: BTreeSet<_> = server.acknowledged(|name| name.starts_with("comm_monitor")).into_iter().collect();
    assert_eq!(acknowledged, (0..sent as u64).collect(), "answered");
    let handled: BTreeSet<_> = once.union(&set_aside).copied().collect();
    assert_eq!(handled, acknowledged, "recorded");
    // What is there twice is marked: it has the same run and serial, and says the same.
    let records = records(&trail);
    let runs: BTreeSet<_> = records.iter().map(|record| record["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let texts: BTreeSet<_> =
        records.iter().map(|record| (record["serial"].as_u64(), record["data"].as_str())).collect();
    assert_eq!(texts.len(), once.len());
    (recorded.len() - once.len(), set_aside.len())
}

/// Kills any of the four at any moment while events come.
fn killed_at_random(kills: usize, sync_millis: usize) {
    let Some(mut server) = start(sync_millis, "") else { return };
    let mut sent = 0;
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..kills {
        server.send(MESSAGE[0], MESSAGE[1], sent, 3);
        sent += 3;
        // Some kills come at once, others within the time that the events take.
        thread::sleep(Duration::from_micros(random.u64(0..=(sync_millis as u64 + 10) * 1000)));
        server.signal(&format!("comm_monitor_{}", random.usize(..4)), Signal::KILL);
    }
    subject().wait_until_idle(&server);
    server.send(MESSAGE[0], MESSAGE[1], sent, 1);
    wait_for("the last event", || {
        serials(&server.directory().join("audit.jsonl")).contains(&(sent as u64)).then_some(())
    });
    subject().wait_until_idle(&server);
    let killed = server.log().matches("terminated by SIGKILL").count();
    assert!(killed > kills / 4, "{killed}");
    let (twice, set_aside) = assert_whole(&server, sent + 1);
    assert!(twice <= killed && set_aside <= killed / 3, "{twice}, {set_aside}");
    figure("killed at random", &format!("{killed} kills, {} events, {twice} twice, {set_aside} set aside", sent + 1));
    assert!(server.stop().success());
}

#[test]
fn any_of_four_is_killed_at_any_moment() {
    killed_at_random(60, 0);
}

#[test]
fn any_of_four_is_killed_at_any_moment_on_a_slow_disk() {
    killed_at_random(15, 300);
}

#[test]
#[ignore = "it takes minutes"]
fn any_of_four_is_killed_1600_times() {
    killed_at_random(1600, 0);
}

#[test]
#[ignore = "it takes minutes"]
fn any_of_four_is_killed_100_times_on_a_slow_disk() {
    killed_at_random(100, 300);
}

/// Rejects every other event, whatever it is. Its pool has the same priority: supervisord gives what it rejects to all.
const REJECTER: &str = "\
import random, sys
random.seed(4)
while True:
    sys.stdout.write('READY\\n')
    sys.stdout.flush()
    header = sys.stdin.readline()
    if not header:
        break
    sys.stdin.read(int(header.rsplit(':', 1)[1]))
    sys.stdout.write('RESULT 4\\nFAIL' if random.random() < 0.5 else 'RESULT 2\\nOK')
";

#[test]
fn events_that_another_pool_rejects_are_recorded_once_by_four() {
    let rejecter = "[eventlistener:rejecter]\ncommand = python3 -u %(here)s/rejecter.py\n\
                    events = PROCESS_COMMUNICATION_STDOUT\nbuffer_size = 10000\nstartsecs = 0\n\
                    autostart = false\nstdout_logfile = NONE\n";
    let Some(mut server) = start(300, rejecter) else { return };
    server.write("rejecter.py", REJECTER);
    assert!(server.ctl(&["start", "rejecter"]).status.success());
    server.wait_until_idle("rejecter");
    server.send(MESSAGE[0], MESSAGE[1], 0, 20);
    server.wait_until_idle("rejecter");
    subject().wait_until_idle(&server);
    let rejected = server.log().matches("event was rejected").count();
    assert!(rejected > 3, "{rejected}");
    let given = server.acknowledged(|name| name.starts_with("comm_monitor")).len();
    assert!(given > 20, "none came again: {given}");
    assert_eq!(assert_whole(&server, 20), (0, 0));
    figure("rejected by another pool", &format!("20 events, {rejected} rejections, {given} deliveries to the four"));
    assert!(server.stop().success());
}

/// One of four is stopped (SIGSTOP) while it holds the trail's lock.
fn stopped_with_the_lock(pause: Duration) {
    let Some(mut server) = start(300, "") else { return };
    let victim = server.pid("comm_monitor_0");
    server.stop_at("comm_monitor_0", "synced");
    server.send(MESSAGE[0], MESSAGE[1], 0, 12);
    wait_until_stopped(victim);
    // The others say so, and hold their events: they acknowledge none that is not on the disk.
    let times = |text: &str| server.file("comm_monitor.err").matches(text).count();
    wait_for("three to hold their events", || {
        (times("the event is held until") - times("the event is held no longer") == 3).then_some(())
    });
    let before = server.acknowledged(|_| true);
    thread::sleep(pause);
    assert_eq!(server.acknowledged(|_| true), before);
    server.signal("comm_monitor_0", Signal::CONT);
    subject().wait_until_idle(&server);
    assert_eq!(assert_whole(&server, 12), (0, 0));
    figure("one of four stopped", &format!("{} s, {} events before and 12 in all", pause.as_secs(), before.len()));
    assert!(server.stop().success());
}

#[test]
fn one_of_four_is_stopped_with_the_lock_of_the_trail() {
    stopped_with_the_lock(Duration::ZERO);
}

#[test]
#[ignore = "it takes 15 seconds"]
fn one_of_four_is_stopped_for_15_seconds() {
    stopped_with_the_lock(Duration::from_secs(15));
}
