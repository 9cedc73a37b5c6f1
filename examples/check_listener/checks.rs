//! The checks, as a table: each a small function that starts a listener of its own.

use std::time::{Duration, Instant};

use supervisor_events::simulator::PoolEvent;
use supervisor_events::{
    Channel, Data, Event, EventType, GroupChange, ProcessCommunicationEvent, ProcessGroupEvent, ProcessLogEvent,
    ProcessState, ProcessStateEvent, RemoteCommunicationEvent, SupervisorState, Text, TickEvent, Tokens,
};

use crate::findings::{self, Cause, Finding, Seen, Severity, Topic};
use crate::subject::{Bench, Checked, Subject, WRITERS_CAN_BE_TOLD};

pub struct Check {
    pub name: &'static str,
    pub about: &'static str,
    kind: Kind,
}

enum Kind {
    /// Something to do with a listener that is READY.
    Ready(fn(&mut Subject) -> Checked),
    /// The same for an identifier of supervisord, and what it shows if that fails.
    Identifier(&'static str, &'static Cause),
    /// What needs more than one listener.
    Bench(fn(&Bench) -> Vec<Finding>),
}

const fn check(name: &'static str, about: &'static str, make: fn(&mut Subject) -> Checked) -> Check {
    Check { name, about, kind: Kind::Ready(make) }
}

const fn identifier(name: &'static str, about: &'static str, server: &'static str, cause: &'static Cause) -> Check {
    Check { name, about, kind: Kind::Identifier(server, cause) }
}

/// The first one comes first; the others may be made at the same time, in any order.
pub const CHECKS: &[Check] = &[
    check("basic", "READY, an answer, READY again, and nothing else", basic),
    Check { name: "event-types", about: "every type of event", kind: Kind::Bench(event_types) },
    check("waits-for-payload", "no answer before the payload's last byte", waits_for_payload),
    check("quiet-while-ready", "nothing is said while there is no event", quiet_while_ready),
    check("non-ascii", "payloads that are not ASCII, with `len` in code points", non_ascii),
    check("empty-payload", "payloads of no bytes, and without data", empty_payload),
    check("large-payload", "payloads of 200 KB", large_payload),
    identifier("identifier-space", "an identifier with spaces", "my own supervisor", findings::CRASH_ON_SPACE),
    identifier("identifier-colon", "an identifier with colons", "host:9001", findings::SPLIT_ON_EVERY_COLON),
    identifier("identifier-empty", "an empty identifier", "", findings::EMPTY_IDENTIFIER),
    identifier("identifier-non-ascii", "an identifier that is not ASCII", "zürich", findings::NON_ASCII_IDENTIFIER),
    check("byte-by-byte", "an event that comes one byte at a time", byte_by_byte),
    check("split-everywhere", "events in two pieces, split at every place", split_everywhere),
    check("slow", "an event that comes slowly", slow),
    check("redelivery", "events that come again, and numbers that jump", redelivery),
    check("unknown-types", "events of types that nobody knows", unknown_types),
    check("unknown-tokens", "tokens that nobody knows, in header and payload", unknown_tokens),
    check("flood", "10,000 events, one after the other", flood),
    check("end-between", "the end of input between two events", end_between),
    check("end-within-header", "the end of input in a header", end_within_header),
    check("end-within-payload", "the end of input in a payload", end_within_payload),
    check("sigterm-ready", "SIGTERM while READY", sigterm_ready),
    check("sigterm-busy", "SIGTERM while BUSY", sigterm_busy),
];

/// Makes a check, and says what it found.
pub fn run(check: &Check, bench: &Bench) -> Vec<Finding> {
    let findings = check.run_once(bench);
    if WRITERS_CAN_BE_TOLD && !bench.watch_writers && findings.iter().any(Finding::may_be_foreign) {
        // Was it the listener itself? Once more, with an eye on who writes.
        let again = check.run_once(&bench.watching_writers());
        if again.iter().any(|finding| finding.cause == findings::INHERITED_STDOUT) {
            return again;
        }
    }
    findings
}

impl Check {
    fn run_once(&self, bench: &Bench) -> Vec<Finding> {
        match self.kind {
            Kind::Ready(make) => with_listener(bench, make),
            Kind::Identifier(server, cause) => with_listener(bench, |subject| {
                subject.topic = Topic::one(cause);
                subject.pool.server = server.into();
                two_events(subject)
            }),
            Kind::Bench(make) => make(bench),
        }
    }
}

