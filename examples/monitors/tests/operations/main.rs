//! What operators rely on: docs/operations.md, the sections to copy, `--help`, the Dockerfile, the example.

#![cfg(target_os = "linux")]

mod behaviours;
mod help;
mod page;
mod sections;
mod trading_system;

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

/// All programs of this package except `fleet`.
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

/// A path in this package.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
