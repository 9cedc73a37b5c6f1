//! The page and its metrics while supervisord does not answer, and in a pool.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::durability::SmallDisk;
use crate::fake_supervisord::FakeSupervisord;
use crate::programs::{Driven, levels, state, state_in};
use crate::support::{client, wait_for};

const SETTINGS: [&str; 3] = ["--listen=127.0.0.1:0", "--status-interval=0.1", "--state-dir=state"];

/// The content of a monitor's page at a path.
fn page(monitor: &Driven, nth: usize) -> impl Fn(&str) -> String + use<> {
    // All monitors in a directory write to the same log.
    let url = wait_for("the page", || {
        let lines = monitor.lines();
        lines.iter().filter_map(|line| line["url"].as_str()).nth(nth).map(str::to_owned)
    });
    move |path| client().get(format!("{url}{path}")).call().unwrap().body_mut().read_to_string().unwrap()
}

fn names(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn no_metric_is_gone_while_supervisord_does_not_answer() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    let mut monitor = Driven::start_with("trading_monitor", directory.path(), &SETTINGS, &supervisord.environment());
    let get = page(&monitor, 0);
    monitor.send("PROCESS_STATE_EXITED", &state("r", "RUNNING", "expected:0 pid:1"));
    let up = |up: u8| {
        let line = format!("supervisor_up{{server=\"fake\"}} {up}");
        wait_for(&line, || Some(get("metrics")).filter(|metrics| metrics.lines().any(|there| there == line)))
    };
    // supervisord's answer about the exit.
    let exit = r#"supervisor_process_last_exit_status{server="fake",group="t",process="r"} 3"#;
    wait_for("the exit status", || get("metrics").contains(exit).then_some(()));
    let before = up(1);
    supervisord.break_down(true);
    let down = up(0);
    assert_eq!(names(&before), names(&down));
    let status: Value = serde_json::from_str(&get("status.json")).unwrap();
    let server = &status["supervisord"];
    assert_eq!((&server["up"], &server["state"]), (&false.into(), &Value::Null), "{server}");
    assert!(server["error"].as_str().unwrap().contains("HTTP status 500"), "{server}");
    // The last known states.
    assert_eq!(status["counts"], json!({ "EXITED": 1, "RUNNING": 3, "STOPPED": 8 }));
    supervisord.break_down(false);
    up(1);
    monitor.send("SUPERVISOR_STATE_CHANGE_STOPPING", "");
    let status: Value = serde_json::from_str(&get("status.json")).unwrap();
    assert_eq!((&status["supervisord"]["state"], &status["supervisord"]["up"]), (&"SHUTDOWN".into(), &true.into()));
    monitor.end();
}

#[test]
fn the_processes_of_a_pool_show_the_same_page() {
    let directory = TempDir::new().unwrap();
    let mut first = Driven::start("trading_monitor", directory.path(), &SETTINGS);
    let get = page(&first, 0);
    let mut second = Driven::start("trading_monitor", directory.path(), &SETTINGS);
    let start = |monitor: &mut Driven, serial, from| {
        monitor.send_as(serial, "PROCESS_STATE_STARTING", &state("p", from, "tries:0"));
    };
    start(&mut first, 1, "STOPPED");
    start(&mut second, 2, "BACKOFF");
    start(&mut first, 3, "BACKOFF");
    let restarts = |get: &dyn Fn(&str) -> String| {
        let status: Value = serde_json::from_str(&get("status.json")).unwrap();
        assert_eq!(status["events"].as_array().unwrap().len(), 3, "{status}");
        status["processes"][0]["restarts"].clone()
    };
    assert_eq!(restarts(&get), 2);
    first.end();
    assert_eq!(restarts(&page(&second, 1)), 2);
    second.end();
    // Killed or not, the next process has the data.
    let third = Driven::start("trading_monitor", directory.path(), &SETTINGS);
    assert_eq!(restarts(&page(&third, 2)), 2);
    third.end();
}

#[test]
fn a_full_disk_costs_no_event_and_is_made_up_for() {
    let directory = TempDir::new().unwrap();
    let settings = ["--listen=127.0.0.1:0", "--state-dir=small/state"];
    let Some(mut small) = SmallDisk::start("trading_monitor", directory.path(), &settings) else { return };
    let get = page(&small.monitor, 0);
    let restart = |small: &mut SmallDisk, times: usize| {
        let events =
            (0..times).flat_map(|_| small.monitor.send("PROCESS_STATE_STARTING", &state("p", "EXITED", "tries:0")));
        events.collect::<Vec<_>>()
    };
    let logged = restart(&mut small, 50);
    assert_eq!(levels(&logged, "ERROR"), [] as [&str; 0]);
    small.fill();
    let logged = restart(&mut small, 100);
    let errors = levels(&logged, "ERROR");
    assert!(
        errors.iter().filter(|error| error.contains("changes cannot be kept: No space left")).count() == 1,
        "{errors:?}"
    );
    let status: Value = serde_json::from_str(&get("status.json")).unwrap();
    assert_eq!(status["processes"][0]["restarts"], 150);
    fs::remove_file(small.path("filler")).unwrap();
    restart(&mut small, 1);
    let logged = small.monitor.lines();
    assert!(levels(&logged, "INFO").contains(&"changes can be kept again".into()), "{logged:?}");
    // Another thread may have written the snapshot before the event, which then is in the journal.
    let snapshot = state_in(&small.path("state/trading_monitor"))["value"]["processes"]["t:p"]["restarts"].clone();
    let journal = fs::read_to_string(small.path("state/trading_monitor.journal.json")).unwrap();
    let later = journal.lines().filter(|line| line.contains("\"State\"")).count() as u64;
    assert_eq!(snapshot.as_u64().unwrap() + later, 151, "{journal}");
    small.monitor.end();
}
