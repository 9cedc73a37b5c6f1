//! Checks that the readers of a line keep their contract: on likely lines in the tests below, on any bytes in the fuzz
//! target `readers`.

use super::error::TokenError;
use super::event::Event;
use super::event_type::{EventType, Shape};
use super::fields::Fields;
use super::grammar::header::{ordered, read};
use super::grammar::other_order;
use super::grammar::payload::TokenLine;
use super::short_cut::{self, UsualLine};

/// Checks that all readers agree on these bytes, read as a header line and as a payload of every type.
///
/// # Panics
///
/// If two of them differ.
pub fn check(bytes: &[u8]) {
    check_header(bytes);
    for shape in EventType::ALL.iter().filter_map(|event_type| event_type.shape()) {
        check_payload(shape, bytes);
    }
}

/// If the short cut reads a line, the grammar gives the same result. If the grammar reads it in the usual order, so
/// does the reader for any order, which specifies what a header is.
fn check_header(input: &[u8]) {
    if let Some((fields, len)) = short_cut::header(input) {
        let line = input.get(..len).unwrap_or_default();
        assert_eq!(by(read, line), Ok(fields), "the short cut on {}", line.escape_ascii());
    }
    if let Some(fields) = ordered(input) {
        assert_eq!(by(other_order::read, input), Ok(fields), "the usual order of {}", input.escape_ascii());
    }
}

/// The result of one reader of headers.
fn by(read: fn(&[u8], &mut Fields) -> Result<(), TokenError>, line: &[u8]) -> Result<Fields, TokenError> {
    let mut fields = Fields::NONE;
    read(line, &mut fields).map(|()| fields)
}

