//! Events that come again, lost events, and state that the processes of a pool share.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;

use super::programs::{CRASH, Driven, EXITED, crash_of, levels, state_in};
use crate::support::receiver::{Collector, Receiver};
use crate::support::{PATIENCE, wait_for};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_events::ListenerState;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

#[test]
fn the_processes_of_a_pool_act_on_an_event_once() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let settings = ["--state-dir", "state", "--alert-url", &alerts.url()];
    let mut first = Driven::start("failure_monitor", directory.path(), &settings);
    let mut second = Driven::start("failure_monitor", directory.path(), &settings);
    first.send_as(7, EXITED, &crash_of(7));
    second.send_as(7, EXITED, &crash_of(7));
    first.send_as(7, EXITED, &crash_of(7));
    second.send_as(8, EXITED, &crash_of(8));
    first.send_as(9, EXITED, &crash_of(9));
    // Each process delivers in order: once these have arrived, so has everything before them.
    for serial in [8, 9] {
        alerts.wait_for("the alert", |alert| alert["serial"] == serial);
    }
    assert_eq!(alerts.count(|_| true), 3);
    first.end();
    second.end();

    // Another supervisord counts from 0. A shell in between is another parent.
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" \"$@\"; exit $?"])
        .arg(crate::support::program("failure_monitor"))
        .args(settings)
        .env_clear();
    let mut simulator = Simulator::spawn(command.current_dir(directory.path()).stderr(Stdio::null())).unwrap();
    simulator.pool.next_serial = 7;
    simulator.notify(EXITED, CRASH.as_bytes());
    simulator.run(PATIENCE);
    wait_for("the alert", || (alerts.count(|_| true) == 4).then_some(()));
}

#[test]
fn state_that_cannot_be_read_begins_anew_and_is_kept_aside() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join("state").join(name);
    fs::create_dir(path("")).unwrap();
    fs::write(path("heartbeat_monitor.1.json"), "{\"when\":10").unwrap();
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &["--state-dir", "state"]);
    let lines = monitor.send("TICK_5", "when:20");
    assert!(
        levels(&lines, "WARNING")[0].starts_with("the saved state is unusable, starting without it: "),
        "{lines:?}"
    );
    assert_eq!(fs::read(path("heartbeat_monitor.1.json.unreadable")).unwrap(), b"{\"when\":10");
    assert_eq!(state_in(&path("heartbeat_monitor"))["when"], 20);
    assert_eq!(levels(&monitor.send("TICK_5", "when:25"), "WARNING"), [] as [&str; 0]);
    monitor.end();
}

#[test]
fn a_process_starts_while_another_one_of_its_pool_holds_the_state() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let lock = File::create(directory.path().join("state/startup_monitor.0.json")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut monitor = Driven::start("startup_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.simulator.step(PATIENCE);
    assert_eq!(monitor.simulator.state(), ListenerState::Ready, "{:?}", monitor.lines());
    drop(lock);
    monitor.send("TICK_5", "when:20");
    monitor.end();
}

#[test]
fn a_process_that_is_alone_in_its_pool_tells_how_many_events_were_lost() {
    const LOST: &str = "2 events were lost: poolserial 5 to 6; the pool's buffer was full: raise 'buffer_size' in its \
                        section (10 unless it is set)";
    let directory = TempDir::new().unwrap();
    for (name, lost) in [("listener", vec![LOST]), ("l_0", vec![])] {
        let environment = [("SUPERVISOR_PROCESS_NAME", name), ("SUPERVISOR_GROUP_NAME", "listener")];
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &[], &environment);
        monitor.send_as(4, EXITED, CRASH);
        // Skipped events may still arrive, until 16 others have.
        for serial in 7..23 {
            assert_eq!(levels(&monitor.send_as(serial, EXITED, CRASH), "ERROR"), [] as [&str; 0], "{name}");
        }
        assert_eq!(levels(&monitor.send_as(23, EXITED, CRASH), "ERROR"), lost, "{name}");
        monitor.end();
    }
}

#[test]
fn sigterm_ends_a_monitor_after_the_event_at_hand() {
    let (directory, receiver) = (TempDir::new().unwrap(), Receiver::start());
    let settings = ["--alert-url", &receiver.url(), "--alert-timeout", "60"];
    let mut monitor = Driven::start("failure_monitor", directory.path(), &settings);
    let child = Pid::from_raw(monitor.simulator.pid().unwrap().try_into().unwrap()).unwrap();
    let terminator = thread::spawn(move || {
        let request = receiver.next();
        kill_process(child, Signal::TERM).unwrap();
        request.answer(204);
    });
    monitor.simulator.notify(EXITED, CRASH.as_bytes());
    let reports = monitor.simulator.run(PATIENCE);
    assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    terminator.join().unwrap();
    // Its input is still open.
    let status = monitor.simulator.wait(PATIENCE).unwrap().expect("it ends");
    assert!(status.success(), "{status}");
}
