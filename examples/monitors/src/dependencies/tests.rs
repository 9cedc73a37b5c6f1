//! Plans for processes in given states.

use super::*;

fn process(name: &str, state: &str, start: i32, stop: i32) -> Process {
    let pid = if matches!(state, "RUNNING" | "STARTING" | "STOPPING") { 7 } else { 0 };
    let (group, state) = ("g".into(), state.parse().unwrap());
    Process { group, name: name.into(), state, pid, start, stop, ..Process::default() }
}

fn dependents(text: &str) -> DependencySettings {
    DependencySettings { dependents: text.parse().unwrap(), stop_dependents: false }
}

/// One that first asked after everything had happened.
fn late(monitor: &str) -> Asker<'_> {
    Asker { monitor, since: 1000 }
}

fn started<'a>(plan: &Plan<'a>) -> Vec<&'a str> {
    plan.start.iter().map(|(process, _)| process.name.as_str()).collect()
}

fn named<'a>(processes: &[&'a Process]) -> Vec<&'a str> {
    processes.iter().map(|process| process.name.as_str()).collect()
}

#[test]
fn dependents_are_started_once_for_each_run_of_what_they_need() {
    let (mut known, stops) = (Known::default(), Stops::default());
    let dependents = dependents("app=db+cache,stats=g:db");
    let mut processes = vec![
        process("db", "RUNNING", 10, 0),
        process("cache", "STARTING", 10, 0),
        process("app", "STOPPED", 0, 0),
        process("stats", "FATAL", 12, 13),
    ];
    let mut plan = |processes: &[Process]| started(&known.plan(&dependents, processes, &stops, late("m"))).join(" ");
    assert_eq!(plan(&processes), "stats");
    assert_eq!(plan(&processes), "");
    processes[1].state = ProcessState::Running;
    assert_eq!(plan(&processes), "app");
    processes[2] = process("app", "EXITED", 20, 21);
    assert_eq!(plan(&processes), "");
    // A new run.
    processes[1] = process("cache", "RUNNING", 30, 29);
    assert_eq!(plan(&processes), "app");
}

#[test]
fn what_a_person_stopped_is_left_alone_but_not_what_a_monitor_did() {
    let dependents = dependents("*=db");
    let processes = [
        process("db", "RUNNING", 50, 40),
        process("by_person", "STOPPED", 10, 40),
        process("by_monitor", "STOPPED", 10, 41),
        process("started_since", "STOPPED", 42, 45),
        process("never", "STOPPED", 0, 0),
        process("with_group", "STOPPED", 10, 31),
        process("before_group", "STOPPED", 10, 29),
    ];
    let mut stops = Stops::default();
    stops.note("g:by_monitor".into(), 41, "failure_monitor");
    stops.note("g:started_since".into(), 41, "failure_monitor");
    stops.note("g:*".into(), 30, "failure_monitor");
    // If a group's stop was not answered, processes that ended then count as stopped by it.
    let mut known = Known::default();
    let plan = known.plan(&dependents, &processes, &stops, late("startup_monitor"));
    assert_eq!(started(&plan), ["by_person", "by_monitor", "never", "with_group"]);
    assert_eq!(named(&plan.leave), ["started_since", "before_group"]);
    stops = Stops::default();
    stops.note("g:by_monitor".into(), 41, "failure_monitor");
    // Without news, only what we stopped ourselves is started.
    assert_eq!(started(&known.plan(&dependents, &processes, &stops, late("startup_monitor"))), [""; 0]);
    let own = known.plan(&dependents, &processes, &stops, late("failure_monitor"));
    assert_eq!(started(&own), ["by_monitor"]);
    let plan = Known::default().plan(&dependents, &processes, &stops, late("startup_monitor"));
    assert_eq!(named(&plan.leave), ["by_person", "started_since", "with_group", "before_group"]);
}

#[test]
fn a_job_has_to_end_as_expected() {
    let (mut known, stops) = (Known::default(), Stops::default());
    let dependents = dependents("app=exited(job)+db");
    assert_eq!(dependents.dependents[0].needs[0].to_string(), "exited(job)");
    let mut processes =
        vec![process("db", "RUNNING", 10, 0), process("job", "RUNNING", 10, 0), process("app", "STOPPED", 0, 0)];
    let mut plan = |processes: &[Process], expected: Option<bool>| {
        if let Some(expected) = expected {
            known.exited(processes, "g", "job", expected);
        }
        started(&known.plan(&dependents, processes, &stops, late("m"))).join(" ")
    };
    assert_eq!(plan(&processes, None), "");
    processes[1] = Process { exit_status: 3, ..process("job", "EXITED", 10, 15) };
    assert_eq!(plan(&processes, Some(false)), "");
    // Another exit code than 0 may be expected, and 0 may be unexpected.
    processes[1].start = 20;
    assert_eq!(plan(&processes, Some(true)), "app");
    processes[1] = process("job", "EXITED", 30, 35);
    assert_eq!(plan(&processes, Some(false)), "");
    processes[1] = process("job", "EXITED", 40, 45);
    assert_eq!(plan(&processes, None), "app");
    // The monitor has lost its state, and the application has run since.
    processes[2] = process("app", "EXITED", 46, 47);
    let plan = Known::default().plan(&dependents, &processes, &stops, late("m")).start.len();
    assert_eq!(plan, 0);
}

