//! `comm_monitor` and `startup_monitor` under a real supervisord: the kinds of signals in the audit trail, on both
//! channels, and what is logged at a start.

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;

fn monitor(name: &str, settings: &str, events: &str, url: &str) -> String {
    let program = program(name);
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\nevents = {events}\nbuffer_size = 100\n\
         environment = ALERT_URL=\"{url}\"\nstdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n"
    )
}

#[test]
fn each_kind_of_signal_is_recorded_and_what_needs_somebody_is_an_alert() {
    let alerts = Collector::start();
    let starts = "PROCESS_STATE_RUNNING,PROCESS_STATE_STARTING";
    let nothing = "--dependents \"\" --critical-processes strategy --trading-group \"\"";
    let sections = [
        monitor("comm_monitor", "--audit-file %(here)s/audit.jsonl", "PROCESS_COMMUNICATION", &alerts.url()),
        monitor("startup_monitor", nothing, starts, &alerts.url()),
        "[program:strategy]\ncommand = sh strategy.sh\ndirectory = %(here)s\nautostart = false\n\
         stdout_capture_maxbytes = 64KB\nstderr_capture_maxbytes = 64KB\n"
            .into(),
    ];
    let Some(mut supervisord) = Supervisord::start("signals", &sections.concat()) else { return };
    supervisord.write(
        "strategy.sh",
        "say() { echo \"<!--XSUPERVISOR:BEGIN-->$1<!--XSUPERVISOR:END-->\"; }\n\
         say SIGNAL:EXIT:momentum-7:BTC:0.25@97210.0\n\
         say SIGNAL:RISK_ALERT:momentum-7:drawdown=4.8%\n\
         say 'ALERT:CRITICAL:FEED_STALE:10 s' >&2\nexec cat\n",
    );
    assert!(supervisord.ctl(&["start", "strategy"]).status.success());

    let risk = alerts.wait_for("the risk", |alert| alert["event"] == "RISK_ALERT");
    let details = &risk["details"];
    assert_eq!((&risk["severity"], &details["strategy_id"]), (&"CRITICAL".into(), &"momentum-7".into()));
    assert_eq!((&details["data"], &details["requires_action"]), (&"drawdown=4.8%".into(), &true.into()));
    let stale = alerts.wait_for("the level", |alert| alert["event"] == "FEED_STALE");
    assert_eq!((&stale["severity"], &stale["details"]["details"]), (&"CRITICAL".into(), &"10 s".into()));
    let record = |key: &str, value: &str| {
        wait_for(value, || {
            let text = supervisord.file("audit.jsonl");
            let mut records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            records.find(|record| record[key] == value)
        })
    };
    let exit = record("signal_type", "EXIT");
    assert_eq!((&exit["strategy_id"], &exit["data"]), (&"momentum-7".into(), &"BTC:0.25@97210.0".into()));
    assert_eq!((&exit["process"], &exit["channel"]), (&"strategy".into(), &"stdout".into()));
    assert!(exit["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{exit}");
    assert_eq!(record("alert_type", "RISK")["requires_action"], true);
    assert_eq!(record("alert_type", "FEED_STALE")["channel"], "stderr");
    supervisord.wait_for("comm_monitor.err", "Strategy signal from strategy: EXIT on momentum-7", 1);
    let pid = supervisord.pid("strategy");
    supervisord.wait_for("startup_monitor.err", "Process strategy is starting", 1);
    supervisord.wait_for("startup_monitor.err", "Process strategy started successfully", 1);
    assert!(supervisord.file("startup_monitor.err").contains(&format!("\"pid\":{pid}")));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
