//! Restarts processes that are running but unhealthy: without delaying events, not too often, and never leaving one
//! stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Failure;
use crate::alerts::{Alert, Alerts, Reporter, Severity, Status};
use crate::log::{Level, log, seconds_now};
use crate::run::Context;
use crate::settings::{Common, number, whole_seconds};
use crate::state::State;
use crate::supervisord::{Fault, Process, Supervisord, fault_of};
use crate::sync::lock;

/// How long a process may take to stop. Its `stopwaitsecs` is usually much shorter.
const PATIENCE: Duration = Duration::from_secs(600);

/// When a process is restarted, and when it is left alone.
#[derive(Clone, Debug, Args)]
pub struct GuardSettings {
    /// Seconds after its start during which a process is left alone
    #[arg(long, env, default_value = "30", value_parser = whole_seconds)]
    pub start_grace: i64,
    /// How often a process may be restarted within --restart-seconds. After that it is left alone, and an alert says so
    #[arg(long, env, default_value = "3", value_parser = number::<usize>)]
    pub restarts: usize,
    /// The number of seconds over which restarts are counted
    #[arg(long, env, default_value = "3600", value_parser = whole_seconds)]
    pub restart_seconds: i64,
    /// Whether to only report what would be restarted: true or false
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    pub dry_run: bool,
}

/// The names of the alerts.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// A process is being restarted.
    pub restarted: &'static str,
    /// It is left alone although it is unhealthy.
    pub left_alone: &'static str,
}

/// Restarts processes.
pub struct Guard {
    settings: GuardSettings,
    words: Words,
    supervisord: Supervisord,
    known: Kept,
}

type Kept = Arc<Mutex<State<Known>>>;

/// What survives a restart of the monitor, if there is a state directory. Processes are `GROUP:NAME`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// When each process was restarted, in seconds since 1970.
    restarts: BTreeMap<String, Vec<i64>>,
    /// Processes being restarted: one may be stopped and not yet started again.
    under_way: BTreeSet<String>,
    /// Processes that are left alone, and have been reported.
    left_alone: BTreeSet<String>,
    /// Those that a dry run has reported.
    would_restart: BTreeSet<String>,
}

/// What to do about an unhealthy process.
enum Decision {
    Restart(usize),
    LeaveAlone,
    /// It has been reported already.
    Nothing,
}

impl Guard {
    /// Also finishes the restarts that an earlier process of this monitor began.
    pub fn new(
        settings: GuardSettings,
        common: &Common,
        supervisord: Supervisord,
        words: Words,
    ) -> Result<Self, Failure> {
        let supervisord = supervisord.noting_stops(common)?;
        let known: Kept = Arc::new(Mutex::new(State::open(common, "")?));
        let this = Self { settings, words, supervisord, known };
        for full_name in this.update(|known| known.under_way.clone()) {
            log(Level::Warning, format!("{full_name} was being restarted: finishing that"), json!({}));
            this.carry_out(full_name, None, None);
        }
        Ok(this)
    }

    /// Whether to leave a process alone for now: it is not running, has just been started, or is being restarted.
    pub fn spares(&self, process: &Process) -> bool {
        let age = seconds_now() - i64::from(process.start);
        // If the clock was set back, the age is meaningless.
        let is_young = (0..self.settings.start_grace).contains(&age);
        !process.runs() || is_young || self.update(|known| known.under_way.contains(&process.full_name()))
    }

    /// Restarts an unhealthy process and reports why, unless it has been restarted too often.
    pub fn restart(&self, alerts: &Alerts, context: &Context<'_>, process: &Process, mut details: Value) {
        let (full_name, now) = (process.full_name(), seconds_now());
        let about = Some((process.name.as_str(), process.group.as_str()));
        let decision = self.update(|known| known.decide(&full_name, now, &self.settings));
        details["dry_run"] = self.settings.dry_run.into();
        match decision {
            Decision::Nothing => {}
            Decision::LeaveAlone => {
                details["restarts"] = self.settings.restarts.into();
                details["restart_seconds"] = self.settings.restart_seconds.into();
                // In a dry run, this reports what would be done.
                let (severity, kind) = match self.settings.dry_run {
                    true => (Severity::Warning, self.words.restarted),
                    false => (Severity::Critical, self.words.left_alone),
                };
                let alert = Alert::new(severity, kind, about, details).status(Status::Firing);
                alerts.send(context, [alert]);
            }
            Decision::Restart(count) => {
                details["restarts"] = count.into();
                alerts.send(context, [Alert::new(Severity::Warning, self.words.restarted, about, details)]);
                self.carry_out(full_name, Some(process.pid), Some(alerts.reporter(context, "restart/")));
            }
        }
    }