/// If the short cut reads a payload, the grammar gives the same result.
fn check_payload(shape: Shape, payload: &[u8]) {
    if let Ok(event) = Event::read::<UsualLine<'_>>(shape, payload) {
        assert_eq!(Event::read::<TokenLine<'_>>(shape, payload), Ok(event), "{}", payload.escape_ascii());
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use crate::wire::bytes::SMALL;
    use alloc::format;
    use alloc::string::String;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn is_short_cut(shape: Shape, payload: &str) -> bool {
        Event::read::<UsualLine<'_>>(shape, payload.as_bytes()).is_ok()
    }

    /// The short cut reads what supervisord sends.
    #[track_caller]
    fn is_usual(event_type: EventType<'_>, payload: &str) {
        let shape = event_type.shape().unwrap();
        assert!(is_short_cut(shape, payload), "{payload:?}");
        check_payload(shape, payload.as_bytes());
    }

    #[test]
    fn what_is_not_usual_goes_to_the_grammar() {
        for (event_type, payload) in [
            (EventType::ProcessStateFatal, "processname:a b groupname:g from_state:BACKOFF"),
            (EventType::ProcessStateFatal, "processname:\u{e9} groupname:g from_state:BACKOFF"),
            (EventType::ProcessStateFatal, "processname:p groupname:g from_state:BACKOFF host:h"),
            (EventType::ProcessStateFatal, "processname:p groupname:g from_state:BACKOFF pid:1 tries:2"),
            (EventType::ProcessStateFatal, "processname:p groupname:g  from_state:BACKOFF"),
            (EventType::ProcessStateFatal, "processname:p groupname:g"),
            (EventType::ProcessLogStdout, "processname:p\nq groupname:g pid:1 channel:stdout\n"),
            (EventType::ProcessLogStdout, "processname:p groupname:g pid:1 channel:stdout \n"),
            (EventType::RemoteCommunication, "type:a b\n"),
            (EventType::Tick5, "when:x"),
        ] {
            let shape = event_type.shape().unwrap();
            assert!(!is_short_cut(shape, payload), "{payload:?}");
            check_payload(shape, payload.as_bytes());
        }
    }

    #[test]
    fn headers_in_the_usual_order_are_read_so() {
        for line in [
            "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3",
            "ver:4.0 server: serial:1 pool: poolserial:2 eventname:E len:3",
            "ver:3.0 server:a serial:9 pool:q b serial:1 pool: a b  poolserial:2 eventname:E len:18446744073709551615",
            "ver:3.0 server:s serial:1 a:b pool:p q c:d e: poolserial:2  eventname:E f::g len:3 ",
        ] {
            assert!(ordered(line.as_bytes()).is_some(), "{line}");
            check_header(line.as_bytes());
        }
        for line in [
            "xer:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3",
            "ver:3.0 x:y server:s serial:1 pool:p poolserial:2 eventname:E len:3",
            "ver:3.0 server:s serial:1 pool:p poolserial:2 len:3 eventname:E",
            "ver:3.0 server:s serial:1 pool:p pool:q poolserial:2 eventname:E len:3",
            "ver:3.0 server:s serial:1 pool:a b:c d poolserial:2 eventname:E len:3",
            "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:x",
        ] {
            assert_eq!(ordered(line.as_bytes()), None, "{line}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z:\u{e9}.]{0,12}",
            "[0-9]{0,21}",
            "-?[0-9]{1,3}",
            "STOPPED|Fatal|SOON",
            "stdout|stderr|0|1|00|01",
            "[a-z: ]{0,6}",
            "[a-z\n\r ]{0,6}",
        ]
    }

    /// A line with most of the tokens of `keys`, and perhaps an extra one.
    fn line(keys: &'static [&'static str], more: &'static str) -> impl Strategy<Value = String> {
        let tokens: alloc::vec::Vec<_> = keys.iter().map(|_| (value(), prop::bool::weighted(0.95))).collect();
        (tokens, vec((any::<prop::sample::Index>(), more, value()), 0..2)).prop_map(move |(values, more)| {
            let mut tokens: alloc::vec::Vec<_> = keys
                .iter()
                .zip(values)
                .filter(|(_, (_, is_there))| *is_there)
                .map(|(key, (value, _))| format!("{key}:{value}"))
                .collect();
            for (place, key, value) in more {
                tokens.insert(place.index(tokens.len() + 1), format!("{key}{value}"));
            }
            tokens.join(" ")
        })
    }

    #[test]
    fn what_the_fuzzer_found() {
        let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/readers");
        // The published crate does not contain them.
        let Ok(inputs) = std::fs::read_dir(seeds) else { return };
        let inputs: alloc::vec::Vec<_> = inputs.collect();
        assert!(inputs.len() >= 10);
        let step = if cfg!(miri) { 10 } else { 1 };
        inputs.into_iter().step_by(step).for_each(|input| check(&std::fs::read(input.unwrap().path()).unwrap()));
    }

    proptest! {
        #[test]
        fn usual_headers_are_read_by_the_short_cut(
            server in "[!-\u{7f}]{0,20}", pool in "[!-\u{7f}]{0,20}", eventname in "[A-Z_0-9:]{1,20}",
            numbers in [0..10_000_000_000_000_000_000u64, 0..1000, 0..100_000],
        ) {
            let [serial, poolserial, len] = numbers;
            let line = format!(
                "ver:3.0 server:{server} serial:{serial} pool:{pool} poolserial:{poolserial} eventname:{eventname} len:{len}"
            );
            let usual = short_cut::header(line.as_bytes());
            prop_assert_eq!(usual.map(|header| header.1), (!SMALL).then_some(line.len()));
            prop_assert_eq!(short_cut::header(format!("{line}\nwhen:1").as_bytes()), usual);
            prop_assert!(ordered(line.as_bytes()).is_some());
            check_header(line.as_bytes());
        }

        #[test]
        fn usual_payloads_are_read_by_the_short_cut(name in "[!-\u{7f}]{0,20}", number: u32, data in "[a-z\u{e9} :\n]{0,30}") {
            let names = format!("processname:{name} groupname:{name}");
            let state = format!("{names} from_state:RUNNING");
            is_usual(EventType::ProcessStateFatal, &state);
            is_usual(EventType::ProcessStateBackoff, &format!("{state} tries:{number}"));
            is_usual(EventType::ProcessStateStopped, &format!("{state} pid:{number}"));
            is_usual(EventType::ProcessStateExited, &format!("{state} expected:1 pid:{number}"));
            is_usual(EventType::ProcessLogStdout, &format!("{names} pid:{number} channel:stderr\n{data}"));
            is_usual(EventType::ProcessCommunicationStdout, &format!("{names} pid:{number}\n{data}"));
            is_usual(EventType::RemoteCommunication, &format!("type:{name}\n{data}"));
            is_usual(EventType::Tick5, &format!("when:{number}"));
            is_usual(EventType::ProcessGroupAdded, &format!("groupname:{name}\n"));
        }

        #[test]
        fn likely_headers(
            line in line(
                &["ver", "server", "serial", "pool", "poolserial", "eventname", "len"],
                "(ver|server|serial|pool|len|key|):|",
            ),
        ) {
            check(line.as_bytes());
        }

        /// With valid numbers, so that most of the lines are headers.
        #[test]
        fn likely_names_in_headers(server in value(), pool in value(), after in ["( [a-z]?:[a-z]?| )?", "( [a-z]?:[a-z]?| )?"]) {
            let [one, other] = after;
            check(
                format!("ver:3.0 server:{server} serial:1{one} pool:{pool} poolserial:2 eventname:E{other} len:3{one}")
                    .as_bytes(),
            );
        }

        #[test]
        fn likely_payloads(
            line in prop_oneof![
                line(&["processname", "groupname", "from_state", "tries"], "(groupname|tries|pid|key):"),
                line(&["processname", "groupname", "from_state", "expected", "pid"], "(groupname|tries|pid|key):"),
                line(&["processname", "groupname", "pid", "channel"], "(groupname|channel|key):"),
                line(&["when"], "(when|key):"),
                line(&["type"], "(type|key):"),
                line(&["groupname"], "(groupname|key):"),
            ],
            data in "(\n[a-z :\n]{0,30})?",
        ) {
            check((line + &data).as_bytes());
        }
    }
}
