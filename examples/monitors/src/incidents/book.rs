//! Open incidents, and when alerts about them are due. Times are passed in, in seconds since 1970.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::IncidentSettings;
use crate::alerts::Severity;
use crate::supervisord::Process;

/// Repeated failures of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub group: String,
    pub name: String,
    /// The kind of failure, which is also the name of its alerts.
    pub event: String,
    pub severity: Severity,
    /// When it began.
    pub since: i64,
    /// When the last failure occurred.
    pub last: i64,
    /// How many failures there have been.
    pub failures: u64,
    /// When the last alert was sent.
    told: i64,
    /// The event of that alert.
    told_of: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Book {
    /// Open incidents, by process and kind.
    incidents: BTreeMap<String, Incident>,
    /// The run of supervisord that is shutting down: processes that end now are meant to.
    ending: Option<String>,
}

impl Book {
    /// Counts a failure. Returns the incident if an alert about it is due: when it begins, and at intervals while it
    /// lasts.
    pub fn fail(&mut self, failure: Incident, settings: &IncidentSettings) -> Option<Incident> {
        let now = failure.last;
        self.follow_clock(now);
        match self.incidents.get_mut(&failure.key()) {
            // The event has come again: its process was killed, perhaps before the alert was sent.
            Some(known) if known.told_of == failure.told_of => Some(known.clone()),
            // If the incident is quiet, its end was missed, and a new one begins.
            Some(known) if !known.is_quiet(now, settings) => {
                known.failures += 1;
                known.last = now;
                if now - known.told < whole_seconds(settings.repeat_after) {
                    return None;
                }
                (known.told, known.told_of) = (now, failure.told_of);
                Some(known.clone())
            }
            _ => {
                self.incidents.insert(failure.key(), failure.clone());
                Some(failure)
            }
        }
    }

    /// Records whether this run of supervisord is shutting down.
    pub fn set_ending(&mut self, run: &str, is_ending: bool) {
        if is_ending {
            self.ending = Some(run.to_owned());
        } else if self.is_ending(run) {
            self.ending = None;
        }
    }

    pub fn is_ending(&self, run: &str) -> bool {
        self.ending.as_deref() == Some(run)
    }

    /// Whether an incident may be over, so that supervisord must be asked.
    pub fn may_end(&mut self, now: i64, settings: &IncidentSettings) -> bool {
        self.follow_clock(now);
        self.incidents.values().any(|incident| incident.is_quiet(now, settings))
    }

    /// The incidents that are over, according to supervisord's list of processes.
    pub fn over(&self, processes: &[Process], now: i64, settings: &IncidentSettings) -> Vec<Incident> {
        let is_over =
            |incident: &&Incident| incident.is_quiet(now, settings) && incident.has_recovered(processes, now, settings);
        self.incidents.values().filter(is_over).cloned().collect()
    }

    /// If the clock was set back, moves times in the future to now.
    fn follow_clock(&mut self, now: i64) {
        for Incident { since, last, told, .. } in self.incidents.values_mut() {
            (*since, *last, *told) = ((*since).min(now), (*last).min(now), (*told).min(now));
        }
    }

    /// Closes incidents, unless they have changed. Called after the alerts, so that a process killed in between sends
    /// them again.
    pub fn end(&mut self, over: &[Incident]) {
        self.incidents.retain(|_, incident| !over.contains(incident));
    }
}

impl Incident {
    /// An incident that begins now with this event.
    pub fn new((group, name): (&str, &str), event: &str, severity: Severity, now: i64, told_of: String) -> Self {
        let (group, name, event) = (group.into(), name.into(), event.into());
        Self { group, name, event, severity, since: now, last: now, failures: 1, told: now, told_of }
    }

    fn key(&self) -> String {
        format!("{}:{}/{}", self.group, self.name, self.event)
    }

    fn is_quiet(&self, now: i64, settings: &IncidentSettings) -> bool {
        now - self.last >= whole_seconds(settings.recovered_after)
    }

