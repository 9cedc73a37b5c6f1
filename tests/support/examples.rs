//! The crate's examples as programs: cargo builds them for a whole `cargo test`, but not for a single test file.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Builds an example, if that is due, and returns its path.
pub fn example(name: &str) -> PathBuf {
    // target/debug/deps/TEST → target/debug/examples/NAME
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let package = if name == "demo" { "supervisor-events-demo" } else { "supervisor-events" };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--package", package, "--example", name]);
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "cargo could not build the example {name}");
    profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
