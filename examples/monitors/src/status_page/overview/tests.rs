//! The overview through the changes in a supervisord's life.

use super::*;

/// An overview, and events with consecutive serials and times.
#[derive(Default)]
struct Told {
    overview: Overview,
    serial: u64,
}

impl Told {
    fn new() -> Self {
        let mut told = Self::default();
        told.apply(Change::Run { run: "run".into(), server: "supervisor".into() });
        told
    }

    fn apply(&mut self, change: Change) {
        // Written and read back, as from its file.
        let text = serde_json::to_string(&change).unwrap();
        self.overview.apply(serde_json::from_str(&text).unwrap());
    }

    /// Sends `g:p` through these states, one second each. `!` marks an unexpected one.
    fn goes(&mut self, states: &str) -> &Status {
        let mut from = self.overview.processes.get("g:p").map_or("STOPPED".into(), |status| status.state.clone());
        for to in states.split(' ') {
            let (to, unexpected) = to.strip_suffix('!').map_or((to, false), |to| (to, true));
            self.serial += 1;
            let change = StateChange {
                at: self.now(),
                serial: self.serial,
                group: "g".into(),
                process: "p".into(),
                from: std::mem::replace(&mut from, to.into()),
                to: ProcessStateName(ProcessState::from_name(to).unwrap()),
                expected: (to == "EXITED").then_some(!unexpected),
                pid: 7,
            };
            self.apply(Change::State(change));
        }
        self.p()
    }

    fn now(&self) -> i64 {
        self.serial as i64 * 1000
    }

    fn p(&self) -> &Status {
        &self.overview.processes["g:p"]
    }

    /// Applies supervisord's list with the process in this state.
    fn listed(&mut self, state: &str, start: i32) -> Process {
        let process = Process { start, ..process(state) };
        self.apply(Change::Listed { at: self.now(), processes: vec![process.clone()], differences: 0 });
        process
    }
}

fn process(state: &str) -> Process {
    let pid = if state == "RUNNING" { 7 } else { 0 };
    Process { group: "g".into(), name: "p".into(), state: state.parse().unwrap(), pid, ..Process::default() }
}

#[test]
fn restarts_and_exits_are_counted() {
    let mut told = Told::new();
    assert_eq!(told.goes("STARTING RUNNING").restarts, 0);
    assert_eq!((told.p().pid, told.p().since, told.p().start), (7, 2000, 1000));
    let crashed = told.goes("EXITED!");
    assert_eq!((crashed.restarts, crashed.exits, crashed.pid), (0, Exits { expected: 0, unexpected: 1 }, 0));
    let again = told.goes("STARTING RUNNING EXITED STARTING RUNNING");
    assert_eq!((again.restarts, again.exits), (2, Exits { expected: 1, unexpected: 1 }));
    // By hand.
    let by_hand = told.goes("STOPPING STOPPED STARTING RUNNING");
    assert_eq!((by_hand.restarts, by_hand.exits), (3, Exits { expected: 1, unexpected: 1 }));
    // What ends before startsecs.
    let failed = told.goes("EXITED! STARTING BACKOFF STARTING BACKOFF FATAL");
    assert_eq!((failed.restarts, failed.failed_starts, failed.state.as_str()), (5, 2, "FATAL"));
    assert_eq!(told.overview.state_changes, told.serial);
}

#[test]
fn the_first_start_is_no_restart_whatever_is_known_before() {
    // An event that was under way when supervisord was asked.
    for (state, start, states, restarts) in [
        ("RUNNING", 5, "STARTING RUNNING", 0),
        ("STARTING", 5, "STARTING RUNNING", 0),
        ("STOPPED", 0, "STARTING RUNNING", 0),
        // It had run before this monitor started.
        ("STOPPED", 5, "STARTING RUNNING", 1),
        ("EXITED", 5, "STARTING RUNNING", 1),
        ("RUNNING", 5, "STOPPING STOPPED STARTING", 1),
    ] {
        let mut told = Told::new();
        told.listed(state, start);
        // supervisord says where it comes from.
        if state != "EXITED" && !states.starts_with("STOPPING") {
            told.overview.processes.get_mut("g:p").unwrap().state = "STOPPED".into();
        }
        assert_eq!(told.goes(states).restarts, restarts, "{state} {start} {states}");
    }
    // Another supervisord starts it for the first time.
    let mut told = Told::new();
    told.goes("STARTING RUNNING STOPPING STOPPED");
    told.apply(Change::Run { run: "another".into(), server: "supervisor".into() });
    assert_eq!(told.goes("STARTING RUNNING").restarts, 0);
}

