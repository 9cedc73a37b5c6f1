//! A daemon that takes lines. An event waits for it for a moment; after that, lines are dropped for this daemon alone,
//! counted, and reported, until it takes them again.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::journald;
use super::line::Line;
use super::syslog::{Facility, Syslog};
use super::target::{Address, DaemonTarget};
use super::transport::Transport;
use crate::log::{Level, log};

/// How long one that takes nothing is left alone at first. Each further time is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a line may be that goes by UDP: a datagram holds 65,507 bytes at most, with a head of up to 500.
const UDP_ROOM: usize = 65_000;

pub struct Daemon {
    name: String,
    transport: Transport,
    format: Format,
    wait: Duration,
    /// Where it takes nothing.
    away: Option<Away>,
}

enum Format {
    Syslog(Syslog),
    Journald(Facility),
}

struct Away {
    dropped: u64,
    pause: Duration,
    next_try: Instant,
}

impl Daemon {
    pub fn new(target: &DaemonTarget, facility: Facility, wait: Duration) -> Self {
        let format = match target {
            DaemonTarget::Syslog(Address::Udp(_)) => Format::Syslog(Syslog::new(facility, UDP_ROOM)),
            DaemonTarget::Syslog(_) => Format::Syslog(Syslog::new(facility, usize::MAX)),
            DaemonTarget::Journald(_) => Format::Journald(facility),
        };
        Self { name: target.to_string(), transport: Transport::new(target), format, wait, away: None }
    }

    /// Sends lines. Those that it does not take in time are dropped.
    pub fn deliver(&mut self, lines: &[Line]) {
        let now = Instant::now();
        if let Some(away) = self.away.as_mut().filter(|away| now < away.next_try) {
            away.dropped += lines.len() as u64;
            return;
        }
        let deadline = now + self.wait;
        for (at, line) in lines.iter().enumerate() {
            let message = self.format.message(line);
            if let Err(error) = self.send_until(&message, deadline) {
                return self.give_up(&error.to_string(), &lines[at..]);
            }
            self.is_back(line);
        }
    }

    /// One that restarts refuses messages for a moment. After it was given up, one try is enough.
    fn send_until(&mut self, message: &[u8], deadline: Instant) -> std::io::Result<()> {
        let mut pause = Duration::from_millis(5);
        loop {
            match self.transport.send(message, deadline) {
                Err(error) if self.away.is_none() && Instant::now() + pause < deadline => {
                    // The message itself is what it does not take.
                    if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) {
                        return Err(error);
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
                sent => return sent,
            }
        }
    }

    fn give_up(&mut self, error: &str, lines: &[Line]) {
        if self.away.is_none() {
            let message = format!("{} takes no lines: {error}; they are dropped until it does", self.name);
            log(Level::Error, message, json!({}));
        }
        let away = self.away.get_or_insert(Away { dropped: 0, pause: PAUSE / 2, next_try: Instant::now() });
        away.dropped += lines.len() as u64;
        away.pause = (away.pause * 2).min(LONGEST_PAUSE);
        away.next_try = Instant::now() + away.pause;
    }

    /// Says, also where the lines go, how many are missing.
    fn is_back(&mut self, line: &Line) {
        let Some(Away { dropped, .. }) = self.away.take() else { return };
        let message = format!("{} takes lines again; {dropped} were dropped", self.name);
        log(Level::Warning, &message, json!({ "dropped": dropped }));
        let gap =
            Line { bytes: message.into(), group: "supervisor".into(), process: "log_collector".into(), ..line.clone() };
        let message = self.format.message(&gap);
        // The log has it anyway.
        let _ = self.transport.send(&message, Instant::now() + self.wait);
    }
}

impl Format {
    fn message(&mut self, line: &Line) -> Vec<u8> {
        match self {
            Self::Syslog(syslog) => syslog.message(line),
            Self::Journald(facility) => journald::message(line, *facility),
        }
    }
}
