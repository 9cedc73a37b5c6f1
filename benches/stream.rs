//! Streams of notifications and large payloads through the decoder.
//!
//! * `stream`: a recorded stream of 114 events, all at once, in pieces of 64 bytes, and byte by byte.
//! * `stream-10x`: the same ten times over, byte by byte: the time per byte must not depend on the stream's length.
//! * `payload-1MiB`: an event of that size with some non-ASCII text, in code points and in bytes, compared with copying
//!   it. In bytes there is nothing to count: `payload-64KiB` and `payload-16MiB` must take the same time.

mod recorded;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use supervisor_events::{Decoder, LengthUnit, Step};

fn decode<'i>(pieces: impl Iterator<Item = &'i [u8]>) -> u64 {
    let mut decoder = Decoder::new(LengthUnit::CodePoints);
    for mut piece in pieces {
        while let Some(step) = decoder.advance(&mut piece).expect("it was recorded") {
            black_box(step);
        }
    }
    decoder.offset()
}

fn stream(criterion: &mut Criterion) {
    let stream = recorded::STREAMS[0];
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("whole", |bencher| bencher.iter(|| decode([black_box(stream)].into_iter())));
    for size in [64, 1] {
        group.bench_function(format!("chunks-{size}"), |bencher| {
            bencher.iter(|| decode(black_box(stream).chunks(size)));
        });
    }
    group.finish();

    let stream = stream.repeat(10);
    let mut group = criterion.benchmark_group("stream-10x");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("chunks-1", |bencher| bencher.iter(|| decode(black_box(&stream).chunks(1))));
    group.finish();
}

/// A notification with a payload of `size` bytes.
fn notification(unit: LengthUnit, size: usize) -> Vec<u8> {
    let payload =
        &"2024-01-12 12:00:01 Überwachung: alle Prozesse laufen, 3 µs\n".repeat(size / 60 + 1).into_bytes()[..size];
    let mut notification = format!(
        "ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 eventname:PROCESS_LOG_STDOUT len:{}\n",
        unit.measure(payload),
    )
    .into_bytes();
    notification.extend_from_slice(payload);
    notification
}

/// One step each for the header, the payload and its end.
fn decode_one(unit: LengthUnit, notification: &[u8]) {
    let mut decoder = Decoder::new(unit);
    let mut input = black_box(notification);
    let mut complete = false;
    while let Some(step) = decoder.advance(&mut input).expect("it is well-formed") {
        complete = black_box(step) == Step::Complete;
    }
    assert!(complete && input.is_empty());
}

fn payload(criterion: &mut Criterion) {
    for (name, size) in [("payload-64KiB", 1 << 16), ("payload-1MiB", 1 << 20), ("payload-16MiB", 1 << 24)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(size as u64));
        let notification_in = |unit| notification(unit, size);
        if size == 1 << 20 {
            let in_code_points = notification_in(LengthUnit::CodePoints);
            group.bench_function("code-points", |bencher| {
                bencher.iter(|| decode_one(LengthUnit::CodePoints, &in_code_points));
            });
            let mut copy = vec![0; in_code_points.len()];
            group.bench_function("memcpy", |bencher| {
                bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&in_code_points)));
            });
        }
        let in_bytes = notification_in(LengthUnit::Bytes);
        group.bench_function("bytes", |bencher| bencher.iter(|| decode_one(LengthUnit::Bytes, &in_bytes)));
        group.finish();
    }
}

criterion_group!(benches, stream, payload);
criterion_main!(benches);
