//! Commands of a user, run by the monitors under a real supervisord, each with a real cause.

use std::fs;
use std::path::Path;

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

/// The section of a monitor with this command in `variable`, and additional settings.
fn monitor(name: &str, settings: &str, events: &str, environment: &str) -> String {
    let program = program(name);
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\nevents = {events}\nstartsecs = 0\n\
         environment = STATE_DIR=\"%(here)s/state\",TRADING_DIR=\"%(here)s\",{environment}\nbuffer_size = 100\n\
         stdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n"
    )
}

/// A command that runs a script beside `supervisord.conf`. supervisord removes all quotes at the end of a value.
fn stand_in(script: &str) -> String {
    format!("python3 '{}' ", Path::new(env!("CARGO_MANIFEST_DIR")).join(script).display())
}

/// A simulated trading process.
fn process(name: &str, arguments: &str) -> String {
    let stand_in = stand_in("stand_in.py");
    format!("[program:{name}]\ncommand = {stand_in} {arguments}\nstartsecs = 0\nstartretries = 0\n")
}

/// Waits for an alert of this kind and status.
fn wait_for_alert(alerts: &Collector, event: &str, status: Option<&str>) -> Value {
    let is = |alert: &Value| alert["event"] == event && alert["status"].as_str() == status;
    alerts.wait_for(&format!("{event} {status:?}"), is)
}

#[test]
fn the_state_of_a_crashed_strategy_is_kept() {
    let alerts = Collector::start();
    let environment = format!("ALERT_URL=\"{}\",ON_EVENT=\"{}\"", alerts.url(), stand_in("preserve_state.py"));
    let settings = "--critical-processes genetic_engine --risk-manager \"\"";
    let sections = [
        monitor("failure_monitor", settings, "PROCESS_STATE_FATAL,PROCESS_STATE_EXITED", &environment),
        process("genetic_engine", "--state %(here)s/strategies/genetic_engine.json"),
    ];
    let Some(mut supervisord) = Supervisord::start("commands", &sections.concat()) else { return };
    let state = || serde_json::from_str::<Value>(&supervisord.file("strategies/genetic_engine.json")).ok();
    wait_for("its state", state);
    let pid = supervisord.pid("genetic_engine");
    supervisord.ctl(&["signal", "KILL", "genetic_engine"]);
    let alert = wait_for_alert(&alerts, "UNEXPECTED_EXIT", Some("firing"));
    let preserved = supervisord.directory().join("preserved");
    let kept = wait_for("the kept state", || {
        let path = fs::read_dir(&preserved).ok()?.find_map(|entry| {
            let path = entry.ok()?.path();
            path.extension().is_some_and(|extension| extension == "json").then_some(path)
        })?;
        Some((path.file_name()?.to_str()?.to_owned(), serde_json::from_slice::<Value>(&fs::read(path).ok()?).ok()?))
    });
    assert!(
        kept.0.starts_with("genetic_engine-") && kept.0.ends_with(&format!("-{}.json", alert["serial"])),
        "{kept:?}"
    );
    // It may have been restarted by then.
    assert_eq!(kept.1["pids"][0], pid);
    // Its output is in the log, and nowhere else.
    supervisord.wait_for("failure_monitor.err", "on-event/genetic_engine:genetic_engine has run", 1);
    let said = supervisord.file("failure_monitor.err");
    assert!(said.contains("on-event/genetic_engine:genetic_engine: ") && said.contains("is kept as"), "{said}");
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
    assert_eq!(alerts.count(|alert| alert["event"] == "COMMAND_FAILED"), 0);
}