fn with_listener(bench: &Bench, make: impl FnOnce(&mut Subject) -> Checked) -> Vec<Finding> {
    let mut subject = match bench.start() {
        Ok(subject) => subject,
        Err(finding) => return vec![*finding],
    };
    let failure = make(&mut subject).err();
    failure.into_iter().map(|finding| *finding).chain(std::mem::take(&mut subject.warnings)).collect()
}

// ---- The events. ----

/// An event that most listeners have no reason to act on.
const USUAL: (&str, &[u8]) = ("PROCESS_STATE_RUNNING", b"processname:cat groupname:cat from_state:STARTING pid:2766");

/// A payload as supervisord makes it, for each concrete type.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let none = Tokens::default();
    let state = |state, from_state, tries, expected, pid| {
        let (processname, groupname) = (Text::new("cat"), Text::new("pets"));
        let extra = none;
        Event::ProcessState(ProcessStateEvent {
            state,
            processname,
            groupname,
            from_state,
            tries,
            expected,
            pid,
            extra,
        })
    };
    let log = |channel| {
        let data = Data::new(b"a line\nand another one\n");
        let (processname, groupname, pid, extra) = (Text::new("cat"), Text::new("pets"), Some(2766), none);
        Event::ProcessLog(ProcessLogEvent { channel, processname, groupname, pid, data, extra })
    };
    let communication = |channel| {
        let data = Data::new(b"a message");
        let (processname, groupname, pid, extra) = (Text::new("cat"), Text::new("pets"), Some(2766), none);
        Event::ProcessCommunication(ProcessCommunicationEvent { channel, processname, groupname, pid, data, extra })
    };
    let tick = |period, when| Event::Tick(TickEvent { period, when, extra: none });
    let group = |change| Event::ProcessGroup(ProcessGroupEvent { change, groupname: Text::new("pets") });
    use ProcessState::*;
    let events = [
        state(Starting, Stopped, Some(0), None, None),
        state(Running, Starting, None, None, Some(2766)),
        state(Backoff, Starting, Some(1), None, None),
        state(Stopping, Running, None, None, Some(2766)),
        state(Exited, Running, None, Some(false), Some(2766)),
        state(Exited, Running, None, Some(true), Some(2766)),
        state(Stopped, Stopping, None, None, Some(2766)),
        state(Fatal, Backoff, None, None, None),
        state(Unknown, Running, None, None, None),
        log(Channel::Stdout),
        log(Channel::Stderr),
        communication(Channel::Stdout),
        communication(Channel::Stderr),
        Event::RemoteCommunication(RemoteCommunicationEvent {
            remote_type: Text::new("a type"),
            data: Data::new(b"some data"),
        }),
        Event::SupervisorStateChange(SupervisorState::Running),
        Event::SupervisorStateChange(SupervisorState::Stopping),
        tick(5, 1_705_063_880),
        tick(60, 1_705_063_860),
        tick(3600, 1_705_060_800),
        group(GroupChange::Added),
        group(GroupChange::Removed),
    ];
    let named = |event: &Event<'_>| {
        let mut buffer = [0; 512];
        let payload = event.write_to(&mut buffer).expect("samples are short");
        (event.event_type().expect("samples are of known types").name(), payload.to_vec())
    };
    events.iter().map(named).collect()
}

// ---- The checks. ----

fn two_events(subject: &mut Subject) -> Checked {
    // The second one shows whether the first was read to its end.
    subject.deliver(USUAL.0, USUAL.1)?;
    subject.deliver(USUAL.0, USUAL.1)
}

fn basic(subject: &mut Subject) -> Checked {
    two_events(subject)?;
    subject.stays_quiet()
}

