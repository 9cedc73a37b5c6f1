//! `comm_monitor`: every line is a record, which survives kills and rotation.

use std::fs::{self, File};
use std::io::Write;
use std::thread;

use super::programs::{Driven, STDOUT, levels, records, said};
use crate::support::receiver::Collector;
use crate::support::{PATIENCE, wait_for};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use supervisor_events::simulator::Report;
use tempfile::TempDir;

#[test]
fn each_line_that_a_process_sends_is_a_record() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--alert-url", &alerts.url()]);
    monitor
        .send(STDOUT, &said("genetic_engine", "\nSIGNAL:ENTRY:momentum-7:BTC:0.25@97150.5\r\n\nSIGNAL:EXIT:é€:BTC\n"));
    monitor.send("PROCESS_COMMUNICATION_STDERR", &said("risk_manager", "SIGNAL:RISK_ALERT:all:drawdown: 4.8%"));
    monitor.send(
        STDOUT,
        &said("genetic_engine", "SIGNAL:PERFORMANCE_UPDATE:m:sharpe=1.4\nALERT:HIGH:LATENCY:340 ms: slow\nALERT:HIGH_DRAWDOWN:genetic_engine:5.2%"),
    );
    for malformed in ["SIGNAL:HODL:m:x", "SIGNAL:ENTRY:m", "SIGNAL:ENTRY::x", "ALERT:HIGH", "ALERT::T:x", "hello"] {
        monitor.send(STDOUT, &said("talker", malformed));
    }
    monitor.end();

    let mut records = records(&directory.path().join("audit.jsonl"));
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        assert!(record.shift_remove("timestamp").unwrap().as_str().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!(record.shift_remove("server").unwrap(), "supervisor");
        assert_eq!(record.shift_remove("run").unwrap().as_str().unwrap().len(), 16);
        assert_eq!(
            (record.shift_remove("group"), record.shift_remove("pid")),
            (Some("trading_system".into()), Some(2766.into()))
        );
    }
    let record = |serial: u64, process: &str, channel: &str, fields: Value| {
        let mut record = json!({ "serial": serial, "process": process, "channel": channel });
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        record
    };
    let malformed = |serial, text, why| record(serial, "talker", "stdout", json!({ "malformed": text, "why": why }));
    let genetic = |serial, fields| record(serial, "genetic_engine", "stdout", fields);
    let risk = json!({ "strategy_id": "all", "alert_type": "RISK", "data": "drawdown: 4.8%", "requires_action": true });
    let alert = json!({ "alert_level": "HIGH", "alert_type": "LATENCY", "details": "340 ms: slow" });
    let drawdown = json!({ "strategy_id": "genetic_engine", "alert_type": "HIGH_DRAWDOWN", "details": "5.2%" });
    let expected = [
        genetic(0, json!({ "strategy_id": "momentum-7", "signal_type": "ENTRY", "data": "BTC:0.25@97150.5" })),
        genetic(0, json!({ "strategy_id": "é€", "signal_type": "EXIT", "data": "BTC" })),
        record(1, "risk_manager", "stderr", risk.clone()),
        genetic(
            2,
            json!({ "strategy_id": "m", "update_type": "PERFORMANCE", "data": "sharpe=1.4", "figures": { "sharpe": 1.4 } }),
        ),
        genetic(2, alert.clone()),
        genetic(2, drawdown.clone()),
        malformed(
            3,
            "SIGNAL:HODL:m:x",
            "the TYPE of a signal is ENTRY, EXIT, RISK_ALERT or PERFORMANCE_UPDATE, or one of --signal-types",
        ),
        malformed(4, "SIGNAL:ENTRY:m", "a signal is SIGNAL:TYPE:STRATEGY:data"),
        malformed(5, "SIGNAL:ENTRY::x", "a signal is SIGNAL:TYPE:STRATEGY:data"),
        malformed(6, "ALERT:HIGH", "an alert is ALERT:LEVEL:TYPE:details or ALERT:TYPE:STRATEGY:details"),
        malformed(7, "ALERT::T:x", "an alert is ALERT:LEVEL:TYPE:details or ALERT:TYPE:STRATEGY:details"),
        malformed(8, "hello", "it starts with neither SIGNAL: nor ALERT:"),
    ];
    assert_eq!(records, expected);
    let sent = |event: &str| alerts.wait_for(event, |alert| alert["event"] == event);
    assert_eq!((&sent("RISK_ALERT")["severity"], &sent("RISK_ALERT")["details"]), (&"CRITICAL".into(), &risk));
    assert_eq!((&sent("LATENCY")["severity"], &sent("LATENCY")["details"]), (&"HIGH".into(), &alert));
    let sent_drawdown = sent("HIGH_DRAWDOWN");
    assert_eq!((&sent_drawdown["severity"], &sent_drawdown["details"]), (&"WARNING".into(), &drawdown));
    // Five lines of one process are wrong, which is one alert. The last one was not meant as a signal.
    let wrong = sent("MALFORMED_SIGNAL");
    assert_eq!((&wrong["process"], &wrong["details"]["malformed"]), (&"talker".into(), &"SIGNAL:HODL:m:x".into()));
    assert_eq!(alerts.count(|_| true), 4);
}

