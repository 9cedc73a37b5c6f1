//! Compares what the supervisor's end makes of a listener's output with the record of what supervisord made of it.

use crate::fuzz::conserve::notify;
use crate::ground_truth::base64;
use serde_json::Value;
use supervisor_events::{LengthUnit, ListenerOutput, ListenerState, Supervisor};

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

/// Checks that the supervisor's end judges a listener's output as supervisord did: a record of both, in the form of
/// `listener-output.json`.
pub fn check(vector: &Value) {
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
        // What supervisord does with its buffer in this case is an accident of recursion; it never leaves BUSY.
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

    // How the bytes are split changes nothing, unless an event can be sent in between.
    if !auto_dispatch && trace.iter().all(|step| step["unread"] != true) {
        let all = writes.concat();
        for size in [1, 2, 3, 7, all.len().max(1)] {
            let mut run = start();
            all.chunks(size).for_each(|piece| run.write(piece));
            assert_eq!(run.end(), expected, "{name} in {size}s");
        }
    }
}
