//! Headers that supervisord does not send today, and lines that are not headers: how they are read, and which errors
//! they give.

use crate::cases;
use supervisor_events::{
    Decoder, Header, LengthUnit, ProtocolError, ProtocolErrorKind, Session, Step, TokenError, TokenErrorKind,
};

fn parse(line: &str) -> Result<Header<'_>, TokenError> {
    Header::parse(line.as_bytes())
}

#[track_caller]
fn refused(line: &[u8], key: &str, kind: TokenErrorKind, offset: usize) {
    let error = Header::parse(line).unwrap_err();
    assert_eq!((error.key.name(), error.kind, error.offset), (key, kind, offset), "{}", line.escape_ascii());
}

#[test]
fn identifiers_hold_anything() {
    for server in [
        "",
        "host:9001",
        "my host name",
        " outer ",
        "a serial:99 pool:x len:3",
        "süp 日本😀",
        "one\ntwo",
        "one\n two serial:1\n",
        "x ver:2.0",
        "x server:y",
        "x server:y serial:5",
        "eventname:TICK_60 len:7",
        "a eventname:E len:1 b\nc",
        "a eventname:E b len:1\nc",
        "a server:b\nserver:c d",
        "a\neventname:E len:1\nb",
        "key:value other:",
        "::",
    ] {
        let pools = ["listener", " lead", "trail ", "", "tab\tx", "nbsp\u{a0}x", "a=b,c;d"];
        for pool in pools.into_iter().step_by(cases(1, 3)) {
            let line = format!("ver:3.0 server:{server} serial:21 pool:{pool} poolserial:10 eventname:TICK_5 len:15");
            let header = parse(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert_eq!((header.ver(), header.server(), header.serial()), ("3.0", server, 21), "{line:?}");
            assert_eq!((header.pool(), header.poolserial()), (pool, 10), "{line:?}");
            assert_eq!((header.eventname(), header.len()), ("TICK_5", 15), "{line:?}");
            let tokens: Vec<_> = header.tokens().collect();
            let expected = [
                ("ver", "3.0"),
                ("server", server),
                ("serial", "21"),
                ("pool", pool),
                ("poolserial", "10"),
                ("eventname", "TICK_5"),
                ("len", "15"),
            ];
            assert_eq!(tokens, expected, "{line:?}");
            // The same header from a stream, byte by byte, with the newline at its end.
            let stream = line + "\n";
            let mut decoder = Decoder::new(LengthUnit::CodePoints);
            let mut read = None;
            for mut byte in stream.as_bytes().chunks(1) {
                while let Some(step) = decoder.advance(&mut byte).unwrap() {
                    let Step::Header(header) = step else { panic!("{step:?}") };
                    assert_eq!(header.server(), server);
                    read = Some(header.as_str().len() + 1);
                }
            }
            assert_eq!(read, Some(stream.len()));
        }
    }
}

#[test]
fn other_orders_and_unknown_keys() {
    let reordered = parse("ver:3.0 len:6 eventname:TICK_5 poolserial:1 pool:p serial:2 server:my host").unwrap();
    assert_eq!((reordered.server(), reordered.serial(), reordered.len()), ("my host", 2, 6));
    // A key that came before the identifier does not end it.
    let before = parse("ver:3.0 serial:2 server:my serial:9 pool:p poolserial:1 eventname:E len:6").unwrap();
    assert_eq!((before.server(), before.serial()), ("my serial:9", 2));

    let line = "ver:3.1 server:my host serial:2 span:a:b pool:p zone:1 poolserial:1 eventname:E len:0 empty: tail:z";
    let header = parse(line).unwrap();
    assert_eq!((header.server(), header.pool(), header.eventname()), ("my host", "p", "E"));
    assert_eq!(header.get("span"), Some("a:b"));
    assert_eq!(header.get("zone"), Some("1"));
    assert_eq!(header.get("empty"), Some(""));
    assert_eq!(header.get("tail"), Some("z"));
    assert_eq!(header.get("none"), None);
    assert_eq!(header.tokens().count(), 11);

    let pool = parse("ver:3.0 server:s serial:1 pool:a b d:e poolserial:2 eventname:E len:3").unwrap();
    assert_eq!((pool.pool(), pool.get("d")), ("a b", Some("e")));

    let spaced = parse("ver:3.0  server:s serial:1  pool:p poolserial:2   eventname:E len:3 ").unwrap();
    assert_eq!((spaced.ver(), spaced.serial(), spaced.poolserial(), spaced.len()), ("3.0", 1, 2, 3));
    assert_eq!((spaced.pool(), spaced.eventname(), spaced.tokens().count()), ("p", "E", 7));

    // In a stream, too: the header ends at the newline after which no key is missing, even if the identifier holds
    // others.
    let mut input = &b"ver:3.0 len:0 server:my\nhost serial:1 pool:p poolserial:0 eventname:E k:v\nver:"[..];
    let mut decoder = Decoder::new(LengthUnit::default());
    let Some(Step::Header(header)) = decoder.advance(&mut input).unwrap() else { panic!() };
    assert_eq!((header.server(), header.get("k"), input), ("my\nhost", Some("v"), &b"ver:"[..]));

    let mut input = &b"ver:3.0 len:0 server:x serial:1 pool:p poolserial:0 eventname:E k:v\nver:"[..];
    let mut decoder = Decoder::new(LengthUnit::default());
    let Some(Step::Header(header)) = decoder.advance(&mut input).unwrap() else { panic!() };
    assert_eq!(header.get("k"), Some("v"));
    assert_eq!(input, b"ver:");
}

#[test]
fn numbers_go_to_the_end_of_their_type() {
    let most = u64::MAX.to_string();
    let line = format!("ver:3.0 server:s serial:{most} pool:p poolserial:{most} eventname:E len:{most}");
    let header = parse(&line).map(|header| (header.serial(), header.poolserial(), header.len()));
    assert_eq!(header, Ok((u64::MAX, u64::MAX, u64::MAX)));
}

#[test]
fn every_error_names_the_key_and_the_place() {
    let usual = "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3";
    assert!(parse(usual).is_ok());
    for key in ["server", "serial", "pool", "poolserial", "eventname", "len"] {
        let without: Vec<_> = usual.split(' ').filter(|token| !token.starts_with(&format!("{key}:"))).collect();
        let without = without.join(" ");
        refused(without.as_bytes(), key, TokenErrorKind::Missing, without.len());
    }
    refused(b"", "ver", TokenErrorKind::Missing, 0);
    refused(b"server:s serial:1 pool:p poolserial:2 eventname:E len:3 ver:3.0", "ver", TokenErrorKind::Missing, 63);

    refused(
        b"ver:3.0 server:s serial:x pool:p poolserial:2 eventname:E len:3",
        "serial",
        TokenErrorKind::NotANumber,
        24,
    );
    refused(
        b"ver:3.0 server:s serial:-1 pool:p poolserial:2 eventname:E len:3",
        "serial",
        TokenErrorKind::NotANumber,
        24,
    );
    refused(
        b"ver:3.0 server:s serial:1 pool:p poolserial: eventname:E len:3",
        "poolserial",
        TokenErrorKind::NotANumber,
        44,
    );
    refused(
        b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3\r\n",
        "len",
        TokenErrorKind::NotANumber,
        62,
    );
    let large = b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:18446744073709551616";
    refused(large, "len", TokenErrorKind::TooLarge, 62);
    let larger =
        b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:20000000000000000000000000000000000000";
    refused(larger, "len", TokenErrorKind::TooLarge, 62);

    refused(b"ver: server:s serial:1 pool:p poolserial:2 eventname:E len:3", "ver", TokenErrorKind::Invalid, 4);
    refused(
        b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname: len:3",
        "eventname",
        TokenErrorKind::Invalid,
        56,
    );

    // Of several errors, a missing key is reported first, then the leftmost error.
    refused(
        b"ver:3.0 server:s serial:x pool:p poolserial:y eventname: len:z",
        "serial",
        TokenErrorKind::NotANumber,
        24,
    );
    let incomplete = b"ver:3.0 server:s serial:x pool:p what eventname:E len:z";
    refused(incomplete, "poolserial", TokenErrorKind::Missing, incomplete.len());

    // Foreign bytes that begin like a header, and the header after them.
    let foreign = b"ver:3.0\nver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3";
    refused(foreign, "ver", TokenErrorKind::Invalid, 4);

    // Duplicate keys are errors unless they are part of the identifier.
    let doubled = b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3 len:4";
    refused(doubled, "len", TokenErrorKind::Duplicate, 64);
    let doubled = b"ver:3.0 server:s serial:1 pool:p pool:q poolserial:2 eventname:E len:3";
    refused(doubled, "pool", TokenErrorKind::Duplicate, 33);
    let doubled = b"ver:3.0 server:s serial:1 pool:p what pool:q poolserial:2 eventname:E len:3";
    refused(doubled, "pool", TokenErrorKind::Duplicate, 38);
    let doubled = b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E ver:3 len:3";
    refused(doubled, "ver", TokenErrorKind::Duplicate, 58);

    refused(
        b"ver:3.0 server:s serial:1 what pool:p poolserial:2 eventname:E len:3",
        "serial",
        TokenErrorKind::NotAToken,
        26,
    );
    refused(
        b"ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3 :v",
        "len",
        TokenErrorKind::NotAToken,
        64,
    );

    refused(
        b"ver:3.0 server:s serial:1 pool:a b :c poolserial:2 eventname:E len:3",
        "pool",
        TokenErrorKind::NotAToken,
        35,
    );
    refused(
        b"ver:3.0 server:s serial:1 pool:a b:c d poolserial:2 eventname:E len:3",
        "pool",
        TokenErrorKind::NotAToken,
        37,
    );

    refused(
        b"ver:3.0 server:s serial:1 b:c d pool:a poolserial:2 eventname:E len:3",
        "serial",
        TokenErrorKind::NotAToken,
        30,
    );
    refused(
        b"ver:3.0 server:s serial:1 d b:c pool:a poolserial:2 eventname:E len:3",
        "serial",
        TokenErrorKind::NotAToken,
        26,
    );

    refused(
        b"ver:3.0 server:a\xffb serial:1 pool:p poolserial:2 eventname:E len:3",
        "server",
        TokenErrorKind::NotUtf8,
        16,
    );
    refused(b"ver:3.0 server:s serial:1 pool:\xc3 poolserial:2 eventname:E len:3", "pool", TokenErrorKind::NotUtf8, 31);
}

/// A line that can no longer become a header is refused at its newline: a listener that waited for more would wait
/// forever.
#[test]
fn a_header_that_cannot_be_read_is_refused_at_its_newline() {
    for (line, key, kind, offset) in [
        ("ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:3\r", "len", TokenErrorKind::NotANumber, 62),
        ("ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:", "len", TokenErrorKind::NotANumber, 62),
        ("ver:3.0 server:s serial:1 pool:p eventname:E len:3", "poolserial", TokenErrorKind::Missing, 50),
        ("ver:3.0 eventname: len:x", "server", TokenErrorKind::Missing, 24),
        ("ver:3.0 len:x server:s serial:1 pool:p poolserial:2 eventname:E", "len", TokenErrorKind::NotANumber, 12),
    ] {
        let stream = format!("{line}\n");
        for size in [1, 7, stream.len()] {
            let mut decoder = Decoder::new(LengthUnit::default());
            let result =
                stream.as_bytes().chunks(size).try_for_each(|mut piece| match decoder.advance(&mut piece)? {
                    None => Ok(()),
                    Some(step) => panic!("{step:?}"),
                });
            let Err(ProtocolError { kind: ProtocolErrorKind::Header(error), offset: at, .. }) = result else {
                panic!("{line:?} by {size}: {result:?}")
            };
            assert_eq!((error.key.name(), error.kind, at), (key, kind, offset), "{line:?} by {size}");
        }
    }
}

/// The header is read again at each newline, so the number of newlines has to be limited where buffers may be large.
#[test]
fn a_flood_of_short_lines_is_refused() {
    let read = |newlines: usize| {
        let server = "a \n".repeat(newlines);
        let stream = format!("ver:3.0 server:{server} serial:1 pool:p poolserial:2 eventname:E len:0\n");
        let mut session = Session::new(vec![0; stream.len() + 1], LengthUnit::CodePoints);
        session.ready().unwrap();
        session.space()[..stream.len()].copy_from_slice(stream.as_bytes());
        let notification = session.received(stream.len())?.unwrap();
        assert_eq!(notification.header.server(), server);
        Ok::<(), ProtocolError>(())
    };
    assert_eq!(read(16), Ok(()));
    for newlines in [17, cases(500_000, 1000)] {
        let error = read(newlines).unwrap_err();
        assert_eq!((error.kind, error.offset), (ProtocolErrorKind::NotAHeader, 0));
    }
}

#[test]
fn errors_carry_the_offset_in_the_stream() {
    let good = "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:2\nab";
    for (bad, kind, offset) in [
        ("READY\n", ProtocolErrorKind::NotAHeader, 0),
        ("vex", ProtocolErrorKind::NotAHeader, 0),
        ("\n", ProtocolErrorKind::NotAHeader, 0),
        ("ver:3.0", ProtocolErrorKind::TruncatedHeader, 7),
        ("v", ProtocolErrorKind::TruncatedHeader, 1),
        (
            "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:5\nab",
            ProtocolErrorKind::TruncatedPayload { missing: 3 },
            66,
        ),
        (
            "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:5\né€",
            ProtocolErrorKind::TruncatedPayload { missing: 3 },
            69,
        ),
    ] {
        let stream = format!("{good}{bad}");
        for size in [1, 2, 5, stream.len()] {
            let mut decoder = Decoder::new(LengthUnit::default());
            let mut events = 0;
            let mut result = Ok(());
            'stream: for mut input in stream.as_bytes().chunks(size) {
                loop {
                    match decoder.advance(&mut input) {
                        Ok(Some(Step::Complete)) => events += 1,
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => {
                            result = Err(error);
                            // Sticky, whatever comes.
                            assert_eq!(decoder.advance(&mut good.as_bytes()), Err(error));
                            assert_eq!(decoder.end(), Err(error));
                            break 'stream;
                        }
                    }
                }
            }
            let error = result.and_then(|()| decoder.end()).unwrap_err();
            assert_eq!((error.kind, error.offset), (kind, (good.len() + offset) as u64), "{bad:?} in {size}s");
            assert!(error.to_string().starts_with(&format!("byte {}: ", error.offset)), "{error}");
            assert_eq!(events, 1);
        }
    }
}

#[test]
fn the_limit_of_a_header_is_the_same_in_one_piece_or_many() {
    let line = "ver:3.0 server:s serial:1 pool:p poolserial:2 eventname:E len:0\n";
    assert_eq!(line.len(), 64);
    fn run<const N: usize>(line: &str, size: usize) -> Result<u32, (u64, ProtocolErrorKind)> {
        let mut decoder = Decoder::<N>::default();
        let mut events = 0;
        for mut input in line.as_bytes().chunks(size) {
            while let Some(step) = decoder.advance(&mut input).map_err(|error| (error.offset, error.kind))? {
                events += u32::from(step == Step::Complete);
            }
        }
        Ok(events)
    }
    for size in [1, 3, 63, 64] {
        assert_eq!(run::<64>(line, size), Ok(1));
        assert_eq!(run::<63>(line, size), Err((63, ProtocolErrorKind::HeaderTooLong { limit: 63 })));
        assert_eq!(run::<0>(line, size), Err((0, ProtocolErrorKind::HeaderTooLong { limit: 0 })));
    }
}