#[test]
fn the_audit_trail_survives_kills_in_a_flood() {
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("audit.jsonl");
    let message = |number: usize| {
        said("genetic_engine", &format!("SIGNAL:ENTRY:m:BTC {} {}", number + 1, "é".repeat(number % 300)))
    };
    let mut waiting: std::collections::VecDeque<_> = (0..400).map(message).collect();
    let mut answered = 0;
    let mut kills = 0;
    while !waiting.is_empty() {
        let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
        monitor.simulator.pool.next_serial = answered as u64;
        // Killed by another thread as soon as the trail has grown by a few records: at any moment of an event. Few
        // events remain, so that even a late kill on a busy machine comes before the last one.
        let child = Pid::from_raw(monitor.simulator.pid().unwrap().try_into().unwrap()).unwrap();
        let goal = answered + 20 + 7 * kills;
        let events = waiting.iter().take(goal + 10 - answered);
        events.for_each(|payload| drop(monitor.simulator.notify(STDOUT, payload.as_bytes())));
        let killer = thread::spawn({
            let trail = trail.clone();
            move || {
                let grown =
                    || fs::read(&trail).is_ok_and(|text| text.iter().filter(|byte| **byte == b'\n').count() >= goal);
                wait_for("the trail to grow", || (grown() || goal >= 400).then_some(()));
                if goal < 400 {
                    kill_process(child, Signal::KILL).unwrap();
                }
            }
        });
        for report in monitor.simulator.run(PATIENCE) {
            if let Report::Result { accepted, .. } = report {
                assert!(accepted);
                answered += 1;
                waiting.pop_front();
            }
        }
        killer.join().unwrap();
        drop(monitor);
        kills += 1;
        // A partial line is not read back: the next process cuts it off.
        let mut torn = File::options().append(true).open(&trail).unwrap();
        torn.write_all(&b"{\"timestamp\":\"2026-0".repeat(1 + 400 * (kills % 2))).unwrap();
    }
    assert!(kills > 5, "{kills}");
    let mut monitor = Driven::start("comm_monitor", directory.path(), &["--state-dir", "state"]);
    monitor.send_as(400, STDOUT, &said("genetic_engine", "SIGNAL:EXIT:m:BTC 1"));
    monitor.end();
    let mut serials: Vec<_> = records(&trail).iter().map(|record| record["serial"].as_u64().unwrap()).collect();
    // An event during which the monitor was killed may appear twice, recognisable by its serial.
    let total = serials.len();
    serials.dedup();
    assert_eq!(serials, (0..=400).collect::<Vec<_>>());
    assert!(total - serials.len() <= kills, "{total}");
}

#[test]
fn records_are_kept_while_a_large_trail_is_reported_and_rotated() {
    let directory = TempDir::new().unwrap();
    let trail = directory.path().join("audit.jsonl");
    let line = json!({ "timestamp": Timestamp::UNIX_EPOCH.to_string(), "process": "worker", "serial": -1 });
    fs::write(&trail, format!("{line}\n").repeat(200_000)).unwrap();
    let mut comm = Driven::start("comm_monitor", directory.path(), &[]);
    let mut maintenance = Driven::start("maintenance_monitor", directory.path(), &[]);
    let hour = thread::spawn(move || {
        maintenance.send("TICK_3600", "when:1800");
        let report = maintenance.lines().into_iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap();
        assert_eq!(report["details"]["messages"]["process"]["worker"], 200_000);
        maintenance.end();
    });
    let mut sent = 0;
    while !hour.is_finished() {
        let lines = comm.send(STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:BTC 1"));
        assert_eq!(levels(&lines, "ERROR"), [] as [&str; 0]);
        sent += 1;
    }
    hour.join().unwrap();
    // It does not continue in the renamed file.
    comm.send(STDOUT, &said("genetic_engine", "SIGNAL:ENTRY:m:LAST 1"));
    comm.end();
    let (rotated, current) = (records(&directory.path().join("audit.jsonl.1")), records(&trail));
    assert_eq!(rotated.len() + current.len(), 200_000 + sent + 1);
    assert_eq!(current.last().unwrap()["data"], "LAST 1");
}
