//! Notifications that own their bytes equal those that they were made from.

use crate::events::event_in;
use heapless::spsc::Queue;
use proptest::prelude::*;
use supervisor_events::{
    BufferTooSmall, Decoder, Event, Header, LengthUnit, Notification, OwnedNotification, Session, Step,
};

/// The first event of a stream.
fn read<T>(bytes: &[u8], buffer: usize, with: impl FnOnce(&Notification<'_>) -> T) -> T {
    let mut session = Session::new(vec![0; buffer], LengthUnit::CodePoints);
    session.ready().unwrap();
    let mut rest = bytes;
    loop {
        let space = session.space();
        let count = space.len().min(rest.len());
        assert_ne!(count, 0, "the event does not end");
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        if let Some(notification) = session.received(count).unwrap() {
            return with(&notification);
        }
    }
}

fn event(server: &str, name: &str, payload: &str) -> Vec<u8> {
    event_in(LengthUnit::CodePoints, server, 7, name, payload)
}

proptest! {
    #[test]
    fn what_comes_out_is_what_went_in(server in "[a-zé: \n]{0,20}", payload in "\\PC{0,60}", buffer in 200usize..400) {
        let bytes = event(&server, "X", &payload);
        read(&bytes, buffer, |notification| {
            let owned = OwnedNotification::<512>::try_from(notification).unwrap();
            prop_assert_eq!(owned.notification(), *notification);
            prop_assert_eq!(format!("{owned:?}"), format!("{notification:?}"));

            // The same, from the pieces that a decoder finds.
            if notification.omitted == 0 {
                let mut decoder = Decoder::new(LengthUnit::default());
                let mut pieces: Option<OwnedNotification<512>> = None;
                for mut byte in bytes.chunks(5) {
                    while let Some(step) = decoder.advance(&mut byte).unwrap() {
                        match step {
                            Step::Header(header) => pieces = Some(OwnedNotification::new(&header).unwrap()),
                            Step::Payload(piece) => pieces.as_mut().unwrap().push(piece),
                            Step::Complete => prop_assert_eq!(pieces.as_ref(), Some(&owned)),
                        }
                    }
                }
                prop_assert!(pieces.is_some());
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_queue_hands_events_to_another_thread() {
    static SENT: usize = 50;
    let mut queue: Queue<OwnedNotification<256>, 4> = Queue::new();
    let (mut sender, mut receiver) = queue.split();
    std::thread::scope(|scope| {
        let handler = scope.spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < SENT {
                let Some(owned) = receiver.dequeue() else {
                    std::thread::yield_now();
                    continue;
                };
                let Event::Tick(tick) = owned.notification().event().unwrap() else { panic!() };
                seen.push(tick.when);
            }
            seen
        });
        for when in 0..SENT {
            let bytes = event("s", "TICK_5", &format!("when:{when}"));
            let mut waiting = read(&bytes, 256, |notification| notification.try_into()).unwrap();
            while let Err(full) = sender.enqueue(waiting) {
                waiting = full;
                std::thread::yield_now();
            }
        }
        assert_eq!(handler.join().unwrap(), (0..SENT as u64).collect::<Vec<_>>());
    });
}

#[test]
fn what_does_not_fit_is_refused_or_cut() {
    let bytes = event("s", "X", "0123456789");
    let needed = bytes.len();
    assert_eq!((needed, bytes.iter().position(|byte| *byte == b'\n')), (75, Some(64)));
    read(&bytes, 256, |notification| {
        assert_eq!(OwnedNotification::<75>::try_from(notification).unwrap().notification(), *notification);
        assert_eq!(OwnedNotification::<74>::try_from(notification), Err(BufferTooSmall { needed }));

        let header = &notification.header;
        assert_eq!(OwnedNotification::<64>::new(header), Err(BufferTooSmall { needed: 65 }));
        assert_eq!(OwnedNotification::<65>::new(header).unwrap().notification().payload, b"");

        let mut cut = OwnedNotification::<72>::new(header).unwrap();
        cut.push(b"0123");
        cut.push(b"456789");
        let notification = cut.notification();
        assert_eq!((notification.payload, notification.omitted), (&b"0123456"[..], 3));
        assert_eq!(notification.header, *header);
    });
}

#[test]
fn what_was_omitted_before_stays_omitted() {
    let bytes = event("s", "X", &"x".repeat(1000));
    read(&bytes, 128, |notification| {
        assert!(notification.omitted > 800);
        let mut owned = OwnedNotification::<256>::try_from(notification).unwrap();
        assert_eq!(owned.notification(), *notification);
        owned.push(b"more");
        assert_eq!(owned.notification().payload, notification.payload, "there would be a gap");
        assert_eq!(owned.notification().omitted, notification.omitted + 4);
    });
}

#[test]
fn a_header_needs_no_newline() {
    let header = Header::parse(b"ver:3.0 server:s serial:1 pool:p poolserial:1 eventname:TICK_5 len:6").unwrap();
    let mut owned = OwnedNotification::<128>::new(&header).unwrap();
    owned.push(b"when:5");
    let notification = owned.notification();
    assert_eq!(notification.header, header);
    assert!(matches!(notification.event(), Ok(Event::Tick(tick)) if tick.when == 5));
}
