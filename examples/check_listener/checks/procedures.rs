//! What each check does with its listener, step by step.

use std::time::{Duration, Instant};

use supervisor_events::EventType;
use supervisor_events::simulator::PoolEvent;

use super::with_listener;
use crate::bench::Bench;
use crate::causes::{self, Cause};
use crate::events::{self, PLAIN, Sample, Words};
use crate::findings::{Finding, Seen, Topic};
use crate::subject::{Checked, Subject};

// ---- The steps. ----

const LINES: Topic = Topic::one(causes::SEVERAL_LINES);
const PIECES: Topic = Topic::one(causes::CHUNKING);
const EMPTY: Topic = Topic::one(causes::EMPTY_PAYLOAD);

/// The difficulty of an event that arrives in one piece.
fn topic_of(event: &Sample) -> Topic {
    match event {
        _ if event.payload.is_empty() => EMPTY,
        _ if event.has_lines() => LINES,
        _ => Topic::GENERAL,
    }
}

/// Delivers an event, and then a usual one, which shows whether the first was read to its end.
pub(super) fn step(subject: &mut Subject, topic: Topic, event: &Sample) -> Checked {
    subject.topic = topic;
    subject.deliver(event)?;
    subject.deliver(&subject.bench.events.usual())
}

/// The same in pieces: split at these offsets, with time for the listener to react.
fn step_in_pieces(
    subject: &mut Subject,
    topic: Topic,
    event: &Sample,
    places: impl Fn(usize) -> Vec<usize>,
) -> Checked {
    subject.topic = topic;
    let bytes = subject.begin(event)?;
    in_pieces(subject, &bytes, &places(bytes.len().saturating_sub(event.payload.len())))?;
    subject.answered()?;
    subject.deliver(&subject.bench.events.usual())
}

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

// ---- The checks. ----

/// Some listeners end after a few events.
const FIRST_EVENTS: usize = 20;

pub(super) fn basic(subject: &mut Subject) -> Checked {
    let usual = subject.bench.events.usual();
    subject.stays_quiet()?;
    subject.deliver(&usual)?;
    subject.stays_quiet()?;
    let since = Instant::now();
    for _ in 1..FIRST_EVENTS {
        subject.deliver(&usual)?;
        if since.elapsed() > subject.bench.patience {
            break;
        }
    }
    subject.stays_quiet()
}

/// Tries every type, whatever the listener makes of the others.
pub(super) fn event_types(bench: &Bench) -> Vec<Finding> {
    let samples = events::samples(PLAIN);
    let tested = |of: &EventType<'_>| samples.iter().any(|sample| sample.eventname == of.name());
    let abstract_type = |of: &EventType<'_>| EventType::ALL.iter().any(|other| other.parent() == Some(*of));
    assert!(EventType::ALL.iter().all(|of| tested(of) != abstract_type(of)), "a sample for each concrete type");

    let samples = bench.events.samples(PLAIN);
    let mut findings = Vec::new();
    let mut at = 0;
    while let Some(left) = samples.get(at..).filter(|left| !left.is_empty()) {
        let before = at;
        findings.extend(with_listener(bench, |subject| {
            left.iter().try_for_each(|event| {
                at += 1;
                step(subject, topic_of(event), event)
            })
        }));
        // Waiting for the other types to fail as well would take long, and show little.
        let stop = |finding: &Finding| {
            finding.trouble.signal.is_none() && !matches!(finding.trouble.seen, Seen::Ended { .. } | Seen::Found(_))
        };
        if at == before || findings.iter().any(stop) {
            break;
        }
    }
    findings
}

pub(super) fn waits_for_payload(subject: &mut Subject) -> Checked {
    // The first is a type that most listeners ignore, and so are tempted to answer at once.
    for eventname in ["PROCESS_GROUP_ADDED", "PROCESS_STATE_STOPPED", "PROCESS_LOG_STDOUT", "REMOTE_COMMUNICATION"] {
        let Some(event) = subject.bench.events.first(PLAIN, |event| event.eventname == eventname) else { continue };
        step(subject, topic_of(&event), &event)?;
        let last = event.payload.len().saturating_sub(1);
        step_in_pieces(subject, PIECES, &event, |header| vec![header, header + last])?;
    }
    let usual = subject.bench.events.usual();
    let last = usual.payload.len().saturating_sub(1);
    step_in_pieces(subject, PIECES, &usual, |header| vec![header, header + last])
}

