//! The form of a message, whatever supervisord's names contain.

use crate::nats::{Nats, Place, deliver, header, payload, terminate};
use crate::support::{PATIENCE, wait_for};
use supervisor_events::{Envelope, LengthUnit};

#[test]
fn odd_identifiers() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let odd = ["", "trading host", "one\ntwo", "hôst é 😀", "a.b.*.>", " serial:99 pool:x len:3", "100%", "\ttab "];
    for (number, name) in (1..).zip(odd) {
        let mut listener = place.listener(&nats.url(), &["--host", if name.is_empty() { "h" } else { name }]);
        listener.pool.server = name.into();
        listener.pool.name = format!("{number}{}", name.replace(['\n', ' ', ':'], "é"));
        let pool = listener.pool.name.clone();
        deliver(&mut listener, &payload(0));
        let messages = nats.messages(number);
        let message = messages.last().unwrap();
        assert_eq!(messages.len() as u64, number);
        let values = ["ver", "server", "serial", "pool", "poolserial", "eventname"]
            .map(|key| header(message, &format!("Supervisor-{key}")));
        assert_eq!(values, ["3.0", name, "0", &pool, "0", "REMOTE_COMMUNICATION"]);
        assert_eq!(message.payload, payload(0));
        terminate(listener);
    }
    let subjects: Vec<_> = nats.messages(8).iter().map(|message| message.subject.to_string()).collect();
    let hosts = ["h", "trading%20host", "one%0Atwo", "h%C3%B4st%20%C3%A9%20%F0%9F%98%80", "a%2Eb%2E%2A%2E%3E"];
    let hosts = hosts.into_iter().chain(["%20serial%3A99%20pool%3Ax%20len%3A3", "100%25", "%09tab%20"]);
    let expected = hosts.map(|host| format!("supervisor.{host}.REMOTE_COMMUNICATION"));
    assert_eq!(subjects, expected.collect::<Vec<_>>());
}

#[test]
fn unknown_tokens_and_names() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &[]);
    wait_for("READY", || listener.step(PATIENCE).pop());
    let envelope =
        Envelope { server: "s", serial: 7, pool: "p", poolserial: 3, eventname: "My.Event", payload: b"\0\xff\n" };
    let mut buffer = [0; 200];
    let bytes = envelope.write_to(LengthUnit::CodePoints, &mut buffer).unwrap();
    let text = [b"ver:4.0 colour:r%d Nats-Msg-Id:x host:h1", bytes.strip_prefix(b"ver:3.0").unwrap()].concat();
    listener.write(&text);
    let message = nats.messages(1).remove(0);
    assert!(message.subject.ends_with(".My%2EEvent"), "{}", message.subject);
    let values =
        ["ver", "colour", "Nats-Msg-Id", "host", "len"].map(|key| header(&message, &format!("Supervisor-{key}")));
    assert_eq!(values, ["4.0", "r%d", "x", "h1", "3"]);
    assert!(header(&message, "Nats-Msg-Id").ends_with("/s/p/7"));
    assert_eq!(&message.payload[..], b"\0\xff\n");
}

/// The broker accepts a megabyte.
#[test]
fn a_payload_that_is_too_large_for_the_broker() {
    let Some(nats) = Nats::start() else { return };
    let place = Place::new();
    let mut listener = place.listener(&nats.url(), &[]);
    let large = vec![b'x'; 3 << 20];
    deliver(&mut listener, &large);
    deliver(&mut listener, &payload(1));
    let messages = nats.messages(2);
    let omitted: usize = header(&messages[0], "Forward-Omitted").parse().unwrap();
    assert_eq!(messages[0].payload.len() + omitted, large.len());
    assert!(omitted < (2 << 20) + 2000, "{omitted}");
    assert_eq!(messages[1].payload, payload(1));
    terminate(listener);
}
