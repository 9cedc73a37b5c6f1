//! Restarts processes that use too much memory.
//!
//! ```ini
//! [eventlistener:memory_guard]
//! command = /usr/local/bin/memory_guard --limits site:web=500MB,jobs:*=1GB --group-limits jobs=4GB
//! events = TICK_60
//! priority = 13
//! ; Old ticks are useless.
//! buffer_size = 12
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/memory_guard.err
//! ```
//!
//! The memory of a process includes that of its children. A tick is answered at once; restarts happen afterwards.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{ArgAction, Parser};
use serde_json::json;
use supervisor_events::Event;
use supervisor_monitors::Failure;
use supervisor_monitors::alerts::Alerts;
use supervisor_monitors::guard::{Guard, GuardSettings, Words};
use supervisor_monitors::metrics::{Held, memory_held};
use supervisor_monitors::run::{Context, Monitor, monitor};
use supervisor_monitors::settings::{Common, List};
use supervisor_monitors::size::{GroupSize, ProcessSize};
use supervisor_monitors::supervisord::{Process, Supervisord};

/// Restarts processes that use too much memory.
#[derive(Parser)]
struct Settings {
    /// How much memory each process may use: NAME=SIZE, separated by commas, such as site:web=500MB,*=1GB. The first
    /// entry that matches a process applies
    #[arg(long, env, default_value = "")]
    limits: List<ProcessSize>,
    /// How much memory the processes of a group may use together: GROUP=SIZE, separated by commas. Above it, the
    /// largest is restarted
    #[arg(long, env, default_value = "")]
    group_limits: List<GroupSize>,
    /// Whether to add the memory of a process's children: true or false
    #[arg(long, env, default_value = "true", action = ArgAction::Set)]
    children: bool,
    #[command(flatten)]
    guard: GuardSettings,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    monitor::<MemoryGuard>(env!("CARGO_BIN_NAME"))
}

const WORDS: Words = Words { restarted: "MEMORY_RESTART", left_alone: "MEMORY_RESTART_LIMIT" };

struct MemoryGuard {
    limits: List<ProcessSize>,
    group_limits: List<GroupSize>,
    children: bool,
    guard: Guard,
    alerts: Alerts,
    supervisord: Supervisord,
}

impl Monitor for MemoryGuard {
    type Settings = Settings;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        let Settings { limits, group_limits, children, guard, common } = settings;
        if limits.is_empty() && group_limits.is_empty() {
            return Err(
                "--limits and --group-limits are empty: set one to how much memory is allowed, such as web=500MB"
                    .into(),
            );
        }
        let supervisord = Supervisord::at_start(|names| {
            names.processes("--limits", limits.iter().map(|limit| &limit.pattern));
            group_limits.iter().for_each(|limit| names.group("--group-limits", &limit.group));
        })?;
        let guard = Guard::new(guard, &common, supervisord.clone(), WORDS)?;
        Ok(Self { limits, group_limits, children, guard, alerts: Alerts::new(&common)?, supervisord })
    }

    fn alerts(&self) -> Option<&Alerts> {
        Some(&self.alerts)
    }

    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let Event::Tick(_) = event else { return Ok(()) };
        let asked = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let all = self.supervisord.processes()?;
        let watched: Vec<_> = all.iter().filter(|process| process.pid != 0).collect();
        let held = memory_held(&watched, asked, self.children);
        // Unhealthy processes, each with the limit that it exceeds.
        let mut unwell = BTreeMap::new();
        for held in &held {
            if let Some(limit) = self.limit(held.process).filter(|limit| held.mb > *limit) {
                unwell.insert(held.process.full_name(), json!({ "memory_mb": held.mb, "limit_mb": limit }));
            }
        }
        for limit in self.group_limits.iter() {
            let of_group = || held.iter().filter(|held| held.process.group == limit.group);
            let sum: f64 = of_group().map(|held| held.mb).sum();
            let is_at_work = of_group().any(|held| unwell.contains_key(&held.process.full_name()));
            let largest = of_group().max_by(|a, b| a.mb.total_cmp(&b.mb));
            if let Some(largest) = largest.filter(|_| sum > limit.size.0 && !is_at_work) {
                let details = json!({ "memory_mb": largest.mb, "group_mb": sum, "group_limit_mb": limit.size.0 });
                unwell.insert(largest.process.full_name(), details);
            }
        }
        for Held { process, .. } in &held {
            match unwell.remove(&process.full_name()) {
                Some(_) if self.guard.spares(process) => {}
                Some(details) => self.guard.restart(&self.alerts, context, process, details),
                None => self.guard.is_well(&self.alerts, context, process),
            }
        }
        Ok(())
    }
}

impl MemoryGuard {
    fn limit(&self, process: &Process) -> Option<f64> {
        let limit = self.limits.iter().find(|limit| limit.pattern.names(process));
        limit.map(|limit| limit.size.0)
    }
}
