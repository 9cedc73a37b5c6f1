//! The supervisor's end against the listener's end: each reads what the other writes, and joined, they never get stuck.

use crate::cases;
use crate::fuzz::both_ends::{Action, Joined, Script};
use crate::fuzz::ends::{Ear, Machine, Said, Sent, result};
use crate::ground_truth::base64;
use crate::likely::{parts, sent};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use supervisor_events::{BufferTooSmall, Decoder, Event, LengthUnit, ListenerState, NotifyError, Step};

/// Splits `bytes` into pieces of these sizes, over and over.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), vec(1usize..8, 1..6), vec(1usize..300, 1..6)]
}

// ---- Typed events. ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1024, 1) as u32))]

    #[test]
    fn a_typed_event_is_read_as_it_was_written(parts in parts()) {
        let event = parts.event();
        prop_assert_eq!(event.event_type(), Some(parts.event_type));
        let mut buffer = [b'~'; 4096];
        let payload = event.write_to(&mut buffer).unwrap().to_vec();
        prop_assert_eq!(Event::parse(parts.event_type, &payload), Ok(event), "{}", payload.escape_ascii());
        prop_assert!(buffer[payload.len()..].iter().all(|byte| *byte == b'~'), "nothing is written after it");

        let needed = payload.len();
        for room in 0..needed {
            prop_assert_eq!(event.write_to(&mut buffer[..room]), Err(BufferTooSmall { needed }));
        }
        prop_assert_eq!(event.write_to(&mut buffer[..needed]), Ok(&payload[..]));
    }
}

/// The two ends could agree on a protocol of their own; this checks that it is supervisord's.
#[test]
fn what_supervisord_wrote_is_written_again() {
    let (mut envelopes, mut payloads) = (0, 0);
    for vector in &crate::ground_truth::notifications(cases(1, 20)) {
        let name = &vector["name"];
        let recorded = base64(&vector["envelope_b64"]);
        let mut decoder = Decoder::<8192>::with_header_limit(LengthUnit::CodePoints);
        let mut input = &recorded[..];
        let Ok(Some(Step::Header(header))) = decoder.advance(&mut input) else { panic!("{name}: a header") };
        let sent = Sent::new(
            [header.server(), header.pool(), header.eventname()],
            [header.serial(), header.poolserial()],
            input,
        );
        let mut buffer = vec![0; recorded.len()];
        assert_eq!(sent.envelope().write_to(LengthUnit::CodePoints, &mut buffer), Ok(&recorded[..]), "{name}");
        envelopes += 1;
        if vector["ambiguous"] != true
            && let Ok(event) = Event::parse(header.event_type(), input)
        {
            assert_eq!(event.write_to(&mut buffer), Ok(input), "{name}");
            payloads += 1;
        }
    }
    assert!(envelopes >= cases(160, 8) && payloads >= cases(140, 7), "{envelopes} envelopes, {payloads} payloads");
}

// ---- Notifications and replies. ----

fn unit() -> impl Strategy<Value = LengthUnit> {
    select(vec![LengthUnit::CodePoints, LengthUnit::Bytes])
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(b"OK".to_vec()), rejection()]
}

/// Anything but `OK`, the only answer that supervisord's own handler accepts.
fn rejection() -> impl Strategy<Value = Vec<u8>> {
    let likely = select(vec![&b"FAIL"[..], b"", b"O", b"KO", b"ok", b"OK\n", b"OKOK", b"READY\n", b"RESULT 2\nOK"]);
    let rejection = prop_oneof![likely.prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..120)];
    rejection.prop_filter("OK accepts", |data| data != b"OK")
}

/// An event, how it is sent and answered.
type Exchange = (Sent, Vec<u8>, [bool; 2], Vec<usize>);

fn exchanges() -> impl Strategy<Value = (LengthUnit, Vec<Exchange>)> {
    unit().prop_flat_map(|unit| {
        (Just(unit), vec((sent(unit, cases(600, 40)), reply(), any::<[bool; 2]>(), sizes()), 1..4))
    })
}