    /// Whether the process has been running for a while, was stopped, or is gone.
    fn has_recovered(&self, processes: &[Process], now: i64, settings: &IncidentSettings) -> bool {
        let is_it = |process: &&Process| process.group == self.group && process.name == self.name;
        // If the clock was set back, a start may be in the future.
        let has_run = |process: &Process| {
            let runs_for = now.checked_sub(process.start.into()).filter(|time| *time >= 0);
            process.runs() && runs_for.is_none_or(|time| time >= whole_seconds(settings.recovered_after))
        };
        processes.iter().find(is_it).is_none_or(|process| process.is_stopped() || has_run(process))
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const SETTINGS: IncidentSettings =
        IncidentSettings { recovered_after: Duration::from_secs(300), repeat_after: Duration::from_secs(900) };
    const WORKER: (&str, &str) = ("g", "worker");

    fn failure(process: (&str, &str), event: &str, now: i64) -> Incident {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Incident::new(process, event, Severity::Warning, now, serial.to_string())
    }

    fn end(book: &mut Book, processes: &[Process], now: i64) -> Vec<Incident> {
        let over = book.over(processes, now, &SETTINGS);
        book.end(&over);
        over
    }

    fn crash(now: i64) -> Incident {
        failure(WORKER, "UNEXPECTED_EXIT", now)
    }

    fn process(state: &str) -> Process {
        Process { group: "g".into(), name: "worker".into(), state: state.parse().unwrap(), ..Process::default() }
    }

    #[test]
    fn a_crash_loop_is_told_once_and_then_counted() {
        let mut book = Book::default();
        let mut told = Vec::new();
        // Twice a second for 20 minutes.
        for now in (1000..2200).flat_map(|now| [now, now]) {
            told.extend(book.fail(crash(now), &SETTINGS).map(|told| (now, told.failures)));
        }
        assert_eq!(told, [(1000, 1), (1900, 1801)]);
    }

    #[test]
    fn it_is_over_when_it_has_run_for_a_while() {
        let mut book = Book::default();
        for now in [1000, 1100] {
            book.fail(crash(now), &SETTINGS);
        }
        assert!(!book.may_end(1399, &SETTINGS));
        assert!(end(&mut book, &[process("RUNNING")], 1399).is_empty());
        assert!(book.may_end(1400, &SETTINGS));
        for state in ["FATAL", "EXITED", "BACKOFF", "STARTING", "STOPPING", "UNKNOWN"] {
            assert!(end(&mut book, &[process(state)], 1400).is_empty(), "{state}");
        }
        let ended = end(&mut book, &[process("RUNNING")], 1400);
        assert_eq!(ended.iter().map(|ended| (ended.since, ended.failures)).collect::<Vec<_>>(), [(1000, 2)]);
        assert!(!book.may_end(9999, &SETTINGS));
    }

    #[test]
    fn what_was_fatal_and_is_started_has_not_recovered_at_once() {
        let mut book = Book::default();
        book.fail(failure(WORKER, "PROCESS_FATAL", 1000), &SETTINGS);
        let started = Process { start: 5000, ..process("RUNNING") };
        assert!(end(&mut book, std::slice::from_ref(&started), 5001).is_empty());
        assert!(end(&mut book, std::slice::from_ref(&started), 5299).is_empty());
        assert_eq!(end(&mut book, &[started], 5300).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing_for_long() {
        let mut book = Book::default();
        book.fail(crash(90_000), &SETTINGS);
        // It keeps crashing, or not.
        let told = [1000, 1200, 1400, 1600, 1800, 2000].map(|now| book.fail(crash(now), &SETTINGS).is_some());
        assert_eq!(told, [false, false, false, false, false, true]);
        book.fail(failure(("g", "other"), "PROCESS_FATAL", 90_000), &SETTINGS);
        assert!(!book.may_end(2000, &SETTINGS));
        let started = Process { start: 90_000, name: "other".into(), ..process("RUNNING") };
        assert!(book.may_end(2300, &SETTINGS));
        assert_eq!(book.over(&[started, process("FATAL")], 2300, &SETTINGS).len(), 1);
    }

    #[test]
    fn an_event_that_comes_again_is_told_again_and_so_is_an_end_that_was_not_noted() {
        let mut book = Book::default();
        let first = crash(1000);
        for now in [1000, 1000, 1001] {
            let again = Incident { last: now, ..first.clone() };
            assert_eq!(book.fail(again, &SETTINGS).map(|told| told.failures), Some(1));
        }
        assert_eq!(book.fail(crash(1002), &SETTINGS), None);
        let over = book.over(&[process("RUNNING")], 1400, &SETTINGS);
        assert_eq!(book.over(&[process("RUNNING")], 1400, &SETTINGS), over);
        // Another process of the pool got an event in between.
        book.fail(crash(1401), &SETTINGS);
        book.end(&over);
        assert_eq!(end(&mut book, &[process("RUNNING")], 1800).len(), 1);
    }

    #[test]
    fn what_was_stopped_or_removed_is_over_too() {
        for processes in [vec![process("STOPPED")], vec![]] {
            let mut book = Book::default();
            book.fail(failure(WORKER, "PROCESS_FATAL", 1000), &SETTINGS);
            assert_eq!(end(&mut book, &processes, 1300).len(), 1);
        }
    }

    #[test]
    fn without_ticks_it_begins_anew_after_a_while() {
        let mut book = Book::default();
        let told = [1000, 1299, 1599].map(|now| book.fail(crash(now), &SETTINGS));
        assert_eq!(
            told.map(|told| told.map(|told| (told.since, told.failures))),
            [Some((1000, 1)), None, Some((1599, 1))]
        );
    }

    #[test]
    fn only_the_run_that_shuts_down_does() {
        let mut book = Book::default();
        assert!(!book.is_ending("1"));
        book.set_ending("1", true);
        assert!(book.is_ending("1") && !book.is_ending("2"));
        // Another supervisord that uses the same directory has started.
        book.set_ending("2", false);
        assert!(book.is_ending("1"));
        // It was only reloaded.
        book.set_ending("1", false);
        assert!(!book.is_ending("1"));
    }

    #[test]
    fn kinds_and_processes_are_apart() {
        let mut book = Book::default();
        for (process, event) in
            [(WORKER, "UNEXPECTED_EXIT"), (WORKER, "PROCESS_FATAL"), (("h", "worker"), "PROCESS_FATAL")]
        {
            assert!(book.fail(failure(process, event, 1000), &SETTINGS).is_some());
        }
    }
}
