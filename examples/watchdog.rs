//! Waits for an event or a deadline, whichever comes first, without threads or an executor.
//!
//! supervisord sends TICK_5 every 5 seconds. If none arrives for a while, supervisord or its
//! machine hangs, and somebody should know.
//!
//! ```ini
//! [eventlistener:watchdog]
//! command = /usr/local/bin/watchdog 15
//! events = TICK_5
//! autorestart = true
//! stderr_logfile = /var/log/watchdog.log
//! ```
//!
//! The argument is how many seconds may pass between two ticks.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use supervisor_events::host::std_io::{Serve, Wake};
use supervisor_events::{EventType, Reply};

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1).unwrap_or_else(|| "15".into());
    let patience = Duration::try_from_secs_f64(argument.parse()?)?;
    let mut events = Serve::new().open()?;
    let mut last = Instant::now();
    let mut deadline = last + patience;
    loop {
        match events.next_until(deadline)? {
            Wake::Event(event) => {
                if event.header.event_type() == EventType::Tick5 {
                    last = Instant::now();
                    deadline = last + patience;
                }
                events.reply(&Reply::OK)?;
            }
            Wake::Deadline => {
                let silence = last.elapsed().as_secs_f64();
                // Not `eprintln!`, which panics if standard error is full or closed.
                let _ = writeln!(io::stderr(), "WARNING: no TICK_5 for {silence:.1} s");
                // One warning per period is enough.
                deadline = Instant::now() + patience;
            }
            Wake::End => return Ok(()),
        }
    }
}
