//! When a process without which nobody may trade is lost, stops the trading group and starts a backup until the risk
//! manager has recovered.

use std::time::Duration;

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};
use serde_json::json;
use supervisor_events::ProcessStateEvent;

use crate::Failure;
use crate::alerts::{Measure, Words};
use crate::log::{Level, log, seconds_now};
use crate::lost::Lost;
use crate::names::{ProcessName, ProcessPattern};
use crate::settings::{Common, List, Optional};
use crate::state::State;
use crate::supervisord::{Names, Process, Supervisord};

/// When trading is stopped, and what happens then.
#[derive(Clone, Debug, Args)]
pub struct TradingSettings {
    /// The process without which --trading-group must not run; if it is lost, --backup is started: NAME or GROUP:NAME.
    /// May be empty
    #[arg(long, env, default_value = "risk_manager")]
    pub risk_manager: Optional<ProcessPattern>,
    /// Further processes without which --trading-group must not run: NAME, GROUP:NAME, GROUP:* or *, separated by commas
    #[arg(long, env, default_value = "")]
    pub stop_trading_for: List<ProcessPattern>,
    /// When they count as lost: FATAL (supervisord has given up), or FATAL,EXITED (also after each unexpected exit)
    #[arg(long, env, default_value = "FATAL")]
    pub lost_when: List<Lost>,
    /// The group to stop when one of them is lost
    #[arg(long, env, default_value = "trading_system")]
    pub trading_group: String,
    /// The process to start when the risk manager is lost: GROUP:NAME, or NAME if it is in no group. It must not be in
    /// --trading-group. If empty, nothing is started
    #[arg(long, env, default_value = "")]
    pub backup: Optional<ProcessName>,
    /// Whether to stop the backup once the risk manager has been running for --recovered-after seconds
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    pub stop_backup: bool,
}

impl TradingSettings {
    /// Checks the names in the settings.
    pub fn check(&self, names: &mut Names<'_>) {
        names.processes("--stop-trading-for", &*self.stop_trading_for);
        if let Some(risk_manager) = &*self.risk_manager {
            names.processes("--risk-manager", [risk_manager]);
            self.backup.iter().for_each(|backup| names.process("--backup", backup));
        }
        if self.risk_manager.is_some() || !self.stop_trading_for.is_empty() {
            names.group("--trading-group", &self.trading_group);
        }
    }
}

/// Stops trading, and manages the backup.
pub struct Trading {
    settings: TradingSettings,
    state: State<Known>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// Whether the backup was started and has not been stopped since.
    backup_runs: bool,
}

impl Trading {
    /// The state is kept with the monitor's.
    pub fn new(settings: TradingSettings, common: &Common) -> Result<Self, Failure> {
        Ok(Self { settings, state: State::open(common, "-trading")? })
    }

    /// Takes the measures for the loss of this process. Stopping trading comes first.
    pub fn lost(&mut self, supervisord: &Supervisord, event: &ProcessStateEvent<'_>) -> Vec<Measure> {
        let TradingSettings { risk_manager, stop_trading_for, lost_when, trading_group, backup, .. } = &self.settings;
        let (group, name) = (event.groupname.as_str(), event.processname.as_str());
        let is_risk_manager = risk_manager.as_ref().is_some_and(|pattern| pattern.matches(group, name));
        let matters = is_risk_manager || stop_trading_for.matches(group, name);
        if !matters || !lost_when.has(event) {
            return Vec::new();
        }
        let who = if is_risk_manager { "Risk manager" } else { name };
        log(Level::Emergency, format!("{who} failed - stopping all trading"), json!({ "group": trading_group }));
        let mut measures = vec![Measure::stop_group(supervisord, trading_group, &STOP)];
        if let (true, Some(backup)) = (is_risk_manager, &**backup) {
            measures.push(Measure::start(supervisord, backup, &START));
            self.state.update(|known| known.backup_runs = true);
        }
        measures
    }

    /// Stops the backup if the risk manager has run long enough. Calls supervisord only if the backup was started.
    pub fn stop_backup(&mut self, supervisord: &Supervisord, after: Duration) -> Result<Option<Measure>, Failure> {
        let TradingSettings { risk_manager, backup, stop_backup, .. } = &self.settings;
        let (Some(risk_manager), Some(backup), true) = (&**risk_manager, &**backup, *stop_backup) else {
            return Ok(None);
        };
        if !self.state.get().backup_runs {
            return Ok(None);
        }
        let processes = supervisord.processes()?;
        if !has_recovered(risk_manager, &processes, seconds_now(), after) {
            return Ok(None);
        }
        log(
            Level::Info,
            "the risk manager has recovered: the backup is stopped",
            json!({ "backup": backup.to_string() }),
        );
        let measure = Measure::stop(supervisord, backup, &STOP_BACKUP);
        self.state.update(|known| known.backup_runs = false);
        Ok(Some(measure))
    }
}

/// Whether all processes that the pattern matches have been running for at least `after`.
fn has_recovered(risk_manager: &ProcessPattern, processes: &[Process], now: i64, after: Duration) -> bool {
    let mut named = processes.iter().filter(|process| risk_manager.names(process)).peekable();
    let has_run = |process: &Process| {
        process.runs() && now.saturating_sub(process.start.into()) >= i64::try_from(after.as_secs()).unwrap_or(i64::MAX)
    };
    named.peek().is_some() && named.all(has_run)
}

const STOP: Words = Words {
    done: "trading is being stopped",
    failed: "trading is NOT being stopped",
    reached: "TRADING_STOPPED",
    missed: "TRADING_NOT_STOPPED",
};

const START: Words = Words {
    done: "backup was started",
    failed: "backup was NOT started",
    reached: "BACKUP_RUNNING",
    missed: "BACKUP_NOT_RUNNING",
};

const STOP_BACKUP: Words = Words {
    done: "backup is being stopped",
    failed: "backup is NOT being stopped",
    reached: "BACKUP_STOPPED",
    missed: "BACKUP_NOT_STOPPED",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_risk_manager_has_recovered_once_all_of_it_has_run_for_a_while() {
        let process = |name: &str, state: &str, start| Process {
            group: "g".into(),
            name: name.into(),
            state: state.parse().unwrap(),
            start,
            ..Process::default()
        };
        let pattern: ProcessPattern = "g:*".parse().unwrap();
        for (processes, is) in [
            (vec![], false),
            (vec![process("a", "RUNNING", 100)], true),
            (vec![process("a", "RUNNING", 101)], false),
            (vec![process("a", "RUNNING", 100), process("b", "FATAL", 0)], false),
            (vec![process("a", "RUNNING", 100), process("b", "RUNNING", 90)], true),
        ] {
            assert_eq!(has_recovered(&pattern, &processes, 400, Duration::from_secs(300)), is, "{processes:?}");
        }
    }
}
