//! Shows who runs where: the last state of every process of every supervisord, from what the forwarders published.
//! `--help` lists the settings.

use std::process::ExitCode;

use clap::Parser;
use supervisor_monitors::forward::reader::{self, ReaderSettings};
use supervisor_monitors::run;

/// With `--once`, a process is FATAL.
const FATAL: u8 = 2;

/// Shows who runs where: the last state of every process of every supervisord, from what the forwarders published.
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
