//! The simulator's pool against the record of supervisor's own pools: order, overflow, rejection, serials.

use std::io::{Read, Write};
use std::time::Duration;

use crate::cases;
use crate::ground_truth::vectors;
use serde_json::Value;
use supervisor_events::simulator::{Pool, PoolEvent, Report, Simulator};
use supervisor_events::{EndlessResult, EventType, LengthUnit, ListenerOutput, ListenerState, Supervisor, Violation};

/// A pool and its listeners, as supervisord's main loop runs them.
struct Host {
    pool: Pool,
    listeners: Vec<(Supervisor, Option<PoolEvent>)>,
    discarded: Vec<u64>,
}

impl Host {
    fn take_back(&mut self, listener: usize) {
        if let Some(event) = self.listeners[listener].1.take() {
            self.discarded.extend(self.pool.take_back(event).map(|event| event.serial));
        }
    }

    fn read(&mut self, listener: usize, mut bytes: &[u8]) {
        while let Some(heard) = self.listeners[listener].0.advance(&mut bytes) {
            match heard {
                ListenerOutput::Result { ok: true } => self.listeners[listener].1 = None,
                ListenerOutput::Result { ok: false } | ListenerOutput::Violation(_) => self.take_back(listener),
                _ => {}
            }
        }
    }

    fn dispatch(&mut self) -> Vec<(usize, String)> {
        let mut sent = Vec::new();
        while let Some(event) = self.pool.next_event() {
            let ready = |(supervisor, _): &(Supervisor, _)| supervisor.state() == ListenerState::Ready;
            let Some(index) = self.listeners.iter().position(ready) else {
                assert_eq!(self.pool.take_back(event), None, "it has just left room");
                break;
            };
            let mut buffer = [0; 1000];
            let bytes = self.listeners[index].0.notify(&self.pool.envelope(&event), &mut buffer).unwrap();
            sent.push((index, String::from_utf8(bytes.to_vec()).unwrap()));
            self.listeners[index].1 = Some(event);
        }
        sent
    }
}

