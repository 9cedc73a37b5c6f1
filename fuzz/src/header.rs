//! Everything read from a header or a payload is in it, and an error has the right offset.
//!
//! * `Header::parse` never panics. Its tokens are in the order of the line and cover it, except for the spaces between
//!   and after them. Each of the seven keys occurs once; the fields are their values; only `server` and `pool` hold
//!   spaces.
//! * A line in supervisord's own order is read as a greedy regular expression reads it ([`reference`]).
//! * A trailing space disables the short cut for usual lines, and changes nothing.
//! * Of several errors, invalid UTF-8 outranks the others, and then a missing key ([`outranks`]).
//! * `Event::parse` never panics. Everything that it returns is in the payload, and so is the offset of an error.

use supervisor_events::{Event, EventError, EventType, Header, TokenError, TokenErrorKind, Tokens};

const KEYS: [&str; 7] = ["ver", "server", "serial", "pool", "poolserial", "eventname", "len"];

/// Reads the bytes as a header, and as a payload of each type.
pub fn check(bytes: &[u8]) {
    header(bytes);
    for &event_type in EventType::ALL.iter().chain(&[EventType::from_name("OURS")]) {
        event(event_type, bytes);
    }
}

fn header(bytes: &[u8]) {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let parsed = Header::parse(bytes);
    match &parsed {
        Ok(header) => {
            assert_eq!(header.as_str().as_bytes(), line);
            covers(header);
            fields(header);
        }
        Err(error) => {
            assert!(KEYS.contains(&error.key.name()));
            points_at_its_place(error, line);
        }
    }
    outranks(&parsed, line);
    if let Ok(line) = std::str::from_utf8(line) {
        agrees_with_reference(&parsed, line);
    }
    trailing_space(&parsed, line);
}

/// The tokens, joined by spaces, are the line.
fn covers(header: &Header<'_>) {
    let line = header.as_str();
    let mut rest = line;
    for (index, (key, value)) in header.tokens().enumerate() {
        let token = rest.trim_start_matches(' ');
        assert_eq!(index > 0, token.len() < rest.len(), "spaces separate tokens, and only tokens");
        assert!(!key.is_empty() && !key.contains([' ', ':']));
        let after = token.strip_prefix(key).and_then(|token| token.strip_prefix(':')).expect("the key is next");
        assert_eq!(after.as_ptr(), value.as_ptr(), "the value is borrowed from the line");
        rest = &after[value.len()..];
        assert!(matches!(key, "server" | "pool") || !value.contains(' '));
        let first = header.tokens().find(|token| token.0 == key).map(|token| token.1);
        assert_eq!(header.get(key), first);
    }
    assert!(rest.chars().all(|space| space == ' '), "left over: {rest:?} of {line:?}");
}

fn fields(header: &Header<'_>) {
    for key in KEYS {
        assert_eq!(header.tokens().filter(|token| token.0 == key).count(), 1, "{key}");
    }
    let texts = [
        ("ver", header.ver()),
        ("server", header.server()),
        ("pool", header.pool()),
        ("eventname", header.eventname()),
    ];
    for (key, text) in texts {
        assert_eq!(header.get(key), Some(text));
    }
    assert!(!header.ver().is_empty() && !header.eventname().is_empty());
    for (key, number) in [("serial", header.serial()), ("poolserial", header.poolserial()), ("len", header.len())] {
        let digits = header.get(key).unwrap();
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(digits.parse(), Ok(number));
    }
}

/// Which error is reported for a line that begins like a header.
fn outranks(parsed: &Result<Header<'_>, TokenError>, line: &[u8]) {
    if !line.starts_with(b"ver:") {
        return assert!(matches!(parsed, Err(TokenError { kind: TokenErrorKind::Missing, .. })));
    }
    match std::str::from_utf8(line) {
        Err(utf8) => {
            let error = parsed.unwrap_err();
            assert_eq!((error.kind, error.offset), (TokenErrorKind::NotUtf8, utf8.valid_up_to()));
        }
        Ok(text) if KEYS.iter().any(|key| !text.contains(&format!("{key}:"))) => {
            assert_eq!(parsed.unwrap_err().kind, TokenErrorKind::Missing);
        }
        Ok(_) => {}
    }
}

