//! What the supervisor's end makes of a listener's bytes, against what supervisor's own dispatcher made of them.
//!
//! Every file named `listener-output*.json` in `tests/ground-truth` is tested: a new one needs no change here.

use crate::ground_truth::{base64, recorded_like};
use serde_json::Value;
use supervisor_events::{
    EndlessResult, Envelope, LengthUnit, ListenerOutput, ListenerState, Quirk, Supervisor, Violation,
};

/// What supervisord did, step by step.
#[derive(Debug, Default, PartialEq)]
struct Account {
    transitions: Vec<String>,
    results: Vec<Vec<u8>>,
    rejected: Vec<u64>,
    state: String,
    left: Vec<u8>,
}

struct Run {
    supervisor: Supervisor,
    account: Account,
    result: Vec<u8>,
    written: Vec<u8>,
    event: Option<u64>,
    next_event: u64,
    auto_dispatch: bool,
    handler: String,
}

fn notify(supervisor: &mut Supervisor) {
    let envelope = Envelope { server: "s", serial: 0, pool: "p", poolserial: 0, eventname: "X", payload: b"" };
    supervisor.notify(&envelope, &mut [0; 100]).unwrap();
}

impl Run {
    fn new(start: &str, auto_dispatch: bool, handler: &str) -> Self {
        let mut run = Self {
            supervisor: Supervisor::new(LengthUnit::CodePoints),
            account: Account::default(),
            result: Vec::new(),
            written: Vec::new(),
            event: None,
            next_event: 0,
            auto_dispatch,
            handler: handler.to_owned(),
        };
        let ways: &[&[u8]] = match start {
            "ACKNOWLEDGED" => &[],
            "READY" | "BUSY" => &[b"READY\n"],
            "UNKNOWN" => &[b"-----\n"],
            other => panic!("{other}"),
        };
        for mut bytes in ways.iter().copied() {
            while run.supervisor.advance(&mut bytes).is_some() {}
        }
        if start == "BUSY" {
            run.dispatch();
        }
        assert_eq!(run.supervisor.state().name(), start);
        run
    }

    fn dispatch(&mut self) {
        notify(&mut self.supervisor);
        self.event = Some(self.next_event);
        self.next_event += 1;
    }

    fn went(&mut self, from: ListenerState) {
        self.account.transitions.push(format!("{}->{}", from.name(), self.supervisor.state().name()));
    }

    fn reject(&mut self) {
        self.account.rejected.extend(self.event.take());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.written.extend(bytes);
        let mut input = bytes;
        loop {
            let before = self.supervisor.state();
            let Some(heard) = self.supervisor.advance(&mut input) else { break };
            match heard {
                ListenerOutput::Ready => self.went(before),
                ListenerOutput::ResultLine { .. } => self.result.clear(),
                ListenerOutput::ResultData(data) => self.result.extend(data),
                ListenerOutput::Result { ok } => {
                    assert_eq!(ok, self.result == b"OK");
                    self.account.results.push(std::mem::take(&mut self.result));
                    match self.handler.as_str() {
                        "default" if !ok => {
                            self.went(before);
                            self.reject();
                        }
                        "raise" => {
                            self.supervisor.handler_failed();
                            self.went(before);
                            self.reject();
                        }
                        _ => self.went(before),
                    }
                    self.event = None;
                }
                ListenerOutput::Violation(_) => {
                    self.went(before);
                    if before == ListenerState::Busy {
                        self.reject();
                    }
                    self.event = None;
                }
                ListenerOutput::EndlessResult(_) => assert_eq!(self.supervisor.state(), ListenerState::Busy),
                other => panic!("{other:?}"),
            }
        }
        assert!(input.is_empty());
        if self.auto_dispatch && self.supervisor.state() == ListenerState::Ready {
            self.dispatch();
        }
    }