#[test]
fn every_recorded_pool() {
    let mut tested = 0;
    for vector in &vectors("pool", cases(1, 8)) {
        // An event that one pool rejects also goes to others; the simulator has only one pool.
        let [setup] = &vector["setup"]["pools"].as_array().unwrap()[..] else { continue };
        // Overlapping subscriptions put one event into the queue several times; the simulator has no subscriptions.
        let subscribed: Vec<_> =
            setup["events"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let subscriptions = |eventname: &str| {
            let event_type = EventType::from_name(eventname);
            subscribed.iter().filter(|name| event_type.is_a(EventType::from_name(name))).count()
        };
        if ["REMOTE_COMMUNICATION", "TICK_5"].iter().any(|eventname| subscriptions(eventname) > 1) {
            continue;
        }
        let name = vector["name"].as_str().unwrap();
        let listeners = setup["listeners"].as_array().unwrap();
        let mut host = Host {
            pool: Pool::default(),
            listeners: listeners.iter().map(|_| (Supervisor::new(LengthUnit::CodePoints), None)).collect(),
            discarded: Vec::new(),
        };
        host.pool.name = setup["name"].as_str().unwrap().to_owned();
        host.pool.buffer_size = setup["buffer_size"].as_u64().unwrap() as usize;
        let steps = vector["ops"].as_array().unwrap().iter().zip(vector["expected"].as_array().unwrap());
        for (index, (op, expected)) in steps.enumerate() {
            let listener = || op["listener"].as_u64().unwrap() as usize;
            let mut sent = Vec::new();
            host.discarded.clear();
            match op["op"].as_str().unwrap() {
                "read" => host.read(listener(), op["data"].as_str().unwrap().as_bytes()),
                "notify" => {
                    let [event, data] = ["event", "data"].map(|key| op[key].as_str().unwrap());
                    let payload = match op["type"].as_str() {
                        Some(kind) => format!("type:{kind}\n{data}"),
                        None => format!("when:{data}"),
                    };
                    if subscriptions(event) == 1 {
                        let discarded = host.pool.accept(event, payload.as_bytes());
                        host.discarded.extend(discarded.map(|event| event.serial));
                    }
                }
                "loop" => sent = host.dispatch(),
                "die" => {
                    host.take_back(listener());
                    host.listeners[listener()].0 = Supervisor::new(LengthUnit::CodePoints);
                }
                other => panic!("{other}"),
            }
            let place = format!("{name}, step {index}: {op}");
            let expected_sent: Vec<_> = expected["sent"]
                .as_array()
                .unwrap()
                .iter()
                .map(|sent| {
                    let listener = listeners.iter().position(|listener| *listener == sent[1]).unwrap();
                    (listener, sent[2].as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(sent, expected_sent, "{place}");
            let waiting: Vec<_> = host.pool.events().map(|event| event.serial).collect();
            assert_eq!(Value::from(waiting), expected["buffers"][setup["name"].as_str().unwrap()], "{place}");
            let states: Vec<_> = host.listeners.iter().map(|listener| listener.0.state().name()).collect();
            assert_eq!(Value::from(states), expected["states"][setup["name"].as_str().unwrap()], "{place}");
            let discarded = expected["log"].as_array().unwrap().iter().filter_map(|line| {
                line.as_str().unwrap().split_once("discarding event ").map(|(_, serial)| serial.parse::<u64>().unwrap())
            });
            assert_eq!(host.discarded, discarded.collect::<Vec<_>>(), "{place}");
        }
        tested += 1;
    }
    assert!(tested >= cases(20, 2), "{tested}");
}

/// A listener that answers with `answers`, and then always with the last of them.
fn run_with(answers: &'static [&'static [u8]]) -> (Simulator, Vec<Report>) {
    let (mut listener_input, to_listener) = std::io::pipe().unwrap();
    let (from_listener, mut listener_output) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        listener_output.write_all(b"READY\n").unwrap();
        let (mut answers, mut last) = (answers.iter(), &answers[0]);
        // An event this small arrives in one read.
        while listener_input.read(&mut [0; 1000]).unwrap() != 0 {
            last = answers.next().unwrap_or(last);
            listener_output.write_all(last).unwrap();
        }
    });
    let mut simulator = Simulator::new(from_listener, to_listener);
    simulator.notify("TICK_5", b"when:5");
    simulator.notify("TICK_5", b"when:10");
    let reports = simulator.run(Duration::from_secs(60));
    (simulator, reports)
}

#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for so many deliveries")]
fn a_run_ends_even_if_a_listener_rejects_an_event_endlessly() {
    let (mut simulator, reports) = run_with(&[b"RESULT 4\nFAILREADY\n"]);
    let rejections = |reports: &[Report]| {
        reports.iter().filter(|report| matches!(report, Report::Result { serial: 0, accepted: false, .. })).count()
    };
    let last = |rejections| Some(Report::EndlessRejection { serial: 0, rejections });
    assert_eq!((rejections(&reports), reports.last().cloned()), (100, last(100)));
    assert_eq!(simulator.pool.events().map(|event| event.deliveries).collect::<Vec<_>>(), [100, 0]);
    // Another call continues.
    let reports = simulator.run(Duration::from_secs(60));
    assert_eq!((rejections(&reports), reports.last().cloned()), (100, last(200)));
}

#[test]
#[cfg_attr(miri, ignore = "Miri is too slow for so many deliveries")]
fn a_run_outlasts_a_listener_that_rejects_at_first() {
    let mut answers = vec![&b"RESULT 4\nFAILREADY\n"[..]; 99];
    answers.push(b"RESULT 2\nOKREADY\n");
    let (simulator, reports) = run_with(answers.leak());
    let accepted = reports.iter().filter(|report| matches!(report, Report::Result { accepted: true, .. })).count();
    assert_eq!((accepted, simulator.pool.waiting(), simulator.state()), (2, 0, ListenerState::Ready));
}

#[test]
fn a_listener_that_breaks_the_protocol_is_given_no_more() {
    let (simulator, reports) = run_with(&[b"what?\n"]);
    assert!(reports.contains(&Report::Violation(Violation::BadResultLine)), "{reports:?}");
    assert_eq!((simulator.state(), simulator.pool.waiting()), (ListenerState::Unknown, 2));
    let (_, reports) = run_with(&[b"RESULT -1\n"]);
    assert!(reports.contains(&Report::EndlessResult(EndlessResult::NegativeLength)), "{reports:?}");
}

#[test]
fn without_a_process_there_is_nothing_to_end() {
    let (mut simulator, _) = run_with(&[b"RESULT 2\nOKREADY\n"]);
    assert_eq!(simulator.step(Duration::ZERO), [], "it is idle");
    assert!(simulator.pid().is_none() && simulator.take_stderr().is_none());
    #[cfg(unix)]
    assert!(simulator.terminate().is_err());
    assert!(matches!(simulator.wait(Duration::ZERO), Ok(None)));
}
