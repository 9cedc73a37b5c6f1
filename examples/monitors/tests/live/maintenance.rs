//! `maintenance_monitor` under a real supervisord: with ticks more often than each hour, and at the end of a day.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, python, wait_for};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

fn monitor(name: &str, settings: &str, events: &str, url: &str) -> String {
    let program = program(name);
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\nevents = {events}\nstartsecs = 0\n\
         environment = STATE_DIR=\"%(here)s/state\",ALERT_URL=\"{url}\"\nbuffer_size = 100\n\
         stdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n"
    )
}

#[test]
fn what_happened_is_reported_and_logs_are_rotated_and_strategies_backed_up() {
    let alerts = Collector::start();
    let settings = "--report-dir %(here)s/reports --backup-dir %(here)s/backup --keep 100 --rotate-at 2000 \
                    --backup-files %(here)s/strategies --rotate-logs %(here)s/app*.log";
    let sections = [
        monitor("failure_monitor", "--critical-processes engine --risk-manager \"\"", "PROCESS_STATE", &alerts.url()),
        monitor("maintenance_monitor", settings, "PROCESS_STATE,TICK_5", &alerts.url()),
        "[program:engine]\ncommand = cat\nstartsecs = 0\nautorestart = true\n".into(),
        "[program:feed]\ncommand = cat\nstartsecs = 0\n".into(),
        // It keeps writing its own log.
        "[program:app]\ncommand = sh app.sh\ndirectory = %(here)s\nstartsecs = 0\nautostart = false\n".into(),
    ];
    let Some(mut supervisord) = Supervisord::start("maintenance", &sections.concat()) else { return };
    fs::create_dir(supervisord.directory().join("strategies")).unwrap();
    supervisord.write("strategies/momentum-7.json", "{\"position\": 1}");
    supervisord.write("app.sh", "n=0\nwhile sleep 0.01; do n=$((n + 1)); echo \"line $n\"; done >> app.log\n");
    supervisord.ctl(&["start", "app"]);
    supervisord.wait_for("supervisord.log", "success: engine entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "engine"]);
    supervisord.wait_for("supervisord.log", "success: engine entered RUNNING state", 2);
    supervisord.ctl(&["stop", "feed"]);

    // They may fall into two reports.
    let sum = |of: &dyn Fn(&Value) -> Option<u64>| {
        let reports = fs::read_dir(supervisord.directory().join("reports")).into_iter().flatten().flatten();
        let read = |path| fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        reports.filter_map(|entry| of(&read(entry.path())?)).sum::<u64>()
    };
    let total = |key: &str| sum(&|report| report["totals"][key].as_u64());
    wait_for("the crash, the restart and the stop", || {
        ([total("crashes"), total("restarts"), total("stops")] == [1, 1, 1]).then_some(())
    });
    wait_for("the alert", || (sum(&|report| report["alerts"]["UNEXPECTED_EXIT"].as_u64()) == 1).then_some(()));
    alerts.wait_for("a report", |alert| alert["event"] == "HOURLY_REPORT");

    // The log is rotated while its program keeps writing.
    let log = |name: &str| supervisord.file(name);
    wait_for("the second rotation", || (!log("app.log.2").is_empty()).then_some(()));
    let (older, newer) = (log("app.log.2"), log("app.log.1"));
    let number = |line: Option<&str>| line.and_then(|line| line.strip_prefix("line ")?.parse::<u64>().ok()).unwrap();
    assert!(older.len() >= 2000 && number(older.lines().next()) == 1, "{older}");
    // At most the line written during the truncation is missing.
    let gap = number(newer.lines().next()) - number(older.lines().last());
    assert!((1..=2).contains(&gap), "{gap}");

    // A backup is a directory with full paths in it.
    let backup = fs::read_dir(supervisord.directory().join("backup")).unwrap().next().unwrap().unwrap().path();
    let copy = backup.join(supervisord.directory().strip_prefix("/").unwrap()).join("strategies/momentum-7.json");
    assert_eq!(fs::read_to_string(copy).unwrap(), "{\"position\": 1}");
    supervisord.ctl(&["stop", "app"]);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

/// A supervisord whose clock is a few seconds before midnight.
#[test]
fn a_day_ends_with_a_mail_that_sums_it_up() {
    let found = glob::glob("/usr/lib/*/faketime/libfaketime.so.1").unwrap().find_map(Result::ok);
    let found = found.ok_or_else(|| "install Debian's package libfaketime".to_owned());
    let Some(library) = python::or_skip("libfaketime", found) else { return };
    let directory = TempDir::new().unwrap();
    let configuration = directory.path().join("supervisord.conf");
    let sendmail = directory.path().join("sendmail");
    fs::write(&sendmail, format!("#!/bin/sh\ncat >> {}\n", directory.path().join("mails").display())).unwrap();
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).unwrap();
    let monitor = program("maintenance_monitor");
    let text = format!(
        "[supervisord]\nnodaemon = true\nsilent = true\nlogfile = %(ENV_FILES)s/supervisord.log\n\
         pidfile = %(ENV_FILES)s/supervisord.pid\n[unix_http_server]\nfile = %(ENV_FILES)s/socket\n\
         [supervisorctl]\nserverurl = unix://%(ENV_FILES)s/socket\n[rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
         [eventlistener:maintenance_monitor]\ncommand = {} --report-dir %(ENV_FILES)s/reports \
         --backup-dir %(ENV_FILES)s/backup --send-reports false\nevents = PROCESS_STATE,TICK_3600\nstartsecs = 0\n\
         environment = STATE_DIR=\"%(ENV_FILES)s/state\",ALERT_SENDMAIL=\"{}\",ALERT_MAIL_TO=\"desk@example.org\",\
         ALERT_MAIL_FROM=\"monitors@example.org\"\nbuffer_size = 100\nstdout_logfile = NONE\n\
         stderr_logfile = %(ENV_FILES)s/maintenance_monitor.err\n\
         [program:engine]\ncommand = sh -c 'exit 3'\nstartsecs = 0\nautorestart = false\n",
        monitor.display(),
        sendmail.display(),
    );
    fs::write(&configuration, text).unwrap();
    // Enough of the old day is left for the crash.
    let to_midnight = 2 * 86_400 - Timestamp::now().as_second() % 86_400;
    let offset = format!("+{}", to_midnight - 15);
    let environment = [
        ("LD_PRELOAD", library.as_os_str()),
        ("FAKETIME", offset.as_ref()),
        // Timeouts work as usual.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
    ];
    let Some(supervisord) = Supervisord::configured(&configuration, ("FILES", TempDir::new().unwrap()), &environment)
    else {
        return;
    };

    let mails = || fs::read_to_string(directory.path().join("mails")).unwrap_or_default();
    wait_for("the mail", || mails().contains("DAILY_SUMMARY").then_some(()));
    let log = supervisord.file("maintenance_monitor.err");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let summaries: Vec<_> = lines.filter(|line| line["message"] == "alert: DAILY_SUMMARY").collect();
    let [summary] = summaries.as_slice() else { panic!("{log}") };
    assert_eq!((&summary["details"]["reports"], &summary["details"]["totals"]["crashes"]), (&1.into(), &1.into()));
    assert!(summary["details"]["to"].as_str().unwrap().ends_with("T00:00:00Z"), "{summary}");
}
