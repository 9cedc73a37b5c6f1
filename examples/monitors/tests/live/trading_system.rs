//! All monitors together, as set up in `supervisord.conf`, under a real supervisord: a real cause, and the visible
//! reactions of the monitors.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;
use tempfile::TempDir;

const MONITORS: [&str; 7] = [
    "failure_monitor",
    "performance_monitor",
    "comm_monitor",
    "heartbeat_monitor",
    "startup_monitor",
    "maintenance_monitor",
    "trading_monitor",
];

/// The directory of their programs.
fn monitors() -> PathBuf {
    program(MONITORS[0]).parent().unwrap().to_owned()
}

struct TradingSystem {
    supervisord: Supervisord,
    alerts: Collector,
}

impl TradingSystem {
    fn start(environment: &[(&str, &str)]) -> Option<Self> {
        let alerts = Collector::start();
        let (url, monitors) = (alerts.url(), monitors());
        let mut all =
            vec![("MONITORS", monitors.as_os_str()), ("ALERT_URL", url.as_ref()), ("LISTEN", "127.0.0.1:0".as_ref())];
        all.extend(environment.iter().map(|(name, value)| (*name, value.as_ref())));
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("supervisord.conf");
        // As in the script.
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("strategies")).unwrap();
        let supervisord = Supervisord::configured(&configuration, ("TRADING_DIR", directory), &all)?;
        Some(Self { supervisord, alerts })
    }

    fn wait_for_state(&self, process: &str, state: &str) {
        wait_for(&format!("{process} to be {state}"), || (self.supervisord.status(process) == state).then_some(()));
    }

    fn wait_for_alert(&self, event: &str, process: Option<&str>) -> Value {
        self.alerts.wait_for(event, |alert| alert["event"] == event && alert["process"].as_str() == process)
    }

    /// The line that a monitor logs with this message, after the first `from` bytes of its log.
    fn wait_for_line(&self, monitor: &str, from: usize, message: &str) -> Value {
        wait_for(&format!("{message:?} of {monitor}"), || {
            let log = self.supervisord.file(&format!("{monitor}.err"));
            let lines = log.get(from..)?.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(message)))
        })
    }

    fn log_length(&self, monitor: &str) -> usize {
        self.supervisord.file(&format!("{monitor}.err")).len()
    }

    /// All complete lines of the audit trail, each of which must be a record.
    fn trail(&self) -> Vec<Value> {
        let text = self.supervisord.file("audit.jsonl");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
            .collect()
    }

    fn get(&self, path: &str) -> String {
        let page = self.wait_for_line("trading_monitor", 0, "status page")["url"].as_str().unwrap().to_owned();
        crate::support::client().get(format!("{page}{path}")).call().unwrap().body_mut().read_to_string().unwrap()
    }
}