pub(super) fn quiet_while_ready(subject: &mut Subject) -> Checked {
    subject.stays_quiet_for(Duration::from_secs(1))?;
    subject.deliver(&subject.bench.events.usual())?;
    subject.stays_quiet_for(Duration::from_secs(1))
}

pub(super) fn several_lines(subject: &mut Subject) -> Checked {
    for event in subject.bench.events.samples(PLAIN).iter().filter(|event| event.has_lines()) {
        step(subject, LINES, event)?;
    }
    let odd = Words { data: "a line\r\nand a NUL \0 in another one", ..PLAIN };
    for event in subject.bench.events.samples(odd).iter().filter(|event| event.has_lines()) {
        step(subject, Topic::one(causes::CONTROL_CHARACTERS), event)?;
    }
    Ok(())
}

const NON_ASCII: Topic =
    Topic { ended: causes::CRASH_ON_NON_ASCII, silent: causes::HANG_ON_NON_ASCII, early: causes::LENGTH_IN_BYTES };

/// A character that arrives in two pieces, after the same pieces in ASCII.
const SPLIT: Topic = Topic { early: causes::LENGTH_IN_BYTES, ..Topic::one(causes::SPLIT_CHARACTER) };

/// Unread bytes of a payload precede the next event, or are taken for one. A listener that always answers early has
/// done so before.
const AFTER_NON_ASCII: Topic = Topic { early: causes::LENGTH_IN_BYTES, ..Topic::one(causes::LENGTH_IN_BYTES) };

/// An event in ASCII, then the same with other text: in one piece, and as header, payload and last byte. A listener
/// that counts bytes has enough of them before the last byte.
fn step_to_non_ascii(subject: &mut Subject, twin: &Sample, event: &Sample) -> Checked {
    let last = twin.payload.len().saturating_sub(1);
    step_in_pieces(subject, PIECES, twin, |header| vec![header, header + last])?;
    subject.topic = NON_ASCII;
    subject.deliver(event)?;
    subject.topic = AFTER_NON_ASCII;
    let bytes = subject.begin(event)?;
    let (header, payload) = bytes.split_at_checked(bytes.len().saturating_sub(event.payload.len())).unwrap_or_default();
    in_pieces(subject, header, &[header.len()])?;
    subject.topic = SPLIT;
    in_pieces(subject, payload, &[payload.len().saturating_sub(1)])?;
    subject.answered()?;
    subject.topic = AFTER_NON_ASCII;
    subject.deliver(&subject.bench.events.usual())
}

/// An event whose text is not ASCII, in one piece, after one that is ASCII.
fn step_to_whole_non_ascii(subject: &mut Subject, data: &str) -> Checked {
    let Some((twin, event)) = non_ascii_with(subject, data) else { return Ok(()) };
    step(subject, topic_of(&twin), &twin)?;
    subject.topic = NON_ASCII;
    subject.deliver(&event)?;
    subject.topic = AFTER_NON_ASCII;
    // The unread bytes may hold a newline, and be answered as well.
    subject.stays_quiet()?;
    subject.deliver(&subject.bench.events.usual())?;
    subject.stays_quiet()
}

/// The first event with text, in ASCII and not.
fn non_ascii_with(subject: &Subject, data: &str) -> Option<(Sample, Sample)> {
    let twin = subject.bench.events.first(PLAIN, Sample::has_lines);
    let twin = twin.or_else(|| subject.bench.events.first(PLAIN, Sample::has_text))?;
    let event = events::sample(twin.eventname, Words { process: "zähler", group: "zähler", data })?;
    Some((twin, event))
}

