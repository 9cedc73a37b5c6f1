//! Standard streams that are closed, full or not supervisord's alone.

use rustix::process::Signal;

use crate::subjects::{MESSAGE, SUBJECTS, end_of, named, serials};
use crate::support::instrumented::{Instrumented, wait_until_stopped};
use crate::support::parallel::four_at_a_time;
use crate::support::receiver::Collector;
use crate::support::wait_for;

/// How a shell starts a listener wrongly, and what the listener says.
const WRONG: [(&str, &str); 5] = [
    ("<&-", "standard input is closed, or '/dev/null'"),
    ("</dev/null", "standard input is closed, or '/dev/null'"),
    (">&-", "standard output is closed, or '/dev/null'"),
    (">/dev/null", "standard output is closed, or '/dev/null'"),
    (">/dev/full", "cannot talk to supervisord: No space left on device"),
];

#[test]
fn a_closed_or_full_standard_stream_ends_each_monitor_with_a_message() {
    four_at_a_time(&WRONG, |(to, said)| {
        let collector = Collector::start();
        let sections: String = SUBJECTS
            .iter()
            .map(|subject| {
                let command = format!("sh -c 'exec \"$0\" \"$@\" {to}' {}", subject.command(&collector));
                subject.section(&command, 1, 0).replace("autorestart = true", "autorestart = false")
            })
            .collect();
        let Some(mut server) = Instrumented::start("streams", &sections) else { return };
        for subject in &SUBJECTS {
            let end = end_of(&server, &subject.process(), 1);
            assert_eq!(end, "exit status 1; not expected", "{} {to}", subject.name);
            server.wait_for(&format!("{}.err", subject.name), said, 1);
        }
        assert!(server.stop().success());
    });
}

#[test]
fn foreign_bytes_end_each_monitor_and_the_next_one_goes_on() {
    let collector = Collector::start();
    let sections: String = SUBJECTS.iter().map(|subject| subject.section(&subject.command(&collector), 1, 0)).collect();
    let Some(mut server) = Instrumented::start("streams", &sections) else { return };
    for subject in &SUBJECTS {
        subject.wait_until_idle(&server);
        let process = subject.process();
        server.write_to(&format!("{}:{process}", subject.name), "hello <there>\n");
        assert_eq!(end_of(&server, &process, 1), "exit status 1; not expected", "{process}");
        server.wait_for(&format!("{}.err", subject.name), "byte ", 1);
        subject.wait_until_idle(&server);
        let before = subject.times(&server, &collector, 1000);
        server.send(subject.eventname, subject.payload, 1000, 1);
        wait_for(&process, || (subject.times(&server, &collector, 1000) == before + 1).then_some(()));
    }
    assert!(server.stop().success());
    assert!(!server.log().contains("-> UNKNOWN"));
}

/// Foreign bytes come while an event is handled: it is answered, since it was handled, and the listener ends then.
#[test]
fn foreign_bytes_behind_an_event_cost_it_nothing() {
    let (subject, collector) = (named("comm_monitor"), Collector::start());
    let Some(mut server) = Instrumented::start("streams", &subject.section(&subject.command(&collector), 1, 0)) else {
        return;
    };
    subject.wait_until_idle(&server);
    let (process, victim) = (subject.process(), server.pid(&subject.process()));
    server.stop_at(&process, "acted");
    server.send(MESSAGE[0], MESSAGE[1], 0, 3);
    wait_until_stopped(victim);
    server.write_to(&format!("comm_monitor:{process}"), "hello\n");
    server.signal(&process, Signal::CONT);
    assert_eq!(end_of(&server, &process, 1), "exit status 1; not expected");
    subject.wait_until_idle(&server);
    assert_eq!(serials(&server.directory().join("audit.jsonl")), [0, 1, 2]);
    assert!(server.stop().success());
    assert!(!server.log().contains("-> UNKNOWN"));
}
