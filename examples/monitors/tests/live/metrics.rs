//! `performance_monitor` under a real supervisord, compared with the kernel's own files.

use std::fs;

use crate::support::program;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::wait_for;
use serde_json::Value;

/// The sum of a counter of all interfaces, from their files.
fn of_interfaces(counters: &[&str]) -> u64 {
    let interfaces = fs::read_dir("/sys/class/net").unwrap().flatten().map(|entry| entry.path().join("statistics"));
    let read = |path| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    interfaces.flat_map(|path| counters.iter().map(move |counter| path.join(counter))).map(read).sum()
}

/// A memory value in MB.
fn meminfo(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() / 1024.0
}

#[test]
fn the_systems_figures_are_those_of_the_kernel() {
    const DROPPED_IN: [&str; 2] = ["rx_dropped", "rx_missed_errors"];
    let program = program("performance_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    let sections = format!(
        "[eventlistener:performance_monitor]\ncommand = \"{program}\" --processes worker --interval 0.1\n\
         events = TICK_5\nbuffer_size = 50\nstartsecs = 0\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/performance_monitor.err\n\
         [program:worker]\ncommand = cat\nstartsecs = 0\n"
    );
    let before = [of_interfaces(&DROPPED_IN), of_interfaces(&["tx_dropped"]), of_interfaces(&["rx_bytes"])];
    let Some(mut supervisord) = Supervisord::start("metrics", &sections) else { return };
    let line = wait_for("the figures", || {
        let text = supervisord.file("performance_monitor.err");
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == "Performance metrics")
    });
    let after = [of_interfaces(&DROPPED_IN), of_interfaces(&["tx_dropped"]), of_interfaces(&["rx_bytes"])];
    let (system, network) = (&line["system"], &line["system"]["network_io"]);
    for (index, key) in ["dropin", "dropout", "bytes_recv"].iter().enumerate() {
        let value = network[key].as_u64().unwrap_or_else(|| panic!("{key}: {line}"));
        assert!((before[index]..=after[index]).contains(&value), "{key}: {value} of {before:?} to {after:?}");
    }
    assert!(network["errin"].is_u64() && network["errout"].is_u64(), "{line}");
    let (percent, available) = (&system["memory_percent"], &system["memory_available_mb"]);
    let (percent, available, total) = (percent.as_f64().unwrap(), available.as_f64().unwrap(), meminfo("MemTotal"));
    assert!(available > 0.0 && available < total, "{line}");
    assert!((percent - 100.0 * (1.0 - available / total)).abs() < 0.5, "{percent} {available} {total}");
    assert_eq!(line["processes"]["worker"]["pid"], supervisord.pid("worker"));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
