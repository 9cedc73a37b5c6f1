//! More events than fit: what is lost is counted, or named.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::figures::figure;
use crate::subjects::{MESSAGE, named, records, serials};
use crate::support::instrumented::{Instrumented, wait_until_stopped};
use crate::support::receiver::Collector;
use crate::support::wait_for;

/// The first number in a text.
fn number(text: &str) -> usize {
    text.chars()
        .skip_while(|char| !char.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap()
}

#[test]
fn as_many_events_are_reported_lost_as_supervisord_discards() {
    let (subject, collector) = (named("comm_monitor"), Collector::start());
    let section =
        subject.section(&subject.command(&collector), 1, 0).replace("buffer_size = 10000", "buffer_size = 10");
    // One process that is called as its pool is alone there: only then is a gap a loss.
    let section = section.replace("%(program_name)s_%(process_num)d", "%(program_name)s");
    let Some(mut server) = Instrumented::start("buffers", &section) else { return };
    subject.wait_until_idle(&server);
    let process = subject.name;
    // What is discarded before its first event, it cannot know of.
    server.send(MESSAGE[0], MESSAGE[1], 0, 1);
    subject.wait_until_idle(&server);
    let mut sent = 1;
    // Ten times too many, with whole bursts that fit in between: a gap is a loss once 16 other events have come.
    for burst in [100, 57, 11] {
        server.signal(process, Signal::STOP);
        wait_until_stopped(server.pid(process));
        server.send(MESSAGE[0], MESSAGE[1], sent, burst);
        sent += burst;
        server.signal(process, Signal::CONT);
        for _ in 0..3 {
            subject.wait_until_idle(&server);
            server.send(MESSAGE[0], MESSAGE[1], sent, 8);
            sent += 8;
        }
        subject.wait_until_idle(&server);
    }
    let discarded = server.discarded("comm_monitor");
    assert!(discarded > 100, "{discarded}");
    let lost = || {
        let log = server.file("comm_monitor.err");
        let messages = log.lines().filter(|line| line.contains("lost: poolserial"));
        let said = |line: &str| number(line.split_once("\"message\":").unwrap().1);
        messages.map(said).sum::<usize>()
    };
    wait_for("the losses to be told", || (lost() == discarded).then_some(()));
    let recorded = serials(&server.directory().join("audit.jsonl"));
    let once: BTreeSet<_> = recorded.iter().collect();
    assert_eq!((recorded.len(), once.len()), (sent - discarded, sent - discarded));
    figure("overflow", &format!("{sent} events, {discarded} discarded by supervisord, {} reported lost", lost()));
    assert!(server.stop().success());
}

/// supervisord reads a block of tagged messages by recursion, which 600 are too many for. It says so, and hears nothing
/// more of that process. The events that it has made are recorded.
#[test]
fn of_600_messages_in_one_read_what_is_lost_is_named() {
    let (subject, collector) = (named("comm_monitor"), Collector::start());
    let talker = "[program:talker]\ncommand = python3 -u %(here)s/talker.py\nstartsecs = 0\nautostart = false\n\
                  autorestart = false\nstdout_capture_maxbytes = 1MB\n";
    let section = subject.section(&subject.command(&collector), 4, 20);
    let Some(mut server) = Instrumented::start("buffers", &(section + talker)) else { return };
    let script = "import os, sys\n\
                  say = lambda number: f'<!--XSUPERVISOR:BEGIN-->SIGNAL:ENTRY:m:BTC {number}<!--XSUPERVISOR:END-->'\n\
                  os.write(1, ''.join(say(number) for number in range(1, 601)).encode())\n\
                  sys.stdin.read()\n";
    server.write("talker.py", script);
    subject.wait_until_idle(&server);
    assert!(server.ctl(&["start", "talker"]).status.success());
    // Its own words: which process's output it has closed, and why.
    server.wait_for("supervisord.log", "uncaptured python exception, closing channel <POutputDispatcher", 1);
    let log = server.log();
    let named = log.lines().find(|line| line.contains("uncaptured python exception")).unwrap();
    assert!(named.contains("with name talker in state RUNNING> (stdout)> (<class 'RecursionError'>"), "{named}");
    subject.wait_until_idle(&server);
    let trail = server.directory().join("audit.jsonl");
    let made = server.acknowledged(|_| true).len();
    let mut recorded: Vec<_> = records(&trail).iter().map(|record| number(record["data"].as_str().unwrap())).collect();
    recorded.sort_unstable();
    assert_eq!(recorded, (1..=made).collect::<Vec<_>>());
    assert!(made < 600, "{made}");
    figure(
        "600 messages in one read",
        &format!("{made} became events, all of them recorded; supervisord names the rest"),
    );
    assert!(server.stop().success());
}
