//! `maintenance_monitor`, with hours and days that pass at once.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::programs::{CRASH, Driven, EXITED, json_file, levels};
use crate::support::wait_for;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The next midnight, in UTC.
pub fn midnight() -> Timestamp {
    let now = Zoned::now().with_time_zone(TimeZone::UTC);
    now.date().tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn state(process: &str, from: &str, rest: &str) -> String {
    format!("processname:{process} groupname:t from_state:{from} {rest}")
}

/// A day's events: a crash and a restart, a stop, a process that becomes FATAL, and an expected exit.
const EVENTS: [(&str, &str, &str, &str); 7] = [
    ("EXITED", "engine", "RUNNING", "expected:0 pid:1"),
    ("STARTING", "engine", "EXITED", "tries:0"),
    ("RUNNING", "engine", "STARTING", "pid:2"),
    ("STOPPED", "feed", "STOPPING", "pid:3"),
    ("STARTING", "feed", "STOPPED", "tries:0"),
    ("FATAL", "risk", "BACKOFF", ""),
    ("EXITED", "job", "RUNNING", "expected:1 pid:4"),
];

fn start(directory: &Path, settings: &[&str], environment: &[(&str, &str)]) -> Driven {
    let settings: Vec<_> = ["--state-dir", "state"].iter().chain(settings).copied().collect();
    Driven::start_with("maintenance_monitor", directory, &settings, environment)
}

#[test]
fn a_report_has_crashes_stops_restarts_and_alerts_also_over_a_restart() {
    let directory = TempDir::new().unwrap();
    let mut monitor = start(directory.path(), &[], &[]);
    let (before, after) = EVENTS.split_at(3);
    let send = |monitor: &mut Driven, serial: u64, (name, process, from, rest): (&str, &str, &str, &str)| {
        monitor.send_as(serial, &format!("PROCESS_STATE_{name}"), &state(process, from, rest));
    };
    before.iter().zip(1..).for_each(|(event, serial)| send(&mut monitor, serial, *event));
    monitor.end();
    // Alerts of other monitors are counted as well.
    let mut other = Driven::start("failure_monitor", directory.path(), &["--state-dir", "state"]);
    other.send(EXITED, CRASH);
    other.end();
    let mut monitor = start(directory.path(), &[], &[]);
    after.iter().zip(11..).for_each(|(event, serial)| send(&mut monitor, serial, *event));
    let hour = Timestamp::now().as_second() + 60;
    let mut report = |serial: u64, when: i64| {
        let lines = monitor.send_as(serial, "TICK_3600", &format!("when:{when}"));
        lines.into_iter().find(|line| line["message"] == "alert: HOURLY_REPORT").unwrap()["details"].clone()
    };
    let first = report(20, hour);
    let totals = json!({ "crashes": 1, "fatal": 1, "restarts": 1, "stops": 1, "starts": 2, "exits": 1 });
    assert_eq!((&first["totals"], &first["alerts"]), (&totals, &json!({ "UNEXPECTED_EXIT": 1 })));
    let engine = &first["processes"]["t:engine"];
    assert_eq!((&engine["crashes"], &engine["restarts"], &engine["stops"]), (&1.into(), &1.into(), &0.into()));
    // The next hour starts over.
    let next = report(21, hour + 3600);
    assert_eq!((&next["totals"]["crashes"], &next["processes"]), (&0.into(), &json!({})));
    monitor.end();
}

#[test]
fn a_day_is_summed_up_once_by_mail_also_over_a_restart() {
    let directory = TempDir::new().unwrap();
    let sendmail = directory.path().join("sendmail");
    let script = format!("#!/bin/sh\ncat >> {}/mails\n", directory.path().display());
    fs::write(&sendmail, script).unwrap();
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).unwrap();
    let environment = [
        ("ALERT_MAIL_TO", "op@example.org"),
        ("ALERT_MAIL_FROM", "monitors@example.org"),
        ("ALERT_SENDMAIL", sendmail.to_str().unwrap()),
        ("SEND_REPORTS", "false"),
    ];
    let is_summary = |line: &Value| line["message"] == "alert: DAILY_SUMMARY";
    let (midnight, mut serial, mut summaries) = (midnight(), 0, Vec::new());
    // Three hours before, one hour after, and another process for the rest of the day.
    for hours in [-3..=-1, 0..=1, 2..=23] {
        let mut monitor = start(directory.path(), &[], &environment);
        for hour in hours {
            if hour <= 0 {
                for (name, process, from, rest) in EVENTS {
                    serial += 1;
                    monitor.send_as(serial, &format!("PROCESS_STATE_{name}"), &state(process, from, rest));
                }
            }
            serial += 1;
            let when = (midnight + hour.hours()).as_second();
            let lines = monitor.send_as(serial, "TICK_3600", &format!("when:{when}"));
            assert!(!lines.iter().any(|line| line["message"] == "alert: HOURLY_REPORT"), "{lines:?}");
            summaries.extend(lines.into_iter().filter(is_summary).map(|line| (hour, line["details"].clone())));
        }
        wait_for("the end of its backups", || {
            let lines = monitor.lines();
            lines.iter().any(|line| line["message"] == "backup done").then_some(())
        });
        monitor.end();
    }
    let [(0, summary)] = summaries.as_slice() else { panic!("{summaries:?}") };
    assert_eq!((&summary["reports"], &summary["to"]), (&4.into(), &midnight.to_string().into()));
    assert_eq!((&summary["totals"]["crashes"], &summary["totals"]["starts"]), (&4.into(), &8.into()));
    assert_eq!(summary["processes"]["t:feed"]["stops"], 4);
    let name = midnight.strftime("summary-%Y-%m-%dT%H-%M-%SZ.json").to_string();
    assert_eq!(&json_file(&directory.path().join("reports").join(name)), summary);
    let mails = || fs::read_to_string(directory.path().join("mails")).unwrap_or_default();
    wait_for("the mail", || mails().contains("DAILY_SUMMARY").then_some(()));
    // A backup under way when the monitor ended may exist twice, recognisable by its name.
    let text = mails();
    let names: BTreeSet<_> = text.lines().filter(|line| line.starts_with("Message-ID: ")).collect();
    assert_eq!(names.len(), 1, "{text}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode()
}

#[test]
fn backups_keep_generations_and_one_is_restored_without_a_change_to_what_is_there() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (name, text) in [("strategies/a.json", "1"), ("strategies/deep/a.json", "2"), ("other/a.json", "3")] {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), text).unwrap();
    }
    let settings = ["--backup-files", "strategies,other/*.json,gone", "--keep-backups", "2"];
    let mut monitor = start(directory.path(), &settings, &[]);
    for (number, hour) in (1..=3).enumerate() {
        fs::write(path("strategies/a.json"), format!("hour {hour}")).unwrap();
        monitor.send("TICK_3600", &format!("when:{}", 3600 * hour));
        wait_for("the backup", || (levels(&monitor.lines(), "ERROR").len() > number).then_some(()));
    }
    assert!(levels(&monitor.lines(), "ERROR").iter().any(|line| line.starts_with("backup NOT done: gone: ")));
    monitor.end();
    let mut backups: Vec<_> = fs::read_dir(path("backup")).unwrap().map(|entry| entry.unwrap().path()).collect();
    backups.sort();
    assert_eq!(backups.len(), 2);
    fs::remove_dir_all(path("strategies")).unwrap();
    // The command in docs/monitors.md. Existing directories keep their permissions, although the copies' are for one
    // user only.
    let rights = || [Path::new("/"), directory.path().parent().unwrap(), directory.path()].map(mode);
    let before = rights();
    let restored = Command::new("sh")
        .args(["-c", "tar -C \"$0\" -cf - . | tar -C / --no-overwrite-dir -xpf -"])
        .arg(&backups[0])
        .status()
        .unwrap();
    assert!(restored.success());
    assert_eq!(rights(), before);
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!([read("strategies/a.json"), read("strategies/deep/a.json"), read("other/a.json")], ["hour 2", "2", "3"]);
}
