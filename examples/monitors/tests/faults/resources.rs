//! Too little of something: descriptors, memory, room in files, a standard error that takes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::figures::figure;
use crate::subjects::{EXITED, MESSAGE, SUBJECTS, Subject, named, records, serials};
use crate::support::instrumented::Instrumented;
use crate::support::parallel::four_at_a_time;
use crate::support::receiver::Collector;
use crate::support::supervisord::assert_clean;
use crate::support::{program, wait_for};

/// Starts a monitor under a shell that limits it first.
fn limited(subject: &Subject, collector: &Collector, limit: &str) -> Option<Instrumented> {
    let command = format!("sh -c '{limit}; exec \"$0\" \"$@\"' {}", subject.command(collector));
    // Without the library that is preloaded: it takes room as well.
    let section = subject.section(&command, 1, 0).replace("LD_PRELOAD=\"%(here)s/shim.so\",", "");
    Instrumented::start("resources", &section)
}

/// What a monitor does with one event: it handles it, or ends, and says why.
#[derive(Debug, PartialEq)]
enum Outcome {
    Handled,
    Ended { how: String, said: String },
}

fn outcome(subject: &Subject, limit: &str) -> Option<Outcome> {
    let collector = Collector::start();
    let server = limited(subject, &collector, limit)?;
    server.send(subject.eventname, subject.payload, 1000, 1);
    let process = subject.process();
    let outcome = wait_for(&format!("{process} under {limit}"), || {
        if let Some(how) = server.log().split(&format!("exited: {process} (")).nth(1) {
            let said = server.file(&format!("{}.err", subject.name));
            let how = how.split(')').next().unwrap().to_owned();
            return Some(Outcome::Ended { how, said: said.lines().last().unwrap_or_default().into() });
        }
        // What was acknowledged may be the event of its own start, which comes first.
        let is_answered = !server.acknowledged(|name| name == process).is_empty();
        (is_answered && subject.times(&server, &collector, 1000) > 0).then_some(Outcome::Handled)
    });
    assert!(!server.log().contains("-> UNKNOWN"), "{process} under {limit}");
    Some(outcome)
}

#[test]
fn sixteen_descriptors_are_enough_or_the_limit_is_named() {
    four_at_a_time(&SUBJECTS, |subject| match outcome(subject, "ulimit -n 16") {
        Some(Outcome::Ended { how, said }) => {
            assert_eq!(how, "exit status 1; not expected", "{}", subject.name);
            assert!(said.contains("raise the limit of open files"), "{}: {said}", subject.name);
        }
        _ => figure("16 descriptors", &format!("{} handles its events", subject.name)),
    });
}

#[test]
fn thirty_two_descriptors_are_enough() {
    four_at_a_time(&SUBJECTS, |subject| {
        let Some(outcome) = outcome(subject, "ulimit -n 32") else { return };
        assert_eq!(outcome, Outcome::Handled, "{}", subject.name);
    });
}

/// With too little memory a monitor handles its events, or ends with a message and an exit code that is not 0. supervisord
/// starts it again.
#[test]
fn a_monitor_without_memory_says_so_and_ends() {
    let cases: Vec<_> = [64, 32, 16].iter().flat_map(|size| SUBJECTS.iter().map(move |one| (one, *size))).collect();
    four_at_a_time(&cases, |(subject, megabytes)| {
        let Some(outcome) = outcome(subject, &format!("ulimit -v {}", megabytes * 1024)) else { return };
        match &outcome {
            Outcome::Handled => {}
            Outcome::Ended { how, said } => {
                assert!(how.ends_with("; not expected"), "{} in {megabytes} MB: {how}", subject.name);
                // Where there is no room for the program itself, the kernel ends it before it can say anything.
                let has_begun = *megabytes > 16 || !how.starts_with("terminated by SIGSEGV");
                assert!(!has_begun || !said.is_empty(), "{} in {megabytes} MB says nothing: {how}", subject.name);
            }
        }
        figure(&format!("{} in {megabytes} MB of address space", subject.name), &format!("{outcome:?}"));
    });
}

/// Waits until an event is held, and why.
fn held(server: &Instrumented, times: usize) -> String {
    wait_for(&format!("{times} events to be held"), || {
        let log = server.file("comm_monitor.err");
        let held: Vec<_> = log.lines().filter(|line| line.contains("the event is held until")).collect();
        (held.len() >= times).then(|| held[times - 1].to_owned())
    })
}

