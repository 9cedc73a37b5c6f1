//! Decides from dependencies and current states which processes to start and which to stop.
//!
//! A dependency is `NAME=NEEDED+NEEDED`, where each name is a [`ProcessPattern`]; `exited(NEEDED)` is a job that must
//! have exited as expected. All decisions depend only on the current states: it does not matter if an event was lost,
//! or went to another monitor.

mod carry_out;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ptr;
use std::str::FromStr;

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};
use supervisor_events::ProcessState;

use crate::names::ProcessPattern;
use crate::settings::{List, Named};
use crate::supervisord::{Process, Stops, find};

#[derive(Clone, Debug, Args)]
pub struct DependencySettings {
    /// What to start once everything that it needs is running: NAME=NEEDED+NEEDED, separated by commas, such as
    /// app=db+cache,report=exited(import). Each name is NAME, GROUP:NAME or GROUP:*; exited(JOB) waits for the job's
    /// expected exit
    #[arg(long, env, default_value = "order_executor=risk_manager+hyperliquid_feed,genetic_engine=hyperliquid_feed")]
    pub dependents: List<Dependent>,
    /// Whether to stop dependents when something that they need ends
    #[arg(long, env, default_value_t = false, action = ArgAction::Set)]
    pub stop_dependents: bool,
}

impl DependencySettings {
    /// All patterns in the settings.
    pub fn patterns<'a>(&'a self) -> impl Iterator<Item = &'a ProcessPattern> {
        let needs = |dependent: &'a Dependent| dependent.needs.iter().map(|need| &need.processes);
        self.dependents.iter().flat_map(move |dependent| needs(dependent).chain([&dependent.dependent]))
    }

    /// The first dependent that needs itself, by way of others or not, and what it needs for that, in order.
    pub fn circle(&self) -> Option<Vec<&ProcessPattern>> {
        self.dependents.iter().find_map(|first| self.way(vec![&first.dependent], &first.dependent, &mut Vec::new()))
    }

    /// What leads from the last of `way` to `end`, after `way`. Nothing leads there from those in `tried`.
    fn way<'a>(
        &'a self,
        way: Vec<&'a ProcessPattern>,
        end: &ProcessPattern,
        tried: &mut Vec<&'a ProcessPattern>,
    ) -> Option<Vec<&'a ProcessPattern>> {
        let last = *way.last()?;
        let dependents = self.dependents.iter().filter(|entry| entry.dependent.covers(last));
        dependents.flat_map(|entry| &entry.needs).find_map(|need| {
            let further = [&way[..], &[&need.processes]].concat();
            if end.covers(&need.processes) {
                return Some(further);
            }
            if tried.contains(&&need.processes) {
                return None;
            }
            tried.push(&need.processes);
            self.way(further, end, tried)
        })
    }
}

/// Processes, and what they need.
#[derive(Clone, Debug)]
pub struct Dependent {
    pub dependent: ProcessPattern,
    pub needs: Vec<Need>,
}

/// Processes that must be running, or must have exited.
#[derive(Clone, Debug)]
pub struct Need {
    pub processes: ProcessPattern,
    exited: bool,
}

impl FromStr for Dependent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Named { name, value } = text.parse()?;
        let needs = value.split('+').map(|need| need.trim().parse()).collect::<Result<_, _>>()?;
        Ok(Self { dependent: name.parse()?, needs })
    }
}

impl FromStr for Need {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let job = text.strip_prefix("exited(").and_then(|rest| rest.strip_suffix(')'));
        Ok(Self { processes: job.unwrap_or(text).parse()?, exited: job.is_some() })
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exited { write!(f, "exited({})", self.processes) } else { self.processes.fmt(f) }
    }
}

/// A run of a process: its start time and its process id.
pub type Run = (i32, u32);

