//! Sends lines to a daemon. An event waits for it briefly; after that, lines for this daemon alone are dropped, counted
//! and reported until it accepts them again.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::journald;
use super::line::Line;
use super::syslog::{Facility, Syslog};
use super::target::{Address, DaemonTarget};
use super::transport::Transport;
use crate::log::{Level, log};

/// The first pause after the daemon has stopped accepting lines. Each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest line by UDP: a datagram holds at most 65,507 bytes, including a header of up to 500.
const UDP_ROOM: usize = 65_000;

pub struct Daemon {
    name: String,
    transport: Transport,
    format: Format,
    wait: Duration,
    /// Set while the daemon does not accept lines.
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

    /// Sends lines. Those that the daemon does not accept in time are dropped.
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

    /// A daemon that is restarting refuses messages briefly, so the send is retried. Once it has been given up, a
    /// single attempt is enough.
    fn send_until(&mut self, message: &[u8], deadline: Instant) -> std::io::Result<()> {
        let mut pause = Duration::from_millis(5);
        loop {
            match self.transport.send(message, deadline) {
                Err(error) if self.away.is_none() && Instant::now() + pause < deadline => {
                    // The message itself is too large.
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
            let message = format!("{} does not accept lines: {error}; they are dropped until it does", self.name);
            log(Level::Error, message, json!({}));
        }
        let away = self.away.get_or_insert(Away { dropped: 0, pause: PAUSE / 2, next_try: Instant::now() });
        away.dropped += lines.len() as u64;
        away.pause = (away.pause * 2).min(LONGEST_PAUSE);
        away.next_try = Instant::now() + away.pause;
    }

    /// Logs how many lines are missing, and sends the same message to the daemon.
    fn is_back(&mut self, line: &Line) {
        let Some(Away { dropped, .. }) = self.away.take() else { return };
        let message = format!("{} accepts lines again; {dropped} were dropped", self.name);
        log(Level::Warning, &message, json!({ "dropped": dropped }));
        let gap =
            Line { bytes: message.into(), group: "supervisor".into(), process: "log_collector".into(), ..line.clone() };
        let message = self.format.message(&gap);
        // The message is in our log anyway.
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
