//! Measures `fleet` and `forward_monitor` with a thousand machines of twenty processes each. Run by `benches/fleet`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::nats::{Nats, Place, STREAM, fleet, terminate};
use crate::support::PATIENCE;
use async_nats::HeaderMap;
use async_nats::jetstream::{self, context::PublishAckFuture};
use supervisor_events::simulator::{Report, Simulator};
use supervisor_monitors::forward::message::{Message, Origin};
use supervisor_monitors::forward::streams::last_of;

const MACHINES: usize = 1000;
const PROCESSES: usize = 20;
/// What has happened to each process since the stream was created.
const STATES: [(&str, &str, &str); 4] = [
    ("STARTING", "STOPPED", "tries:0"),
    ("RUNNING", "STARTING", "pid:2766"),
    ("EXITED", "RUNNING", "expected:0 pid:2766"),
    ("RUNNING", "STARTING", "pid:2767"),
];

/// The message of an event, as published by this machine's forwarder.
fn message(machine: usize, process: usize, serial: usize) -> Message {
    let (state, from, rest) = STATES[serial / PROCESSES];
    // One in a thousand is not running.
    let state =
        if serial / PROCESSES == 3 && (machine * PROCESSES + process).is_multiple_of(1000) { "FATAL" } else { state };
    let (host, run) = (format!("machine{machine:04}"), "6c2f8dd2-cc1a-4a3f-9a0e-6a8c8f1f7b7e-812-4711");
    let headers = [
        ("Nats-Msg-Id", format!("{host}/{run}/supervisor/forward/{serial}")),
        ("Forward-Host", host.clone()),
        ("Forward-Run", run.into()),
        ("Forward-Process", "forward:forward".into()),
        ("Forward-Time", jiff::Timestamp::now().to_string()),
        ("Supervisor-ver", "3.0".into()),
        ("Supervisor-server", "supervisor".into()),
        ("Supervisor-serial", serial.to_string()),
        ("Supervisor-pool", "forward".into()),
        ("Supervisor-poolserial", serial.to_string()),
        ("Supervisor-eventname", format!("PROCESS_STATE_{state}")),
        ("Supervisor-len", "80".into()),
    ];
    Message {
        subject: format!("supervisor.{host}.PROCESS_STATE_{state}"),
        headers: headers.map(|(name, value)| (name.into(), value)).into(),
        payload: format!("processname:strategy_{process:02} groupname:trading_system from_state:{from} {rest}").into(),
    }
}

async fn publish(context: &jetstream::Context, message: Message) -> PublishAckFuture {
    let mut headers = HeaderMap::new();
    message.headers.into_iter().for_each(|(name, value)| headers.append(name, value));
    context.publish_with_headers(message.subject, headers, message.payload.into()).await.unwrap()
}

async fn publish_fleet(context: &jetstream::Context) {
    for machine in 0..MACHINES {
        let mut acks = Vec::new();
        for serial in 0..STATES.len() * PROCESSES {
            let event = message(machine, serial % PROCESSES, serial);
            acks.push(publish(context, event.last().unwrap()).await);
            acks.push(publish(context, event).await);
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
}

/// A heartbeat of every machine.
async fn publish_beats(context: &jetstream::Context) {
    let mut acks = Vec::new();
    for machine in 0..MACHINES {
        let origin = Origin {
            prefix: "supervisor".into(),
            host: format!("machine{machine:04}"),
            run: "6c2f8dd2-cc1a-4a3f-9a0e-6a8c8f1f7b7e-812-4711".into(),
            process: "forward:forward".into(),
        };
        let id = format!("{}/{}/supervisor/forward/79", origin.host, origin.run);
        acks.push(publish(context, origin.alive(&id, 0).unwrap()).await);
    }
    for ack in acks {
        ack.await.unwrap();
    }
}

fn peak(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn rate(what: &str, count: u64, since: Instant) {
    println!("| {what} | {:.0} events/s |", count as f64 / since.elapsed().as_secs_f64());
}

fn deliver_states(listener: &mut Simulator, count: u64) {
    for number in 0..count {
        let payload = format!("processname:strategy_{:02} groupname:g from_state:STARTING pid:7", number % 20);
        listener.notify("PROCESS_STATE_RUNNING", payload.as_bytes());
        let reports = listener.run(PATIENCE);
        assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    }
}

#[test]
#[ignore = "measures, and tests nothing"]
fn a_thousand_machines() {
    let Some(mut nats) = Nats::start() else { return };
    let place = Place::new();
    println!("\n| what | figure |\n|---|---|");
    // It creates the streams.
    let mut listener = place.listener(&nats.url(), &["--host", "one"]);
    deliver_states(&mut listener, 100);
    const EVENTS: u64 = 3000;
    let since = Instant::now();
    deliver_states(&mut listener, EVENTS);
    rate("`forward_monitor`, states, each with its last state", EVENTS, since);
    let since = Instant::now();
    for _ in 0..EVENTS {
        crate::nats::deliver(&mut listener, b"type:x\nsome data");
    }
    rate("`forward_monitor`, other events", EVENTS, since);
    let url = nats.url();
    let before = nats.count();
    nats.kill();
    let since = Instant::now();
    deliver_states(&mut listener, EVENTS);
    rate("to the spool, each synced, with the broker away", EVENTS, since);
    nats.restart();
    let since = Instant::now();
    nats.wait_for(before + EVENTS);
    rate("from the spool, with the pause until it is tried again", EVENTS, since);
    println!("| memory of `forward_monitor`, at its peak | {} |", peak(listener.pid().unwrap()));
    terminate(listener);
    assert_eq!(url, nats.url());

    let since = Instant::now();
    nats.ask(async |context| {
        publish_fleet(&context).await;
        Some(())
    });
    let events = (MACHINES * PROCESSES * STATES.len()) as u64;
    rate("broker: events of 1,000 machines, each with its last state", events, since);
    for (stream, what) in [(STREAM.to_owned(), "all events"), (last_of(STREAM), "last states")] {
        let state = nats.ask(async |context| Some(context.get_stream(&stream).await.ok()?.cached_info().state.clone()));
        let state = state.unwrap();
        println!("| stream of {what} | {} messages, {} MB |", state.messages, state.bytes / 1_000_000);
    }
    for arguments in
        [&["--once"][..], &["--once", "--json"], &["--once", "--state", "FATAL"], &["--once", "--host", "machine0500"]]
    {
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                // As with running forwarders.
                nats.ask(async |context| {
                    publish_beats(&context).await;
                    Some(())
                });
                let since = Instant::now();
                let output = fleet(&nats, arguments).output().unwrap();
                let time = since.elapsed();
                assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
                time
            })
            .collect();
        times.sort();
        println!(
            "| `fleet {}` | {} ms (of five: {}–{}) |",
            arguments.join(" "),
            times[2].as_millis(),
            times[0].as_millis(),
            times[4].as_millis()
        );
    }
    let mut child = fleet(&nats, &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let summary = lines.by_ref().find(|line| line.contains(" supervisords: ")).unwrap();
    println!("| memory of `fleet`, at its peak | {} |", peak(child.id()));
    println!("| what it says | {summary} |");
    child.kill().unwrap();
    child.wait().unwrap();
}