fn points_at_its_place(error: &TokenError, text: &[u8]) {
    let (before, after) = text.split_at_checked(error.offset).expect("the offset is in the text");
    let word = after.split(|byte| b" \n".contains(byte)).next().unwrap();
    let token = format!("{}:", error.key).into_bytes();
    let is_there = match error.kind {
        // At the end of a line of tokens, or at its start, where the first key is expected.
        TokenErrorKind::Missing => before.is_empty() || matches!(after, [] | [b' ' | b'\r' | b'\n', ..]),
        // At the second one.
        TokenErrorKind::Duplicate => {
            before.ends_with(b" ") && after.starts_with(&token) && before.windows(token.len()).any(|part| part == token)
        }
        TokenErrorKind::NotAToken => {
            before.ends_with(b" ") && word.iter().position(|byte| *byte == b':').unwrap_or(0) == 0
        }
        TokenErrorKind::NotANumber => before.ends_with(&token),
        TokenErrorKind::TooLarge => before.ends_with(&token) && word.first().is_some_and(u8::is_ascii_digit),
        TokenErrorKind::Invalid => before.ends_with(&token),
        TokenErrorKind::NotUtf8 => std::str::from_utf8(after).is_err_and(|error| error.valid_up_to() == 0),
        _ => false,
    };
    assert!(is_there, "{error}");
}

/// `^ver:(\S+) server:(.*) serial:(\d+) pool:(.*) poolserial:(\d+) eventname:(\S+) len:(\d+)$`, greedy, with a dot that
/// matches newlines. A value without spaces that follows the last such key is the only one that can match.
fn reference(line: &str) -> Option<[&str; 7]> {
    let word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, len) = line.rsplit_once(" len:").filter(|found| digits(found.1))?;
    let (rest, eventname) = rest.rsplit_once(" eventname:").filter(|found| word(found.1))?;
    let (rest, poolserial) = rest.rsplit_once(" poolserial:").filter(|found| digits(found.1))?;
    let (ver, rest) = rest.strip_prefix("ver:")?.split_once(" server:").filter(|found| word(found.0))?;
    // `server` is greedy: of all matches, the last.
    let (server, serial, pool) = rest.rmatch_indices(" serial:").find_map(|(at, key)| {
        let (serial, pool) = rest[at + key.len()..].split_once(" pool:").filter(|found| digits(found.0))?;
        Some((&rest[..at], serial, pool))
    })?;
    Some([ver, server, serial, pool, poolserial, eventname, len])
}

fn agrees_with_reference(parsed: &Result<Header<'_>, TokenError>, line: &str) {
    // supervisord refuses a colon in the name of a pool: after the first word, a word with a colon is a token of its
    // own.
    let expected = reference(line).filter(|values| values[3].split(' ').skip(1).all(|word| !word.contains(':')));
    match (expected, parsed) {
        (Some(values), Ok(header)) => {
            assert!(header.tokens().eq(KEYS.into_iter().zip(values)), "{header:?} is not {values:?}");
        }
        (Some(values), Err(error)) => {
            assert_eq!(error.kind, TokenErrorKind::TooLarge, "{error}: {line:?}");
            let index = KEYS.iter().position(|key| *key == error.key.name()).unwrap();
            assert!(values[index].parse::<u64>().is_err());
        }
        (None, Ok(header)) => {
            let joined: Vec<_> = header.tokens().map(|(key, value)| format!("{key}:{value}")).collect();
            let usual = header.tokens().map(|token| token.0).eq(KEYS) && joined.join(" ") == line;
            let words = [header.ver(), header.eventname()].into_iter().all(|word| !word.contains(char::is_whitespace));
            assert!(!(usual && words), "the reference reads this too: {line:?}");
        }
        (None, Err(_)) => {}
    }
}

