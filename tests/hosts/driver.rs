//! The driver, without a host around it.

use std::io;

use crate::table::{events, header};
use supervisor_events::host::driver::{Driver, DriverError, Next, Replied};
use supervisor_events::{BufferTooSmall, LengthUnit, ProtocolErrorKind, Reply, TurnError};

/// Feeds the bytes to the driver, and returns what it writes.
fn feed(driver: &mut Driver<[u8; 256]>, mut input: &[u8]) -> String {
    let mut written = Vec::new();
    loop {
        match driver.next().unwrap() {
            Next::Write(bytes) => {
                written.push(bytes[0]);
                driver.written(1);
            }
            Next::Flush => driver.flushed(),
            Next::Read(_) if input.is_empty() => break,
            Next::Read(space) => {
                let count = io::Read::read(&mut input, space).unwrap();
                driver.received(count);
            }
            Next::Handle(_) | Next::End => break,
        }
    }
    String::from_utf8(written).unwrap()
}

#[test]
fn a_driver_stops_with_the_event_under_way() {
    let event = events(&["abc"]).concat();
    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    assert_eq!(feed(&mut driver, &event[..10]), "READY\n");
    assert!(!driver.is_idle());
    driver.stop();
    assert!(matches!(driver.next(), Ok(Next::Read(_))));
    assert_eq!(feed(&mut driver, &event[10..]), "");
    assert!(matches!(driver.next(), Ok(Next::Handle(event)) if event.payload == b"abc"));
    assert_eq!(driver.reply(&Reply::OK), Ok(Replied::AsGiven));
    assert_eq!(feed(&mut driver, b""), "RESULT 2\nOK");
    assert_eq!(driver.next(), Ok(Next::End));
    assert_eq!(driver.next(), Ok(Next::End), "once more");
}

#[test]
fn a_driver_that_is_idle_stops_at_once() {
    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    driver.stop();
    assert_eq!(driver.next(), Ok(Next::End), "without a READY");

    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    assert_eq!(feed(&mut driver, b""), "READY\n");
    driver.stop();
    assert_eq!(driver.next(), Ok(Next::End));
}

#[test]
fn a_driver_tells_what_it_accepts_and_what_to_do_about_it() {
    let event = format!("{}\n", header(7, ""));
    let answers = |mut driver: Driver<[u8; 256]>| -> Vec<_> {
        let answer = |_| {
            feed(&mut driver, event.as_bytes());
            driver.reply(&Reply::new(b"no")).unwrap()
        };
        (0..4).map(answer).collect()
    };
    let driver = || Driver::new([0; 256], LengthUnit::Bytes);
    let Replied::Accepted(accepted) = answers(driver())[3].clone() else { panic!() };
    assert_eq!((accepted.serial(), accepted.eventname(), accepted.rejections()), (7, "X", 3));
    assert_eq!(
        accepted.to_string(),
        "event 7 (X) was rejected 3 times, and is accepted now: supervisord would send it again and again. Reject only \
         what may succeed soon"
    );
    assert!(matches!(answers(driver().max_rejections(0))[0], Replied::Accepted(_)));
    assert_eq!(answers(driver().result_handler(true)), vec![Replied::AsGiven; 4]);
}

#[test]
fn a_driver_remembers_the_last_16_rejected_events() {
    let mut driver = Driver::new([0; 256], LengthUnit::Bytes).max_rejections(1);
    let mut accepts = |serial: usize| {
        feed(&mut driver, format!("{}\n", header(serial, "")).as_bytes());
        driver.reply(&Reply::FAIL).unwrap() != Replied::AsGiven
    };
    assert!((0..17).all(|serial| !accepts(serial)));
    assert!(!accepts(0), "it was forgotten");
    assert!(accepts(2) && accepts(16));
}

#[test]
fn a_driver_tells_whose_fault_it_is() {
    let mut driver = Driver::new([0; 64], LengthUnit::Bytes);
    assert!(matches!(driver.reply(&Reply::OK), Err(DriverError::Turn(TurnError::NoEvent(_)))));
    let mut small = Driver::new([0; 5], LengthUnit::Bytes);
    assert_eq!(small.next(), Err(DriverError::BufferTooSmall(BufferTooSmall { needed: 6 })));

    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    feed(&mut driver, b"ver");
    driver.received(0);
    let broken = driver.next().err();
    assert!(matches!(broken, Some(DriverError::Protocol(error)) if error.kind == ProtocolErrorKind::TruncatedHeader));
    driver.received(0);
    driver.stop();
    assert_eq!(driver.next().err(), broken, "it stays broken");
    assert_eq!(driver.reply(&Reply::OK).err(), broken);

    // The end of a payload that was misjudged arrives where no input is due. The answer is not sent.
    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    feed(&mut driver, &[&events(&[""]).concat()[..], b"rest"].concat());
    assert_eq!(driver.reply(&Reply::OK), Ok(Replied::AsGiven));
    let broken = driver.next().err();
    assert!(matches!(broken, Some(DriverError::Protocol(error)) if error.kind == ProtocolErrorKind::OutOfTurn));
    assert_eq!(driver.reply(&Reply::OK).err(), broken, "it stays broken");

    // Input before the answer is out of turn.
    let mut driver = Driver::new([0; 256], LengthUnit::Bytes);
    feed(&mut driver, &events(&[""]).concat());
    driver.received(3);
    assert!(
        matches!(driver.reply(&Reply::OK), Err(DriverError::Protocol(error)) if error.kind == ProtocolErrorKind::OutOfTurn)
    );
}

#[test]
fn a_driver_tells_when_its_buffer_is_full_and_goes_on_in_a_larger_one() {
    let event = events(&["a payload of more bytes than there is room for"]).concat();
    let mut driver = Driver::new(vec![0; 100], LengthUnit::Bytes);
    let mut input = &event[..];
    let (mut full, mut payload) = (0, Vec::new());
    while payload.is_empty() {
        if driver.is_full() {
            full += 1;
            let size = driver.buffer_mut().len();
            driver.buffer_mut().resize(size + 10, 0);
        }
        match driver.next().unwrap() {
            Next::Write(bytes) => {
                let count = bytes.len();
                driver.written(count);
            }
            Next::Flush => driver.flushed(),
            Next::Read(space) => {
                let count = io::Read::read(&mut input, space).unwrap();
                driver.received(count);
            }
            Next::Handle(event) => payload = event.payload.to_vec(),
            Next::End => panic!("it has not ended"),
        }
    }
    assert!(event.ends_with(&payload) && payload.starts_with(b"a payload"));
    assert_eq!(full, (event.len() - 100).div_ceil(10));
}

#[test]
fn a_driver_tells_when_a_payload_is_whole_in_bytes() {
    // The server counts bytes.
    let event = format!("{}\né", header(0, "é").replace("len:1", "len:2"));
    let mut driver = Driver::new([0; 256], LengthUnit::CodePoints);
    feed(&mut driver, &event.as_bytes()[..event.len() - 1]);
    assert!(!driver.is_whole_in_bytes());
    feed(&mut driver, &event.as_bytes()[event.len() - 1..]);
    assert!(driver.is_whole_in_bytes());
    feed(&mut driver, b"x");
    assert!(!driver.is_whole_in_bytes(), "it is complete");
}
