//! Payloads beyond what supervisor 4.3.0 sends: other servers, newer ones, plugins; and what cannot be read.

use supervisor_events::{
    Channel, Data, Event, EventError, EventType, GroupChange, ProcessState, SupervisorState, TokenErrorKind, Tokens,
};

fn parse<'a>(eventname: &'static str, payload: &'a str) -> Result<Event<'a>, EventError> {
    Event::parse(EventType::from_name(eventname), payload.as_bytes())
}

#[track_caller]
fn refused(eventname: &'static str, payload: &[u8], key: &str, kind: TokenErrorKind, offset: usize) {
    match Event::parse(EventType::from_name(eventname), payload) {
        Err(EventError::Payload(error)) => {
            assert_eq!((error.key.name(), error.kind, error.offset), (key, kind, offset))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_that_are_not_there_yet_stay_readable() {
    let payload = "processname:p groupname:g from_state:RUNNING expected:0 pid:7 exitstatus:3 signal:SIGKILL:9";
    let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_EXITED", payload) else { panic!() };
    assert_eq!(
        (event.state, event.expected, event.pid, event.tries),
        (ProcessState::Exited, Some(false), Some(7), None)
    );
    assert_eq!(event.extra.get("exitstatus"), Some("3"));
    assert_eq!(event.extra.iter().collect::<Vec<_>>(), [("exitstatus", "3"), ("signal", "SIGKILL:9")]);

    let payload = "processname:p groupname:g pid:7 channel:stderr host:h\ndata";
    let Ok(Event::ProcessLog(event)) = parse("PROCESS_LOG_STDERR", payload) else { panic!() };
    assert_eq!((event.extra.get("host"), event.data.as_bytes()), (Some("h"), &b"data"[..]));
    let Ok(Event::Tick(event)) = parse("TICK_5", "when:5 zone:UTC") else { panic!() };
    assert_eq!((event.when, event.extra.get("zone")), (5, Some("UTC")));
    // Keys of other payloads are like any others.
    let Ok(Event::Tick(event)) = parse("TICK_60", "when:60 pid:7 channel:x pid:8") else { panic!() };
    assert_eq!(event.extra.iter().collect::<Vec<_>>(), [("pid", "7"), ("channel", "x"), ("pid", "8")]);
    let payload = "processname:p groupname:g pid:7 channel:x\n";
    let Ok(Event::ProcessCommunication(event)) = parse("PROCESS_COMMUNICATION_STDOUT", payload) else { panic!() };
    assert_eq!((event.extra.get("channel"), event.pid), (Some("x"), Some(7)));
    let known = parse("TICK_5", "when:5").unwrap();
    assert!(matches!(known, Event::Tick(event) if event.extra.is_empty()));

    let Ok(Event::ProcessState(event)) =
        parse("PROCESS_STATE_STOPPED", "processname:p groupname:g from_state:SUSPENDED pid:0")
    else {
        panic!()
    };
    assert_eq!((event.from_state.state(), event.from_state.name()), (None, "SUSPENDED"));
}

/// Words without a colon belong to the group's name. Tokens follow it, known or not.
#[test]
fn unknown_tokens_may_follow_the_group() {
    let payload = "processname:p groupname:g exitstatus:3 from_state:RUNNING expected:0 pid:7";
    let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_EXITED", payload) else { panic!() };
    assert_eq!((event.groupname.as_str(), event.extra.get("exitstatus")), ("g", Some("3")));
    assert_eq!((event.from_state.state(), event.pid), (Some(ProcessState::Running), Some(7)));
    let payload = "processname:p groupname:g host:h\ndata";
    let Ok(Event::ProcessCommunication(event)) = parse("PROCESS_COMMUNICATION_STDOUT", payload) else { panic!() };
    assert_eq!((event.groupname.as_str(), event.extra.get("host"), event.pid), ("g", Some("h"), None));
    let Ok(Event::ProcessGroup(event)) = parse("PROCESS_GROUP_ADDED", "groupname:g programs:3\n") else { panic!() };
    assert_eq!((event.groupname.as_str(), event.extra.get("programs")), ("g", Some("3")));
    // A listener's pool is a group, too, and its name may begin or end with a space.
    for name in [" lead", "trail ", "in side"] {
        let payload = format!("processname:p groupname:{name} exitstatus:3 from_state:RUNNING");
        let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_FATAL", &payload) else { panic!() };
        assert_eq!((event.groupname.as_str(), event.extra.get("exitstatus")), (name, Some("3")));
    }
    // In any order.
    let payload = "processname:p groupname:g pid:7 expected:1 from_state:RUNNING";
    let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_EXITED", payload) else { panic!() };
    assert_eq!((event.from_state.state(), event.expected), (Some(ProcessState::Running), Some(true)));
}

/// The Go server writes them like this.
#[test]
fn states_in_any_letter_case_are_known_and_shown_as_written() {
    for (name, state) in [
        ("Running", Some(ProcessState::Running)),
        ("Backoff", Some(ProcessState::Backoff)),
        ("stopped", Some(ProcessState::Stopped)),
        ("Suspended", None),
    ] {
        for processname in ["p", "a b"] {
            let payload = format!("processname:{processname} groupname: from_state:{name} pid:7");
            let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_STOPPED", &payload) else { panic!() };
            assert_eq!((event.from_state.state(), event.from_state.name()), (state, name));
            assert_eq!(event.from_state.to_string(), name);
            let written = Event::ProcessState(event);
            assert_eq!(written.write_to(&mut [0; 100]), Ok(payload.as_bytes()));
        }
    }
}

#[test]
fn a_negative_pid_is_none() {
    for processname in ["p", "a b"] {
        let payload = format!("processname:{processname} groupname: from_state:Running pid:-1");
        let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_STOPPING", &payload) else { panic!() };
        assert_eq!((event.pid, event.from_state.state()), (None, Some(ProcessState::Running)));
    }
    let Ok(Event::ProcessLog(event)) = parse("PROCESS_LOG_STDOUT", "processname:p groupname:g pid:-1\nd") else {
        panic!()
    };
    assert_eq!((event.pid, event.data.as_bytes()), (None, &b"d"[..]));
    for pid in ["-", "--1", "-x", "-1 what"] {
        let payload = format!("processname:p groupname:g from_state:RUNNING pid:{pid}");
        assert!(parse("PROCESS_STATE_STOPPING", &payload).is_err(), "{pid}");
    }
    refused(
        "PROCESS_STATE_BACKOFF",
        b"processname:p groupname:g from_state:S tries:-1",
        "tries",
        TokenErrorKind::NotANumber,
        45,
    );
}

/// All text between `processname:` and the last ` groupname:` is the process's name, whatever it looks like.
#[test]
fn names_may_look_like_tokens() {
    for (processname, groupname) in
        [("a pid:5", "g"), ("a from_state:X pid:1", "g"), ("p groupname:x", "g"), ("p groupname:x tries:4 q", "")]
    {
        let payload = format!("processname:{processname} groupname:{groupname} from_state:STARTING tries:2");
        let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_BACKOFF", &payload) else { panic!("{payload}") };
        assert_eq!((event.processname, event.groupname), (processname.into(), groupname.into()));
        assert_eq!((event.from_state.state(), event.tries, event.pid), (Some(ProcessState::Starting), Some(2), None));
        assert!(event.extra.is_empty());
    }
}

#[test]
fn other_servers_leave_things_out_and_add_spaces() {
    let Ok(Event::ProcessLog(event)) = parse("PROCESS_LOG_STDERR", "processname:p groupname:g\nworker pid:12 up\n")
    else {
        panic!()
    };
    assert_eq!((event.channel, event.pid, event.groupname.as_str()), (Channel::Stderr, None, "g"));
    assert_eq!(event.data.as_bytes(), b"worker pid:12 up\n");
    let Ok(Event::ProcessCommunication(event)) = parse("PROCESS_COMMUNICATION_STDOUT", "processname:p groupname:g ")
    else {
        panic!()
    };
    assert_eq!((event.groupname.as_str(), event.data), ("g", Data::new(b"")));
    for payload in ["groupname:g", "groupname:g\n", "groupname:g \n", "groupname:g\r\n"] {
        let Ok(Event::ProcessGroup(event)) = parse("PROCESS_GROUP_REMOVED", payload) else { panic!() };
        assert_eq!((event.groupname.as_str(), event.change), ("g", GroupChange::Removed));
    }
    let Ok(Event::Tick(event)) = parse("TICK_3600", "when:3600 ") else { panic!() };
    assert_eq!((event.period, event.when), (3600, 3600));
    let Ok(Event::RemoteCommunication(event)) = parse("REMOTE_COMMUNICATION", "type:a: b") else { panic!() };
    assert_eq!((event.remote_type.as_str(), event.data.as_bytes()), ("a: b", &b""[..]));
    let running = parse("SUPERVISOR_STATE_CHANGE_RUNNING", "");
    assert_eq!(running, Ok(Event::SupervisorStateChange(SupervisorState::Running)));
}

#[test]
fn data_is_any_bytes() {
    let payload = b"processname:p groupname:g pid:1\n\xff\x00\r\nver:3.0 server:";
    let Ok(Event::ProcessCommunication(event)) = Event::parse(EventType::ProcessCommunicationStderr, payload) else {
        panic!()
    };
    assert_eq!(event.data.as_bytes(), b"\xff\x00\r\nver:3.0 server:");
    assert!(event.data.to_str().is_err());
    for (data, literal) in [
        ("Undecodable: b'\\xff\\xfe x'", Some("b'\\xff\\xfe x'")),
        ("Undecodable: b\"'\\xff\"", Some("b\"'\\xff\"")),
        ("Undecodable: b''", Some("b''")),
        ("Undecodable: b'", None),
        ("Undecodable: b'x\"", None),
        ("Undecodable: ", None),
        (" Undecodable: b''", None),
    ] {
        assert_eq!(Data::new(data.as_bytes()).undecodable(), literal, "{data}");
    }
}

#[test]
fn every_error_names_the_key_and_the_place() {
    refused("PROCESS_STATE_FATAL", b"", "processname", TokenErrorKind::Missing, 0);
    refused("PROCESS_STATE_FATAL", b"processname:p", "groupname", TokenErrorKind::Missing, 13);
    refused("PROCESS_STATE_FATAL", b"processname:p groupname:g", "from_state", TokenErrorKind::Missing, 25);
    refused(
        "PROCESS_STATE_FATAL",
        b"processname:p groupname:g from_state: pid:1",
        "from_state",
        TokenErrorKind::Invalid,
        37,
    );
    let state = |tail: &str| format!("processname:p groupname:g from_state:S {tail}").into_bytes();
    refused("PROCESS_STATE_EXITED", &state("pid:x"), "pid", TokenErrorKind::NotANumber, 43);
    refused("PROCESS_STATE_EXITED", &state("pid:4294967296"), "pid", TokenErrorKind::TooLarge, 43);
    refused("PROCESS_STATE_EXITED", &state("expected:2 pid:1"), "expected", TokenErrorKind::Invalid, 48);
    refused("PROCESS_STATE_EXITED", &state("pid:1 pid:2"), "pid", TokenErrorKind::Duplicate, 45);
    refused("PROCESS_STATE_EXITED", &state("pid:1 what"), "pid", TokenErrorKind::NotAToken, 45);
    refused(
        "PROCESS_LOG_STDOUT",
        b"processname:p groupname:g pid:1 channel:x\n",
        "channel",
        TokenErrorKind::Invalid,
        40,
    );
    refused("PROCESS_LOG_STDOUT", b"processname:p pid:1 channel:stdout\n", "groupname", TokenErrorKind::Missing, 34);
    refused("PROCESS_LOG_STDOUT", b"processname:\xff groupname:g pid:1\n", "processname", TokenErrorKind::NotUtf8, 12);
    // What is not UTF-8 outranks what is missing, as in a header.
    refused("PROCESS_STATE_FATAL", b"processname:\xff from_state:S", "processname", TokenErrorKind::NotUtf8, 12);
    refused("REMOTE_COMMUNICATION", b"kind:t\n", "type", TokenErrorKind::Missing, 6);
    refused("TICK_5", b"when:now", "when", TokenErrorKind::NotANumber, 5);
    refused("TICK_5", b"when:1 when:2", "when", TokenErrorKind::Duplicate, 7);
    refused("PROCESS_GROUP_ADDED", b"group:g\n", "groupname", TokenErrorKind::Missing, 7);
    refused("PROCESS_STATE_EXITED", &state("expected:1 pid:x tries:y"), "pid", TokenErrorKind::NotANumber, 54);
    for name in ["EVENT", "PROCESS_STATE", "TICK", "PROCESS_LOG", "None", "CUSTOM_THING", ""] {
        assert_eq!(parse(name, "when:1"), Err(EventError::UnknownType), "{name}");
    }
}

#[test]
fn numbers_go_as_far_as_their_type() {
    let payload = |pid: u64| format!("processname:p groupname:g from_state:RUNNING pid:{pid}");
    let largest = payload(u32::MAX.into());
    let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_STOPPED", &largest) else { panic!() };
    assert_eq!(event.pid, Some(u32::MAX));
    let too_large = payload(u64::from(u32::MAX) + 1);
    refused("PROCESS_STATE_STOPPED", too_large.as_bytes(), "pid", TokenErrorKind::TooLarge, too_large.len() - 10);
}

#[test]
fn an_error_after_a_newline_is_where_it_is() {
    // The newline belongs to the name; the fault is on the second line.
    let payload = b"processname:one\ntwo groupname:g from_state:RUNNING pid:x";
    refused("PROCESS_STATE_RUNNING", payload, "pid", TokenErrorKind::NotANumber, payload.len() - 1);
    let payload = b"processname:one\ntwo groupname:g pid:x\ndata";
    let offset = payload.len() - "x\ndata".len();
    refused("PROCESS_COMMUNICATION_STDOUT", payload, "pid", TokenErrorKind::NotANumber, offset);
}

#[test]
fn tokens_are_equal_if_they_are_the_same_in_the_same_order() {
    let extra = |tokens: &'static str| Tokens::new(tokens);
    assert_eq!(extra("a:1 b:2"), extra("a:1  b:2"), "spaces are not tokens");
    for other in ["b:2 a:1", "a:1", "a:1 b:3", "a:1 c:2", "a:1 b:2 c:3", ""] {
        assert_ne!(extra("a:1 b:2"), extra(other));
    }
}
