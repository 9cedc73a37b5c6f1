//! The checks, as a table: each is a small function that starts a listener of its own.
//!
//! A check proceeds in steps. Each step adds one difficulty to what the listener has mastered before, so the reported
//! cause is the true one: an event that is not ASCII and arrives in pieces follows an ASCII one that arrived in the
//! same pieces.

mod procedures;

use std::time::Duration;

use crate::bench::Bench;
use crate::causes::{self, Cause};
use crate::events::{self, PLAIN, Sample, Subscription, Words};
use crate::findings::{Finding, Seen, Topic};
use crate::streams::WRITERS_CAN_BE_TOLD;
use crate::subject::{Checked, Subject};
use procedures::*;

pub struct Check {
    pub name: &'static str,
    pub about: &'static str,
    needs: Need,
    kind: Kind,
}

/// The kind of event that a check needs the listener to subscribe to.
enum Need {
    AnyEvent,
    /// An event with a payload.
    Payload,
    /// An event with free text.
    Text,
    /// An event of a process.
    Process,
    /// An event with data.
    Data,
    /// An event that can have no payload, or no data.
    Empty,
    Everything,
}

enum Kind {
    /// Steps for a listener that is READY.
    Ready(fn(&mut Subject) -> Checked),
    /// Events from a supervisord with this identifier, and the cause if they fail.
    Identifier(&'static str, &'static Cause),
    /// Events of a process with this name, and the cause if they fail.
    ProcessName(&'static str, &'static Cause),
    /// A check that needs more than one listener.
    Bench(fn(&Bench) -> Vec<Finding>),
}

const fn check(name: &'static str, about: &'static str, make: fn(&mut Subject) -> Checked) -> Check {
    Check { name, about, needs: Need::AnyEvent, kind: Kind::Ready(make) }
}

const fn identifier(name: &'static str, about: &'static str, server: &'static str, cause: &'static Cause) -> Check {
    Check { name, about, needs: Need::AnyEvent, kind: Kind::Identifier(server, cause) }
}

const fn process_name(name: &'static str, about: &'static str, process: &'static str, cause: &'static Cause) -> Check {
    Check { name, about, needs: Need::Process, kind: Kind::ProcessName(process, cause) }
}

impl Check {
    const fn needs(self, needs: Need) -> Self {
        Self { needs, ..self }
    }
}

/// The first one is made first; the others may be made at the same time, in any order.
pub const CHECKS: &[Check] = &[
    check("basic", "READY, answers, READY again, and nothing else", basic),
    Check { name: "event-types", about: "every type of event", needs: Need::AnyEvent, kind: Kind::Bench(event_types) },
    check("waits-for-payload", "no answer before the payload's last byte", waits_for_payload).needs(Need::Payload),
    check("quiet-while-ready", "no output while there is no event", quiet_while_ready),
    check("several-lines", "payloads of several lines, and control characters", several_lines).needs(Need::Data),
    check("non-ascii", "payloads that are not ASCII, with `len` in code points", non_ascii).needs(Need::Text),
    check("empty-payload", "payloads of no bytes, and without data", empty_payload).needs(Need::Empty),
    check("large-payload", "payloads of 200 KB", large_payload).needs(Need::Data),
    process_name("name-space", "a process's name with spaces", "my own program", causes::NAME_WITH_SPACE),
    process_name("name-colon", "a process's name with colons", "program:1", causes::NAME_WITH_COLON),
    identifier("identifier-space", "an identifier with spaces", "my own supervisor", causes::CRASH_ON_SPACE),
    identifier("identifier-colon", "an identifier with colons", "host:9001", causes::SPLIT_ON_EVERY_COLON),
    identifier("identifier-empty", "an empty identifier", "", causes::EMPTY_IDENTIFIER),
    identifier("identifier-non-ascii", "an identifier that is not ASCII", "zürich", causes::NON_ASCII_IDENTIFIER),
    check("byte-by-byte", "an event that arrives one byte at a time", byte_by_byte),
    check("split-everywhere", "events in two pieces, split at every offset", split_everywhere),
    check("slow", "an event that arrives slowly", slow),
    check("redelivery", "redelivered events, and numbers that jump", redelivery),
    check("unknown-types", "events of unknown types", unknown_types).needs(Need::Everything),
    check("unknown-tokens", "unknown tokens, in header and payload", unknown_tokens),
    check("flood", "10,000 events in a row", flood),
    check("end-between", "the end of input between two events", end_between),
    check("end-within-header", "the end of input inside a header", end_within_header),
    check("end-within-payload", "the end of input inside a payload", end_within_payload).needs(Need::Payload),
    check("sigterm-ready", "SIGTERM while READY", sigterm_ready),
    check("sigterm-busy", "SIGTERM while BUSY", sigterm_busy),
];

