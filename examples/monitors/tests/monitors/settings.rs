//! Settings, `--help`, and what all monitors accept.

use std::io;
use std::process::Stdio;

use super::programs::{CRASH, Driven, EXITED, levels, program};
use crate::support::PATIENCE;
use crate::support::receiver::Collector;
use serde_json::Value;
use supervisor_events::simulator::{Report, Simulator};
use tempfile::TempDir;

const MONITORS: [&str; 7] = [
    "comm_monitor",
    "failure_monitor",
    "heartbeat_monitor",
    "maintenance_monitor",
    "performance_monitor",
    "startup_monitor",
    "trading_monitor",
];

#[test]
fn help_tells_all_settings() {
    let own = [
        ("comm_monitor", "audit-file", "audit.jsonl"),
        ("failure_monitor", "risk-manager", "risk_manager"),
        ("forward_monitor", "spool-bytes", "67108864"),
        ("heartbeat_monitor", "deadline", "2"),
        ("maintenance_monitor", "keep", "24"),
        ("performance_monitor", "cpu-threshold", "80"),
        ("startup_monitor", "flapping-starts", "5"),
        ("trading_monitor", "listen", "127.0.0.1:9180"),
    ];
    for (monitor, name, default) in own {
        // Values from the environment are not shown: they may be secret.
        let output = program(monitor)
            .env("NATS_URL", "nats://u:secret@h")
            .env("ALERT_TOKEN", "secret")
            .arg("--help")
            .output()
            .unwrap();
        // However its lines are wrapped.
        let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.success());
        let capitals = name.to_uppercase().replace('-', "_");
        let prefix = if monitor == "forward_monitor" { "FORWARD_" } else { "" };
        for setting in [
            format!("--{name} <{capitals}>"),
            format!("[env: {prefix}{capitals}] [default: {default}]"),
            "[env: LENGTH_UNIT] [default: code-points]".into(),
        ] {
            assert!(help.contains(&setting), "{monitor}: {setting}: {help}");
        }
        assert!(!help.contains("secret"), "{help}");
        let output = program(monitor).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{monitor} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn arguments_come_before_the_environment_and_that_before_defaults() {
    let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
    let (url, host) = (alerts.url(), supervisor_monitors::machine::host_name());
    for (argument, environment, system) in [
        (Some("--system=argument"), Some("environment"), "argument"),
        (None, Some("environment"), "environment"),
        (None, None, host.as_str()),
    ] {
        let environment: Vec<_> =
            [("ALERT_URL", url.as_str())].into_iter().chain(environment.map(|system| ("SYSTEM", system))).collect();
        let settings: Vec<_> = argument.into_iter().collect();
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        monitor.send(EXITED, CRASH);
        monitor.end();
        assert_eq!(alerts.count(|alert| alert["system"] == system), 1, "{system}");
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let (directory, (reader, writer)) = (TempDir::new().unwrap(), io::pipe().unwrap());
    let mut command = program("failure_monitor");
    let mut simulator = Simulator::spawn(command.current_dir(directory.path()).stderr(writer)).unwrap();
    drop((command, reader));
    for _ in 0..2 {
        simulator.notify(EXITED, CRASH.as_bytes());
        let reports = simulator.run(PATIENCE);
        assert!(reports.iter().any(|report| matches!(report, Report::Result { accepted: true, .. })), "{reports:?}");
    }
    simulator.close_input();
    assert!(simulator.wait(PATIENCE).unwrap().expect("it ends").success());
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let wrong = [
        ("failure_monitor", "--alert-url=ftp://x", "--alert-url begins with http:// or https://"),
        ("failure_monitor", "--alert-url=https://", "--alert-url begins with http:// or https://"),
        ("failure_monitor", "--alert-format=xml", "--alert-format is json, slack, alertmanager or pagerduty"),
        ("failure_monitor", "--alert-timeout=0", "--alert-timeout is a number of seconds above 0"),
        ("failure_monitor", "--lost-when=STOPPED", "--lost-when is FATAL or FATAL,EXITED"),
        ("failure_monitor", "--length-unit=words", "--length-unit is code-points or bytes"),
        ("failure_monitor", "--nonsense=1", "--nonsense"),
        ("failure_monitor", "--alert-url", "--alert-url"),
        ("forward_monitor", "--length-unit=words", "--length-unit is code-points or bytes"),
        ("forward_monitor", "--spool-bytes=much", "--spool-bytes is a number"),
        ("forward_monitor", "--nats-url=a b", "--nats-url"),
        ("forward_monitor", "--nats-url=", "--nats-url names no broker"),
        ("comm_monitor", "--state-dir=/dev/null", "--state-dir \"/dev/null\" must be a writable directory"),
        ("heartbeat_monitor", "--deadline=5", "--deadline leaves no time before the next tick"),
        ("heartbeat_monitor", "--endpoints=x=udp://y", "--endpoints has \"udp://y\""),
        ("heartbeat_monitor", "--endpoints=x", "--endpoints is a list of NAME=VALUE"),
        ("maintenance_monitor", "--keep=-1", "--keep is a number"),
        ("performance_monitor", "--cpu-threshold=much", "--cpu-threshold is a number"),
        ("performance_monitor", "--cpu-threshold=NaN", "--cpu-threshold is a number"),
        ("performance_monitor", "--cpu-threshold=-1", "--cpu-threshold is 0 or more"),
        ("performance_monitor", "--limits=a=cpu:-1", "--limits has \"a=cpu:-1\": a limit is 0 or more"),
        ("performance_monitor", "--interval=1e19", "--interval is at most 3153600000 seconds"),
        ("startup_monitor", "--flapping-seconds=-1", "--flapping-seconds is a whole number of seconds"),
        ("startup_monitor", "--dependents=a", "--dependents is a list of NAME=VALUE"),
        ("startup_monitor", "--dependents=a=:b", "--dependents names processes by NAME, GROUP:NAME"),
        ("performance_monitor", "--processes=g:", "--processes names processes by NAME, GROUP:NAME"),
        ("failure_monitor", "--critical-processes=a,:b", "--critical-processes names processes by NAME, GROUP:NAME"),
        ("failure_monitor", "--backup=g:*", "--backup names exactly one process, by GROUP:NAME"),
        ("trading_monitor", "--peers=box2", "--peers is a list of NAME=VALUE"),
        ("trading_monitor", "--peers=box2=http://:secret@h/", "--peers can be seen by everybody on the machine"),
        ("trading_monitor", "--listen=0.0.0.0:80", "--listen 0.0.0.0:80 is not an address of the loopback interface"),
        ("trading_monitor", "--listen=nowhere", "--listen"),
    ];
    for (monitor, setting, why) in wrong {
        let output = program(monitor).arg(setting).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{setting}");
        assert_eq!(output.stdout, b"", "{setting}");
        let line: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(line["message"].as_str().unwrap().contains(why), "{setting}: {line}");
    }
}

#[test]
fn what_no_monitor_knows_is_accepted() -> io::Result<()> {
    for monitor in MONITORS {
        let directory = TempDir::new()?;
        let settings: &[&str] = if monitor == "trading_monitor" { &["--listen", ""] } else { &[] };
        let mut monitor = Driven::start(monitor, directory.path(), settings);
        for (eventname, payload) in [
            ("EVENT", ""),
            ("None", "x"),
            ("PROCESS_LOG_STDOUT", "processname:p groupname:g pid:1 channel:stdout\n\u{1f980}"),
            ("REMOTE_COMMUNICATION", "type:any thing\n"),
            ("SUPERVISOR_STATE_CHANGE_RUNNING", ""),
            ("PROCESS_GROUP_ADDED", "groupname:g\n"),
        ] {
            assert_eq!(levels(&monitor.send(eventname, payload), "ERROR"), [] as [&str; 0]);
        }
        // An event of a known type with a payload that does not fit.
        assert!(levels(&monitor.send("TICK_60", "when:soon"), "CRITICAL").last().unwrap().contains("set aside"));
        monitor.end();
    }
    Ok(())
}
