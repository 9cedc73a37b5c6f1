//! Collects the output of all processes: complete lines, in files, syslog or systemd's journal.
//!
//! ```ini
//! [eventlistener:log_collector]
//! command = /usr/local/bin/log_collector --log-to json:/var/log/supervisor/all.jsonl,syslog
//! events = PROCESS_LOG,PROCESS_COMMUNICATION,PROCESS_STATE,TICK_5
//! ; Started first and stopped last, and unlike any other listener's.
//! priority = 10
//! ; Output comes faster than other events, and waits here while a disk is full.
//! buffer_size = 100000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/log_collector.err
//! ; Its own log must not become events.
//! stderr_events_enabled = false
//!
//! [program:web]
//! command = /usr/local/bin/web
//! ; What makes events of a process's output. Its own files are not needed any more.
//! stdout_events_enabled = true
//! stderr_events_enabled = true
//! stdout_logfile = NONE
//! stderr_logfile = NONE
//! ```
//!
//! An event is answered once its lines are in all files. Leave `numprocs` at 1: all pieces of a line must go to the
//! same process.

use std::process::ExitCode;

use clap::Parser;
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::collect::{CollectSettings, Collector};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::Common;

/// Collects the output of all processes: complete lines, in files, syslog or systemd's journal.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    collect: CollectSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<LogCollector>(env!("CARGO_BIN_NAME"))
}

struct LogCollector {
    collector: Collector,
    alerts: Alerts,
}

impl Monitor for LogCollector {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let alerts = Alerts::new(&settings.common)?;
        Ok(Self { collector: Collector::new(settings.collect, &settings.common)?, alerts })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        self.collector.take(context, event)
    }
}