pub(super) fn non_ascii(subject: &mut Subject) -> Checked {
    let names = Words { process: "zähler", group: "zähler", data: "" };
    // `len` bytes of this payload end between two characters: a listener that counts bytes notices nothing.
    if let Some(event) = subject.bench.events.first(names, |event| event.has_text() && !event.has_lines())
        && let Some(twin) = events::sample(event.eventname, PLAIN)
    {
        step_to_non_ascii(subject, &twin, &event)?;
    }
    for twin in subject.bench.events.samples(PLAIN).iter().filter(|event| event.has_lines()).take(2) {
        step(subject, LINES, twin)?;
        let with = |data| events::sample(twin.eventname, Words { data, ..PLAIN }).unwrap_or_else(|| twin.clone());
        step_to_non_ascii(subject, twin, &with("ä€😀"))?;
        for data in ["日本語のテキスト", "a\u{85}\u{2028}äz", "e\u{301}\u{feff}"] {
            subject.topic = NON_ASCII;
            subject.deliver(&with(data))?;
            subject.topic = AFTER_NON_ASCII;
            subject.deliver(&subject.bench.events.usual())?;
        }
    }
    Ok(())
}

pub(super) fn empty_payload(subject: &mut Subject) -> Checked {
    let samples = subject.bench.events.samples(PLAIN);
    for event in samples.iter().filter(|event| event.payload.is_empty()) {
        step(subject, EMPTY, event)?;
    }
    for event in samples.iter().filter(|event| event.has_lines()) {
        step(subject, LINES, event)?;
        if let Some(event) = events::sample(event.eventname, Words { data: "", ..PLAIN }) {
            step(subject, EMPTY, &event)?;
        }
    }
    let nameless = Words { process: "", ..PLAIN };
    if let Some(event) = subject.bench.events.first(Words { data: "", ..nameless }, |event| event.payload == b"type:\n")
    {
        step(subject, EMPTY, &event)?;
    }
    if let Some(event) = subject.bench.events.first(Words { group: "", ..PLAIN }, Sample::is_of_process) {
        step(
            subject,
            topic_of(&event),
            &subject.bench.events.first(PLAIN, Sample::is_of_process).unwrap_or(event.clone()),
        )?;
        step(subject, Topic::one(causes::EMPTY_GROUP), &event)?;
    }
    Ok(())
}

pub(super) fn large_payload(subject: &mut Subject) -> Checked {
    let Some(twin) = subject.bench.events.first(PLAIN, Sample::has_lines) else { return Ok(()) };
    let large = Topic::one(causes::LARGE_PAYLOAD);
    step(subject, LINES, &twin)?;
    let half = twin.payload.len() / 2;
    step_in_pieces(subject, PIECES, &twin, |header| vec![header + half])?;
    for text in ["a line of text\n", "eine Zeile für Übungen\n"] {
        if !text.is_ascii() {
            step_to_whole_non_ascii(subject, text)?;
        }
        let line = events::sample(twin.eventname, Words { data: "", ..PLAIN }).unwrap_or(twin.clone());
        let payload = [line.payload, text.repeat(200_000 / text.len()).into_bytes()].concat();
        // The first piece is more than a pipe holds.
        step_in_pieces(subject, large, &Sample { payload, ..twin }, |_| vec![150_000])?;
    }
    Ok(())
}

/// Each type comes with a usual name before it comes with the odd one.
pub(super) fn named_process(subject: &mut Subject, name: &str, cause: &'static Cause) -> Checked {
    let words = Words { process: name, ..PLAIN };
    for event in subject.bench.events.samples(words).iter().filter(|event| event.is_of_process()) {
        if let Some(twin) = events::sample(event.eventname, PLAIN) {
            step(subject, topic_of(&twin), &twin)?;
        }
        step(subject, Topic::one(cause), event)?;
    }
    Ok(())
}

pub(super) fn byte_by_byte(subject: &mut Subject) -> Checked {
    one_by_one(subject, PIECES, &subject.bench.events.usual())?;
    step_to_whole_non_ascii(subject, "übung 😀")?;
    if let Some((twin, event)) = non_ascii_with(subject, "übung 😀") {
        one_by_one(subject, PIECES, &twin)?;
        one_by_one(subject, SPLIT, &event)?;
    }
    Ok(())
}

fn one_by_one(subject: &mut Subject, topic: Topic, event: &Sample) -> Checked {
    subject.topic = topic;
    let bytes = subject.begin(event)?;
    for (at, byte) in bytes.chunks(1).enumerate() {
        not_yet_answered(subject, at, event, &bytes)?;
        subject.write(byte);
        subject.let_read();
    }
    subject.answered()?;
    subject.deliver(&subject.bench.events.usual())
}

