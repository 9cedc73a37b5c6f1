//! The counts of alerts from all monitors on the status page.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{Driven, EXITED, crash_of};
use crate::support::receiver::{Collector, Receiver};
use crate::support::{PATIENCE, client, wait_for};

#[test]
fn the_alerts_of_all_monitors_are_counted() {
    let (directory, alerts, refusing) = (TempDir::new().unwrap(), Collector::start(), Receiver::start());
    let (url, refusing_url) = (alerts.url(), refusing.url());
    let mut failure = Driven::start("failure_monitor", directory.path(), &["--state-dir=state", "--alert-url", &url]);
    let settings = ["--state-dir=state", "--alert-url", &refusing_url];
    let mut startup =
        Driven::start("startup_monitor", directory.path(), &[&settings[..], &["--flapping-starts=1"]].concat());
    let settings = ["--state-dir=state", "--listen=127.0.0.1:0", "--status-interval=0.1"];
    let mut monitor = Driven::start("trading_monitor", directory.path(), &settings);
    monitor.simulator.step(PATIENCE);
    let page = monitor.lines()[0]["url"].as_str().unwrap().to_owned();
    let get = |path: &str| client().get(format!("{page}{path}")).call().unwrap().body_mut().read_to_string().unwrap();
    let counts = || serde_json::from_str::<Value>(&get("status.json")).unwrap()["alerts"].clone();
    let are = |expected: &Value| wait_for(&expected.to_string(), || (counts() == *expected).then_some(()));
    let is_told = |line: &str| wait_for(line, || get("metrics").lines().any(|there| there == line).then_some(()));

    // Even before there is anything to count.
    are(&json!({ "sent": 0, "failed": 0, "waiting": 0 }));
    is_told(r#"supervisor_alerts_sent_total{server="",monitor="failure_monitor"} 0"#);
    for number in 0..3 {
        failure.send(EXITED, &crash_of(number));
    }
    are(&json!({ "sent": 3, "failed": 0, "waiting": 0 }));
    // One that is rejected for good, and one that must wait.
    let start = |name: &str| format!("processname:{name} groupname:g from_state:EXITED tries:0");
    startup.send("PROCESS_STATE_STARTING", &start("a"));
    refusing.next().answer(400);
    are(&json!({ "sent": 3, "failed": 1, "waiting": 0 }));
    startup.send("PROCESS_STATE_STARTING", &start("b"));
    refusing.next().answer(503);
    are(&json!({ "sent": 3, "failed": 1, "waiting": 1 }));
    is_told(r#"supervisor_alerts_sent_total{server="",monitor="failure_monitor"} 3"#);
    is_told(r#"supervisor_alerts_failed_total{server="",monitor="startup_monitor"} 1"#);
    is_told(r#"supervisor_alerts_waiting{server="",monitor="startup_monitor"} 1"#);
    refusing.next().answer(204);
    are(&json!({ "sent": 4, "failed": 1, "waiting": 0 }));
    failure.end();
    startup.end();
    monitor.end();
}
