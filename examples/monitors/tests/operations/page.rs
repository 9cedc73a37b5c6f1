//! docs/operations.md and the Dockerfile, carried out as written.

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::path;
use crate::support::program;

/// The exit code of `run` if it cannot run here.
const CANNOT: i32 = 77;

#[test]
fn every_command_of_the_page_and_every_step_of_the_dockerfile_works() {
    let failure_monitor = program("failure_monitor");
    let mut command = Command::new(path("tests/operations/run"));
    command.env("PROGRAMS", failure_monitor.parent().unwrap()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.code() == Some(CANNOT) && env::var_os("CI").is_none() {
        // Not `eprintln!`, which is hidden if a test passes.
        let _ = writeln!(io::stderr(), "\nSKIPPED: {said}\n");
        return;
    }
    assert!(output.status.success(), "{}: {said}", output.status);
}