/// Earlier decisions, which survive the monitor.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Known {
    /// The runs of needed processes that have been acted on.
    acted_on: BTreeMap<String, Run>,
    /// The start time of each process that exited, and whether the exit was expected.
    exits: BTreeMap<String, (i32, bool)>,
    /// The runs that have lost something they need, until they end: what they need may be back by then.
    lost: BTreeMap<String, Run>,
}

/// Who is asking.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The monitor, as its stops are recorded.
    pub monitor: &'a str,
    /// When it first asked what is running, in seconds since 1970. It gets an event for each exit since then.
    pub since: i64,
}

/// What to do.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// With the process whose start or exit is the reason; `None` if the dependent was stopped because it lost
    /// something.
    pub start: Vec<(&'a Process, Option<&'a Process>)>,
    /// What would be started if a person had not stopped it.
    pub leave: Vec<&'a Process>,
    pub stop: Vec<&'a Process>,
}

impl Known {
    /// Records an exit from an event.
    pub fn exited(&mut self, processes: &[Process], group: &str, name: &str, expected: bool) {
        let full_name = format!("{group}:{name}");
        if let Some(process) = find(processes, &full_name).filter(|process| process.state == ProcessState::Exited) {
            self.exits.insert(full_name, (process.start, expected));
        }
    }

    /// Makes a plan for the current states.
    pub fn plan<'a>(
        &mut self,
        settings: &DependencySettings,
        processes: &'a [Process],
        stops: &Stops,
        Asker { monitor, since }: Asker<'_>,
    ) -> Plan<'a> {
        let dependents = &*settings.dependents;
        let knew_nothing = self.acted_on.is_empty();
        let news = self.news(dependents, processes, since);
        let lost = if settings.stop_dependents { lost(dependents, processes, &self.lost) } else { Vec::new() };
        self.lost = lost.iter().map(|process| (process.full_name(), run(process))).collect();
        let mut plan = Plan { stop: first(&lost, dependents, processes), ..Plan::default() };
        for Dependent { dependent, needs } in dependents {
            // What is about to be stopped is as good as gone.
            let is_going = |need: &Need| lost.iter().any(|lost| need.processes.names(lost));
            if !needs.iter().all(|need| self.is_met(need, processes, since) && !is_going(need)) {
                continue;
            }
            let news = news.iter().copied().find(|news| needs.iter().any(|need| need.processes.names(news)));
            for process in processes.iter().filter(|process| dependent.names(process) && process.is_down()) {
                let is_ours = stops.monitor(process) == Some(monitor);
                // As far as is known, it has already had its turn.
                let is_done = knew_nothing && process.state == ProcessState::Exited;
                let is_done = is_done && news.is_some_and(|news| news.start <= process.start);
                let is_planned = plan.start.iter().any(|(planned, _)| ptr::eq(*planned, process));
                if is_done || is_planned || news.is_none() && !is_ours {
                    continue;
                }
                if stops.by_person(process) {
                    plan.leave.push(process);
                } else {
                    plan.start.push((process, news));
                }
            }
        }
        plan
    }

    /// The needed processes that have become available since the last call.
    fn news<'a>(&mut self, dependents: &[Dependent], processes: &'a [Process], since: i64) -> Vec<&'a Process> {
        self.acted_on.retain(|name, _| find(processes, name).is_some());
        self.exits.retain(|name, _| find(processes, name).is_some());
        let mut news = Vec::new();
        for process in processes {
            let mut needs = dependents.iter().flat_map(|dependent| &dependent.needs);
            let is_needed = needs.any(|need| need.processes.names(process) && self.is_met_by(need, process, since));
            let run = run(process);
            if is_needed && self.acted_on.insert(process.full_name(), run) != Some(run) {
                news.push(process);
            }
        }
        news
    }

    fn is_met(&self, need: &Need, processes: &[Process], since: i64) -> bool {
        all(processes, &need.processes, |process| self.is_met_by(need, process, since))
    }

    fn is_met_by(&self, need: &Need, process: &Process, since: i64) -> bool {
        if !need.exited {
            return process.runs();
        }
        let exit = self.exits.get(&process.full_name()).filter(|(start, _)| *start == process.start);
        // For an exit before anyone was watching, assume the default: 0 is expected.
        let as_usual = || process.exit_status == 0 && i64::from(process.stop) <= since;
        process.state == ProcessState::Exited && exit.map_or_else(as_usual, |(_, expected)| *expected)
    }
}

