//! Runs random cases through supervisor's own classes and through the crate's machines: what a listener writes, and
//! what supervisord sends. Each run makes new cases; `SEED` repeats a run.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::process::{Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use supervisor_events::{EventType, LengthUnit, Session};

use crate::fuzz::ends::Sent;
use crate::fuzz::payload::Parts;
use crate::judgement;
use crate::likely::{bytes, parts, sent};
use crate::support::ground_truth::base64;
use crate::support::python;

const CASES: usize = 4000;

/// `CASES` values, from the seed in the environment, or from a random one, which is printed.
fn random<T>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("to repeat this run: SEED={seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_le_bytes(); 4].concat());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..CASES).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// What supervisor's classes make of the cases. `None` without supervisor.
fn by_supervisor(what: &str, cases: &[Value]) -> Option<Vec<Value>> {
    let interpreter = python::programs()?.join("python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/differential.py");
    let mut child = Command::new(interpreter)
        .args([script, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = child.stdin.take().expect("it is piped");
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    // It answers after it has read everything.
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("JSON lines");
    let results: Vec<_> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(results.len(), cases.len());
    Some(results)
}

fn in_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

// ---- What a listener writes. ----

fn said() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => Just(b"READY\n".to_vec()),
        8 => Just(b"RESULT 2\nOK".to_vec()),
        4 => Just(b"RESULT 2\nOKREADY\n".to_vec()),
        1 => Just(b"RESULT 4\nFAIL".to_vec()),
        2 => select(vec!["RESULT ", "2", "0", "-1", "\n", "OK", "READY", "\r", "_", "+", " ", "é"])
            .prop_map(|word| word.as_bytes().to_vec()),
        2 => "RESULT [ +_0-9\r\t-]{1,6}\n".prop_map(String::into_bytes),
        1 => "[a-zA-Z ]{7}[0-9]{1,2}\n".prop_map(String::into_bytes),
        1 => bytes(),
    ];
    vec(word, 1..3).prop_map(|words| words.concat()).prop_filter("an empty write is the end", |text| !text.is_empty())
}

#[test]
fn a_listener_is_judged_as_supervisor_judges_it() {
    let starts = select(vec!["ACKNOWLEDGED", "READY", "BUSY", "BUSY", "UNKNOWN"]);
    let handlers = select(vec!["default", "default", "accept", "raise"]);
    let cases: Vec<_> = random((starts, prop::bool::weighted(0.3), handlers, vec(said(), 1..4)))
        .into_iter()
        .enumerate()
        .map(|(number, (start_state, auto_dispatch, result_handler, writes))| {
            let writes: Vec<_> = writes.iter().map(|write| in_base64(write)).collect();
            json!({
                "name": format!("case {number}"), "start_state": start_state, "auto_dispatch": auto_dispatch,
                "result_handler": result_handler, "writes_b64": writes,
            })
        })
        .collect();
    let Some(judged) = by_supervisor("output", &cases) else { return };
    judged.iter().for_each(judgement::check);
    let states = ["ACKNOWLEDGED", "READY", "BUSY", "UNKNOWN"];
    for state in states {
        let ends = judged.iter().filter(|vector| vector["expected"]["final_state"] == state).count();
        assert!(ends > CASES / 100, "{state}: {ends}");
    }
}

// ---- What supervisord sends. ----

/// Without the fields that supervisord does not send with this type.
fn as_sent(mut parts: Parts) -> Parts {
    use EventType as T;
    let has_tries = matches!(parts.event_type, T::ProcessStateStarting | T::ProcessStateBackoff);
    let has_no_pid = matches!(parts.event_type, T::ProcessStateFatal | T::ProcessStateUnknown);
    parts.tries = has_tries.then_some(parts.tries.unwrap_or(1));
    parts.pid = (!has_tries && !has_no_pid).then_some(parts.pid.unwrap_or(0));
    parts.expected = (parts.event_type == T::ProcessStateExited).then_some(parts.expected.unwrap_or(false));
    parts.extra.clear();
    parts
}

fn from_state() -> impl Strategy<Value = &'static str> {
    select(vec!["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"])
}

#[test]
fn an_event_is_read_as_supervisor_made_it() {
    let made: Vec<(Parts, Sent)> = random((parts(), sent(LengthUnit::Bytes, 1), from_state()))
        .into_iter()
        .map(|(mut parts, mut sent, from_state)| {
            from_state.clone_into(&mut parts.from_state);
            // Data that is not UTF-8 arrives as a text about it: `log_nasty__rec-1` covers that.
            parts.data = String::from_utf8_lossy(&parts.data).into_owned().into_bytes();
            // The largest number that supervisord counts to.
            (sent.serial, sent.poolserial) = (sent.serial >> 1, sent.poolserial >> 1);
            (as_sent(parts), sent)
        })
        .collect();
    let cases: Vec<_> = made
        .iter()
        .map(|(parts, sent)| {
            json!({
                "eventname": parts.event_type.name(), "processname": parts.processname, "groupname": parts.groupname,
                "from_state": parts.from_state, "tries": parts.tries, "expected": parts.expected, "pid": parts.pid,
                "type": parts.remote_type, "data_b64": in_base64(&parts.data), "when": parts.when,
                "server": sent.server, "pool": sent.pool, "serial": sent.serial, "poolserial": sent.poolserial,
            })
        })
        .collect();
    let Some(written) = by_supervisor("event", &cases) else { return };
    for ((parts, sent), written) in made.iter().zip(&written) {
        let bytes = base64(&written["envelope_b64"]);
        let shown = bytes.escape_ascii();
        let mut session = Session::new(bytes.clone(), LengthUnit::CodePoints);
        session.buffer_mut().push(0);
        session.ready().expect("it has just started");
        let event = session.received(bytes.len()).ok().flatten().unwrap_or_else(|| panic!("no event: {shown}"));
        let header = event.header;
        let texts = [header.server(), header.pool(), header.eventname()];
        assert_eq!(texts, [&sent.server, &sent.pool, parts.event_type.name()], "{shown}");
        assert_eq!([header.serial(), header.poolserial()], [sent.serial, sent.poolserial], "{shown}");
        assert_eq!(event.event(), Ok(parts.event()), "{shown}");
    }
}
