//! `maintenance_monitor` under a real supervisord, with ticks that come sooner than each hour.

use std::fs;

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;

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
        // It writes a log of its own, without end.
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

    // The log is rotated while its program writes on.
    let log = |name: &str| supervisord.file(name);
    wait_for("the second rotation", || (!log("app.log.2").is_empty()).then_some(()));
    let (older, newer) = (log("app.log.2"), log("app.log.1"));
    let number = |line: Option<&str>| line.and_then(|line| line.strip_prefix("line ")?.parse::<u64>().ok()).unwrap();
    assert!(older.len() >= 2000 && number(older.lines().next()) == 1, "{older}");
    // At most the line that came as the file was emptied is missing.
    let gap = number(newer.lines().next()) - number(older.lines().last());
    assert!((1..=2).contains(&gap), "{gap}");

    // A backup is a directory with the whole path in it.
    let backup = fs::read_dir(supervisord.directory().join("backup")).unwrap().next().unwrap().unwrap().path();
    let copy = backup.join(supervisord.directory().strip_prefix("/").unwrap()).join("strategies/momentum-7.json");
    assert_eq!(fs::read_to_string(copy).unwrap(), "{\"position\": 1}");
    supervisord.ctl(&["stop", "app"]);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
