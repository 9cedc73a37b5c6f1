//! Shows which process runs where: the last state of every process under every supervisord, as published by the
//! forwarders. `--help` lists the settings.

use std::process::ExitCode;

use clap::Parser;
use supervisor_monitors::forward::reader::{self, ReaderSettings};
use supervisor_monitors::run;

/// The exit code of `--once` if a process is FATAL.
const FATAL: u8 = 2;

/// Shows which process runs where: the last state of every process under every supervisord, as published by the
/// forwarders.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    reader: ReaderSettings,
}

fn main() -> ExitCode {
    let mut fatal = false;
    let code = run::main(env!("CARGO_BIN_NAME"), |settings: Settings| {
        fatal = reader::run(settings.reader)?;
        Ok(())
    });
    if fatal { FATAL.into() } else { code }
}