    fn end(mut self) -> Account {
        self.account.state = self.supervisor.state().name().to_owned();
        let left = self.supervisor.pending() as usize;
        self.account.left = self.written[self.written.len() - left..].to_vec();
        self.account
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_recorded_judgement() {
    let mut tested = 0;
    for file in recorded_like("listener-output") {
        for vector in file["vectors"].as_array().unwrap() {
            check(vector);
            tested += 1;
        }
    }
    assert!(tested >= 490, "{tested}");
}

fn check(vector: &Value) {
    let name = vector["name"].as_str().unwrap();
    let writes: Vec<_> = vector["writes_b64"].as_array().unwrap().iter().map(base64).collect();
    let auto_dispatch = vector["auto_dispatch"].as_bool().unwrap();
    let start = || {
        let handler = vector["result_handler"].as_str().unwrap();
        Run::new(vector["start_state"].as_str().unwrap(), auto_dispatch, handler)
    };
    let mut run = start();
    let trace = vector["expected"]["trace"].as_array().unwrap();
    assert_eq!(trace.len(), writes.len());
    for (write, step) in writes.iter().zip(trace) {
        // Its output has ended: nothing more is read.
        if step["unread"] != true {
            run.write(write);
        }
        assert_eq!(run.supervisor.state().name(), step["state"].as_str().unwrap(), "{name}");
    }
    let account = run.end();
    let expected = &vector["expected"];
    if vector["negative_length"] == true {
        // What supervisord does with its buffer then is an accident of recursion; it never comes back.
        assert_eq!(account.state, "BUSY", "{name}");
        return;
    }
    let rejected: Vec<_> =
        expected["rejected_events"].as_array().unwrap().iter().map(|event| event.as_u64().unwrap()).collect();
    let expected = Account {
        transitions: strings(&expected["transitions"]),
        results: expected["results_b64"].as_array().unwrap().iter().map(base64).collect(),
        rejected,
        state: expected["final_state"].as_str().unwrap().to_owned(),
        left: base64(&expected["left_b64"]),
    };
    assert_eq!(account, expected, "{name}");

    // How the bytes are cut changes nothing, unless an event can be sent in between.
    if !auto_dispatch && trace.iter().all(|step| step["unread"] != true) {
        let all = writes.concat();
        for size in [1, 2, 3, 7, all.len().max(1)] {
            let mut run = start();
            all.chunks(size).for_each(|piece| run.write(piece));
            assert_eq!(run.end(), expected, "{name} in {size}s");
        }
    }
}

fn heard(said: &[u8]) -> Vec<ListenerOutput<'_>> {
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    supervisor.advance(&mut &b"READY\n"[..]);
    notify(&mut supervisor);
    let mut said = said;
    std::iter::from_fn(|| supervisor.advance(&mut said)).collect()
}

#[test]
fn oddities_are_told_though_they_are_taken() {
    let line = |quirk| {
        vec![
            ListenerOutput::ResultLine { len: 2, quirk },
            ListenerOutput::ResultData(b"OK"),
            ListenerOutput::Result { ok: true },
        ]
    };
    assert_eq!(heard(b"RESULT 2\nOK"), line(None));
    for odd in ["RESULT  2", "RESULT +2", "RESULT 02", "RESULT 0_2", "RESULT 2\r", "RESULT 2 "] {
        assert_eq!(heard(format!("{odd}\nOK").as_bytes()), line(Some(Quirk::Number)), "{odd}");
    }
    for odd in ["result 2", "RESULT:2", "1234567 2", "RESULTS2"] {
        assert_eq!(heard(format!("{odd}\nOK").as_bytes()), line(Some(Quirk::Prefix)), "{odd}");
    }
}

#[test]
fn what_ends_in_unknown_or_never_is_told_apart() {
    assert_eq!(heard(b"RESULT -1\nOKREADY\n"), [ListenerOutput::EndlessResult(EndlessResult::NegativeLength)]);
    assert_eq!(heard(b"RESULT 99999999999999999999\nOK"), [ListenerOutput::EndlessResult(EndlessResult::HugeLength)]);
    assert_eq!(heard(b"RESULT \nOK"), [ListenerOutput::Violation(Violation::BadResultLine)]);
    assert_eq!(heard(format!("RESULT {}\n", "0".repeat(4300)).as_bytes()).len(), 1);
    assert_eq!(
        heard(format!("RESULT {}\nx", "0".repeat(4301)).as_bytes()),
        [ListenerOutput::Violation(Violation::BadResultLine)]
    );
    let newline = heard(b"RESULT 2\nOK\nREADY\n");
    assert_eq!(newline[3..], [ListenerOutput::Violation(Violation::NotReady(*b"\nREADY"))]);
    assert_eq!(heard(b"RESULT 2\nOKREADY\nR")[4..], [ListenerOutput::Violation(Violation::Spurious(b'R'))]);
}

#[test]
fn a_notification_out_of_turn_is_refused() {
    let envelope = Envelope { server: "s", serial: 0, pool: "p", poolserial: 0, eventname: "X", payload: b"" };
    let mut buffer = [0; 100];
    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
    supervisor.advance(&mut &b"READY\n"[..]);
    assert!(supervisor.notify(&envelope, &mut [0; 10]).is_err());
    assert_eq!(supervisor.state(), ListenerState::Ready, "a refused one changes nothing");
    assert!(supervisor.notify(&envelope, &mut buffer).is_ok());
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
    supervisor.advance(&mut &b"nonsense\n"[..]);
    assert_eq!(supervisor.state(), ListenerState::Unknown);
    assert!(supervisor.notify(&envelope, &mut buffer).is_err());
}
