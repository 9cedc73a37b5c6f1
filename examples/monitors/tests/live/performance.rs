//! `performance_monitor` under a real supervisord: processes that compute, that use much memory, and that grow.

use std::path::Path;

use serde_json::Value;

use crate::support::program;
use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};

/// The limits are low: exceeding them should not disturb other tests.
const SETTINGS: &str = "--processes * --interval 0.2 --cpu-threshold 1 --memory-threshold 1 \
                        --process-memory-threshold 30 --leak-threshold 1 --leak-samples 3 --limits busy=cpu:5";

#[test]
fn what_processes_use_is_measured_and_what_is_too_much_is_an_alert() {
    let alerts = Collector::start();
    let program = program("performance_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("stand_in.py");
    let sections = format!(
        "[eventlistener:performance_monitor]\ncommand = \"{program}\" {SETTINGS}\nevents = TICK_5\nbuffer_size = 50\n\
         environment = ALERT_URL=\"{}\"\nstdout_logfile = NONE\nstderr_logfile = %(here)s/performance_monitor.err\n\
         [program:busy]\ncommand = sh busy.sh\ndirectory = %(here)s\nautostart = false\n\
         [program:growing]\ncommand = python3 '{}' --leak 4\n",
        alerts.url(),
        stand_in.display()
    );
    let Some(mut supervisord) = Supervisord::start("performance", &sections) else { return };
    // It ends with this test's directory at the latest.
    supervisord.write("busy.sh", "while [ -e busy.sh ]; do :; done\n");
    assert!(supervisord.ctl(&["start", "busy"]).status.success());
    let wait_for = |event: &str, process: Option<&str>, status: &str| -> Value {
        let is = |alert: &Value| {
            alert["event"] == event && alert["process"].as_str() == process && alert["status"] == status
        };
        alerts.wait_for(&format!("{event} {status}"), is)
    };
    for (event, process) in [
        ("HIGH_CPU", None),
        ("HIGH_MEMORY", None),
        ("PROCESS_HIGH_CPU", Some("busy")),
        ("PROCESS_HIGH_MEMORY", Some("growing")),
        ("MEMORY_LEAK", Some("growing")),
    ] {
        let alert = wait_for(event, process, "firing");
        let (value, threshold) = (&alert["details"]["value"], &alert["details"]["threshold"]);
        assert!(value.as_f64().unwrap() > threshold.as_f64().unwrap(), "{alert}");
    }
    let log = supervisord.file("performance_monitor.err");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut metrics = lines.filter(|line| line["message"] == "Performance metrics");
    let metrics = metrics.next_back().unwrap();
    let system = &metrics["system"];
    for key in ["cpu_percent", "memory_percent"] {
        assert!(system[key].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{key} of {metrics}");
    }
    for key in ["bytes_sent", "bytes_recv", "packets_sent", "packets_recv", "errin", "errout"] {
        assert!(system["network_io"][key].is_number(), "{key} of {metrics}");
    }
    assert_eq!(system["load_average"].as_array().map(Vec::len), Some(3), "{metrics}");
    let growing = &metrics["processes"]["growing"];
    assert_eq!(growing["pid"], supervisord.pid("growing"), "{metrics}");
    assert!(growing["memory_mb"].as_f64().unwrap() > 0.0 && growing["status"].is_string(), "{metrics}");

    // A process that has ended uses nothing.
    supervisord.ctl(&["stop", "busy", "growing"]);
    wait_for("PROCESS_HIGH_CPU", Some("busy"), "resolved");
    wait_for("PROCESS_HIGH_MEMORY", Some("growing"), "resolved");
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