/// A listener that answers early takes the rest for the next header, which shows later or never. So this checks after
/// each piece for an answer, and waits longer at the start of the payload and before its last byte.
fn not_yet_answered(subject: &mut Subject, written: usize, event: &Sample, bytes: &[u8]) -> Checked {
    let missing = bytes.len().saturating_sub(written);
    let is_telling = missing == 1 || missing.saturating_add(1) == event.payload.len();
    if is_telling { subject.stays_quiet() } else { subject.stays_quiet_for(Duration::ZERO) }
}

pub(super) fn split_everywhere(subject: &mut Subject) -> Checked {
    at_every_place(subject, PIECES, &subject.bench.events.usual())?;
    step_to_whole_non_ascii(subject, "ü😀")?;
    if let Some((twin, event)) = non_ascii_with(subject, "ü😀") {
        at_every_place(subject, PIECES, &twin)?;
        at_every_place(subject, SPLIT, &event)?;
    }
    Ok(())
}

fn at_every_place(subject: &mut Subject, topic: Topic, event: &Sample) -> Checked {
    subject.topic = topic;
    let since = Instant::now();
    let mut place = 1;
    loop {
        let bytes = subject.begin(event)?;
        let split = bytes.split_at_checked(place).filter(|_| !is_enough(subject, since));
        let (first, second) = split.unwrap_or((&bytes, b""));
        subject.write(first);
        subject.let_read();
        if !second.is_empty() {
            not_yet_answered(subject, first.len(), event, &bytes)?;
            subject.write(second);
        }
        subject.answered()?;
        if split.is_none() {
            return Ok(());
        }
        place += 1;
    }
}

/// A listener that does real work may be slow: it need not get all of the events.
fn is_enough(subject: &Subject, since: Instant) -> bool {
    since.elapsed() > 3 * subject.bench.patience
}

pub(super) fn slow(subject: &mut Subject) -> Checked {
    let usual = subject.bench.events.usual();
    subject.topic = PIECES;
    let bytes = subject.begin(&usual)?;
    let step = bytes.len().div_ceil(5);
    for piece in bytes.chunks(step) {
        subject.write(piece);
        // Two pieces in one read would not be the pieces of the slow event below.
        subject.let_read_for(subject.bench.patience);
    }
    subject.answered()?;
    step_in_pieces(subject, Topic::one(causes::SLOW_INPUT), &usual, |_| (1..5).map(|piece| piece * step).collect())
}

pub(super) fn redelivery(subject: &mut Subject) -> Checked {
    let Sample { eventname, payload } = subject.bench.events.usual();
    let last = u64::MAX >> 1;
    // The same event three times; a jump, as after an overflow; the highest number, and 0 after it.
    for (serial, poolserial) in [(6, 2), (7, 3), (7, 3), (7, 3), (50, 20), (8, 4), (last, last), (0, 0)] {
        subject.topic = match serial {
            6 => Topic::GENERAL,
            _ if serial == last => Topic::one(causes::LARGE_NUMBERS),
            _ => Topic::one(causes::REDELIVERY),
        };
        let (eventname, payload) = (eventname.into(), payload.clone());
        let bytes = subject.begin_event(&PoolEvent { serial, poolserial, eventname, payload, deliveries: 0 })?;
        subject.write(&bytes);
        subject.answered()?;
    }
    Ok(())
}

pub(super) fn unknown_types(subject: &mut Subject) -> Checked {
    let unknown = Topic {
        ended: causes::EXIT_AT_UNKNOWN_EVENT,
        silent: causes::IGNORES_UNKNOWN_EVENT,
        early: causes::EARLY_RESULT,
    };
    let event = |eventname, payload: &[u8]| Sample { eventname, payload: payload.into() };
    let usual = subject.bench.events.usual();
    // A plugin's payload may be anything.
    step(subject, unknown, &event("SOMETHING_NEW", b"size:12"))?;
    step(subject, unknown, &event("PROCESS", b"no tokens, but text"))?;
    step(subject, unknown, &event("PROCESS_STATE_PAUSED", &usual.payload))?;
    // An unregistered event is called `None`. An empty one of a known type comes first.
    if let Some(empty) = subject.bench.events.first(PLAIN, |event| event.payload.is_empty()) {
        step(subject, EMPTY, &empty)?;
    }
    step(subject, unknown, &event("None", b""))
}

