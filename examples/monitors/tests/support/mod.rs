//! Shared by the tests: the programs, a real supervisord, and a receiver of alerts.

#![allow(dead_code, reason = "no test needs all of it")]

#[path = "../../../../tests/support/examples.rs"]
pub mod examples;
#[cfg(target_os = "linux")]
pub mod instrumented;
pub mod named_tests;
#[path = "../../../../tests/support/parallel.rs"]
pub mod parallel;
#[path = "../../../../tests/support/patience.rs"]
pub mod patience;
#[path = "../../../../tests/support/python.rs"]
pub mod python;
pub mod receiver;
#[path = "../../../../tests/support/supervisord.rs"]
pub mod supervisord;
pub mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use patience::{wait_for, within_patience};

/// Anything that takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program of a monitor.
pub fn program(name: &str) -> PathBuf {
    // Cargo builds all of this package's programs, in one directory.
    let path = Path::new(env!("CARGO_BIN_EXE_failure_monitor"));
    path.with_file_name(name)
}

/// A client for servers on this machine, which ignores the environment's proxy.
pub fn client() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().new_agent()
}
