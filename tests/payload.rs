//! Payloads beyond what supervisor 4.3.0 sends: other servers, newer ones, plugins; and what cannot be read.

use supervisor_events::{
    Channel, Data, Event, EventError, EventType, GroupChange, Problem, ProcessState, SupervisorState,
};

fn parse<'a>(eventname: &'static str, payload: &'a str) -> Result<Event<'a>, EventError> {
    Event::parse(EventType::from_name(eventname), payload.as_bytes())
}

#[track_caller]
fn refused(eventname: &'static str, payload: &[u8], key: &str, problem: Problem, offset: usize) {
    match Event::parse(EventType::from_name(eventname), payload) {
        Err(EventError::Payload(error)) => {
            assert_eq!((error.key.name(), error.problem, error.offset), (key, problem, offset))
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
    assert_eq!(event.extra.collect::<Vec<_>>(), [("exitstatus", "3"), ("signal", "SIGKILL:9")]);

    let payload = "processname:p groupname:g pid:7 channel:stderr host:h\ndata";
    let Ok(Event::ProcessLog(event)) = parse("PROCESS_LOG_STDERR", payload) else { panic!() };
    assert_eq!((event.extra.get("host"), event.data.as_bytes()), (Some("h"), &b"data"[..]));
    let Ok(Event::Tick(event)) = parse("TICK_5", "when:5 zone:UTC") else { panic!() };
    assert_eq!((event.when, event.extra.get("zone")), (5, Some("UTC")));
    // Keys of other payloads are like any others.
    let Ok(Event::Tick(event)) = parse("TICK_60", "when:60 pid:7 channel:x pid:8") else { panic!() };
    assert_eq!(event.extra.collect::<Vec<_>>(), [("pid", "7"), ("channel", "x"), ("pid", "8")]);
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
    assert_eq!((event.from_state, event.from_state.name()), (ProcessState::from_name("SUSPENDED"), "SUSPENDED"));
}

/// What stands between `groupname` and `from_state` is the group's name, whatever it looks like.
#[test]
fn names_may_look_like_tokens() {
    for (processname, groupname) in
        [("a pid:5", "g"), ("a from_state:X pid:1", "g tries:1"), ("p groupname:x", "pid:2"), ("p", "g pid:3")]
    {
        let payload = format!("processname:{processname} groupname:{groupname} from_state:STARTING tries:2");
        let Ok(Event::ProcessState(event)) = parse("PROCESS_STATE_BACKOFF", &payload) else { panic!("{payload}") };
        assert_eq!((event.processname, event.groupname), (processname.into(), groupname.into()));
        assert_eq!((event.from_state, event.tries, event.pid), (ProcessState::Starting, Some(2), None));
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
    refused("PROCESS_STATE_FATAL", b"", "processname", Problem::Missing, 0);
    refused("PROCESS_STATE_FATAL", b"processname:p", "groupname", Problem::Missing, 13);
    refused("PROCESS_STATE_FATAL", b"processname:p groupname:g", "from_state", Problem::Missing, 25);
    refused("PROCESS_STATE_FATAL", b"processname:p groupname:g from_state: pid:1", "from_state", Problem::Invalid, 37);
    let state = |tail: &str| format!("processname:p groupname:g from_state:S {tail}").into_bytes();
    refused("PROCESS_STATE_EXITED", &state("pid:x"), "pid", Problem::NotANumber, 43);
    refused("PROCESS_STATE_EXITED", &state("pid:4294967296"), "pid", Problem::TooLarge, 43);
    refused("PROCESS_STATE_EXITED", &state("expected:2 pid:1"), "expected", Problem::Invalid, 48);
    refused("PROCESS_STATE_EXITED", &state("pid:1 pid:2"), "pid", Problem::Duplicate, 39);
    refused("PROCESS_STATE_EXITED", &state("pid:1 what"), "pid", Problem::NotAToken, 45);
    refused("PROCESS_LOG_STDOUT", b"processname:p groupname:g pid:1 channel:x\n", "channel", Problem::Invalid, 40);
    refused("PROCESS_LOG_STDOUT", b"processname:p pid:1 channel:stdout\n", "groupname", Problem::Missing, 34);
    refused("PROCESS_LOG_STDOUT", b"processname:\xff groupname:g pid:1\n", "processname", Problem::NotUtf8, 12);
    refused("REMOTE_COMMUNICATION", b"kind:t\n", "type", Problem::Missing, 6);
    refused("TICK_5", b"when:now", "when", Problem::NotANumber, 5);
    refused("TICK_5", b"when:1 when:2", "when", Problem::Duplicate, 7);
    refused("PROCESS_GROUP_ADDED", b"group:g\n", "groupname", Problem::Missing, 7);
    refused("PROCESS_STATE_EXITED", &state("expected:1 pid:x tries:y"), "pid", Problem::NotANumber, 54);
    for name in ["EVENT", "PROCESS_STATE", "TICK", "PROCESS_LOG", "None", "CUSTOM_THING", ""] {
        assert_eq!(parse(name, "when:1"), Err(EventError::UnknownType), "{name}");
    }
}