    /// Records that a process is healthy.
    pub fn is_well(&self, alerts: &Alerts, context: &Context<'_>, process: &Process) {
        let name = process.full_name();
        // The settings may have changed since the alert.
        let reported = self.update(|known| [known.left_alone.remove(&name), known.would_restart.remove(&name)]);
        let about = Some((process.name.as_str(), process.group.as_str()));
        let kinds = [self.words.left_alone, self.words.restarted].into_iter().zip(reported);
        let resolved = |(kind, reported): (_, bool)| {
            reported.then(|| Alert::new(Severity::Info, kind, about, json!({})).status(Status::Resolved))
        };
        kinds.filter_map(resolved).for_each(|alert| alerts.send(context, [alert]));
    }

    /// Stops a process and starts it again, in a thread. `pid` is the process to stop; `None` if it has already been
    /// stopped.
    fn carry_out(&self, full_name: String, pid: Option<u32>, reporter: Option<Reporter>) {
        let (supervisord, known, name) = (self.supervisord.clone(), Arc::clone(&self.known), full_name.clone());
        let act = move || {
            let done = supervisord.restart(&name, pid, PATIENCE);
            update(&known, |known| known.under_way.remove(&name));
            match done {
                Ok(()) => log(Level::Info, format!("{name} was restarted"), json!({})),
                Err(error) => tell_failure(&name, &error, reporter),
            }
        };
        if let Err(error) = thread::Builder::new().name("restart".into()).stack_size(256 << 10).spawn(act) {
            self.update(|known| known.under_way.remove(&full_name));
            log(Level::Error, format!("{full_name} is NOT restarted: no thread could be started: {error}"), json!({}));
        }
    }

    fn update<R>(&self, change: impl FnOnce(&mut Known) -> R) -> R {
        update(&self.known, change)
    }
}

fn update<R>(known: &Kept, change: impl FnOnce(&mut Known) -> R) -> R {
    lock(known).update(change)
}

fn tell_failure(full_name: &str, error: &Failure, reporter: Option<Reporter>) {
    if fault_of(error) == Some(Fault::ShutdownState) {
        return log(Level::Info, format!("{full_name} is not restarted: supervisord is shutting down"), json!({}));
    }
    log(Level::Error, format!("{full_name} is NOT restarted: {error}"), json!({}));
    if let (Some(reporter), Some((group, name))) = (reporter, full_name.split_once(':')) {
        let details = json!({ "error": error.to_string() });
        reporter.send([Alert::new(Severity::High, "RESTART_FAILED", Some((name, group)), details)]);
    }
}

impl Known {
    fn decide(&mut self, full_name: &str, now: i64, settings: &GuardSettings) -> Decision {
        // A time in the future dates from before the clock was set back.
        let is_recent = |at: &i64| (0..settings.restart_seconds).contains(&(now - at));
        self.restarts.retain(|_, times| times.last().is_some_and(is_recent));
        let times = self.restarts.entry(full_name.into()).or_default();
        times.retain(is_recent);
        if settings.dry_run || times.len() >= settings.restarts {
            let reported = if settings.dry_run { &mut self.would_restart } else { &mut self.left_alone };
            return if reported.insert(full_name.into()) { Decision::LeaveAlone } else { Decision::Nothing };
        }
        times.push(now);
        self.under_way.insert(full_name.into());
        Decision::Restart(times.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_limited_within_a_time() {
        let settings = GuardSettings { start_grace: 0, restarts: 2, restart_seconds: 100, dry_run: false };
        let mut known = Known::default();
        let mut decided = |now| match known.decide("g:a", now, &settings) {
            Decision::Restart(count) => count.to_string(),
            Decision::LeaveAlone => "left alone".into(),
            Decision::Nothing => String::new(),
        };
        let times = [1000, 1010, 1020, 1030, 1099, 1100, 1105, 1110, 900];
        let expected = ["1", "2", "left alone", "", "", "2", "", "2", "1"];
        assert_eq!(times.map(&mut decided), expected);
    }

    #[test]
    fn a_dry_run_is_reported_apart() {
        let mut settings = GuardSettings { start_grace: 0, restarts: 1, restart_seconds: 100, dry_run: true };
        let mut known = Known::default();
        let mut leaves_alone = |settings: &_, now| matches!(known.decide("g:a", now, settings), Decision::LeaveAlone);
        assert_eq!([1000, 1010].map(|now| leaves_alone(&settings, now)), [true, false]);
        settings.dry_run = false;
        assert_eq!([1020, 1030, 1040].map(|now| leaves_alone(&settings, now)), [false, true, false]);
    }
}
