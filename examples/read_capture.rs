//! Prints the events of a captured stream: what a listener read from its standard input.
//!
//! ```sh
//! cargo run --example read_capture -- tests/ground-truth/streams/names_nasty__rec-1.bin
//! ```

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};

use supervisor_events::LengthUnit;
use supervisor_events::host::capture::Notifications;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: read_capture FILE")?;
    for captured in Notifications::new(File::open(path)?, LengthUnit::CodePoints) {
        let captured = captured?;
        writeln!(stdout(), "{}: {:?}", captured.header().eventname(), captured.event())?;
    }
    Ok(())
}