#[test]
fn trading_is_stopped_before_a_command_is_run() {
    let alerts = Collector::start();
    // The environment tells it about the stop, and it hangs.
    let script = "cat > payload; supervisorctl -c %(here)s/supervisord.conf status > found.part; mv found.part found; \
                  echo $$ > pid; exec sleep 10000";
    let environment = format!("ALERT_URL=\"{}\",ON_EVENT=\"sh -c '{script}' \"", alerts.url());
    let settings = "--critical-processes risk_manager --command-timeout 5";
    let sections = [
        monitor("failure_monitor", settings, "PROCESS_STATE_FATAL,PROCESS_STATE_EXITED", &environment)
            + "directory = %(here)s\n",
        "[group:trading_system]\nprograms = risk_manager,order_executor\n".into(),
        "[program:risk_manager]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = false\n".into(),
        process("order_executor", ""),
        "[program:worker]\ncommand = cat\nstartsecs = 0\nautorestart = false\n".into(),
    ];
    let Some(mut supervisord) = Supervisord::start("commands", &sections.concat()) else { return };
    supervisord.wait_for("supervisord.log", "success: order_executor entered RUNNING state", 1);
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    wait_for_alert(&alerts, "TRADING_STOPPED", Some("resolved"));
    let found = wait_for("what it has found", || Some(supervisord.file("found")).filter(|found| !found.is_empty()));
    let order_executor = found.lines().find(|line| line.contains("order_executor")).unwrap();
    assert!(order_executor.contains("STOP"), "{found}");
    assert_eq!(supervisord.file("payload"), "processname:risk_manager groupname:trading_system from_state:BACKOFF");
    // Events continue in the meantime, and it is stopped after its timeout.
    supervisord.ctl(&["signal", "KILL", "worker"]);
    wait_for_alert(&alerts, "UNEXPECTED_EXIT", Some("firing"));
    let failed = wait_for_alert(&alerts, "COMMAND_FAILED", Some("firing"));
    assert_eq!(failed["details"]["why"], "it took longer than 5 s, and was stopped");
    assert_eq!((&failed["process"], &failed["group"]), (&"risk_manager".into(), &"trading_system".into()));

    // Commands running when the monitor ends are stopped with it.
    let before = wait_for("its id", || Some(supervisord.file("pid")).filter(|pid| !pid.is_empty()));
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    let pid = wait_for("another one", || Some(supervisord.file("pid")).filter(|pid| !pid.is_empty() && *pid != before));
    assert!(supervisord.ctl(&["stop", "failure_monitor"]).status.success());
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(pid).is_err(), "it lives on");
    assert!(supervisord.log().contains("stopped: failure_monitor (exit status 0)"), "{}", supervisord.log());
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn latency_and_positions_are_checked_at_each_tick() {
    let alerts = Collector::start();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (positions, latency) = (stand_in("position_sync.py"), stand_in("order_latency.py"));
    let environment =
        format!("ALERT_URL=\"{}\",FEED_PORT=\"{port}\",ON_TICK=\"{positions}\n    {latency}\"", alerts.url());
    let sections = [
        monitor("heartbeat_monitor", "", "TICK_5", &environment),
        process("exchange", &format!("--serve {port} --directory %(here)s")),
        process("order_executor", "--positions %(here)s/positions.json"),
    ];
    let Some(mut supervisord) = Supervisord::start("commands", &sections.concat()) else { return };
    // It may not be listening at the first tick.
    supervisord.wait_for("heartbeat_monitor.err", "on-tick 1 has run", 1);
    supervisord.wait_for("heartbeat_monitor.err", "on-tick 2 has run", 1);
    let before = alerts.count(|alert| alert["event"] != "COMMAND_FAILED");
    assert_eq!(before, 0);

    supervisord.write("exchange_positions", "{\"BTC\": 0.5, \"ETH\": 1}");
    supervisord.write("exchange_is_slow", "");
    let mismatch = wait_for_alert(&alerts, "POSITION_MISMATCH", Some("firing"));
    assert_eq!(
        (&mismatch["severity"], &mismatch["details"]["details"]),
        (&"CRITICAL".into(), &"BTC: 0.25 here, 0.5 there".into())
    );
    let slow = wait_for_alert(&alerts, "ORDER_LATENCY", Some("firing"));
    assert_eq!((&slow["severity"], &slow["details"]["alert_level"]), (&"HIGH".into(), &"HIGH".into()));
    // It lasts for a tick, and then it is over.
    let runs = supervisord.file("heartbeat_monitor.err").matches("on-tick 2 has run").count();
    supervisord.wait_for("heartbeat_monitor.err", "on-tick 2 has run", runs + 1);
    for file in ["exchange_positions", "exchange_is_slow"] {
        fs::remove_file(supervisord.directory().join(file)).unwrap();
    }
    for (event, fired) in [("POSITION_MISMATCH", &mismatch), ("ORDER_LATENCY", &slow)] {
        let over = wait_for_alert(&alerts, event, Some("resolved"));
        assert_eq!(over["incident"], fired["incident"]);
    }
    assert_eq!(alerts.count(|alert| alert["event"] == "ORDER_LATENCY"), 2);

    // If nobody answers, the alert says so.
    let failed = |alert: &Value| alert["event"] == "COMMAND_FAILED" && alert["status"] == "firing";
    let before = alerts.count(failed);
    supervisord.ctl(&["stop", "exchange"]);
    wait_for("both to fail", || (alerts.count(failed) == before + 2).then_some(()));
    let alert = alerts.wait_for("the failure", failed);
    assert!(alert["details"]["said"].to_string().contains("refused"), "{alert}");
    assert_eq!(alert["details"]["why"], "it ended with exit code 1");
    let worked = |alert: &Value| alert["event"] == "COMMAND_FAILED" && alert["status"] == "resolved";
    let before = alerts.count(worked);
    supervisord.ctl(&["start", "exchange"]);
    wait_for("both to work again", || (alerts.count(worked) == before + 2).then_some(()));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn the_markets_regime_is_detected_at_ticks() {
    let alerts = Collector::start();
    let environment = format!("ALERT_URL=\"{}\",ON_TICK=\"{}\"", alerts.url(), stand_in("market_regime.py"));
    let sections = [
        monitor("performance_monitor", "--processes feed --interval 0.01", "TICK_5", &environment),
        process("feed", "--prices %(here)s/prices.json --directory %(here)s"),
    ];
    let Some(mut supervisord) = Supervisord::start("commands", &sections.concat()) else { return };
    let regime = |is: &str| {
        let of = |alert: &Value| alert["event"] == "MARKET_REGIME" && alert["details"]["details"] == is;
        alerts.wait_for(is, of);
        alerts.count(of)
    };
    assert_eq!(regime("calm"), 1);
    supervisord.write("market_is_wild", "");
    assert_eq!(regime("volatile"), 1);
    assert!(supervisord.file("regime.json").contains("volatile"));
    // It is reported once, however long it lasts.
    let runs = supervisord.file("performance_monitor.err").matches("on-tick has run").count();
    supervisord.wait_for("performance_monitor.err", "on-tick has run", runs + 2);
    assert_eq!((regime("calm"), regime("volatile")), (1, 1));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn the_research_database_gets_each_signal_once() {
    let alerts = Collector::start();
    let audit = "AUDIT_FILE=\"%(here)s/audit.jsonl\"";
    let environment =
        format!("ALERT_URL=\"{}\",{audit},ON_TICK=\"{}\"", alerts.url(), stand_in("research_database.py"));
    let settings = "--report-dir %(here)s/reports --backup-dir %(here)s/backup";
    let sections = [
        monitor("comm_monitor", "", "PROCESS_COMMUNICATION", audit),
        monitor("maintenance_monitor", settings, "TICK_5", &environment),
        process("engine", "--signal SIGNAL:ENTRY:momentum-7:BTC:0.25@97150.5") + "stdout_capture_maxbytes = 64KB\n",
    ];
    let Some(mut supervisord) = Supervisord::start("commands", &sections.concat()) else { return };
    let new = "1 signals are new in the research database";
    supervisord.wait_for("maintenance_monitor.err", new, 2);
    assert!(supervisord.directory().join("research.db").exists());
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
    let (signals, said) =
        (supervisord.file("audit.jsonl").matches("ENTRY").count(), supervisord.file("maintenance_monitor.err"));
    let count = |line: &str| line.split(" signals are new").next()?.rsplit(' ').next()?.parse::<usize>().ok();
    let added: usize = said.lines().filter(|line| line.contains("signals are new")).filter_map(count).sum();
    assert!((1..=signals).contains(&added), "{added} of {signals}");
    assert_eq!(alerts.count(|alert| alert["event"] == "COMMAND_FAILED"), 0, "{said}");
}
