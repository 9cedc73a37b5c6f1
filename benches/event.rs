//! Whole events, from the bytes that arrive to the bytes of the reply, and parts of that.
//!
//! * `event`: all recorded events of the mix, once. `supervisor-events` copies each into a session's buffer, as a read
//!   does, parses it to its typed view, and writes RESULT and READY. `std-hashmap` does what listeners often do.
//! * `payload`: one payload of each type, parsed to its typed view.
//! * `reply`: RESULT and READY, and a RESULT with data.
//! * `supervisor`: the other end: writes a notification, reads RESULT and READY.

mod recorded;

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead, Read};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use supervisor_events::{Envelope, Event, EventType, LengthUnit, Reply, Session, Supervisor};

fn event(criterion: &mut Criterion) {
    let notifications = recorded::notifications();
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(notifications.len() as u64));
    group.bench_function("supervisor-events", |bencher| {
        let mut session = Session::new(vec![0; 65_536], LengthUnit::CodePoints);
        session.ready().expect("it is due");
        let mut buffer = [0; 32];
        bencher.iter(|| {
            for bytes in black_box(&notifications) {
                session.space()[..bytes.len()].copy_from_slice(bytes);
                let notification = session.received(bytes.len()).expect("it was recorded").expect("it is whole");
                black_box(notification.event().expect("it is of a known type"));
                let answer = session.reply_and_ready(&Reply::OK).expect("it is due");
                black_box(answer.write_to(&mut buffer).expect("there is room"));
            }
        });
    });
    group.bench_function("std-hashmap", |bencher| {
        bencher.iter(|| {
            for bytes in black_box(&notifications) {
                black_box(std_hashmap(bytes));
            }
        });
    });
    group.finish();
}

/// An event as many listeners read it. It takes `len` for bytes and names for words, so it reads some events wrongly.
fn std_hashmap(mut stdin: &[u8]) -> String {
    let mut line = String::new();
    stdin.read_line(&mut line).expect("a slice can be read");
    let header = tokens(&line);
    let mut payload = vec![0; header["len"].parse().expect("a number")];
    stdin.read_exact(&mut payload).expect("it is there");
    let payload = String::from_utf8_lossy(&payload);
    let (line, data) = payload.split_once('\n').unwrap_or((&payload, ""));
    black_box((&header["eventname"], tokens(line), data.to_owned()));
    let result = "OK";
    format!("RESULT {}\n{result}READY\n", result.len())
}

fn tokens(line: &str) -> HashMap<String, String> {
    let tokens = line.split_whitespace().filter_map(|token| token.split_once(':'));
    tokens.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

const PAYLOADS: [(EventType<'_>, &str); 20] = [
    (EventType::ProcessStateStarting, "processname:worker_07 groupname:trading_system from_state:STOPPED tries:0"),
    (EventType::ProcessStateRunning, "processname:worker_07 groupname:trading_system from_state:STARTING pid:27660"),
    (EventType::ProcessStateBackoff, "processname:worker_07 groupname:trading_system from_state:STARTING tries:1"),
    (EventType::ProcessStateStopping, "processname:worker_07 groupname:trading_system from_state:RUNNING pid:27660"),
    (
        EventType::ProcessStateExited,
        "processname:worker_07 groupname:trading_system from_state:RUNNING expected:0 pid:27660",
    ),
    (EventType::ProcessStateStopped, "processname:worker_07 groupname:trading_system from_state:STOPPING pid:27660"),
    (EventType::ProcessStateFatal, "processname:worker_07 groupname:trading_system from_state:BACKOFF"),
    (EventType::ProcessStateUnknown, "processname:worker_07 groupname:trading_system from_state:STOPPING"),
    (
        EventType::ProcessLogStdout,
        "processname:worker_07 groupname:trading_system pid:27660 channel:stdout\n12:00:01 order 4711 was filled\n",
    ),
    (
        EventType::ProcessLogStderr,
        "processname:worker_07 groupname:trading_system pid:27660 channel:stderr\n12:00:01 order 4711 was lost\n",
    ),
    (
        EventType::ProcessCommunicationStdout,
        "processname:worker_07 groupname:trading_system pid:27660\n{\"orders\": 4711, \"filled\": 4710}",
    ),
    (
        EventType::ProcessCommunicationStderr,
        "processname:worker_07 groupname:trading_system pid:27660\n{\"orders\": 4711, \"filled\": 4710}",
    ),
    (EventType::RemoteCommunication, "type:deployment\nversion 1.2 on host-7"),
    (EventType::SupervisorStateChangeRunning, ""),
    (EventType::SupervisorStateChangeStopping, ""),
    (EventType::Tick5, "when:1705063880"),
    (EventType::Tick60, "when:1705063860"),
    (EventType::Tick3600, "when:1705060800"),
    (EventType::ProcessGroupAdded, "groupname:trading_system\n"),
    (EventType::ProcessGroupRemoved, "groupname:trading_system\n"),
];

fn payload(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("payload");
    for (event_type, payload) in PAYLOADS {
        group.bench_function(event_type.name(), |bencher| {
            bencher.iter(|| {
                let event = Event::parse(black_box(event_type), black_box(payload.as_bytes()));
                black_box(event.expect("it is what supervisord sends"));
            });
        });
    }
    group.finish();
}

fn reply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    group.bench_function("ok-and-ready", |bencher| {
        let mut buffer = [0; 32];
        bencher.iter(|| {
            black_box(black_box(Reply::OK).encode_with_ready().write_to(&mut buffer).expect("there is room"));
        });
    });
    group.bench_function("data", |bencher| {
        let data = [b'x'; 100];
        let mut buffer = [0; 128];
        bencher.iter(|| {
            black_box(Reply::new(black_box(&data)).encode().write_to(&mut buffer).expect("there is room"));
        });
    });
    group.finish();
}

fn supervisor(criterion: &mut Criterion) {
    let mut ready = Supervisor::new(LengthUnit::CodePoints);
    ready.advance(&mut &b"READY\n"[..]);
    let envelope = Envelope {
        server: "supervisor",
        serial: 21,
        pool: "listener",
        poolserial: 10,
        eventname: "TICK_5",
        payload: b"when:1705063880",
    };
    let mut buffer = [0; 256];
    let mut busy = ready.clone();
    busy.notify(&envelope, &mut buffer).expect("it is READY");

    let mut group = criterion.benchmark_group("supervisor");
    group.bench_function("notify", |bencher| {
        bencher.iter(|| {
            let mut supervisor = ready.clone();
            black_box(supervisor.notify(black_box(&envelope), &mut buffer).expect("it is READY"));
        });
    });
    group.bench_function("hear", |bencher| {
        bencher.iter(|| {
            let mut supervisor = busy.clone();
            let mut said = black_box(&b"RESULT 2\nOKREADY\n"[..]);
            while let Some(heard) = supervisor.advance(&mut said) {
                black_box(heard);
            }
            supervisor
        });
    });
    group.finish();
}

criterion_group!(benches, event, payload, reply, supervisor);
criterion_main!(benches);
