//! Does one operation N times, for a tool that counts instructions: `driver WHAT N [LENGTH]`. See
//! `benches/instructions`.
//!
//! | WHAT | operation |
//! |---|---|
//! | `header` | one header of 110 bytes |
//! | `spaced-header` | the same with a space in the identifier, where the short cut gives up |
//! | `unknown-token` | the same with a token that the crate does not know |
//! | `other-order` | the same with two tokens swapped, as no known server sends it |
//! | `event` | one recorded event, to its typed view and the bytes of its reply |
//! | `step` | a single byte of a recorded stream |
//! | `code-points` | 1 KiB of a payload with some non-ASCII text |
//! | `supervisor` | one READY and RESULT, read by the supervisor's end |
//!
//! The others take input of LENGTH bytes. Whatever the length, a byte must cost the same.
//!
//! | WHAT | operation |
//! |---|---|
//! | `newlines` | a header's beginning, then nothing but newlines, in one piece; in a decoder and in a session |
//! | `newlines-apart` | a header whose identifier holds 16 newlines, far apart |
//! | `header-tokens` | a header with unknown tokens: parsed, all tokens read, the last one looked up |
//! | `header-words` | the same with a pool's name of many words |
//! | `payload-tokens` | the same with a payload's line of unknown tokens |
//! | `payload-colons` | the same after a long group's name with a colon in it |
//! | `bytes-word` | a header with a long identifier, in single bytes, by a decoder |
//! | `bytes-spaces` | the same with spaces in the identifier |
//! | `bytes-newlines` | the same with 16 newlines in the identifier |
//! | `session-bytes-word`, … | the same three by a session |

mod recorded;

use std::hint::black_box;

use supervisor_events::{
    Decoder, Envelope, Event, EventType, Header, LengthUnit, ProtocolError, ProtocolErrorKind, Reply, Session, Step,
    Supervisor,
};

const HEADER: &[u8] = b"ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const SPACED_HEADER: &[u8] = b"ver:3.0 server:super visor serial:21 pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const UNKNOWN_TOKEN: &[u8] = b"ver:3.0 server:supervisor serial:21 zone:a pool:listener poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const OTHER_ORDER: &[u8] = b"ver:3.0 server:supervisor pool:listener serial:21 poolserial:10 \
    eventname:PROCESS_COMMUNICATION_STDOUT len:58\n";
const STREAM: &[u8] = recorded::STREAMS[0];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let what = arguments.next().unwrap_or_default();
    let mut number = |default| arguments.next().and_then(|number| number.parse().ok()).unwrap_or(default);
    let (times, length) = (number(1), number(1024));
    match what.as_str() {
        "header" => headers(HEADER, times),
        "spaced-header" => headers(SPACED_HEADER, times),
        "unknown-token" => headers(UNKNOWN_TOKEN, times),
        "other-order" => headers(OTHER_ORDER, times),
        "event" => events(times),
        "step" => steps(times),
        "code-points" => code_points(times),
        "supervisor" => supervisor(times),
        "newlines" => newlines(times, length),
        "newlines-apart" => whole_header(&identifier_of_lines(length), times),
        "header-tokens" => header_tokens(&with_tokens(HEADER, length), times),
        "header-words" => header_tokens(&pool_of_words(length), times),
        "payload-tokens" => payload_tokens(&with_tokens(PAYLOAD, length), times),
        "payload-colons" => payload_tokens(&group_with_colon(length), times),
        "bytes-word" => decoder_in_bytes(&identifier("s", length), times),
        "bytes-spaces" => decoder_in_bytes(&identifier("some words ", length), times),
        "bytes-newlines" => decoder_in_bytes(&identifier_of_lines(length), times),
        "session-bytes-word" => session_in_bytes(&identifier("s", length), times),
        "session-bytes-spaces" => session_in_bytes(&identifier("some words ", length), times),
        "session-bytes-newlines" => session_in_bytes(&identifier_of_lines(length), times),
        // `cargo test` and `cargo bench` run it without arguments.
        _ => {
            for line in [HEADER, SPACED_HEADER, UNKNOWN_TOKEN, OTHER_ORDER] {
                headers(line, 1);
            }
            events(1);
            steps(1);
            code_points(1);
            supervisor(1);
            newlines(1, length);
            whole_header(&identifier_of_lines(length), 1);
            header_tokens(&with_tokens(HEADER, length), 1);
            header_tokens(&pool_of_words(length), 1);
            payload_tokens(&with_tokens(PAYLOAD, length), 1);
            payload_tokens(&group_with_colon(length), 1);
            for header in [identifier("s", length), identifier("some words ", length), identifier_of_lines(length)] {
                decoder_in_bytes(&header, 1);
                session_in_bytes(&header, 1);
            }
        }
    }
}

fn headers(line: &[u8], times: usize) {
    // At the start of a buffer, as after a read.
    let line = line.to_vec();
    for _ in 0..times {
        let mut decoder = Decoder::new(LengthUnit::CodePoints);
        let step = decoder.advance(&mut black_box(&line[..]));
        assert!(matches!(step, Ok(Some(Step::Header(_)))));
        black_box(&step);
    }
}