proptest! {
    #[test]
    fn an_event_and_its_reply_arrive_as_they_were_sent((unit, exchanges) in exchanges(), whole: bool) {
        let mut buffer = [0; 4096];
        let mut ear = Ear::new(unit);
        let mut machine = Machine::new(unit, whole);
        prop_assert_eq!(ear.hear(machine.ready()), [Said::Ready]);

        for (sent, reply, [in_parts, at_once], sizes) in exchanges {
            // A call that fails for lack of room changes nothing. Copies tell how much room is needed.
            let envelope = sent.envelope();
            let needed = ear.supervisor.clone().notify(&envelope, &mut buffer).unwrap().len();
            let header = ear.supervisor.clone().notify_header(&envelope, &mut buffer).unwrap().len();
            prop_assert_eq!(needed, header + sent.payload.len());
            for room in (0..needed).step_by(cases(1, 7)) {
                let error = ear.supervisor.notify(&envelope, &mut buffer[..room]).unwrap_err();
                prop_assert_eq!(error, NotifyError::BufferTooSmall(BufferTooSmall { needed }));
            }
            for room in (0..header).step_by(cases(1, 7)) {
                let error = ear.supervisor.notify_header(&envelope, &mut buffer[..room]).unwrap_err();
                prop_assert_eq!(error, NotifyError::BufferTooSmall(BufferTooSmall { needed: header }));
            }
            prop_assert_eq!(ear.state(), ListenerState::Ready);

            let stream = match in_parts {
                false => ear.supervisor.notify(&envelope, &mut buffer[..needed]).unwrap().to_vec(),
                true => {
                    let line = ear.supervisor.notify_header(&envelope, &mut buffer[..header]).unwrap();
                    [line, &sent.payload].concat()
                }
            };
            prop_assert_eq!(ear.state(), ListenerState::Busy);
            let error = ear.supervisor.notify(&envelope, &mut buffer).unwrap_err();
            prop_assert_eq!(error, NotifyError::NotReady(ListenerState::Busy));

            let received: Vec<_> = pieces(&stream, &sizes).filter_map(|piece| machine.read(piece)).collect();
            let len = sent.len(unit);
            prop_assert_eq!(received, [(sent, len)]);
            prop_assert_eq!(machine.state(), ListenerState::Busy);

            if at_once {
                let answer = machine.reply_and_ready(&reply);
                prop_assert_eq!(ear.hear_all(pieces(&answer, &sizes)), [result(&reply), Said::Ready]);
            } else {
                let answer = machine.reply(&reply);
                prop_assert_eq!(machine.state(), ListenerState::Acknowledged);
                let mut said = ear.hear_all(pieces(&answer, &sizes));
                // supervisord acts on a RESULT without data only when the next byte arrives.
                let acted = if reply.is_empty() { ListenerState::Busy } else { ListenerState::Acknowledged };
                prop_assert_eq!(ear.state(), acted);
                prop_assert_eq!(said.is_empty(), reply.is_empty());
                let (first, rest) = machine.ready().split_at(1);
                said.extend(ear.hear(first));
                prop_assert_eq!(&said, &[result(&reply)]);
                prop_assert_eq!(ear.state(), ListenerState::Acknowledged);
                prop_assert_eq!(ear.hear_all(pieces(rest, &sizes)), [Said::Ready]);
            }
            prop_assert_eq!((machine.state(), ear.state()), (ListenerState::Ready, ListenerState::Ready));
        }
    }
}

// ---- Both ends, joined. ----

fn action() -> impl Strategy<Value = Action> {
    let size = || prop_oneof![1u16..8, 1u16..400];
    prop_oneof![
        1 => Just(Action::Happen),
        2 => size().prop_map(Action::Send),
        2 => size().prop_map(Action::Receive),
        2 => size().prop_map(Action::Answer),
        2 => size().prop_map(Action::Hear),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let rejections = prop_oneof![2 => Just(vec![]), 1 => vec(rejection(), 1..4)];
    (unit(), cases(1000, 5)..cases(2000, 10))
        .prop_flat_map(move |(unit, events)| {
            (Just(unit), Just(events), vec((sent(unit, 80), rejections.clone()), 1..12))
        })
        .prop_map(|(unit, events, kinds)| Script { unit, events, kinds })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(16, 1) as u32))]

    #[test]
    fn the_two_ends_never_get_stuck(
        script in script(),
        schedule in vec(action(), 1..16),
        rooms in prop_oneof![1 => Just([1, 1]), 3 => [1usize..64, 1..64], 4 => [1usize..4096, 1..4096]],
        whole: bool,
        at_once: bool,
    ) {
        let mut joined = Joined::new(&script, whole, at_once, rooms);
        joined.run(&schedule);
        joined.assert_is_done();
    }
}
