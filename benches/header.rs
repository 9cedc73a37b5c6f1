//! One header line of 110 bytes, from bytes in memory to its seven values, compared with alternatives. The lines are at
//! the start of a buffer, as after a read.
//!
//! * `supervisor-events`: finds the end of the header, checks UTF-8, splits the line, reads its numbers.
//! * `spaced`: the same line with a space in the identifier, which the grammar reads without the short cut.
//! * `httparse`: splits a request of the same length with seven fields; the values stay bytes.
//! * `memchr-newline`: only finds the end of the line. No parser that looks for it can be faster.
//! * `std-hashmap`: `read_line`, and each `key:value` as two `String`s in a `HashMap`, as listeners often do.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::BufRead;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use supervisor_events::{Decoder, LengthUnit, Step};

const LINE: &[u8] = b"ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";

const SPACED: &[u8] = b"ver:3.0 server:super visor serial:21 pool:listener poolserial:1 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nver:3.0\r\nserver:supervisor\r\nserial:21\r\npool:listener\r\n\
    poolserial:10\r\nevent:TICK_60\r\nlen:58\r\n\r\n";

const _: () = assert!(LINE.len() == 110 && SPACED.len() == 110 && REQUEST.len() == 110);

fn header(criterion: &mut Criterion) {
    let (line, spaced, request_bytes) = (LINE.to_vec(), SPACED.to_vec(), REQUEST.to_vec());
    let mut group = criterion.benchmark_group("header");
    group.throughput(Throughput::Bytes(LINE.len() as u64));
    group.bench_function("supervisor-events", |bencher| {
        bencher.iter(|| {
            let mut decoder = Decoder::new(LengthUnit::CodePoints);
            let step = decoder.advance(&mut black_box(&line[..]));
            assert!(matches!(step, Ok(Some(Step::Header(_)))));
            black_box(&step);
        });
    });
    group.bench_function("spaced", |bencher| {
        bencher.iter(|| {
            let mut decoder = Decoder::new(LengthUnit::CodePoints);
            let step = decoder.advance(&mut black_box(&spaced[..]));
            assert!(matches!(step, Ok(Some(Step::Header(_)))));
            black_box(&step);
        });
    });
    group.bench_function("httparse", |bencher| {
        bencher.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 7];
            let mut request = httparse::Request::new(&mut fields);
            assert!(matches!(request.parse(black_box(&request_bytes)), Ok(httparse::Status::Complete(110))));
            black_box(&request);
        });
    });
    group.bench_function("memchr-newline", |bencher| {
        bencher.iter(|| black_box(memchr::memchr(b'\n', black_box(&line))));
    });
    group.bench_function("std-hashmap", |bencher| {
        bencher.iter(|| {
            let mut text = String::new();
            black_box(&line[..]).read_line(&mut text).expect("a slice can be read");
            let tokens = text.split_whitespace().filter_map(|token| token.split_once(':'));
            let header: HashMap<String, String> = tokens.map(|(key, value)| (key.into(), value.into())).collect();
            assert_eq!(header.len(), 7);
            black_box(header);
        });
    });
    group.finish();
}

criterion_group!(benches, header);
criterion_main!(benches);
