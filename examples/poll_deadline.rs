//! Waits for an event or a deadline, whichever comes first: with `poll`, without threads and without an executor.
//!
//! A watchdog: supervisord sends TICK_5 every 5 seconds. When none has come for a while, it hangs, or its machine does,
//! and somebody should know.
//!
//! ```ini
//! [eventlistener:watchdog]
//! command = /usr/local/bin/poll_deadline 15
//! events = TICK_5
//! ```
//!
//! The argument is how many seconds there may be between two ticks.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use supervisor_events::host::driver::{Driver, Next};
use supervisor_events::host::std_io::take_stdio;
use supervisor_events::{EventType, LengthUnit, Reply};

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1).unwrap_or_else(|| "15".into());
    let patience = Duration::try_from_secs_f64(argument.parse()?)?;
    let (mut input, mut output) = take_stdio()?;

    // Ticks are small, and all that any other event needs is an answer.
    let mut driver = Driver::new([0; 1024], LengthUnit::CodePoints);
    let mut last = Instant::now();
    let mut deadline = last + patience;
    loop {
        match driver.next()? {
            Next::Write(bytes) => {
                let written = retried(|| output.write(bytes))?;
                driver.written(written);
            }
            Next::Flush => {
                output.flush()?;
                driver.flushed();
            }
            // A piece of an event is not an event: the deadline stays.
            Next::Read(space) => {
                if readable(&input, deadline)? {
                    let read = retried(|| input.read(space))?;
                    driver.received(read);
                } else {
                    eprintln!("WARNING: no TICK_5 for {:.1} s", last.elapsed().as_secs_f64());
                    // Once in a while is enough.
                    deadline = Instant::now() + patience;
                }
            }
            Next::Handle(event) => {
                if event.header.event_type() == EventType::Tick5 {
                    last = Instant::now();
                    deadline = last + patience;
                }
                driver.reply(&Reply::OK)?;
            }
            Next::End => return Ok(()),
        }
    }
}

/// Calls again what a signal has interrupted.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits until `input` can be read from, or has ended. False if the deadline came first.
fn readable(input: &File, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready != 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