impl Need {
    /// The reason why these events are not enough; `None` if they are.
    fn unmet(&self, events: &Subscription) -> Option<&'static str> {
        let has = |is_right: fn(&Sample) -> bool| events.first(PLAIN, is_right).is_some();
        let (met, without) = match self {
            Self::AnyEvent => (true, ""),
            Self::Payload => (has(|sample| !sample.payload.is_empty()), "no event with a payload among --events"),
            Self::Text => (has(Sample::has_text), "no event with text among --events"),
            Self::Process => (has(Sample::is_of_process), "no event of a process among --events"),
            Self::Data => (has(Sample::has_lines), "no event with data among --events"),
            Self::Empty => {
                (has(|sample| sample.payload.is_empty() || sample.has_lines()), "no empty event among --events")
            }
            Self::Everything => (events.has_everything(), "unknown events are not among --events"),
        };
        (!met).then_some(without)
    }
}

impl Check {
    /// The reason why the check cannot be made with these events; `None` if it can.
    pub fn unmet(&self, events: &Subscription) -> Option<&'static str> {
        self.needs.unmet(events)
    }

    /// Makes the check, and returns its findings.
    pub fn run(&self, bench: &Bench) -> Vec<Finding> {
        let mut findings = self.run_once(bench);
        if findings.iter().any(Finding::may_be_load) {
            // Was it the listener, or a busy machine? Try again.
            findings = self.run_once(bench);
        }
        if WRITERS_CAN_BE_TOLD && !bench.watch_writers && findings.iter().any(Finding::may_be_foreign) {
            // Was it the listener itself? Try again, and watch which process writes.
            let again = self.run_once(&Bench { watch_writers: true, ..bench.clone() });
            if again.iter().any(|finding| finding.cause == causes::INHERITED_STDOUT) {
                return again;
            }
        }
        findings = self.tell_late_from_flushed(bench, findings);
        for finding in &mut findings {
            if is_about_type(finding, bench) {
                finding.judge_again(Topic::GENERAL);
            }
        }
        findings
    }

    /// Did output appear because the input had ended, or was it just late? Tries again: output that a listener holds
    /// back until the end appears earlier if the input ends earlier.
    fn tell_late_from_flushed(&self, bench: &Bench, findings: Vec<Finding>) -> Vec<Finding> {
        if findings.iter().all(|finding| finding.came_at_end().is_none()) {
            return findings;
        }
        let again = self.run_once(&Bench { grace: Duration::ZERO, ..bench.clone() });
        let is_flushed = |finding: &Finding, after: Duration| {
            let same = |other: &&Finding| other.trouble.eventname == finding.trouble.eventname;
            let earlier = after.saturating_sub(bench.grace / 2);
            again.iter().filter(same).filter_map(Finding::came_at_end).any(|again| again < earlier)
        };
        let judge = |finding: Finding| match finding.came_at_end() {
            Some(after) if !is_flushed(&finding, after) => finding.into_late(after),
            _ => finding,
        };
        findings.into_iter().map(judge).collect()
    }

    fn run_once(&self, bench: &Bench) -> Vec<Finding> {
        match self.kind {
            Kind::Ready(make) => with_listener(bench, make),
            Kind::Identifier(server, cause) => with_listener(bench, |subject| {
                step(subject, Topic::GENERAL, &bench.events.usual())?;
                subject.pool.server = server.into();
                step(subject, Topic::one(cause), &bench.events.usual())
            }),
            Kind::ProcessName(name, cause) => with_listener(bench, |subject| named_process(subject, name, cause)),
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
    let mut findings: Vec<_> = failure.into_iter().map(|finding| *finding).chain(subject.noted.drain(..)).collect();
    if subject.has_signalled() && findings.iter().all(|finding| finding.trouble.signal.is_none()) {
        findings.push(*subject.finding(Seen::Found(causes::SIGNALS_PARENT)));
    }
    findings
}

/// Whether the type of the event is the cause, and not its several lines or its empty payload, which only some types
/// have. To find out, sends the same type without the lines, or another type whose payload is empty.
fn is_about_type(finding: &Finding, bench: &Bench) -> bool {
    let Some(eventname) = finding.trouble.eventname.as_deref() else { return false };
    let is_passable = |finding: &Finding| finding.may_be_load() || finding.can_go_on();
    let handles =
        |event: &Sample| with_listener(bench, |subject| step(subject, Topic::GENERAL, event)).iter().all(is_passable);
    if finding.cause == causes::SEVERAL_LINES {
        let without_data = events::sample(eventname, Words { data: "", ..PLAIN });
        return without_data.is_some_and(|event| event.payload.ends_with(b"\n") && !handles(&event));
    }
    let is_other = |event: &Sample| event.payload.is_empty() && event.eventname != eventname;
    let is_empty = events::sample(eventname, PLAIN).is_some_and(|event| event.payload.is_empty());
    finding.cause == causes::EMPTY_PAYLOAD
        && is_empty
        && bench.events.first(PLAIN, is_other).is_some_and(|event| handles(&event))
}