/// Every type has its turn, whatever the listener makes of the others.
fn event_types(bench: &Bench) -> Vec<Finding> {
    let samples = samples();
    let tested = |of: &EventType<'_>| samples.iter().any(|(eventname, _)| *eventname == of.name());
    let abstract_type = |of: &EventType<'_>| EventType::ALL.iter().any(|other| other.parent() == Some(*of));
    assert!(EventType::ALL.iter().all(|of| tested(of) != abstract_type(of)), "a sample for each concrete type");

    let mut findings = Vec::new();
    let mut at = 0;
    while let Some(left) = samples.get(at..).filter(|left| !left.is_empty()) {
        let before = at;
        findings.extend(with_listener(bench, |subject| {
            left.iter().try_for_each(|(eventname, payload)| {
                at += 1;
                subject.deliver(eventname, payload)?;
                subject.deliver(USUAL.0, USUAL.1)
            })
        }));
        // Waiting for the other types to fail as well would take long, and tell little.
        let stop = |finding: &Finding| {
            finding.cause.severity == Severity::Failed && !matches!(finding.trouble.seen, Seen::Ended(_))
        };
        if at == before || findings.iter().any(stop) {
            break;
        }
    }
    findings
}

fn waits_for_payload(subject: &mut Subject) -> Checked {
    let of_interest = ["PROCESS_STATE_STOPPED", "PROCESS_LOG_STDOUT", "REMOTE_COMMUNICATION"];
    // One that most listeners do not want, and are tempted to answer at once, comes first.
    let mut events = vec![("PROCESS_GROUP_ADDED", b"groupname:pets\n".to_vec())];
    events.extend(samples().into_iter().filter(|(eventname, _)| of_interest.contains(eventname)));
    for (eventname, payload) in events {
        let bytes = subject.begin(eventname, &payload)?;
        let header = bytes.len().saturating_sub(payload.len());
        in_pieces(subject, &bytes, &[header, bytes.len().saturating_sub(1)])?;
        subject.answered()?;
    }
    Ok(())
}

/// Writes an event, with a pause for the listener to say something at these places.
fn in_pieces(subject: &mut Subject, bytes: &[u8], places: &[usize]) -> Checked {
    let mut from = 0;
    for &place in places {
        subject.write(bytes.get(from..place).unwrap_or_default());
        subject.let_read();
        subject.stays_quiet()?;
        from = place;
    }
    subject.write(bytes.get(from..).unwrap_or_default());
    Ok(())
}

fn quiet_while_ready(subject: &mut Subject) -> Checked {
    subject.stays_quiet_for(Duration::from_secs(1))?;
    subject.deliver(USUAL.0, USUAL.1)?;
    subject.stays_quiet_for(Duration::from_secs(1))
}

const NON_ASCII: Topic = Topic {
    ended: findings::CRASH_ON_NON_ASCII,
    silent: findings::HANG_ON_NON_ASCII,
    early: findings::LENGTH_IN_BYTES,
};

/// What is left behind of a payload stands in front of the next event.
const AFTER_NON_ASCII: Topic = Topic { early: findings::EARLY_RESULT, ..Topic::one(findings::LENGTH_IN_BYTES) };

/// Writes an event that is not ASCII. Who counts bytes has enough of them before the last one.
fn deliver_non_ascii(subject: &mut Subject, eventname: &str, payload: &str) -> Checked {
    let bytes = subject.begin(eventname, payload.as_bytes())?;
    let (header, payload) = bytes.split_at_checked(bytes.len().saturating_sub(payload.len())).unwrap_or_default();
    subject.topic = Topic { early: findings::EARLY_RESULT, ..NON_ASCII };
    in_pieces(subject, header, &[header.len()])?;
    subject.topic = NON_ASCII;
    in_pieces(subject, payload, &[payload.len().saturating_sub(1)])?;
    subject.answered()
}

/// Two events, the first one not ASCII. `topic` is for what comes next.
fn after_non_ascii(subject: &mut Subject, data: &str, topic: Topic) -> Checked {
    deliver_non_ascii(subject, "REMOTE_COMMUNICATION", &format!("type:ü\n{data}"))?;
    subject.topic = AFTER_NON_ASCII;
    subject.deliver(USUAL.0, USUAL.1)?;
    subject.topic = topic;
    Ok(())
}

fn non_ascii(subject: &mut Subject) -> Checked {
    // As many bytes as `len` says end between two characters: who counts bytes is content.
    let payload = "processname:zähler groupname:zähler from_state:STARTING pid:2766";
    deliver_non_ascii(subject, "PROCESS_STATE_RUNNING", payload)?;
    for data in ["ä€😀", "日本語のテキスト", "a\u{85}\u{2028}\0ä\r\nz", "e\u{301}\u{feff}"] {
        after_non_ascii(subject, data, NON_ASCII)?;
    }
    let payload = "processname:zähler groupname:zähler pid:2766 channel:stdout\nÜbung macht den Meister\n";
    subject.deliver("PROCESS_LOG_STDOUT", payload.as_bytes())
}

