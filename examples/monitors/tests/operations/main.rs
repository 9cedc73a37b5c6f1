//! What an operator goes by: `--help`.

#![cfg(target_os = "linux")]

mod help;

#[path = "../support/mod.rs"]
mod support;

/// All programs of this package but `fleet`.
const MONITORS: [&str; 8] = [
    "failure_monitor",
    "startup_monitor",
    "comm_monitor",
    "heartbeat_monitor",
    "trading_monitor",
    "performance_monitor",
    "maintenance_monitor",
    "forward_monitor",
];