fn trailing_space(parsed: &Result<Header<'_>, TokenError>, line: &[u8]) {
    let spaced = [line, b" "].concat();
    match (parsed, Header::parse(&spaced)) {
        (Ok(header), Ok(spaced)) => {
            let mut tokens: Vec<_> = header.tokens().map(|(key, value)| (key, value.to_owned())).collect();
            // The space belongs to the last value if that may hold spaces.
            if let Some(("server" | "pool", value)) = tokens.last_mut() {
                value.push(' ');
            }
            let expected = tokens.iter().map(|(key, value)| (*key, value.as_str()));
            assert!(spaced.tokens().eq(expected), "{header:?} became {spaced:?}");
        }
        (Err(error), Err(spaced)) => assert_eq!((spaced.key, spaced.kind), (error.key, error.kind)),
        (one, other) => panic!("{one:?} became {other:?}"),
    }
}

fn event(event_type: EventType<'static>, payload: &[u8]) {
    let concrete =
        EventType::ALL.contains(&event_type) && EventType::ALL.iter().all(|other| other.parent() != Some(event_type));
    let event = match Event::parse(event_type, payload) {
        Ok(event) => event,
        Err(EventError::UnknownType) => return assert!(!concrete),
        Err(EventError::Payload(error)) => {
            assert!(concrete);
            return points_at_its_place(&error, payload);
        }
        Err(error) => panic!("{error}"),
    };
    assert!(concrete);
    // The token `channel` outranks the event's name.
    assert!(event.event_type() == Some(event_type) || matches!(event, Event::ProcessLog(_)));
    let mut parts: Vec<&[u8]> = Vec::new();
    let check_extra = |extra: Tokens<'_>, known: &[&str]| {
        for (key, value) in extra {
            assert!(!key.is_empty() && !known.contains(&key) && !value.contains(' '));
            within(key.as_bytes(), payload);
            within(value.as_bytes(), payload);
        }
    };
    let (start, data) = match &event {
        Event::ProcessState(event) => {
            check_extra(event.extra, &["processname", "groupname", "from_state", "tries", "expected", "pid"]);
            let from_state = event.from_state.name();
            assert!(!from_state.is_empty() && !from_state.contains([' ', '\n']));
            parts.extend([event.processname.as_bytes(), event.groupname.as_bytes(), from_state.as_bytes()]);
            (format!("processname:{} groupname:{}", event.processname, event.groupname), None)
        }
        Event::ProcessLog(event) => {
            check_extra(event.extra, &["processname", "groupname", "pid", "channel"]);
            parts.extend([event.processname.as_bytes(), event.groupname.as_bytes()]);
            (format!("processname:{} groupname:{}", event.processname, event.groupname), Some(event.data))
        }
        Event::ProcessCommunication(event) => {
            check_extra(event.extra, &["processname", "groupname", "pid"]);
            parts.extend([event.processname.as_bytes(), event.groupname.as_bytes()]);
            (format!("processname:{} groupname:{}", event.processname, event.groupname), Some(event.data))
        }
        Event::RemoteCommunication(event) => {
            parts.push(event.remote_type.as_bytes());
            (format!("type:{}", event.remote_type), Some(event.data))
        }
        Event::SupervisorStateChange(_) => (String::new(), None),
        Event::Tick(event) => {
            check_extra(event.extra, &["when"]);
            ("when:".to_owned(), None)
        }
        Event::ProcessGroup(event) => {
            check_extra(event.extra, &["groupname"]);
            parts.push(event.groupname.as_bytes());
            (format!("groupname:{}", event.groupname), None)
        }
        _ => panic!("what is {event:?}?"),
    };
    assert!(payload.starts_with(start.as_bytes()), "{event:?}");
    if let Some(data) = data {
        assert!(payload.ends_with(data.as_bytes()));
        let line = &payload[..payload.len() - data.as_bytes().len()];
        assert!(data.as_bytes().is_empty() || line.ends_with(b"\n") && start.len() < line.len());
        parts.push(data.as_bytes());
    }
    for part in parts {
        within(part, payload);
    }
}

fn within(part: &[u8], payload: &[u8]) {
    let (inner, outer) = (part.as_ptr_range(), payload.as_ptr_range());
    assert!(part.is_empty() || outer.start <= inner.start && inner.end <= outer.end);
}
