//! Ends at SIGTERM without losing an event: it answers the current one first.
//!
//! ```ini
//! [eventlistener:stop_on_signal]
//! command = /usr/local/bin/stop_on_signal code-points
//! events = EVENT
//! buffer_size = 100
//! autorestart = true
//! stderr_logfile = /var/log/stop_on_signal.log
//! ```
//!
//! The argument tells what the server's `len` counts: `code-points` (supervisor 4) or `bytes`
//! (supervisor 3, and servers that are not written in Python).

use std::env;
use std::error::Error;
use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use signal_hook::consts::SIGTERM;
use supervisor_events::host::std_io::Serve;
use supervisor_events::{LengthUnit, Reply};

fn main() -> Result<(), Box<dyn Error>> {
    let unit: LengthUnit = env::args().nth(1).as_deref().unwrap_or("code-points").parse()?;
    // The signal handler writes to one end, and the loop sees that at the other.
    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, signal)?;
    Serve::new().length_unit(unit).stop_on(stop.as_fd()).stdio(|event| {
        writeln!(stderr(), "{}", event.header.as_str())?;
        Ok(Reply::OK)
    })?;
    Ok(())
}