#[test]
fn why_a_process_ended_is_what_supervisord_says_of_that_end() {
    let why = |told: &Told| {
        let exit = told.p().last_exit.clone().unwrap();
        (exit.status, exit.expected, exit.why)
    };
    let answer = |state: &str, exit_status: i32, spawn_error: &str| {
        let process = Process { start: 1, stop: 3, exit_status, spawn_error: spawn_error.into(), ..process(state) };
        Change::Told(vec![process])
    };
    let mut told = Told::new();
    told.goes("STARTING RUNNING EXITED!");
    assert_eq!(why(&told), (None, Some(false), "exited unexpectedly".into()));
    told.apply(answer("EXITED", 3, "Bad exit code 3"));
    assert_eq!(why(&told), (Some(3), Some(false), "exit code 3".into()));
    told.goes("STARTING RUNNING EXITED!");
    told.apply(answer("EXITED", -1, "Bad exit code -1"));
    assert_eq!(why(&told), (Some(-1), Some(false), "killed by a signal".into()));
    // The log knows which signal.
    let exit = |at, why: &str| Change::Ended { name: "g:p".into(), at, status: Some(-1), why: why.into() };
    told.apply(exit(told.now() - 1, "killed by SIGBUS"));
    told.apply(exit(told.now(), "killed by SIGSEGV"));
    assert_eq!(why(&told).2, "killed by SIGSEGV");
    told.apply(answer("EXITED", -1, "Bad exit code -1"));
    assert_eq!(why(&told).2, "killed by SIGSEGV");
    // It is running again: supervisord's answer is about the new run.
    told.goes("STARTING RUNNING EXITED! STARTING");
    told.apply(answer("STARTING", 0, ""));
    told.apply(answer("EXITED", 9, "Bad exit code 9"));
    assert_eq!(why(&told), (None, Some(false), "exited unexpectedly".into()));
    assert_eq!(told.goes("BACKOFF").last_exit.as_ref().unwrap().status, None);
    told.apply(answer("BACKOFF", 0, "can't find command 'x'"));
    assert_eq!(why(&told), (None, Some(false), "can't find command 'x'".into()));
    assert_eq!(
        (told.p().spawn_error.as_str(), told.p().last_exit.as_ref().unwrap().is_wanting()),
        ("can't find command 'x'", false)
    );
    // It was stopped while it waited, so nothing ended.
    told.goes("STOPPED");
    told.apply(answer("STOPPED", 0, ""));
    assert_eq!(why(&told).2, "can't find command 'x'");
    told.goes("STARTING RUNNING STOPPING STOPPED");
    told.apply(answer("STOPPED", -1, ""));
    assert_eq!(why(&told), (Some(-1), None, "stopped, killed by a signal".into()));
}

#[test]
fn what_ended_before_anybody_looked_is_known_by_the_list() {
    let mut told = Told::new();
    told.listed("STOPPED", 0);
    assert!(told.p().last_exit.is_none() && told.p().start == 0);
    let crashed =
        Process { start: 5, stop: 8, exit_status: 3, spawn_error: "Bad exit code 3".into(), ..process("EXITED") };
    told.apply(Change::Listed { at: 10_000, processes: vec![crashed], differences: 1 });
    let exit = told.p().last_exit.clone().unwrap();
    assert_eq!((exit.at, exit.status, exit.expected, exit.why.as_str()), (8000, Some(3), Some(false), "exit code 3"));
    assert_eq!((told.p().since, told.overview.differences, told.overview.reconciliations), (8000, 1, 2));
}

#[test]
fn the_list_leads_and_what_it_has_not_is_gone() {
    let mut told = Told::new();
    told.goes("STARTING RUNNING EXITED! STARTING RUNNING");
    let running = Process { start: 4, pid: 9, ..process("RUNNING") };
    assert!(
        told.overview.differences(&[running.clone(), Process { name: "new".into(), ..process("STOPPED") }]).is_empty()
    );
    told.apply(Change::Listed { at: 9000, processes: vec![running], differences: 0 });
    assert_eq!((told.p().pid, told.p().since, told.p().start, told.p().restarts), (9, 5000, 4000, 1));
    let exited = Process { stop: 7, ..process("EXITED") };
    let [difference] = &told.overview.differences(&[exited])[..] else { panic!("one difference") };
    assert_eq!(
        (difference.name.as_str(), difference.known.as_str(), difference.state.as_str()),
        ("g:p", "RUNNING", "EXITED")
    );
    assert_eq!(told.overview.counts(), BTreeMap::from([("RUNNING", 1)]));
    told.apply(Change::Listed { at: 9000, processes: Vec::new(), differences: 0 });
    assert!(told.overview.processes.is_empty());
    told.goes("STARTING RUNNING");
    told.apply(Change::Removed { group: "other".into(), seen: Sighting { at: 1, serial: 50 } });
    assert_eq!(told.overview.processes.len(), 1);
    told.apply(Change::Removed { group: "g".into(), seen: Sighting { at: 1, serial: 51 } });
    assert!(told.overview.processes.is_empty() && told.overview.last_event.unwrap().serial == 51);
}

#[test]
fn the_last_events_are_remembered_and_no_more() {
    let mut told = Told::new();
    for _ in 0..500 {
        told.goes("STARTING RUNNING EXITED!");
    }
    assert_eq!(told.overview.events.len(), EVENTS);
    assert_eq!(told.overview.last_event, Some(Sighting { at: 1_500_000, serial: 1500 }));
    assert!(told.overview.has_seen("run", 1301) && !told.overview.has_seen("run", 1300));
    assert!(!told.overview.has_seen("another", 1500));
    let text = serde_json::to_string(&told.overview).unwrap();
    let again: Overview = serde_json::from_str(&text).unwrap();
    assert_eq!((again.events, again.processes["g:p"].restarts), (told.overview.events.clone(), 499));
    // However many there are.
    for number in 0..PROCESSES + 10 {
        let change = StateChange { process: number.to_string(), ..told.overview.events[0].clone() };
        told.overview.apply(Change::State(change));
    }
    assert_eq!(told.overview.processes.len(), PROCESSES);
}

#[test]
fn supervisords_shutdown_is_known_until_another_one_speaks() {
    let mut told = Told::new();
    let seen = Sighting { at: 5, serial: 6 };
    told.apply(Change::Supervisord { state: "SHUTDOWN".into(), seen });
    assert_eq!((told.overview.supervisord.as_deref(), told.overview.last_event), (Some("SHUTDOWN"), Some(seen)));
    told.apply(Change::Run { run: "another".into(), server: "supervisor".into() });
    assert_eq!(told.overview.supervisord, None);
}
