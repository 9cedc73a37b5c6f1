//! Each monitor is killed (SIGKILL) in each state that it can be in.

use std::fs;

use rustix::process::Signal;

use crate::subjects::{SUBJECTS, Subject, end_of};
use crate::support::instrumented::{Instrumented, pid, wait_until_stopped};
use crate::support::parallel::four_at_a_time;
use crate::support::receiver::Collector;
use crate::support::wait_for;

/// More than a pipe holds.
const LARGE: usize = 300_000;

/// The states of a listener that it can be killed in, with how often its event has to be handled in all.
const MOMENTS: [&str; 3] = ["begun", "acted", "answered"];

/// How many bytes a process has read in its life.
fn read_by(pid: u32) -> usize {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().next().unwrap().split_once(": ").unwrap().1.parse().unwrap()
}

/// Has a monitor read the first half of an event: supervisord is stopped before it has written the rest.
pub fn stop_while_reading(server: &Instrumented, subject: &Subject, number: usize) {
    let (listener, parent) = (server.pid(&subject.process()), server.file("supervisord.pid").trim().parse().unwrap());
    let before = read_by(listener);
    let event = format!("{} pad:{}", subject.payload, "x".repeat(LARGE));
    server.signal(&subject.process(), Signal::STOP);
    wait_until_stopped(listener);
    server.send(subject.eventname, &event, number, 1);
    rustix::process::kill_process(pid(parent), Signal::STOP).unwrap();
    wait_until_stopped(parent);
    server.signal(&subject.process(), Signal::CONT);
    wait_for("the first half to be read", || (read_by(listener) > before + 32_768).then_some(()));
}

fn go_on(server: &Instrumented) {
    let parent = server.file("supervisord.pid").trim().parse().unwrap();
    rustix::process::kill_process(pid(parent), Signal::CONT).unwrap();
}

/// Waits until an event is handled and answered. What was seen of it.
fn handled(server: &Instrumented, subject: &Subject, collector: &Collector, number: usize) -> usize {
    wait_for(&format!("{}: event {number}", subject.name), || {
        (subject.times(server, collector, number) > 0).then_some(())
    });
    subject.wait_until_idle(server);
    subject.times(server, collector, number)
}

/// Kills a monitor in each state: waiting, reading, handling, between what it does and RESULT, and after that.
fn kill_in_each_state(subject: &Subject, numprocs: usize, sync_millis: usize) {
    let collector = Collector::start();
    let section = subject.section(&subject.command(&collector), numprocs, sync_millis);
    let Some(mut server) = Instrumented::start("kills", &section) else { return };
    subject.wait_until_idle(&server);
    let process = subject.process();
    let mut number = 1000;
    let seen = |server: &Instrumented, number| subject.times(server, &collector, number);
    // Waiting: the event comes while nobody is there.
    let before = seen(&server, number);
    server.signal(&process, Signal::KILL);
    server.send(subject.eventname, subject.payload, number, 1);
    assert_eq!(handled(&server, subject, &collector, number) - before, 1, "{process}, killed while waiting");
    // Reading.
    number += 1;
    let before = seen(&server, number);
    stop_while_reading(&server, subject, number);
    server.signal(&process, Signal::KILL);
    go_on(&server);
    assert_eq!(end_of(&server, &process, 2), "terminated by SIGKILL; not expected");
    wait_for("the event", || (seen(&server, number) > before).then_some(()));
    subject.wait_until_idle(&server);
    assert_eq!(seen(&server, number) - before, 1, "{process}, killed while reading");
    for moment in MOMENTS {
        if subject.name == "forward_monitor" && moment == "begun" {
            // It has no such note: it knows what it was about to send.
            continue;
        }
        number += 1;
        let before = seen(&server, number);
        let victim = server.pid(&process);
        server.stop_at(&process, moment);
        server.send(subject.eventname, subject.payload, number, 1);
        wait_until_stopped(victim);
        server.signal(&process, Signal::KILL);
        wait_for("another process", || (server.pid(&process) != victim).then_some(()));
        subject.wait_until_idle(&server);
        wait_for("the event", || (seen(&server, number) > before).then_some(()));
        let times = seen(&server, number) - before;
        // What the broker has may be sent again, with the same id.
        let most = if subject.name == "forward_monitor" && moment == "acted" { 2 } else { 1 };
        assert!((1..=most).contains(&times), "{process}, killed when it had {moment}: {times}");
    }
    assert!(server.stop().success());
    let log = server.log();
    for fault in ["-> UNKNOWN", "bad result line", "event was rejected", "overflowed", "Traceback", "gave up"] {
        assert!(!log.contains(fault), "{process}: {fault}");
    }
    assert!(!server.file(&format!("{}.err", subject.name)).contains("panicked"), "{process}");
}

#[test]
fn each_monitor_is_killed_in_each_state() {
    four_at_a_time(&SUBJECTS, |subject| kill_in_each_state(subject, 1, 0));
}

#[test]
fn each_monitor_is_killed_in_each_state_among_four_on_a_slow_disk() {
    four_at_a_time(&SUBJECTS, |subject| kill_in_each_state(subject, 4, 300));
}
