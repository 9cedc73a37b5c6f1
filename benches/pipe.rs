//! The loop over real pipes. A thread at the other end behaves like supervisord: it writes a notification, and waits
//! for RESULT and READY before it writes the next.
//!
//! * `supervisor-events`: `Serve::run`, with a handler that parses the typed event.
//! * `bare-pipe`: the same bytes back and forth, without parsing.

mod recorded;

use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use supervisor_events::Reply;
use supervisor_events::host::std_io::Serve;

const ANSWER: &[u8] = b"RESULT 2\nOKREADY\n";

/// Runs `listener` with this many events, and returns the time from the first notification to the last answer, measured
/// at supervisord's end.
fn exchange(events: u64, notifications: &[&[u8]], listener: impl FnOnce(PipeReader, PipeWriter)) -> Duration {
    let (listener_input, mut to_listener) = pipe().expect("a pipe");
    let (mut from_listener, listener_output) = pipe().expect("a pipe");
    thread::scope(|scope| {
        let supervisor = scope.spawn(move || {
            let mut said = [0; ANSWER.len()];
            from_listener.read_exact(&mut said[..6]).expect("READY");
            let start = Instant::now();
            for (_, notification) in (0..events).zip(notifications.iter().cycle()) {
                to_listener.write_all(notification).expect("the listener reads");
                from_listener.read_exact(&mut said).expect("RESULT and READY");
                assert_eq!(said, ANSWER);
            }
            start.elapsed()
        });
        listener(listener_input, listener_output);
        supervisor.join().expect("no assertion failed")
    })
}

fn serve(input: PipeReader, output: PipeWriter) {
    let served = Serve::new().run(input, output, |notification| {
        black_box(notification.event().expect("it is of a known type"));
        Ok(Reply::OK)
    });
    served.expect("it was recorded");
}

fn bare(mut input: PipeReader, mut output: PipeWriter) {
    let mut buffer = vec![0; 65_536];
    output.write_all(b"READY\n").expect("the other end reads");
    while input.read(&mut buffer).expect("a pipe can be read") != 0 {
        output.write_all(ANSWER).expect("the other end reads");
    }
}

fn pipes(criterion: &mut Criterion) {
    let notifications = recorded::notifications();
    let mut group = criterion.benchmark_group("loop");
    group.throughput(Throughput::Elements(1));
    group.bench_function("supervisor-events", |bencher| {
        bencher.iter_custom(|events| exchange(events, &notifications, serve));
    });
    group.bench_function("bare-pipe", |bencher| {
        bencher.iter_custom(|events| exchange(events, &notifications, bare));
    });
    group.finish();
}

criterion_group!(benches, pipes);
criterion_main!(benches);
