//! Limits of streams: set when streams are created, reported if existing ones differ, and never changed.

use crate::nats::{Nats, Place, STREAM, deliver, payload, terminate};
use crate::support::PATIENCE;
use async_nats::jetstream::stream::Config;
use std::time::Duration;
use supervisor_events::simulator::Report;

const LIMITS: [&str; 8] = [
    "--stream-max-age",
    "60",
    "--stream-max-bytes",
    "1000000",
    "--stream-max-per-subject",
    "2",
    "--stream-replicas",
    "1",
];

fn config(nats: &Nats, stream: &str) -> Option<Config> {
    nats.ask(async |context| Some(context.get_stream(stream).await.ok()?.cached_info().config.clone()))
}

#[test]
fn a_stream_is_created_with_the_limits() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &LIMITS);
    (0..5).for_each(|number| deliver(&mut listener, &payload(number)));
    terminate(listener);
    let events = config(&nats, STREAM).unwrap();
    let limits = (events.max_age, events.max_bytes, events.max_messages_per_subject, events.num_replicas);
    assert_eq!(limits, (Duration::from_secs(60), 1_000_000, 2, 1));
    // No longer than the age, as the broker requires.
    assert_eq!(events.duplicate_window, Duration::from_secs(60));
    assert_eq!(nats.count(), 2);
    // A process that runs for a month is in no event of the last minute.
    let last = config(&nats, "supervisor_last").unwrap();
    assert_eq!((last.max_age, last.max_bytes, last.max_messages_per_subject), (Duration::ZERO, -1, 1));
    assert!(!place.log().contains("WARNING"), "{}", place.log());
}

#[test]
fn a_stream_that_is_there_is_left_as_it_is() {
    let Some(nats) = Nats::start() else { return };
    // As created by versions without last states.
    let own =
        Config { name: STREAM.into(), subjects: vec!["supervisor.>".into()], max_bytes: 5 << 20, ..Config::default() };
    let created =
        nats.ask(async |context| Some(context.create_stream(own.clone()).await.unwrap().cached_info().config.clone()));
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &[&LIMITS[..], &["--host", "a"]].concat());
    listener.notify("PROCESS_STATE_RUNNING", b"processname:cat groupname:pets from_state:STARTING pid:7");
    let reports = listener.run(PATIENCE);
    assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    let log = place.log();
    let differences = r#""differences":{"max_age":{"setting":60.0,"stream":0.0},"max_bytes":{"setting":1000000,"stream":5242880},"max_per_subject":{"setting":2,"stream":-1}}"#;
    assert!(log.contains("is left as it is") && log.contains(differences), "{log}");
    assert!(log.contains("another stream has the subjects of supervisor_last"), "{log}");
    assert_eq!(config(&nats, STREAM), created);
    assert!(config(&nats, "supervisor_last").is_none());
    let last = nats.ask(async |context| {
        let stream = context.get_stream(STREAM).await.ok()?;
        stream.get_last_raw_message_by_subject("supervisor.a.last.supervisor.process.pets.cat").await.ok()
    });
    assert!(last.is_some());
    let output = crate::nats::fleet(&nats, &["--once"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("pets:cat"));
    terminate(listener);
}

/// Without them, events are still published.
#[test]
fn nobody_keeps_last_states() {
    let Some(nats) = Nats::start() else { return };
    // It accepts only those of other machines.
    let other = Config { name: "other".into(), subjects: vec!["supervisor.b.last.>".into()], ..Config::default() };
    nats.ask(async |context| context.create_stream(other.clone()).await.ok()).unwrap();
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &["--host", "a", "--heartbeat", "0.1"]);
    for number in 0..3 {
        listener.notify("PROCESS_STATE_RUNNING", b"processname:cat groupname:pets from_state:STARTING pid:7");
        listener.run(PATIENCE);
        deliver(&mut listener, &payload(number));
    }
    assert_eq!(nats.messages(6).len(), 6);
    assert_eq!(place.log().matches("no stream keeps last states").count(), 1, "{}", place.log());
    terminate(listener);
}
