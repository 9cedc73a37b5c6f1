//! `maintenance_monitor`: what happens at the end of an hour.

use std::fs;

use super::fake_supervisord::FakeSupervisord;
use super::programs::{Driven, STDOUT, json_file, levels, records, said};
use crate::support::receiver::Collector;
use crate::support::wait_for;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

#[test]
fn an_hour_is_reported_rotated_and_backed_up() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let path = |name: &str| directory.path().join(name);
    let mut comm = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    for message in [
        "SIGNAL:ENTRY:a:BTC 1",
        "SIGNAL:ENTRY:b:BTC 2\nSIGNAL:EXIT:a:BTC 3",
        "SIGNAL:RISK_ALERT:a:4",
        "SIGNAL:?",
        "ALERT:LOW:DISK:5",
    ] {
        comm.send(STDOUT, &said("genetic_engine", message));
    }
    comm.end();
    fs::write(path("strategy.json"), "{\"position\": 1}").unwrap();
    fs::write(path("state/startup_monitor.json"), "{}").unwrap();
    let settings = [
        "--state-dir",
        "state",
        "--rotate-at",
        "1",
        "--keep",
        "2",
        "--alert-url",
        &alerts.url(),
        "--backup-files",
        "strategy.json",
        "--summary-at",
        "",
    ];
    let now = Timestamp::now().as_second();
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    // Everything happened before the end of the hour.
    let hour = now + 60;
    let lines = monitor.send("TICK_3600", &format!("when:{hour}"));
    assert_eq!(levels(&lines, "ERROR"), [] as [&str; 0]);
    let report = alerts.wait_for("the report", |alert| alert["event"] == "HOURLY_REPORT")["details"].clone();
    let expected = json!({
        "alert_type": { "DISK": 1, "RISK": 1 },
        "process": { "genetic_engine": 6 },
        "signal_type": { "ENTRY": 2, "EXIT": 1 },
        "strategy_id": { "a": 3, "b": 1 },
    });
    assert_eq!((&report["messages"], &report["malformed"]), (&expected, &1.into()));
    assert_eq!(report["to"], Timestamp::from_second(hour).unwrap().to_string());
    assert_eq!(report["errors"].as_array().unwrap().len(), 1, "there is no supervisord to be asked: {report}");
    let reports = || {
        let mut names: Vec<_> = fs::read_dir(path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    assert_eq!(json_file(&reports()[0]), report);
    assert_eq!(records(&path("audit.jsonl.1")).len(), 6);
    assert!(!path("audit.jsonl").exists());
    wait_for("the backup", || monitor.lines().iter().any(|line| line["message"] == "backup done").then_some(()));
    let backup = fs::read_dir(path("backup")).unwrap().next().unwrap().unwrap().path();
    let copies = backup.join(directory.path().strip_prefix("/").unwrap());
    for file in ["state/startup_monitor.json", "strategy.json"] {
        assert_eq!(fs::read(path(file)).unwrap(), fs::read(copies.join(file)).unwrap(), "{file}");
    }

    // What happened before the hour is not counted; of two hours' trails and reports, the oldest are removed.
    for (number, hour) in [hour + 3600, hour + 7200].into_iter().enumerate() {
        let mut comm = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
        comm.send_as(100 + number as u64, STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:c:BTC 6"));
        comm.end();
        monitor.send("TICK_3600", &format!("when:{hour}"));
    }
    assert_eq!(reports().len(), 2);
    assert_eq!(json_file(&reports()[1])["messages"], json!({}));
    assert_eq!(records(&path("audit.jsonl.2"))[0]["serial"], 100);
    assert_eq!(records(&path("audit.jsonl.1"))[0]["serial"], 101);
    assert!(!path("audit.jsonl.3").exists());
    monitor.end();

    // A failure does not prevent the other chores.
    fs::write(path("in-the-way"), "").unwrap();
    let settings = ["--report-dir", "in-the-way", "--backup-dir", "elsewhere", "--backup-files", "strategy.json"];
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    let lines = monitor.send("TICK_3600", &format!("when:{hour}"));
    assert_eq!(levels(&lines, "ERROR").len(), 1, "{lines:?}");
    assert!(levels(&lines, "ERROR")[0].starts_with("report NOT done: "), "{lines:?}");
    monitor.end();
    assert_eq!(fs::read_dir(path("elsewhere")).unwrap().count(), 1);
}

#[test]
fn an_hour_begins_with_its_first_moment_and_ends_before_the_next() {
    let (directory, supervisord) = (TempDir::new().unwrap(), FakeSupervisord::start());
    supervisord.set(&[("t", "a", "RUNNING", 1), ("t", "b", "FATAL", 0)]);
    let record = |second: i64, process: &str| {
        let at = Timestamp::from_second(second).unwrap().to_string();
        json!({ "timestamp": at, "process": process }).to_string() + "\n"
    };
    let rotated = record(3599, "before") + &record(3600, "first");
    // A partial line after a crash is ignored.
    let current = record(7199, "last") + "what is this\n" + &record(7200, "after") + record(7199, "torn").trim_end();
    fs::write(directory.path().join("audit.jsonl.1"), &rotated).unwrap();
    fs::write(directory.path().join("audit.jsonl"), &current).unwrap();
    let mut monitor = Driven::start_with("maintenance_monitor", directory.path(), &[], &supervisord.environment());
    let mut report = |when: u64| {
        let lines = monitor.send("TICK_3600", &format!("when:{when}"));
        lines.into_iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap()["details"].clone()
    };
    let hour = report(7200);
    assert_eq!(hour["messages"], json!({ "process": { "first": 1, "last": 1 } }));
    assert_eq!((&hour["from"], &hour["to"]), (&"1970-01-01T01:00:00Z".into(), &"1970-01-01T02:00:00Z".into()));
    assert_eq!((&hour["states"], &hour["errors"]), (&json!({ "t:a": "RUNNING", "t:b": "FATAL" }), &json!([])));
    assert_eq!(report(10_800)["messages"], json!({ "process": { "after": 1 } }));
    monitor.end();
    // It is too small to be rotated.
    assert_eq!(fs::read_to_string(directory.path().join("audit.jsonl.1")).unwrap(), rotated);
    assert_eq!(fs::read_to_string(directory.path().join("audit.jsonl")).unwrap(), current);
}

#[test]
fn nothing_but_reports_is_removed_from_the_directory_of_reports() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("reports")).unwrap();
    fs::write(path("reports/accounts.json"), "{}").unwrap();
    let settings = ["--keep", "1", "--summary-at", ""];
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &settings);
    monitor.send("TICK_3600", "when:3600");
    monitor.send("TICK_3600", "when:7200");
    let mut names: Vec<_> = fs::read_dir(path("reports")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["accounts.json", "report-1970-01-01T02-00-00Z.json"]);
    monitor.end();
}
