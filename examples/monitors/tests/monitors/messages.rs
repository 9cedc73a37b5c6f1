//! How `comm_monitor` handles invalid messages, and performance updates.

use crate::programs::{Driven, STDOUT, records, said};
use crate::support::receiver::Collector;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn a_signal_that_makes_no_sense_is_an_alert_once_for_each_process() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let settings = ["--alert-url", &alerts.url(), "--state-dir", "state", "--signal-types", "HEDGE,ROLL"];
    let wrong = [
        "ENTRY:m:NaN@-1",
        "ENTRY:m:BTC:0@5",
        "EXIT:m:BTC:-1",
        "HODL:m:BTC 1",
        "ROLL:m:",
        "PERFORMANCE_UPDATE:m:pnl=inf",
    ];
    let mut monitor = Driven::start("comm_monitor", directory.path(), &settings);
    for line in wrong {
        monitor.send(STDOUT, &said("engine", &format!("SIGNAL:{line}")));
    }
    // Another process is counted separately; and a type of our own.
    monitor.send(STDOUT, &said("other", "SIGNAL:HEDGE:m:anything\nSIGNAL:ENTRY:m:BTC\nALERT:HIGH\nhello"));
    monitor.end();
    // The count continues after a restart.
    let mut monitor = Driven::start("comm_monitor", directory.path(), &settings);
    monitor.send_as(100, STDOUT, &said("engine", "SIGNAL:ENTRY:m:NaN@-1"));
    monitor.send_as(101, STDOUT, &said("engine", "SIGNAL:RISK_ALERT:m:the last one"));
    alerts.wait_for("the last one", |alert| alert["event"] == "RISK_ALERT");
    monitor.end();
    let is_about = |process: &'static str| {
        move |alert: &Value| alert["event"] == "MALFORMED_SIGNAL" && alert["process"] == process
    };
    let first = alerts.wait_for("the alert", is_about("engine"));
    assert_eq!(
        (&first["severity"], &first["details"]["malformed"]),
        (&"WARNING".into(), &"SIGNAL:ENTRY:m:NaN@-1".into())
    );
    assert!(first["details"]["why"].as_str().unwrap().contains("numbers above 0"), "{first}");
    assert_eq!(["engine", "other"].map(|process| alerts.keys(is_about(process)).len()), [1, 1]);
    let records = records(&directory.path().join("audit.jsonl"));
    assert_eq!(records.iter().filter(|record| record["malformed"].is_string()).count(), wrong.len() + 4);
    assert!(records.iter().any(|record| record["signal_type"] == "HEDGE" && record["data"] == "anything"));
}

#[test]
fn the_performance_of_strategies_is_followed_and_reported() {
    let directory = TempDir::new().unwrap();
    let mut comm = Driven::start("comm_monitor", directory.path(), &[]);
    for data in ["sharpe=1.5 pnl=100", "sharpe=0.5,mode=paper", "sharpe=1.25 drawdown=5.2%"] {
        comm.send(STDOUT, &said("engine", &format!("SIGNAL:PERFORMANCE_UPDATE:momentum-7:{data}")));
    }
    let logged = comm.lines().last().unwrap()["performance"].clone();
    comm.end();
    let expected = json!({
        "drawdown": { "last": 5.2, "min": 5.2, "max": 5.2, "updates": 1 },
        "pnl": { "last": 100.0, "min": 100.0, "max": 100.0, "updates": 1 },
        "sharpe": { "last": 1.25, "min": 0.5, "max": 1.5, "updates": 3 },
    });
    assert_eq!(logged, expected);
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &[]);
    let lines = monitor.send("TICK_3600", &format!("when:{}", Timestamp::now().as_second() + 60));
    let report = lines.iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap();
    assert_eq!(report["details"]["performance"], json!({ "momentum-7": expected }));
    monitor.end();
}
