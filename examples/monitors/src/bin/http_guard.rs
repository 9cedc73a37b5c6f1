//! Restarts processes whose server fails a check.
//!
//! ```ini
//! [eventlistener:http_guard]
//! command = /usr/local/bin/http_guard
//! environment = ENDPOINTS="web=https://localhost:8443/health#status=200&expect=ok&process=site:*"
//! events = TICK_60
//! priority = 14
//! ; Old ticks are useless.
//! buffer_size = 12
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/http_guard.err
//! ```
//!
//! The option `process` of each endpoint names the processes to restart; only those that are RUNNING are restarted. A
//! tick is answered after the checks, which take at most `--deadline`; restarts happen afterwards.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::endpoints::{Checker, Endpoint, deadline};
use supervisor_monitors::guard::{Guard, GuardSettings, Words};
use supervisor_monitors::log::{Level, log};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List, Optional};
use supervisor_monitors::supervisord::Supervisord;

/// Restarts processes whose server fails a check.
#[derive(Parser)]
struct Settings {
    /// What to check, and what to restart: NAME=URL#process=PROCESS&OPTION=VALUE, separated by commas. URLs and options
    /// are those of heartbeat_monitor: status, expect, send and so on
    #[arg(long, env, default_value = "")]
    endpoints: List<Endpoint>,
    /// How many checks in a row must fail
    #[arg(long, env, default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    failures: u32,
    /// Seconds within which all endpoints must answer: at most 4
    #[arg(long, env, default_value = "4", value_parser = deadline)]
    deadline: Duration,
    /// A PEM file with the certificates to trust instead of the system's
    #[arg(long, env, default_value = "")]
    endpoint_ca: Optional<PathBuf>,
    #[command(flatten)]
    guard: GuardSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<HttpGuard>(env!("CARGO_BIN_NAME"))
}

const WORDS: Words = Words { restarted: "CHECK_RESTART", left_alone: "CHECK_RESTART_LIMIT" };

struct HttpGuard {
    checker: Checker,
    /// How many checks in a row each endpoint has failed.
    failed: Vec<u32>,
    failures: u32,
    guard: Guard,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for HttpGuard {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let Settings { endpoints, failures, deadline, endpoint_ca, guard, common } = settings;
        if endpoints.is_empty() {
            return Err(
                "--endpoints is empty: set it to what to check, such as web=http://127.0.0.1/#process=web".into()
            );
        }
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.process.is_none()) {
            return Err(
                format!("--endpoints: {} lacks the option process, which says what to restart", endpoint.name).into()
            );
        }
        let checker = Checker::of(&endpoints, deadline, &endpoint_ca)?;
        let patterns = || endpoints.iter().filter_map(|endpoint| endpoint.process.as_ref());
        let supervisord = Supervisord::at_start(|names| names.processes("--endpoints", patterns()))?;
        let guard = Guard::new(guard, &common, supervisord.clone(), WORDS)?;
        let failed = vec![0; endpoints.len()];
        Ok(Self { checker, failed, failures, guard, alerts: Alerts::new(&common)?, supervisord })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(_) = event else { return Ok(()) };
        let findings = self.checker.check();
        let all = self.supervisord.processes()?;
        let endpoints = || self.checker.endpoints().zip(&findings);
        let failing: Vec<_> = endpoints()
            .filter(|(_, found)| found.is_err())
            .filter_map(|(endpoint, _)| endpoint.process.as_ref())
            .collect();
        for ((endpoint, found), failed) in endpoints().zip(&mut self.failed) {
            let named = |process: &&_| endpoint.process.as_ref().is_some_and(|pattern| pattern.names(process));
            let Err(error) = found else {
                *failed = 0;
                // A process may have several endpoints.
                let well = all.iter().filter(named).filter(|process| !failing.iter().any(|bad| bad.names(process)));
                well.for_each(|process| self.guard.is_well(&self.alerts, context, process));
                continue;
            };
            *failed = failed.saturating_add(1);
            let message = format!("{} does not answer as it should: {error}", endpoint.name);
            log(Level::Warning, message, json!({ "endpoint": endpoint.name, "failed": failed }));
            if *failed < self.failures {
                continue;
            }
            for process in all.iter().filter(named).filter(|process| !self.guard.spares(process)) {
                let details = json!({ "endpoint": endpoint.name, "error": error, "failed": failed });
                self.guard.restart(&self.alerts, context, process, details);
            }
        }
        Ok(())
    }
}