#[test]
fn of_an_exit_that_an_event_will_tell_nothing_is_guessed() {
    let processes = [process("job", "EXITED", 10, 15), process("app", "STOPPED", 0, 0)];
    let plan = |known: &mut Known, since| {
        let asker = Asker { monitor: "m", since };
        started(&known.plan(&dependents("app=exited(job)"), &processes, &Stops::default(), asker)).join(" ")
    };
    assert_eq!(plan(&mut Known::default(), 15), "app");
    let mut known = Known::default();
    assert_eq!(plan(&mut known, 14), "");
    known.exited(&processes, "g", "job", true);
    assert_eq!(plan(&mut known, 14), "app");
}

#[test]
fn dependents_stop_in_reverse_order() {
    let to_stop = |settings: &DependencySettings, processes: &[Process]| {
        named(&Known::default().plan(settings, processes, &Stops::default(), late("m")).stop).join(" ")
    };
    let stopping = |text| DependencySettings { stop_dependents: true, ..dependents(text) };
    let order = stopping("web=app,app=db,other=cache");
    let mut processes = vec![
        process("db", "STOPPING", 10, 0),
        process("app", "RUNNING", 12, 0),
        process("web", "RUNNING", 14, 0),
        process("cache", "RUNNING", 10, 0),
        process("other", "RUNNING", 10, 0),
    ];
    assert_eq!(to_stop(&order, &processes), "web");
    processes[2].state = ProcessState::Stopping;
    assert_eq!(to_stop(&order, &processes), "");
    processes[2] = process("web", "STOPPED", 14, 20);
    assert_eq!(to_stop(&order, &processes), "app");
    processes[0] = process("db", "EXITED", 10, 20);
    assert_eq!(to_stop(&order, &processes), "app");
    // Even if it comes back soon; and its dependents are not started before that.
    for state in ["STARTING", "BACKOFF", "RUNNING"] {
        processes[0] = process("db", state, 21, 20);
        assert_eq!(to_stop(&order, &processes), "app");
    }
    let mut stops = Stops::default();
    stops.note("g:web".into(), 20, "m");
    assert_eq!(started(&Known::default().plan(&order, &processes, &stops, late("m"))), [""; 0]);
    // In the same second as its last run, if it was seen to stop before.
    let mut known = Known::default();
    for (state, stopped) in [("STOPPING", 11), ("RUNNING", 12)] {
        processes[0] = process("db", state, 12, stopped);
        let plan = known.plan(&order, &processes, &stops, late("m"));
        assert_eq!((named(&plan.stop).join(" ").as_str(), plan.start.len()), ("app", 0));
    }
    assert_eq!(to_stop(&order, &processes), "");
    processes[0] = process("db", "RUNNING", 21, 20);
    // It has been started since.
    processes[1].start = 20;
    assert_eq!(to_stop(&order, &processes), "");
    assert_eq!(started(&Known::default().plan(&order, &processes, &stops, late("m"))), ["web"]);
    // Somebody started it without what it needs.
    processes[0] = process("db", "STOPPED", 10, 20);
    processes[1].start = 21;
    assert_eq!(to_stop(&order, &processes), "");

    let circle = stopping("app=db+web,web=app");
    let processes =
        [process("db", "FATAL", 30, 20), process("app", "RUNNING", 12, 0), process("web", "RUNNING", 14, 0)];
    assert_eq!(to_stop(&circle, &processes), "app web");
}

#[test]
fn critical_processes_run_if_all_do() {
    let processes = [process("a", "RUNNING", 1, 0), process("b", "RUNNING", 2, 0), process("c", "FATAL", 3, 4)];
    let runs = |text: &str| runs(&processes, &[text.parse().unwrap(), "a".parse().unwrap()]).map(|runs| runs.len());
    assert_eq!([runs("g:b"), runs("a"), runs("g:*"), runs("x")], [Some(2), Some(1), None, None]);
}

#[test]
fn circles_are_found() {
    let circle = |text: &str| {
        let dependents = dependents(text);
        let names = dependents.circle()?.iter().map(ToString::to_string).collect::<Vec<_>>();
        Some(names.join(" "))
    };
    assert_eq!(circle("web=web").as_deref(), Some("web web"));
    assert_eq!(circle("app=web,web=db+cache,db=exited(web)").as_deref(), Some("web db web"));
    assert_eq!(circle("a=g:*,g:*=g:x").as_deref(), Some("g:* g:x"));
    for text in ["", "app=db+cache,web=app+db", "g:*=h:x,h:*=i:*", "a=b,b=c,d=c"] {
        assert_eq!(circle(text), None, "{text}");
    }
}
