//! Does one thing N times, for a tool that counts instructions: `driver WHAT N`. See `benches/instructions`.
//!
//! | WHAT | does |
//! |---|---|
//! | `header` | one header of 110 bytes |
//! | `spaced-header` | the same with a space in the identifier, at which the short cut ends |
//! | `unknown-token` | the same with a token that the crate does not know |
//! | `other-order` | the same with two tokens swapped, as no known server sends it |
//! | `event` | one recorded event, to its typed view and the bytes of its reply |
//! | `step` | one byte of a recorded stream, by itself |
//! | `code-points` | 1 KiB of a payload with some non-ASCII text |
//! | `supervisor` | one READY and RESULT, heard by the supervisor's end |

use std::hint::black_box;

use supervisor_events::{Decoder, Envelope, LengthUnit, Reply, Session, Step, Supervisor};

const HEADER: &[u8] = b"ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const SPACED_HEADER: &[u8] = b"ver:3.0 server:super visor serial:21 pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const UNKNOWN_TOKEN: &[u8] = b"ver:3.0 server:supervisor serial:21 zone:a pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const OTHER_ORDER: &[u8] = b"ver:3.0 server:supervisor pool:listener serial:21 poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const STREAM: &[u8] = include_bytes!("../tests/ground-truth/streams/all_states__rec-1.bin");

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let what = arguments.next().unwrap_or_default();
    let times = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    match what.as_str() {
        "header" => headers(HEADER, times),
        "spaced-header" => headers(SPACED_HEADER, times),
        "unknown-token" => headers(UNKNOWN_TOKEN, times),
        "other-order" => headers(OTHER_ORDER, times),
        "event" => events(times),
        "step" => steps(times),
        "code-points" => code_points(times),
        "supervisor" => supervisor(times),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => {
            for line in [HEADER, SPACED_HEADER, UNKNOWN_TOKEN, OTHER_ORDER] {
                headers(line, 1);
            }
            events(1);
            steps(1);
            code_points(1);
            supervisor(1);
        }
    }
}

fn headers(line: &[u8], times: usize) {
    // At the start of a buffer, as after a read.
    let line = line.to_vec();
    for _ in 0..times {
        let mut decoder: Decoder = Decoder::new(LengthUnit::CodePoints);
        let step = decoder.advance(&mut black_box(&line[..]));
        assert!(matches!(step, Ok(Some(Step::Header(_)))));
        black_box(&step);
    }
}

/// The recorded events, one after the other and over again.
fn events(times: usize) {
    let mut session = Session::new(vec![0; 65_536], LengthUnit::CodePoints);
    session.ready().expect("it is due");
    let mut buffer = [0; 32];
    let events = split();
    for event in events.iter().cycle().take(times) {
        session.space()[..event.len()].copy_from_slice(event);
        let notification = session.received(event.len()).expect("it was recorded").expect("it is whole");
        black_box(notification.event().expect("it is of a known type"));
        let answer = session.reply_and_ready(Reply::OK).expect("it is due");
        black_box(answer.write_to(&mut buffer).expect("there is room"));
    }
}

fn split() -> Vec<&'static [u8]> {
    let mut decoder: Decoder = Decoder::default();
    let (mut input, mut start, mut events) = (STREAM, 0, Vec::new());
    while let Some(step) = decoder.advance(&mut input).expect("it was recorded") {
        if step == Step::Complete {
            let end = decoder.offset() as usize;
            events.push(&STREAM[start..end]);
            start = end;
        }
    }
    events
}

fn steps(times: usize) {
    let mut decoder: Decoder = Decoder::default();
    for byte in STREAM.chunks(1).cycle().take(times) {
        let mut input = black_box(byte);
        while let Some(step) = decoder.advance(&mut input).expect("it was recorded") {
            black_box(step);
        }
    }
}

fn code_points(times: usize) {
    let text = "Überwachung: ok ".repeat(64);
    let header = format!("ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:X len:{}\n", u64::MAX);
    let mut decoder: Decoder = Decoder::default();
    decoder.advance(&mut header.as_bytes()).expect("a header");
    for _ in 0..times {
        black_box(decoder.advance(&mut black_box(&text.as_bytes()[..1024])).expect("a payload"));
    }
}

fn supervisor(times: usize) {
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    let mut buffer = [0; 256];
    let envelope = Envelope {
        server: "supervisor",
        serial: 21,
        pool: "p",
        poolserial: 1,
        eventname: "TICK_5",
        payload: b"when:5",
    };
    supervisor.advance(&mut &b"READY\n"[..]);
    for _ in 0..times {
        black_box(supervisor.notify(&envelope, &mut buffer).expect("it is READY"));
        let mut said = black_box(&b"RESULT 2\nOKREADY\n"[..]);
        while let Some(heard) = supervisor.advance(&mut said) {
            black_box(heard);
        }
    }
}
