//! `performance_monitor`: memory that grows steadily.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::fake_supervisord::FakeSupervisord;
use super::programs::Driven;
use crate::support::receiver::Collector;
use serde_json::Value;
use tempfile::TempDir;

/// A process that allocates another MB for each byte that it reads, and reports when it has.
struct Growing(Child);

impl Growing {
    fn start() -> Option<Self> {
        let program = "import sys\nheld = []\nprint('.', end='', flush=True)\nwhile sys.stdin.read(1):\n \
                       held.append(bytearray(b'x' * 2**20))\n print('.', end='', flush=True)";
        let mut command = Command::new(crate::support::python::python()?);
        let child = command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut this = Self(child);
        this.wait();
        Some(this)
    }

    fn grow(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b".").unwrap();
        self.wait();
    }

    fn wait(&mut self) {
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn memory_that_grows_steadily_is_a_leak() {
    let (directory, alerts, supervisord) = (TempDir::new().unwrap(), Collector::start(), FakeSupervisord::start());
    let (Some(mut growing), Some(mut steady)) = (Growing::start(), Growing::start()) else { return };
    let pids = [growing.0.id(), steady.0.id()];
    supervisord.set(&[
        ("t", "growing", "RUNNING", pids[0]),
        ("t", "steady", "RUNNING", pids[1]),
        ("t", "gone", "EXITED", 0),
    ]);
    let settings = [
        "--processes",
        "t:*",
        "--interval",
        "0.01",
        "--leak-threshold",
        "30",
        "--leak-samples",
        "8",
        "--process-memory-threshold",
        "0.5",
        "--alert-url",
        &alerts.url(),
    ];
    let mut monitor =
        Driven::start_with("performance_monitor", directory.path(), &settings, &supervisord.environment());
    let is_leak = |alert: &Value| alert["event"] == "MEMORY_LEAK";
    for minute in 0..7 {
        growing.grow();
        if minute == 4 {
            // As much, but at once: that is how a process loads its data.
            (0..8).for_each(|_| steady.grow());
        }
        monitor.send("TICK_60", &format!("when:{}", 60 * minute));
    }
    assert_eq!(alerts.count(is_leak), 0, "too few samples");
    growing.grow();
    let lines = monitor.send("TICK_60", "when:420");
    let leak = alerts.wait_for("the leak", is_leak);
    assert_eq!(
        (&leak["process"], &leak["group"], &leak["details"]["threshold"]),
        (&"growing".into(), &"t".into(), &30.0.into())
    );
    // A MB per minute.
    let growth = leak["details"]["value"].as_f64().unwrap();
    assert!((50.0..75.0).contains(&growth), "{growth}");
    assert_eq!(alerts.count(is_leak), 1);
    let high =
        alerts.wait_for("much memory", |alert| alert["event"] == "PROCESS_HIGH_MEMORY" && alert["process"] == "steady");
    assert_eq!(high["details"]["type"], "PROCESS_HIGH_MEMORY");

    let metrics = lines.iter().find(|line| line["message"] == "Performance metrics").unwrap();
    let processes = metrics["processes"].as_object().unwrap();
    assert_eq!(processes.keys().collect::<Vec<_>>(), ["growing", "steady"]);
    assert_eq!(processes["growing"]["pid"], pids[0]);
    assert!(processes["growing"]["memory_mb"].as_f64() > Some(8.0), "{metrics}");
    assert!(processes["steady"]["status"].is_string() && processes["steady"]["cpu_percent"].is_number(), "{metrics}");
    let system = metrics["system"].as_object().unwrap();
    let keys = [
        "timestamp",
        "cpu_percent",
        "memory_percent",
        "memory_available_mb",
        "disk_usage",
        "network_io",
        "load_average",
    ];
    assert_eq!(system.keys().collect::<Vec<_>>(), keys);
    let percent = |key: &str| system[key].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent));
    for key in ["cpu_percent", "memory_percent"] {
        assert!(percent(key), "{key}: {metrics}");
    }
    // Not every machine has a separate disk for its root.
    assert!(percent("disk_usage") || system["disk_usage"].is_null(), "{metrics}");
    monitor.end();
}
