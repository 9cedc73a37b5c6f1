//! How `fleet` interprets the stream.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::nats::{Nats, Place, fleet, header, terminate};
use crate::support::{PATIENCE, wait_for};
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};

fn deliver(listener: &mut Simulator, eventname: &str, payload: &str) {
    listener.notify(eventname, payload.as_bytes());
    let reports = listener.run(PATIENCE);
    assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
}

fn state(listener: &mut Simulator, state: &str, from: &str, name: &str, rest: &str) {
    let payload = format!("processname:{name} groupname:pets from_state:{from} {rest}");
    deliver(listener, &format!("PROCESS_STATE_{state}"), &payload);
}

/// The lines without their times.
fn lines(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["kind"] == "summary" {
            return format!("summary {} {}", line["servers"], line["processes"]);
        }
        assert!(line["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let [kind, host, server] = ["kind", "host", "server"].map(text);
        match kind.as_str() {
            "started" => format!("{kind} {host} {server}"),
            "server" => format!("{kind} {host} {server} {}", text("state")),
            "dropped" => format!("{kind} {host} {server} {}", line["count"]),
            _ => {
                let [group, process, state, from] = ["group", "process", "state", "from_state"].map(text);
                format!("{kind} {host} {server} {group}:{process} {from} {state} {} {}", line["pid"], line["uncertain"])
            }
        }
    };
    text.lines().map(line).collect()
}

fn once(nats: &Nats) -> Vec<String> {
    let (code, mut lines) = once_with(nats, &[]);
    assert_eq!(code, Some(0));
    lines.retain(|line| line.starts_with("state "));
    lines
}

/// The exit code and all lines.
fn once_with(nats: &Nats, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = fleet(nats, &[&["--once", "--json"], arguments].concat()).output().unwrap();
    (output.status.code(), lines(str::from_utf8(&output.stdout).unwrap()))
}

#[test]
fn the_states_of_two_machines() {
    let Some(mut nats) = Nats::start() else { return };
    let places = [Place::new(), Place::new()];
    let [mut a, mut b] = [0, 1]
        .map(|n| places[n].listener(&nats.url(), &["--host", ["a", "b.é"][n], "--run", "1", "--spool-bytes", "500"]));
    b.pool.server = "other one".into();
    deliver(&mut a, "SUPERVISOR_STATE_CHANGE_RUNNING", "");
    for listener in [&mut a, &mut b] {
        state(listener, "STARTING", "STOPPED", "cat", "tries:0");
        state(listener, "RUNNING", "STARTING", "cat", "pid:7");
    }
    state(&mut b, "STARTING", "STOPPED", "do\ng", "tries:0");
    state(&mut b, "BACKOFF", "STARTING", "do\ng", "tries:1");
    deliver(&mut b, "TICK_5", "when:5");
    state(&mut a, "EXITED", "RUNNING", "cat", "expected:0 pid:7");
    deliver(&mut a, "PROCESS_GROUP_REMOVED", "groupname:others\n");
    // A late event, through another pool.
    a.pool.name = "slow".into();
    let next = std::mem::replace(&mut a.pool.next_serial, 1);
    state(&mut a, "STARTING", "STOPPED", "cat", "tries:0");
    a.pool.next_serial = next;
    assert_eq!(
        once(&nats),
        [
            "state a supervisor pets:cat - EXITED 7 false",
            "state b.é other one pets:cat - RUNNING 7 false",
            "state b.é other one pets:do\ng - BACKOFF null false",
        ]
    );

    // For people.
    let output = fleet(&nats, &["--once"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["HOST", "SERVER", "PROCESS", "STATE", "PID", "AGE", "HEARD", "SINCE"]);
    assert_eq!(words[1][..4], ["a", "supervisor", "*", "RUNNING"]);
    assert_eq!(words[2][..5], ["a", "supervisor", "pets:cat", "EXITED", "7"]);
    assert_eq!(words[5][..5], ["b.é", "other", "one", "pets:do\\ng", "BACKOFF"]);
    assert_eq!(text.lines().last(), Some("2 supervisords: 2 RUNNING; 3 processes: 1 BACKOFF, 1 EXITED, 1 RUNNING"));

    // Live: the table, then changes.
    let mut child = fleet(&nats, &["--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        lines(&line).pop().unwrap()
    };
    while !next().starts_with("summary ") {}
    deliver(&mut b, "PROCESS_GROUP_REMOVED", "groupname:pets\n");
    state(&mut b, "STARTING", "STOPPED", "fish", "tries:0");
    assert_eq!(next(), "change b.é other one pets:fish STOPPED STARTING null false");

    // Another run of a's supervisord, with lower serials: nothing else is known about it.
    terminate(a);
    let mut a = places[0].listener(&nats.url(), &["--host", "a", "--run", "2", "--spool-bytes", "500"]);
    state(&mut a, "STARTING", "STOPPED", "bird", "tries:0");
    assert_eq!(next(), "started a supervisor");
    assert_eq!(next(), "change a supervisor pets:bird STOPPED STARTING null false");
    assert_eq!(
        once(&nats),
        ["state a supervisor pets:bird - STARTING null false", "state b.é other one pets:fish - STARTING null false",]
    );

    // Dropped events.
    nats.kill();
    for pid in 1..=5 {
        state(&mut b, "STOPPED", "STOPPING", "fish", &format!("pid:{pid}"));
    }
    nats.restart();
    places[1].wait_for_log("events were dropped while");
    assert_eq!(
        once(&nats),
        ["state a supervisor pets:bird - STARTING null false", "state b.é other one pets:fish - STOPPED 1 true",]
    );
    state(&mut b, "STARTING", "STOPPED", "fish", "tries:0");
    assert_eq!(once(&nats)[1], "state b.é other one pets:fish - STARTING null false");
    // It has continued after the broker's restart. Changes that are no longer current may be omitted.
    let mut line = next();
    if line == "change b.é other one pets:fish STOPPING STOPPED 1 false" {
        line = next();
    }
    assert_eq!(line, "dropped b.é other one 4");
    assert_eq!(next(), "change b.é other one pets:fish STOPPED STARTING null false");
    child.kill().unwrap();
    child.wait().unwrap();
    terminate(a);
    terminate(b);
}

#[test]
fn a_stream_that_does_not_exist() {
    let Some(nats) = Nats::start() else { return };
    let output = fleet(&nats, &["--once"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

/// A single request for the last message of a subject returns the last state of a process.
#[test]
fn the_last_state_of_a_process() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &["--host", "a.b"]);
    listener.pool.server = "trading host".into();
    state(&mut listener, "STARTING", "STOPPED", "do\ng *.>", "tries:0");
    state(&mut listener, "RUNNING", "STARTING", "do\ng *.>", "pid:7");
    state(&mut listener, "STARTING", "STOPPED", "cat", "tries:0");
    deliver(&mut listener, "TICK_5", "when:5");
    let last = |subject: &'static str| {
        nats.ask(async |context| {
            let stream = context.get_stream("supervisor_last").await.ok()?;
            stream.get_last_raw_message_by_subject(subject).await.ok()
        })
    };
    let dog = last("supervisor.a%2Eb.last.trading%20host.process.pets.do%0Ag%20%2A%2E%3E").unwrap();
    assert_eq!(header(&dog, "Supervisor-eventname"), "PROCESS_STATE_RUNNING");
    assert_eq!(&dog.payload[..], b"processname:do\ng *.> groupname:pets from_state:STARTING pid:7");
    let cat = last("supervisor.a%2Eb.last.trading%20host.process.pets.cat").unwrap();
    assert_eq!(header(&cat, "Supervisor-eventname"), "PROCESS_STATE_STARTING");
    assert!(last("supervisor.a%2Eb.last.trading%20host.process.pets.bird").is_none());
    // In the stream of all events, each is still one message.
    let subjects: Vec<_> = nats.messages(4).iter().map(|message| message.subject.to_string()).collect();
    let names = ["PROCESS_STATE_STARTING", "PROCESS_STATE_RUNNING", "PROCESS_STATE_STARTING", "TICK_5"];
    assert_eq!(subjects, names.map(|name| format!("supervisor.a%2Eb.{name}")));
    terminate(listener);
}

#[test]
fn silence_and_stops() {
    let Some(nats) = Nats::start() else { return };
    let places = [Place::new(), Place::new(), Place::new()];
    let [mut a, mut b, mut c] = [0, 1, 2]
        .map(|n| places[n].listener(&nats.url(), &["--host", ["a", "b", "c"][n], "--run", "1", "--heartbeat", "0.1"]));
    for listener in [&mut a, &mut b, &mut c] {
        deliver(listener, "SUPERVISOR_STATE_CHANGE_RUNNING", "");
        state(listener, "RUNNING", "STARTING", "cat", "pid:7");
        state(listener, "FATAL", "BACKOFF", "dog", "");
    }
    deliver(&mut c, "SUPERVISOR_STATE_CHANGE_STOPPING", "");
    state(&mut c, "STOPPING", "RUNNING", "cat", "pid:7");
    let (code, all) = once_with(&nats, &[]);
    assert_eq!(code, Some(2));
    assert_eq!(all[6..8], ["server c supervisor STOPPING", "state c supervisor pets:cat - STOPPING 7 false"]);
    // One has disappeared silently, one after announcing it; and one has nothing to report for longer, but is running.
    terminate(b);
    terminate(c);
    let expected = [
        "server a supervisor RUNNING",
        "state a supervisor pets:cat - RUNNING 7 false",
        "state a supervisor pets:dog - FATAL null false",
        "server b supervisor SILENT",
        "state b supervisor pets:cat - UNKNOWN 7 false",
        "state b supervisor pets:dog - UNKNOWN null false",
        "server c supervisor STOPPED",
        "state c supervisor pets:cat - UNKNOWN 7 false",
        "state c supervisor pets:dog - FATAL null false",
        r#"summary {"RUNNING":1,"SILENT":1,"STOPPED":1} {"FATAL":2,"RUNNING":1,"UNKNOWN":3}"#,
    ];
    let silent = ["--silent-after", "2"];
    wait_for("silence", || (once_with(&nats, &silent).1 == expected).then_some(()));

    // The visible lines decide the exit code.
    for (filter, code, shown) in [
        (&["--host", "b"][..], 0, &expected[3..6]),
        (&["--host", "b,c", "--process", "pets:dog"], 2, &[expected[5], expected[8]]),
        (&["--state", "running"], 0, &expected[..2]),
        (&["--state", "SILENT,UNKNOWN", "--process", "cat"], 0, &[expected[4], expected[7]]),
        (&["--process", "nobody"], 0, &[]),
        (&["--host", "nobody"], 0, &[]),
    ] {
        let (status, mut lines) = once_with(&nats, &[&silent[..], filter].concat());
        assert!(lines.pop().unwrap().starts_with("summary "));
        assert_eq!(
            (status, &lines[..]),
            (Some(code), shown.iter().map(|it| it.to_string()).collect::<Vec<_>>().as_slice())
        );
    }

    // Live.
    let mut child = fleet(&nats, &["--json", "--silent-after", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| lines(&line.unwrap()).remove(0));
    output.by_ref().find(|line| line.starts_with("summary ")).unwrap();
    let pool = a.pool.clone();
    terminate(a);
    output.by_ref().find(|line| line == "server a supervisor SILENT").unwrap();
    let mut a = places[0].listener(&nats.url(), &["--host", "a", "--run", "1", "--heartbeat", "0.1"]);
    // Known from its spool, before there is any event.
    output.by_ref().find(|line| line == "server a supervisor RUNNING").unwrap();
    a.pool = pool;
    state(&mut a, "EXITED", "RUNNING", "cat", "expected:0 pid:7");
    output.by_ref().find(|line| line == "change a supervisor pets:cat RUNNING EXITED 7 false").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    terminate(a);
}

/// A group that was removed and added again has none of its former processes.
#[test]
fn groups_and_reloads_in_a_snapshot() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &["--host", "a"]);
    deliver(&mut listener, "SUPERVISOR_STATE_CHANGE_RUNNING", "");
    state(&mut listener, "RUNNING", "STARTING", "cat", "pid:7");
    deliver(&mut listener, "PROCESS_GROUP_REMOVED", "groupname:pets\n");
    deliver(&mut listener, "PROCESS_GROUP_ADDED", "groupname:pets\n");
    state(&mut listener, "RUNNING", "STARTING", "dog", "pid:8");
    assert_eq!(once(&nats), ["state a supervisor pets:dog - RUNNING 8 false"]);
    deliver(&mut listener, "SUPERVISOR_STATE_CHANGE_STOPPING", "");
    deliver(&mut listener, "SUPERVISOR_STATE_CHANGE_RUNNING", "");
    state(&mut listener, "RUNNING", "STARTING", "bird", "pid:9");
    deliver(&mut listener, "SUPERVISOR_STATE_CHANGE_STOPPING", "");
    assert_eq!(once(&nats), ["state a supervisor pets:bird - RUNNING 9 false"]);
    assert_eq!(once_with(&nats, &[]).1[0], "server a supervisor STOPPING");
    terminate(listener);
}