fn empty_payload(subject: &mut Subject) -> Checked {
    subject.topic = Topic::one(findings::EMPTY_PAYLOAD);
    let empty: [(&str, &[u8]); 4] = [
        ("SUPERVISOR_STATE_CHANGE_RUNNING", b""),
        ("REMOTE_COMMUNICATION", b"type:\n"),
        ("PROCESS_LOG_STDOUT", b"processname:cat groupname: pid:2766 channel:stdout\n"),
        ("PROCESS_COMMUNICATION_STDOUT", b"processname:cat groupname:cat pid:2766\n"),
    ];
    for (eventname, payload) in empty {
        subject.deliver(eventname, payload)?;
        subject.deliver(USUAL.0, USUAL.1)?;
    }
    Ok(())
}

fn large_payload(subject: &mut Subject) -> Checked {
    subject.topic = Topic::one(findings::LARGE_PAYLOAD);
    let line = b"processname:cat groupname:cat pid:2766 channel:stdout\n";
    for text in ["a line of text\n", "eine Zeile für Übungen\n"] {
        let payload = [line, text.repeat(200_000 / text.len()).as_bytes()].concat();
        let bytes = subject.begin("PROCESS_LOG_STDOUT", &payload)?;
        // More than a pipe holds is written before the pause.
        in_pieces(subject, &bytes, &[150_000])?;
        subject.answered()?;
        subject.deliver(USUAL.0, USUAL.1)?;
        // Before the other text: if this fails, it is not for the size.
        after_non_ascii(subject, "ä", subject.topic)?;
    }
    Ok(())
}

fn byte_by_byte(subject: &mut Subject) -> Checked {
    after_non_ascii(subject, "übung 😀", Topic::one(findings::CHUNKING))?;
    let bytes = subject.begin("REMOTE_COMMUNICATION", "type:t\nübung 😀".as_bytes())?;
    for byte in bytes.chunks(1) {
        subject.write(byte);
        subject.let_read();
    }
    subject.answered()?;
    subject.deliver(USUAL.0, USUAL.1)
}

fn split_everywhere(subject: &mut Subject) -> Checked {
    let payload = "type:t\nü😀";
    after_non_ascii(subject, "ü😀", Topic::one(findings::CHUNKING))?;
    let mut place = 1;
    loop {
        let bytes = subject.begin("REMOTE_COMMUNICATION", payload.as_bytes())?;
        let Some((first, second)) = bytes.split_at_checked(place) else {
            subject.write(&bytes);
            return subject.answered();
        };
        subject.write(first);
        subject.let_read();
        subject.write(second);
        subject.answered()?;
        place += 1;
    }
}

fn slow(subject: &mut Subject) -> Checked {
    subject.topic = Topic::one(findings::CHUNKING);
    let bytes = subject.begin(USUAL.0, USUAL.1)?;
    let step = bytes.len() / 5;
    in_pieces(subject, &bytes, &[step, 2 * step, 3 * step, 4 * step])?;
    subject.answered()?;
    subject.deliver(USUAL.0, USUAL.1)
}

fn redelivery(subject: &mut Subject) -> Checked {
    subject.topic = Topic::one(findings::REDELIVERY);
    let event = |serial, poolserial| PoolEvent {
        serial,
        poolserial,
        eventname: USUAL.0.into(),
        payload: USUAL.1.into(),
        deliveries: 0,
    };
    // The same one three times; a jump, as after an overflow; the highest number, and again from 0.
    let last = u64::MAX >> 1;
    for (serial, poolserial) in [(7, 3), (7, 3), (7, 3), (50, 20), (8, 4), (last, last), (0, 0)] {
        let bytes = subject.begin_event(&event(serial, poolserial))?;
        subject.write(&bytes);
        subject.answered()?;
    }
    Ok(())
}

