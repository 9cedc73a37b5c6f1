//! `comm_monitor` under a real supervisord, with messages as a strategy in Python prints them.

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;

#[test]
fn messages_are_read_as_a_strategy_prints_them() {
    let alerts = Collector::start();
    let program = program("comm_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    let sections = format!(
        "[eventlistener:comm_monitor]\ncommand = \"{program}\" --audit-file %(here)s/audit.jsonl\n\
         environment = ALERT_URL=\"{}\"\nevents = PROCESS_COMMUNICATION\nbuffer_size = 100\nstartsecs = 0\n\
         stdout_logfile = NONE\nstderr_logfile = %(here)s/comm_monitor.err\n\
         [program:genetic_engine]\ncommand = python3 -u strategy.py\ndirectory = %(here)s\nstartsecs = 0\n\
         autostart = false\nautorestart = false\nstdout_capture_maxbytes = 64KB\n",
        alerts.url()
    );
    let Some(mut supervisord) = Supervisord::start("messages", &sections) else { return };
    // The first is the example in supervisord's documentation for trading systems, verbatim.
    supervisord.write(
        "strategy.py",
        "print(\"<!--XSUPERVISOR:BEGIN-->\")\n\
         print(\"ALERT:HIGH_DRAWDOWN:genetic_engine:5.2%\")\n\
         print(\"<!--XSUPERVISOR:END-->\")\n\
         for line in [\"SIGNAL:ENTRY:momentum-7:BTC 0.25\", \"SIGNAL:ENTRY:momentum-7:NaN@-1\",\n\
         \x20            \"SIGNAL:PERFORMANCE_UPDATE:momentum-7:sharpe=1.4\", \"SIGNAL:HODL:momentum-7:BTC 1\"]:\n\
         \x20   print(f\"<!--XSUPERVISOR:BEGIN-->{line}<!--XSUPERVISOR:END-->\")\n\
         import sys\nsys.stdin.read()\n",
    );
    supervisord.ctl(&["start", "genetic_engine"]);
    let drawdown = alerts.wait_for("the drawdown", |alert| alert["event"] == "HIGH_DRAWDOWN");
    assert_eq!((&drawdown["process"], &drawdown["severity"]), (&"genetic_engine".into(), &"WARNING".into()));
    let details = &drawdown["details"];
    assert_eq!((&details["strategy_id"], &details["details"]), (&"genetic_engine".into(), &"5.2%".into()));
    let wrong = alerts.wait_for("what is malformed", |alert| alert["event"] == "MALFORMED_SIGNAL");
    assert_eq!(wrong["details"]["malformed"], "SIGNAL:ENTRY:momentum-7:NaN@-1");
    let records = wait_for("all records", || {
        let text = supervisord.file("audit.jsonl");
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (records.len() == 5).then_some(records)
    });
    let count = |key: &str| records.iter().filter(|record| !record[key].is_null()).count();
    assert_eq!([count("signal_type"), count("malformed"), count("figures"), count("alert_type")], [1, 2, 1, 1]);
    assert_eq!(alerts.count(|alert| alert["event"] == "MALFORMED_SIGNAL"), 1);
    assert!(supervisord.file("comm_monitor.err").contains("\"performance\":{\"sharpe\":{\"last\":1.4"));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