/// The running processes that have lost something they need, directly or indirectly.
///
/// A process has lost what it needs if it was started before that ended, even if that is running again. A process that
/// was started without what it needs is left alone: a person wanted it so.
fn lost<'a>(dependents: &[Dependent], processes: &'a [Process], known: &BTreeMap<String, Run>) -> Vec<&'a Process> {
    let has_lost = |process: &Process, needed: &Process| match needed.state {
        ProcessState::Stopping => true,
        _ if needed.is_down() => process.start <= needed.start.max(needed.stop),
        // Within one second: it was started because the other is running again.
        _ => process.start < needed.stop,
    };
    let is_known = |process: &&Process| is_up(process) && known.get(&process.full_name()) == Some(&run(process));
    let mut lost: Vec<&Process> = processes.iter().filter(is_known).collect();
    loop {
        let is_lost = |process: &&Process| {
            let follows = |needed| has_lost(process, needed) || contains(&lost, needed);
            let is_new = is_up(process) && !contains(&lost, process);
            is_new && processes.iter().any(|needed| needs(dependents, process, needed) && follows(needed))
        };
        let more: Vec<_> = processes.iter().filter(is_lost).collect();
        if more.is_empty() {
            return lost;
        }
        lost.extend(more);
    }
}

/// Those of `lost` that no running process needs. The others follow once these have stopped.
fn first<'a>(lost: &[&'a Process], dependents: &[Dependent], processes: &[Process]) -> Vec<&'a Process> {
    let is_needed = |process: &Process| {
        let runs = |other: &Process| is_up(other) || other.state == ProcessState::Stopping;
        processes.iter().any(|other| runs(other) && needs(dependents, other, process))
    };
    let first: Vec<_> = lost.iter().copied().filter(|process| !is_needed(process)).collect();
    let one_stops = processes.iter().any(|process| process.state == ProcessState::Stopping);
    // In a cycle, each is needed by another.
    if first.is_empty() && !one_stops { lost.to_vec() } else { first }
}

/// Whether a process needs another to run.
fn needs(dependents: &[Dependent], process: &Process, needed: &Process) -> bool {
    let is_needed = |need: &Need| !need.exited && need.processes.names(needed);
    let mut of_process = dependents.iter().filter(|dependent| dependent.dependent.names(process));
    !ptr::eq(process, needed) && of_process.any(|dependent| dependent.needs.iter().any(is_needed))
}

fn contains(processes: &[&Process], process: &Process) -> bool {
    processes.iter().any(|one| ptr::eq(*one, process))
}

/// The runs of all processes that the patterns match, if each pattern matches at least one and all are running.
pub fn runs(processes: &[Process], named: &[ProcessPattern]) -> Option<BTreeMap<String, Run>> {
    let all_run = named.iter().all(|pattern| all(processes, pattern, Process::runs));
    let is_named = |process: &&Process| named.iter().any(|pattern| pattern.names(process));
    let runs = processes.iter().filter(is_named).map(|process| (process.full_name(), run(process)));
    all_run.then(|| runs.collect())
}

fn all(processes: &[Process], pattern: &ProcessPattern, is_so: impl Fn(&Process) -> bool) -> bool {
    let mut named = processes.iter().filter(|process| pattern.names(process)).peekable();
    named.peek().is_some() && named.all(is_so)
}

fn run(process: &Process) -> Run {
    (process.start, process.pid)
}

fn is_up(process: &Process) -> bool {
    matches!(process.state, ProcessState::Starting | ProcessState::Running | ProcessState::Backoff)
}