#[test]
fn a_day_of_a_trading_system() {
    // A free port for the simulated exchange.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoints = format!("feed=tcp://127.0.0.1:{port}#process=trading_system:hyperliquid_feed");
    let settings = [
        ("FEED_PORT", port.to_string()),
        ("ENDPOINTS", endpoints),
        ("VPN_INTERFACE", "lo".into()),
        ("PROCESSES", "trading_system:*".into()),
        ("PROCESS_MEMORY_THRESHOLD", "1".into()),
        ("INTERVAL", "0.2".into()),
    ];
    let Some(mut system) = TradingSystem::start(&settings.each_ref().map(|(name, value)| (*name, value.as_str())))
    else {
        return;
    };

    // Dependents are started once what they need is running, the rest of the group once all critical processes are.
    for process in ["order_executor", "genetic_engine", "backtest_worker"] {
        system.wait_for_state(&format!("trading_system:{process}"), "RUNNING");
    }
    let resumed = system.wait_for_alert("TRADING_RESUMED", None);
    assert_eq!(resumed["details"]["started"], serde_json::json!([["backtest_worker", "OK"]]));
    system.wait_for_line("startup_monitor", 0, "order_executor is started because ");

    // Signals of strategies reach the audit trail, whatever happens to the monitor.
    let signal = |trail: &[Value]| trail.iter().filter(|record| record["signal_type"] == "ENTRY").count();
    wait_for("a signal in the audit trail", || (signal(&system.trail()) > 0).then_some(()));
    let trail = system.trail();
    let record = trail.iter().find(|record| record["signal_type"] == "ENTRY").unwrap();
    assert_eq!((&record["process"], &record["strategy_id"]), (&"genetic_engine".into(), &"momentum-7".into()));
    assert_eq!((&record["data"], &record["channel"]), (&"BTC:0.25@97150.5".into(), &"stdout".into()));
    assert_eq!(record["pid"], system.supervisord.pid("genetic_engine"));
    let risk = system.wait_for_alert("RISK_ALERT", Some("risk_manager"));
    assert_eq!(risk["details"]["data"], "drawdown=4.8%");
    system.supervisord.ctl(&["signal", "KILL", "comm_monitor"]);
    let before = signal(&system.trail());
    wait_for("another signal", || (signal(&system.trail()) > before).then_some(()));

    // A killed process raises an alert, and supervisord restarts it.
    let pid = system.supervisord.pid("genetic_engine");
    system.supervisord.ctl(&["signal", "KILL", "trading_system:genetic_engine"]);
    let alert = system.wait_for_alert("UNEXPECTED_EXIT", Some("genetic_engine"));
    assert_eq!((&alert["details"]["pid"], &alert["details"]["failures"]), (&pid.into(), &1.into()));
    assert_eq!((&alert["severity"], &alert["system"]), (&"WARNING".into(), &"trading_system".into()));

    // The feed is stopped, which raises no alarm, and comes up: each is reported once, however many ticks it takes.
    let about_feed = |event: &str| {
        let is = |alert: &Value| alert["event"] == event && alert["details"]["endpoint"] == "feed";
        system.alerts.wait_for(event, is);
        system.alerts.count(is)
    };
    system.supervisord.ctl(&["stop", "trading_system:hyperliquid_feed"]);
    assert_eq!(about_feed("ENDPOINT_STOPPED"), 1);
    let from = system.log_length("heartbeat_monitor");
    let beat = system.wait_for_line("heartbeat_monitor", from, "Heartbeat");
    assert!(beat["endpoints"]["feed"]["error"].as_str().unwrap().contains("refused"), "{beat}");
    assert!(beat["endpoints"]["vpn"]["latency_ms"].is_number(), "{beat}");
    system.supervisord.ctl(&["start", "trading_system:hyperliquid_feed"]);
    assert_eq!(about_feed("ENDPOINT_UP"), 1);
    let from = system.log_length("heartbeat_monitor");
    let beat = system.wait_for_line("heartbeat_monitor", from, "Heartbeat");
    assert!(beat["endpoints"]["feed"]["latency_ms"].as_f64().unwrap() >= 0.0, "{beat}");
    assert_eq!(about_feed("ENDPOINT_STOPPED"), 1);
    assert_eq!(system.alerts.count(|alert| alert["event"] == "ENDPOINT_DOWN"), 0);

    // Without the risk manager, supervisord stops the group because the monitor tells it to, and starts the backup.
    system.supervisord.write("fail_risk_manager", "");
    let from = system.log_length("trading_monitor");
    system.supervisord.ctl(&["restart", "trading_system:risk_manager"]);
    let alert = system.wait_for_alert("PROCESS_FATAL", Some("risk_manager"));
    assert_eq!(alert["details"]["message"], "Critical process risk_manager failed to start");
    for process in ["hyperliquid_feed", "order_executor", "genetic_engine", "backtest_worker"] {
        system.wait_for_state(&format!("trading_system:{process}"), "STOPPED");
    }
    system.wait_for_state("backup_risk_manager", "RUNNING");
    // It ignored SIGTERM.
    system.supervisord.wait_for("supervisord.log", "stopped: order_executor (terminated by SIGKILL)", 1);
    system.wait_for_line("trading_monitor", from, "risk_manager: BACKOFF -> FATAL");
    system.wait_for_line("trading_monitor", from, "order_executor: STOPPING -> STOPPED");
    let metrics = system.get("metrics");
    for line in [
        "supervisor_process_up{server=\"trading\",group=\"backup_risk_manager\",process=\"backup_risk_manager\"} 1",
        "supervisor_process_up{server=\"trading\",group=\"trading_system\",process=\"risk_manager\"} 0",
        "supervisor_process_state{server=\"trading\",group=\"trading_system\",process=\"risk_manager\",state=\"FATAL\"} 1",
        "supervisor_process_state{server=\"trading\",group=\"trading_system\",process=\"order_executor\",state=\"STOPPED\"} 1",
    ] {
        assert!(metrics.lines().any(|there| there == line), "{line} in {metrics}");
    }
    let status: Value = serde_json::from_str(&system.get("status.json")).unwrap();
    let is_lost = |process: &&Value| process["name"] == "risk_manager" && process["state"] == "FATAL";
    assert_eq!(status["processes"].as_array().unwrap().iter().filter(is_lost).count(), 1, "{status}");
    assert!(system.get("").contains("risk_manager"), "it is there without scripts");

    // The critical processes are started again, except the one that its dependencies start.
    fs::remove_file(system.supervisord.directory().join("fail_risk_manager")).unwrap();
    let from = system.log_length("startup_monitor");
    system.supervisord.ctl(&["start", "trading_system:risk_manager", "trading_system:hyperliquid_feed"]);
    system.wait_for_line("startup_monitor", from, "all critical processes are running: trading resumes");
    for process in ["order_executor", "genetic_engine", "backtest_worker"] {
        system.wait_for_state(&format!("trading_system:{process}"), "RUNNING");
    }

    // The minute's values are of the running processes, found by their ids.
    let from = system.log_length("trading_monitor");
    // One of them crashes 45 seconds after each start: if that coincides with the minute, the next one counts.
    let summary = system.wait_for_line("trading_monitor", from, "14 processes: 14 RUNNING");
    assert_eq!(summary["states"]["RUNNING"], 14, "{summary}");
    let metrics = system.wait_for_line("performance_monitor", 0, "Performance metrics");
    assert!(metrics["system"]["memory_percent"].as_f64().unwrap() > 0.0, "{metrics}");
    let high = system.alerts.wait_for("PROCESS_HIGH_MEMORY", |alert| alert["event"] == "PROCESS_HIGH_MEMORY");
    assert_eq!((&high["severity"], &high["group"]), (&"WARNING".into(), &"trading_system".into()));
    assert!(high["details"]["value"].as_f64().unwrap() > 1.0, "{high}");

    assert!(system.supervisord.stop().success());
    let log = system.supervisord.log();
    assert_clean(&log);
    for monitor in MONITORS.iter().flat_map(|monitor| match *monitor {
        "failure_monitor" => vec!["failure_monitor_0", "failure_monitor_1"],
        monitor => vec![monitor],
    }) {
        assert_eq!(log.matches(&format!("stopped: {monitor} (exit status 0)")).count(), 1, "{monitor}");
        let said = system.supervisord.file(&format!("{monitor}.err"));
        assert!(!said.contains(r#""level":"ERROR""#), "{said}");
    }
}
