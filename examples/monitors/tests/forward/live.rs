//! The listener under a real supervisord, and under the crate's own `check_listener`.

use std::process::Command;

use crate::nats::{Nats, Place, fleet, header};
use crate::support::examples::example;
use crate::support::supervisord::Supervisord;
use crate::support::wait_for;
use async_nats::jetstream::message::StreamMessage;
use rustix::process::{Pid, Signal, kill_process};

fn sections(nats: &Nats, place: &Place) -> String {
    let (program, url, spool) = (env!("CARGO_BIN_EXE_forward_monitor"), nats.url(), place.path().display());
    format!(
        "[eventlistener:forward]\ncommand = {program} --nats-url {url} --spool-dir {spool} --longest-pause 0.2 \
         --heartbeat 0.2\nevents = EVENT\nbuffer_size = 1000\nstartsecs = 0\nautorestart = true\nstderr_logfile = %(here)s/forward.err\n\
         [program:cat]\ncommand = cat\nstartsecs = 0\nautorestart = false\n"
    )
}

#[test]
fn two_runs_of_a_real_supervisord() {
    let Some(mut nats) = Nats::start() else { return };
    let place = Place::new();
    for run in 1..=2u64 {
        let Some(mut supervisord) = Supervisord::start("trading host één", &sections(&nats, &place)) else { return };
        wait_for("cat", || (supervisord.status("cat") == "RUNNING").then_some(()));
        nats.kill();
        supervisord.ctl(&["restart", "cat"]);
        supervisord.wait_for("forward.err", "they go to the spool", 1);
        // Killed, and started again: events under way are sent again.
        supervisord.ctl(&["signal", "KILL", "forward"]);
        supervisord.wait_for("supervisord.log", "spawned: 'forward'", 2);
        nats.restart();
        supervisord.ctl(&["restart", "cat"]);
        let pid = supervisord.pid("cat");
        let expected = format!("trading host één {pid}");
        // The fleet knows the same about `cat` as supervisord.
        wait_for("the fleet", || {
            let output = fleet(&nats, &["--once", "--json"]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let cat = lines.into_iter().find(|line| line["process"] == "cat" && line["state"] == "RUNNING")?;
            (format!("{} {}", cat["server"].as_str()?, cat["pid"]) == expected).then_some(())
        });
        // supervisord discards events that a busy listener has not been sent by its end.
        wait_for("a listener that is ready", || {
            let log = supervisord.log();
            (log.rfind("forward: ACKNOWLEDGED -> READY") > log.rfind("sent to listener forward")).then_some(())
        });
        supervisord.stop();
        // It announced that, and is gone.
        wait_for("its end in the fleet", || {
            let output = fleet(&nats, &["--once", "--json", "--silent-after", "2"]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let is = |line: &str| {
                serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| {
                    line["kind"] == "server" && line["server"] == "trading host één" && line["state"] == "STOPPED"
                })
            };
            text.lines().any(is).then_some(())
        });
        for fault in ["-> UNKNOWN", "bad result line", "event was rejected", "overflowed", "Traceback"] {
            assert!(!supervisord.log().contains(fault), "{fault}");
        }
        let messages = nats.messages(1);
        let mut ids: Vec<_> = messages.iter().map(|message| header(message, "Nats-Msg-Id")).collect();
        let mut runs: Vec<_> = messages.iter().map(|message| header(message, "Forward-Run")).collect();
        runs.dedup();
        assert_eq!(runs.len() as u64, run, "{runs:?}");
        // In this run, each serial once.
        let of_this = messages.iter().filter(|message| header(message, "Forward-Run") == runs[runs.len() - 1]);
        let poolserials: Vec<u64> =
            of_this.map(|message| header(message, "Supervisor-poolserial").parse().unwrap()).collect();
        assert!(poolserials.len() > 10, "{poolserials:?}");
        assert_eq!(poolserials, (0..poolserials.len() as u64).collect::<Vec<_>>());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), messages.len());
    }
}

/// A killed supervisord announced nothing.
#[test]
fn a_supervisord_that_is_killed() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let Some(supervisord) = Supervisord::start("supervisor", &sections(&nats, &place)) else { return };
    wait_for("cat", || (supervisord.status("cat") == "RUNNING").then_some(()));
    let state = |state: &str| {
        wait_for(state, || {
            let output = fleet(&nats, &["--once", "--process", "cat", "--silent-after", "2"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().contains(state).then_some(())
        });
    };
    state("RUNNING");
    let pid = supervisord.file("supervisord.pid").trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    state("UNKNOWN");
}

/// The serials continue, the poolserials start over, and it is one run.
#[test]
fn a_reload() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let Some(mut supervisord) = Supervisord::start("supervisor", &sections(&nats, &place)) else { return };
    wait_for("cat", || (supervisord.status("cat") == "RUNNING").then_some(()));
    supervisord.ctl(&["reload"]);
    supervisord.wait_for("supervisord.log", "spawned: 'cat'", 2);
    supervisord.wait_for("supervisord.log", "spawned: 'forward'", 2);
    let number = |message: &StreamMessage, name: &str| header(message, name).parse::<u64>().unwrap();
    let messages = wait_for("events of both", || {
        let messages = nats.messages(1);
        let begun = messages.iter().filter(|message| number(message, "Supervisor-poolserial") == 0).count();
        (begun == 2).then_some(messages)
    });
    assert!(messages.iter().all(|message| header(message, "Forward-Run") == header(&messages[0], "Forward-Run")));
    assert!(messages.is_sorted_by(|a, b| number(a, "Supervisor-serial") < number(b, "Supervisor-serial")));
    supervisord.stop();
}

/// Listeners that it starts at the same time each have their own spool.
fn check_listener(url: &str) {
    let place = Place::new();
    let mut command = Command::new(example("check_listener"));
    command.args(["--timeout", "15", "--", "sh", "-c"]);
    command.arg(r#"exec "$0" --nats-url "$1" --spool-dir "$(mktemp -d -p "$2")""#);
    let output = command.args([env!("CARGO_BIN_EXE_forward_monitor"), url]).arg(place.path()).output().unwrap();
    std::fs::write(place.path().join("log"), &output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.ends_with(" passed, 0 failed\n"), "{text}");
}

#[test]
fn check_listener_finds_nothing_wrong() {
    let Some(nats) = Nats::start() else { return };
    check_listener(&nats.url());
    assert!(nats.count() > 0);
}

#[test]
fn nor_while_the_broker_is_away() {
    let Some(mut nats) = Nats::start() else { return };
    nats.kill();
    check_listener(&nats.url());
}