#[test]
fn a_file_that_may_not_grow_holds_the_event() {
    let (subject, collector) = (named("comm_monitor"), Collector::start());
    // 8 KiB: some records.
    let Some(mut server) = limited(subject, &collector, "ulimit -S -f 16") else { return };
    server.send(MESSAGE[0], MESSAGE[1], 0, 60);
    assert!(held(&server, 1).contains("File too large"));
    let trail = server.directory().join("audit.jsonl");
    let before = serials(&trail);
    assert!(before.len() > 10 && before.len() < 60, "{}", before.len());
    assert_eq!(server.acknowledged(|_| true), before);
    let most = getrlimit(Resource::Fsize).maximum;
    let none = Rlimit { current: most, maximum: most };
    let pid = crate::support::instrumented::pid(server.pid(&subject.process()));
    prlimit(Some(pid), Resource::Fsize, none).unwrap();
    subject.wait_until_idle(&server);
    assert_eq!(serials(&trail), (0..60).collect::<Vec<_>>());
    assert_eq!(server.log().matches("exited: ").count(), 0);
    figure("RLIMIT_FSIZE", &format!("{} of 60 events before the limit, none lost", before.len()));
    assert!(server.stop().success());
}

#[test]
fn a_full_disk_holds_the_events_of_four_also_over_restarts() {
    let (subject, collector) = (named("comm_monitor"), Collector::start());
    let section = subject.section(&subject.command(&collector), 4, 300);
    let Some(mut server) = Instrumented::start("resources", &section) else { return };
    let trail = server.directory().join("audit.jsonl");
    symlink("/dev/full", &trail).unwrap();
    subject.wait_until_idle(&server);
    server.send(MESSAGE[0], MESSAGE[1], 0, 20);
    assert!(held(&server, 4).contains("No space left on device"));
    server.signal("comm_monitor_2", Signal::TERM);
    server.signal("comm_monitor_3", Signal::KILL);
    server.wait_for("supervisord.log", "exited: comm_monitor_2 (exit status 1; not expected)", 1);
    server.wait_for("comm_monitor.err", "it is left unanswered, and comes again", 1);
    held(&server, 6);
    assert_eq!(server.acknowledged(|_| true), [] as [u64; 0]);
    fs::remove_file(&trail).unwrap();
    subject.wait_until_idle(&server);
    let mut recorded = serials(&trail);
    recorded.sort_unstable();
    assert_eq!(recorded, (0..20).collect::<Vec<_>>());
    assert_eq!(records(&trail).len(), 20);
    assert!(server.stop().success());
}

/// The other programs of the package, with an event of their own.
const OTHERS: [(&str, &str, [&str; 2]); 6] = [
    ("crash_report", "", EXITED),
    ("critical_exit", "--processes other_full", EXITED),
    ("http_guard", "--endpoints nobody=tcp://127.0.0.1:9#process=other_full --deadline 0.1", ["TICK_60", "when:60"]),
    ("log_collector", "--log-to json:%(here)s/all.jsonl", LOG),
    ("memory_guard", "--limits other_full=1GB", ["TICK_60", "when:60"]),
    ("run_on_event", "--on-event true", EXITED),
];
const LOG: [&str; 2] = ["PROCESS_LOG_STDOUT", "processname:w groupname:g pid:7 channel:stdout\nworker-NUMBER\n"];

#[test]
fn a_standard_error_that_is_full_or_closed_costs_no_event() {
    let cases: Vec<_> =
        ["2>/dev/full", "2>&-"].iter().flat_map(|to| SUBJECTS.iter().map(move |one| (one, *to))).collect();
    four_at_a_time(&cases, |(subject, to)| {
        let collector = Collector::start();
        let command = format!("sh -c 'exec \"$0\" \"$@\" {to}' {}", subject.command(&collector));
        let Some(mut server) = Instrumented::start("resources", &subject.section(&command, 1, 0)) else { return };
        server.send(subject.eventname, subject.payload, 1000, 10);
        subject.wait_until_idle(&server);
        assert!(server.acknowledged(|_| true).len() >= 10, "{} {to}", subject.name);
        assert!(server.stop().success());
        assert_clean(&server.log());
        assert!(!server.log().contains("not expected"), "{} {to}: it ended", subject.name);
    });
}

#[test]
fn a_standard_error_that_is_full_costs_the_other_programs_no_event() {
    let other = "[program:other_full]\ncommand = cat\nstartsecs = 0\n";
    four_at_a_time(&OTHERS, |(name, settings, [eventname, payload])| {
        let program = program(name);
        let section = format!(
            "[eventlistener:{name}]\ncommand = sh -c 'exec \"$0\" \"$@\" 2>/dev/full' \"{}\" {settings}\n\
             directory = %(here)s\nevents = {eventname}\nbuffer_size = 1000\nstartsecs = 0\nautorestart = true\n\
             stdout_logfile = NONE\nenvironment = STATE_DIR=\"%(here)s/state\"\n",
            program.to_str().unwrap().replace('%', "%%")
        );
        let Some(mut server) = Instrumented::start("resources", &(section + other)) else { return };
        server.send(eventname, payload, 1000, 10);
        server.wait_until_idle(name);
        assert_eq!(server.acknowledged(|listener| listener == *name).len(), 10, "{name}");
        assert!(server.stop().success());
        assert_clean(&server.log());
        assert!(!server.log().contains("not expected"), "{name}: it ended");
    });
}
