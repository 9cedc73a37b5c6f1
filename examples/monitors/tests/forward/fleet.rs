//! What `fleet` makes of the stream.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::nats::{Nats, Place, fleet, terminate};
use crate::support::PATIENCE;
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
        assert!(line["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let [kind, host, server] = ["kind", "host", "server"].map(text);
        match kind.as_str() {
            "started" => format!("{kind} {host} {server}"),
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
    let output = fleet(nats, &["--once", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    lines(str::from_utf8(&output.stdout).unwrap())
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
    // An old one, by way of another pool: it is late.
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
    assert_eq!(words[0], ["HOST", "SERVER", "PROCESS", "STATE", "PID", "SINCE"]);
    assert_eq!(words[1][..5], ["a", "supervisor", "pets:cat", "EXITED", "7"]);
    assert_eq!(words[3][..5], ["b.é", "other", "one", "pets:do\\ng", "BACKOFF"]);

    // As it happens: the table, then what changes.
    let mut child = fleet(&nats, &["--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        lines(&line).pop().unwrap()
    };
    assert_eq!([next(), next(), next()].map(|line| line.len() > 20), [true; 3]);
    deliver(&mut b, "PROCESS_GROUP_REMOVED", "groupname:pets\n");
    state(&mut b, "STARTING", "STOPPED", "fish", "tries:0");
    assert_eq!(next(), "change b.é other one pets:fish STOPPED STARTING null false");

    // Another run of a's supervisord, whose serials are lower: nothing else is known of it.
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
    // It has followed through the broker's restart.
    assert_eq!(next(), "change b.é other one pets:fish STOPPING STOPPED 1 false");
    assert_eq!(next(), "dropped b.é other one 4");
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