pub(super) fn unknown_tokens(subject: &mut Subject) -> Checked {
    let usual = subject.bench.events.usual();
    step(subject, topic_of(&usual), &usual)?;
    subject.topic = Topic::one(causes::UNKNOWN_TOKEN);
    if usual.is_plain() {
        let payload = [usual.payload.as_slice(), b" exitstatus:3 colour:red"].concat();
        subject.deliver(&Sample { payload, ..usual })?;
    }
    let bytes = String::from_utf8(subject.begin(&usual)?).expect("it is ASCII");
    subject.write(bytes.replacen(" eventname:", " priority:5 eventname:", 1).as_bytes());
    subject.answered()?;
    subject.deliver(&usual)
}

const LONGEST_FLOOD: Duration = Duration::from_secs(5);

pub(super) fn flood(subject: &mut Subject) -> Checked {
    let usual = subject.bench.events.usual();
    let since = Instant::now();
    for _ in 0..10_000 {
        subject.deliver(&usual)?;
        // On a busy machine, fewer are enough.
        if since.elapsed() > subject.bench.patience.min(LONGEST_FLOOD) {
            break;
        }
    }
    Ok(())
}

pub(super) fn end_between(subject: &mut Subject) -> Checked {
    subject.deliver(&subject.bench.events.usual())?;
    let heard = subject.heard();
    subject.close_input();
    let status = ended(subject, heard)?;
    if !status.success() {
        subject.note(causes::BAD_EXIT);
    }
    if subject.output_is_held() {
        subject.note(causes::OUTLIVED_STDOUT);
    }
    Ok(())
}

/// Waits for the process to end without further output.
fn ended(subject: &mut Subject, heard: usize) -> Result<std::process::ExitStatus, Box<Finding>> {
    let status = subject.exited();
    if subject.heard() > heard {
        return Err(match status {
            Err(finding) if finding.trouble.foreign => finding,
            // Some take the end for one more event, and the next one.
            _ if subject.runs_on() => subject.finding(Seen::Found(causes::RUNS_ON)),
            _ => subject.finding(Seen::Found(causes::OUTPUT_AFTER_END)),
        });
    }
    status?.ok_or_else(|| subject.finding(Seen::Found(causes::RUNS_ON)))
}

pub(super) fn end_within_header(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(&subject.bench.events.usual())?;
    end_within(subject, bytes.get(..40).unwrap_or_default())
}

pub(super) fn end_within_payload(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(&subject.bench.events.usual())?;
    end_within(subject, bytes.get(..bytes.len().saturating_sub(10)).unwrap_or_default())
}

fn end_within(subject: &mut Subject, bytes: &[u8]) -> Checked {
    subject.write(bytes);
    subject.let_read();
    subject.close_input();
    match ended(subject, 0) {
        Err(_) if subject.has_answered() => {
            subject.note(causes::HALF_EVENT);
            Ok(())
        }
        other => other.map(drop),
    }
}

pub(super) fn sigterm_ready(subject: &mut Subject) -> Checked {
    subject.deliver(&subject.bench.events.usual())?;
    subject.terminate();
    match subject.exited()? {
        Some(_) => Ok(()),
        None => Err(subject.finding(Seen::Found(causes::IGNORES_SIGTERM))),
    }
}

/// It may end at once, so that supervisord sends the event again, or answer first.
pub(super) fn sigterm_busy(subject: &mut Subject) -> Checked {
    let bytes = subject.begin(&subject.bench.events.usual())?;
    let (first, second) = bytes.split_at_checked(bytes.len().saturating_sub(10)).unwrap_or_default();
    subject.write(first);
    subject.let_read();
    subject.terminate();
    match subject.stays_quiet() {
        Err(finding) if matches!(finding.trouble.seen, Seen::Ended { .. }) && subject.heard() == 0 => return Ok(()),
        other => other?,
    }
    subject.write(second);
    match subject.exited()? {
        Some(_) => Ok(()),
        None => Err(subject.finding(Seen::Found(causes::IGNORES_SIGTERM))),
    }
}