/// The recorded events, one by one, over and over.
fn events(times: usize) {
    let mut session = Session::new(vec![0; 65_536], LengthUnit::CodePoints);
    session.ready().expect("it is due");
    let mut buffer = [0; 32];
    let events = recorded::split(STREAM);
    for event in events.iter().cycle().take(times) {
        session.space()[..event.len()].copy_from_slice(event);
        let notification = session.received(event.len()).expect("it was recorded").expect("it is whole");
        black_box(notification.event().expect("it is of a known type"));
        let answer = session.reply_and_ready(&Reply::OK).expect("it is due");
        black_box(answer.write_to(&mut buffer).expect("there is room"));
    }
}

fn steps(times: usize) {
    let mut decoder = Decoder::new(LengthUnit::default());
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
    let mut decoder = Decoder::new(LengthUnit::default());
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

// ---- Input of any length. ----

const PAYLOAD: &[u8] = b"processname:p groupname:g from_state:RUNNING expected:0 pid:7";

/// Larger than any header here.
const LARGE: usize = 1 << 17;

fn newlines(times: usize, length: usize) {
    let mut stream = b"ver:3.0 server:".to_vec();
    stream.resize(length, b'\n');
    let refused = |error: ProtocolError| assert_eq!(error.kind, ProtocolErrorKind::NotAHeader);
    let mut buffer = stream.clone();
    for _ in 0..times {
        let mut decoder = Decoder::<LARGE>::default();
        refused(decoder.advance(&mut black_box(&stream[..])).expect_err("a header has fewer lines"));
        // The buffer holds the bytes already, as after a read.
        let mut session = Session::new(black_box(&mut buffer[..]), LengthUnit::CodePoints);
        session.ready().expect("it is due");
        refused(session.received(length).expect_err("a header has fewer lines"));
    }
}

/// A line of `length` bytes: this one, and unknown tokens.
fn with_tokens(line: &[u8], length: usize) -> Vec<u8> {
    let mut line = line.trim_ascii_end().to_vec();
    line.extend(b" key:value".iter().cycle().take(length.saturating_sub(line.len()) / 10 * 10));
    line.extend_from_slice(b" last:1");
    line
}

/// A header whose pool has a name of `length` bytes, followed by unknown tokens.
fn pool_of_words(length: usize) -> Vec<u8> {
    let words = "word ".repeat(length / 10) + &"key:value ".repeat(length / 20);
    format!("ver:3.0 server:s serial:1 pool:{words}poolserial:2 eventname:TICK_5 len:3 last:1").into_bytes()
}

/// A payload of `length` bytes: a long group's name with a colon, and words with colons after it.
fn group_with_colon(length: usize) -> Vec<u8> {
    let (name, words) = ("g".repeat(length / 2), "a:b ".repeat(length / 8));
    format!("processname:p groupname:{name}:x {words}from_state:RUNNING expected:0 pid:7 last:1").into_bytes()
}

fn header_tokens(line: &[u8], times: usize) {
    for _ in 0..times {
        let header = Header::parse(black_box(line)).expect("a header");
        assert_eq!(black_box(header.tokens()).last(), Some(("last", "1")));
        assert_eq!(black_box(header).get("last"), Some("1"));
    }
}

fn payload_tokens(payload: &[u8], times: usize) {
    for _ in 0..times {
        let event = Event::parse(EventType::ProcessStateExited, black_box(payload)).expect("its payload");
        let Event::ProcessState(event) = event else { panic!("a state") };
        assert_eq!(black_box(event.extra).iter().last(), Some(("last", "1")));
        assert_eq!(black_box(event.extra).get("last"), Some("1"));
    }
}

/// A header of `length` bytes, most of them an identifier that repeats this text.
fn identifier(text: &str, length: usize) -> Vec<u8> {
    let tokens = " serial:1 pool:p poolserial:2 eventname:TICK_5 len:0\n";
    let server = text.chars().cycle().take(length.saturating_sub(tokens.len() + 15)).collect::<String>();
    format!("ver:3.0 server:{server}{tokens}").into_bytes()
}

/// The same with 16 newlines, the most that a header may hold.
fn identifier_of_lines(length: usize) -> Vec<u8> {
    let mut header = identifier("some words ", length);
    for line in 1..=16 {
        header[16 + (length - 100) / 17 * line] = b'\n';
    }
    header
}

fn whole_header(header: &[u8], times: usize) {
    let mut decoder: Box<Decoder<LARGE>> = Box::default();
    for _ in 0..times {
        let mut input = black_box(header);
        while let Some(step) = decoder.advance(&mut input).expect("a header") {
            black_box(step);
        }
    }
}

fn decoder_in_bytes(header: &[u8], times: usize) {
    let mut decoder: Box<Decoder<LARGE>> = Box::default();
    for _ in 0..times {
        let mut complete = false;
        for byte in header.chunks(1) {
            let mut input = black_box(byte);
            while let Some(step) = decoder.advance(&mut input).expect("a header") {
                complete = step == Step::Complete;
            }
        }
        assert!(complete, "a header in each round");
    }
}

fn session_in_bytes(header: &[u8], times: usize) {
    let mut session = Session::new(vec![0; LARGE], LengthUnit::CodePoints);
    session.ready().expect("it is due");
    for _ in 0..times {
        let mut complete = false;
        for byte in header {
            session.space()[0] = *byte;
            complete = session.received(1).expect("a header").is_some();
        }
        assert!(complete, "a header in each round");
        let answer = session.reply_and_ready(&Reply::OK).expect("it is due");
        black_box(answer.len());
    }
}