fn unknown_types(subject: &mut Subject) -> Checked {
    subject.topic = Topic {
        ended: findings::EXIT_AT_UNKNOWN_EVENT,
        silent: findings::IGNORES_UNKNOWN_EVENT,
        early: findings::EARLY_RESULT,
    };
    // An event that nobody registered is `None` by name. A plugin's payload may be anything.
    for (eventname, payload) in [
        ("SOMETHING_NEW", &b"size:12"[..]),
        ("None", b""),
        ("PROCESS", b"no tokens, but text"),
        ("PROCESS_STATE_PAUSED", USUAL.1),
    ] {
        subject.deliver(eventname, payload)?;
        subject.deliver(USUAL.0, USUAL.1)?;
    }
    Ok(())
}

fn unknown_tokens(subject: &mut Subject) -> Checked {
    subject.topic = Topic::one(findings::UNKNOWN_TOKEN);
    let payload = [USUAL.1, b" exitstatus:3 colour:red"].concat();
    subject.deliver(USUAL.0, &payload)?;
    let bytes = String::from_utf8(subject.begin(USUAL.0, USUAL.1)?).expect("it is ASCII");
    subject.write(bytes.replacen(" eventname:", " priority:5 eventname:", 1).as_bytes());
    subject.answered()?;
    subject.deliver(USUAL.0, USUAL.1)
}

fn flood(subject: &mut Subject) -> Checked {
    let since = Instant::now();
    // A listener that does real work may be slower; it need not get all of them.
    let most = 3 * subject.patience;
    for _ in 0..10_000 {
        subject.deliver(USUAL.0, USUAL.1)?;
        if since.elapsed() > most {
            break;
        }
    }
    Ok(())
}

fn end_between(subject: &mut Subject) -> Checked {
    subject.deliver(USUAL.0, USUAL.1)?;
    let heard = subject.heard();
    subject.close_input();
    let status = ended(subject, heard)?;
    if !status.success() {
        let warning = subject.finding(Seen::Ended(status));
        subject.warnings.push(Finding { cause: findings::BAD_EXIT, ..*warning });
    }
    if subject.output_is_held() {
        subject.warn(findings::OUTLIVED_STDOUT);
    }
    Ok(())
}

/// Waits for the process to end without another word.
fn ended(subject: &mut Subject, heard: usize) -> Result<std::process::ExitStatus, Box<Finding>> {
    let status = subject.exited();
    if subject.heard() > heard {
        return Err(match status {
            Err(finding) if finding.trouble.foreign => finding,
            _ => subject.finding(Seen::Found(findings::OUTPUT_AFTER_END)),
        });
    }
    status?.ok_or_else(|| subject.finding(Seen::Found(findings::RUNS_ON)))
}

fn end_within_header(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(USUAL.0, USUAL.1)?;
    end_within(subject, bytes.get(..40).unwrap_or_default())
}

fn end_within_payload(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(USUAL.0, USUAL.1)?;
    end_within(subject, bytes.get(..bytes.len().saturating_sub(10)).unwrap_or_default())
}

fn end_within(subject: &mut Subject, bytes: &[u8]) -> Checked {
    subject.write(bytes);
    subject.let_read();
    subject.close_input();
    match ended(subject, 0) {
        Err(_) if subject.has_answered() => {
            subject.warn(findings::HALF_EVENT);
            Ok(())
        }
        other => other.map(drop),
    }
}

fn sigterm_ready(subject: &mut Subject) -> Checked {
    subject.deliver(USUAL.0, USUAL.1)?;
    subject.terminate();
    match subject.exited()? {
        Some(_) => Ok(()),
        None => Err(subject.finding(Seen::Found(findings::IGNORES_SIGTERM))),
    }
}

/// It may end at once, and supervisord sends the event again, or answer first.
fn sigterm_busy(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(USUAL.0, USUAL.1)?;
    let (first, second) = bytes.split_at_checked(bytes.len().saturating_sub(10)).unwrap_or_default();
    subject.write(first);
    subject.let_read();
    subject.terminate();
    match subject.stays_quiet() {
        Err(finding) if matches!(finding.trouble.seen, Seen::Ended(_)) && subject.heard() == 0 => return Ok(()),
        other => other?,
    }
    subject.write(second);
    match subject.exited()? {
        Some(_) => Ok(()),
        None => Err(subject.finding(Seen::Found(findings::IGNORES_SIGTERM))),
    }
}
