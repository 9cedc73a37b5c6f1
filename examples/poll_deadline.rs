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
use supervisor_events::host::std::take_stdio;
use supervisor_events::{EventType, LengthUnit, Reply, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1).unwrap_or_else(|| "15".into());
    let patience = Duration::try_from_secs_f64(argument.parse()?)?;
    let (mut input, mut output) = take_stdio()?;

    // Ticks are small, and all that is asked of any other event is an answer.
    let mut session = Session::new([0; 1024], LengthUnit::CodePoints);
    output.write_all(session.ready()?)?;
    let mut last = Instant::now();
    let mut deadline = last + patience;
    loop {
        if !readable(&input, deadline)? {
            eprintln!("WARNING: no TICK_5 for {:.1} s", last.elapsed().as_secs_f64());
            // Once in a while is enough.
            deadline = Instant::now() + patience;
            continue;
        }
        let read = match input.read(session.space()) {
            Ok(0) => return Ok(session.end()?),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        // A piece of an event is not an event: the deadline stays.
        if let Some(notification) = session.received(read)? {
            if notification.header.event_type() == EventType::Tick5 {
                last = Instant::now();
                deadline = last + patience;
            }
            let answer = session.reply_and_ready(&Reply::OK)?;
            output.write_all(answer.write_to(&mut [0; 32])?)?;
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
