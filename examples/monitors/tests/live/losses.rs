//! What `failure_monitor` reports and does when processes are lost, each with a real cause.

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;

fn monitor(settings: &str, url: &str) -> String {
    let program = program("failure_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:failure_monitor]\ncommand = \"{program}\" {settings}\n\
         events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,TICK_5\nbuffer_size = 100\nstartsecs = 0\n\
         environment = ALERT_URL=\"{url}\",STATE_DIR=\"%(here)s/state\"\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/failure_monitor.err\n"
    )
}

fn wait_for_alert(alerts: &Collector, event: &str, process: Option<&str>) -> Value {
    alerts.wait_for(event, |alert| alert["event"] == event && alert["process"].as_str() == process)
}

fn wait_for_state(supervisord: &Supervisord, process: &str, state: &str) {
    wait_for(&format!("{process} to be {state}"), || (supervisord.status(process) == state).then_some(()));
}

#[test]
fn why_a_process_ended_is_in_the_log_and_in_the_alert() {
    let alerts = Collector::start();
    let sections = [
        monitor("--critical-processes killed --risk-manager \"\"", &alerts.url()),
        // supervisord restarts it, and forgets how it ended.
        "[program:killed]\ncommand = cat\nstartsecs = 0\nautorestart = true\n".into(),
        "[program:failed]\ncommand = sh -c 'exit 3'\nstartsecs = 0\nautorestart = false\nautostart = false\n".into(),
        // supervisorctl would refuse to start it.
        "[program:absent]\ncommand = /no/such/program\nstartretries = 0\n".into(),
        "[program:short]\ncommand = sh -c 'exit 4'\nstartsecs = 60\nstartretries = 0\nautostart = false\n".into(),
    ];
    let Some(mut supervisord) = Supervisord::start("losses", &sections.concat()) else { return };
    supervisord.wait_for("supervisord.log", "success: killed entered RUNNING state", 1);
    supervisord.wait_for("supervisord.log", "failure_monitor: ACKNOWLEDGED -> READY", 1);
    supervisord.ctl(&["signal", "KILL", "killed"]);
    let alert = wait_for_alert(&alerts, "UNEXPECTED_EXIT", Some("killed"));
    assert_eq!(alert["process_info"]["reason"], "terminated by SIGKILL");
    supervisord.wait_for("failure_monitor.err", "Process killed ended: terminated by SIGKILL", 1);

    supervisord.ctl(&["start", "failed"]);
    let alert = wait_for_alert(&alerts, "UNEXPECTED_EXIT", Some("failed"));
    assert_eq!(
        (&alert["process_info"]["reason"], &alert["process_info"]["exit_status"]),
        (&"exit status 3".into(), &3.into())
    );
    supervisord.wait_for("failure_monitor.err", "Process failed ended: exit status 3", 1);

    let alert = wait_for_alert(&alerts, "PROCESS_FATAL", Some("absent"));
    assert!(alert["process_info"]["spawn_error"].as_str().unwrap().contains("can't find command"), "{alert}");
    supervisord.wait_for("failure_monitor.err", "Process absent ended: can't find command '/no/such/program'", 1);

    supervisord.ctl(&["start", "short"]);
    wait_for_alert(&alerts, "PROCESS_FATAL", Some("short"));
    let why = "Process short ended: Exited too quickly (process log may have details): exit status 4";
    supervisord.wait_for("failure_monitor.err", why, 1);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

/// Two trading programs and others. One becomes FATAL while a file exists, however late, within `startsecs`,
/// supervisord notices its end.
fn trading(failing: &str, startsecs: u32) -> String {
    format!(
        "[group:trading_system]\nprograms = {failing},order_executor\n\
         [program:{failing}]\ncommand = sh -c 'test -e fail && exit 1; exec cat'\ndirectory = %(here)s\n\
         startsecs = {startsecs}\nstartretries = 0\nautorestart = false\nautostart = false\n\
         [program:order_executor]\ncommand = cat\nstartsecs = 0\nautorestart = false\n\
         [program:backup]\ncommand = cat\nstartsecs = 0\nautostart = false\n"
    )
}

#[test]
fn trading_is_stopped_for_any_process_that_is_named() {
    let alerts = Collector::start();
    let settings = "--critical-processes hyperliquid_feed --stop-trading-for hyperliquid_feed \
                    --risk-manager backup --backup backup";
    let sections = monitor(settings, &alerts.url()) + &trading("hyperliquid_feed", 60);
    let Some(mut supervisord) = Supervisord::start("losses", &sections) else { return };
    supervisord.wait_for("supervisord.log", "success: order_executor entered RUNNING state", 1);
    supervisord.write("fail", "");
    supervisord.ctl(&["start", "trading_system:hyperliquid_feed"]);
    let alert = wait_for_alert(&alerts, "PROCESS_FATAL", Some("hyperliquid_feed"));
    assert_eq!(alert["actions"][0]["action"], "stop group trading_system");
    assert_eq!(alert["actions"].as_array().unwrap().len(), 1, "the backup is for another one: {alert}");
    wait_for_alert(&alerts, "TRADING_STOPPED", None);
    assert_eq!(supervisord.status("trading_system:order_executor"), "STOPPED");
    assert_eq!(supervisord.status("backup"), "STOPPED");
    supervisord.wait_for("failure_monitor.err", "hyperliquid_feed failed - stopping all trading", 1);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn the_backup_is_started_and_stopped_once_the_risk_manager_has_recovered() {
    let alerts = Collector::start();
    let settings = "--critical-processes risk_manager --backup backup --stop-backup true --recovered-after 3";
    let sections = monitor(settings, &alerts.url()) + &trading("risk_manager", 5);
    let Some(mut supervisord) = Supervisord::start("losses", &sections) else { return };
    supervisord.wait_for("supervisord.log", "failure_monitor: ACKNOWLEDGED -> READY", 1);
    supervisord.write("fail", "");
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    wait_for_alert(&alerts, "BACKUP_RUNNING", None);
    wait_for_state(&supervisord, "backup", "RUNNING");
    // It is not stopped earlier, and another process of the monitor knows about it.
    supervisord.ctl(&["restart", "failure_monitor"]);
    supervisord.wait_for("supervisord.log", "failure_monitor: event was processed", 4);
    assert_eq!(supervisord.status("backup"), "RUNNING");
    std::fs::remove_file(supervisord.directory().join("fail")).unwrap();
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    let stopped = wait_for_alert(&alerts, "BACKUP_STOPPED", None);
    assert_eq!((&stopped["severity"], &stopped["details"]["state"]), (&"INFO".into(), &"STOPPED".into()));
    assert_eq!(supervisord.status("backup"), "STOPPED");
    supervisord.wait_for("failure_monitor.err", "the risk manager has recovered: the backup is stopped", 1);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
    assert_eq!(alerts.count(|alert| alert["event"] == "BACKUP_STOPPED"), 1);
}
