//! Observes what events do not report: the state of supervisord, how processes ended, and what they use. This happens
//! in a thread of its own, so that no event waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::board::{Board, Server};
use super::exit_log::last_exit;
use super::overview::Change;
use super::usage::Sample;
use crate::alerts::counts;
use crate::log::seconds_now;
use crate::metrics::{self, Scan};
use crate::settings::Common;
use crate::supervisord::{Process, ServerState, Supervisord, fault_of};

/// The pause after a request: changes in the meantime are covered by the next one.
const PAUSE: Duration = Duration::from_millis(200);

/// If more processes have changed, asks for all of them at once.
const FEW: usize = 8;

/// How much of supervisord's log is read, in bytes.
const LOG: usize = 16 * 1024;

/// How often the history is saved. It is also saved when the monitor ends.
const KEEP_EVERY: Duration = Duration::from_secs(300);

struct Observer {
    board: Arc<Board>,
    supervisord: Supervisord,
    common: Common,
    before: Option<(Instant, Scan)>,
}

/// Looks at everything once, and starts a thread that asks about changed processes at once, and looks at everything
/// after each `interval`.
pub fn start(board: Arc<Board>, supervisord: Supervisord, common: Common, interval: Duration) -> io::Result<()> {
    let mut observer = Observer { board, supervisord, common, before: None };
    // Otherwise the page would first show the wrong identifier.
    observer.look();
    observer.board.wait(Duration::ZERO);
    let observe = move || {
        let (mut next, mut next_keep) = (Instant::now() + interval, Instant::now() + KEEP_EVERY);
        loop {
            let pending = observer.board.wait(next.saturating_duration_since(Instant::now()));
            if !pending.is_empty() {
                observer.ask(&pending);
                thread::sleep(PAUSE);
            }
            if Instant::now() >= next {
                observer.look();
                next = Instant::now() + interval;
            }
            if Instant::now() >= next_keep {
                observer.board.keep_history();
                next_keep = Instant::now() + KEEP_EVERY;
            }
        }
    };
    thread::Builder::new().name("observer".into()).stack_size(512 << 10).spawn(observe).map(drop)
}

impl Observer {
    /// Updates everything that changes without an event.
    fn look(&mut self) {
        let known = self.board.look(|_, live| live.supervisord.clone());
        let server = self.ask_about_supervisord(known);
        let alerts = counts::of_all(&self.common);
        let samples = self.sample();
        let names = self.board.look(|overview, _| overview.processes.keys().cloned().collect::<BTreeSet<_>>());
        let now = seconds_now();
        self.board.update(|live| {
            (live.supervisord, live.alerts) = (server, alerts);
            live.usage.retain(|name, _| names.contains(name));
            for name in names {
                let (sample, cpu_ms) = samples.get(&name).copied().unzip();
                live.usage.entry(name).or_default().add(now, sample, cpu_ms.unwrap_or_default());
            }
        });
    }

    fn ask_about_supervisord(&self, known: Server) -> Server {
        match self.supervisord.state() {
            Ok(state) => {
                let is_there = known.is_up && state == ServerState::Running;
                // After an interruption, it may be another supervisord.
                let known = if is_there { known } else { Server::default() };
                Server {
                    is_up: true,
                    state: Some(state.name().into()),
                    pid: known.pid.or_else(|| self.supervisord.pid().ok()),
                    version: known.version.or_else(|| self.supervisord.version().ok()),
                    identifier: known.identifier.or_else(|| self.supervisord.identification().ok()),
                    error: None,
                }
            }
            Err(error) => Server { is_up: false, state: None, error: Some(error.to_string()), ..known },
        }
    }

    /// What each running process uses, found by its process id.
    fn sample(&mut self) -> BTreeMap<String, (Sample, u64)> {
        let now = Instant::now();
        let by = u64::try_from(seconds_now()).unwrap_or_default();
        let scan = metrics::scan_once();
        let pids: Vec<_> = self.board.look(|overview, _| {
            let running = overview.processes.iter().filter(|(_, status)| status.pid > 0);
            running.map(|(name, status)| (name.clone(), status.pid)).collect()
        });
        let samples = pids.into_iter().filter_map(|(name, pid)| {
            let members = scan.tree(pid, by);
            if members.is_empty() {
                return None;
            }
            let used = self.before.as_ref().map(|(then, before)| {
                let (used, elapsed) = (before.cpu_ms_until(&members), now.duration_since(*then));
                (used, used as f64 / (elapsed.as_secs_f64() * 10.0))
            });
            let (cpu_ms, cpu) = used.unzip();
            let memory = members.iter().map(metrics::memory).sum();
            let sample = Sample { pid, cpu: cpu.map(|cpu| cpu as f32), memory, processes: members.len() };
            Some((name, (sample, cpu_ms.unwrap_or_default())))
        });
        let samples = samples.collect();
        self.before = Some((now, scan));
        samples
    }

    /// Asks supervisord about processes whose state has changed. If it cannot be called, its next list will tell.
    fn ask(&self, pending: &BTreeSet<String>) {
        let processes: Vec<Process> = if pending.len() > FEW {
            let mut all = self.supervisord.processes().unwrap_or_default();
            all.retain(|process| pending.contains(&process.full_name()));
            all
        } else {
            let answers = pending.iter().map(|name| self.supervisord.process(name));
            // A process may have been removed. If supervisord does not answer at all, the others are not asked about.
            let answers = answers.take_while(|answer| answer.as_ref().err().is_none_or(|why| fault_of(why).is_some()));
            answers.filter_map(Result::ok).collect()
        };
        if !processes.is_empty() {
            self.board.told(Change::Told(processes));
        }
        self.ask_the_log(pending);
    }

    /// Looks up in the log what supervisord no longer reports.
    fn ask_the_log(&self, pending: &BTreeSet<String>) {
        let unknown = self.board.look(|overview, _| {
            let mut names = BTreeMap::<&str, usize>::new();
            overview.processes.values().for_each(|process| *names.entry(&process.name).or_default() += 1);
            let known = pending.iter().filter_map(|full_name| Some((full_name, overview.processes.get(full_name)?)));
            let unknown = known.filter_map(|(full_name, process)| {
                let exit = process.last_exit.as_ref()?;
                let wanted = exit.is_wanting() && names.get(process.name.as_str()) == Some(&1);
                wanted.then(|| (full_name.clone(), process.name.clone(), exit.at, exit.expected.unwrap_or_default()))
            });
            unknown.collect::<Vec<_>>()
        });
        if unknown.is_empty() {
            return;
        }
        let Ok(log) = self.supervisord.own_log_end(LOG) else { return };
        for (full_name, name, at, expected) in unknown {
            if let Some((status, why)) = last_exit(&log, &name, expected) {
                self.board.told(Change::Ended { name: full_name, at, status: Some(status), why });
            }
        }
    }
}
