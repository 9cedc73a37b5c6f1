//! Data shared by the monitor and the page: the overview, changed by events, and what is asked and measured in
//! addition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::overview::{Change, Difference, Overview, Sighting};
use super::usage::{History, Usage};
use crate::Failure;
use crate::alerts::counts::Counts;
use crate::settings::Common;
use crate::state::{Journaled, State};
use crate::supervisord::Process;
use crate::sync::lock;

/// Shared by the threads of a monitor.
pub struct Board {
    overview: Mutex<Journaled<Overview>>,
    live: Mutex<Live>,
    history: Mutex<State<BTreeMap<String, History>>>,
    /// Processes that supervisord should be asked about. `None` until the first call of `wait`.
    pending: Mutex<Option<BTreeSet<String>>>,
    has_pending: Condvar,
    /// Differs after each visible change.
    version: AtomicU64,
}

/// Data that is not kept across restarts.
#[derive(Default)]
pub struct Live {
    pub supervisord: Server,
    /// By `GROUP:NAME`.
    pub usage: BTreeMap<String, Usage>,
    /// By monitor. `None` if nothing is counted.
    pub alerts: Option<BTreeMap<String, Counts>>,
}

/// The state of supervisord itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// Whether it answers.
    pub is_up: bool,
    pub state: Option<String>,
    pub pid: Option<u32>,
    pub version: Option<String>,
    pub identifier: Option<String>,
    /// Why it cannot be called.
    pub error: Option<String>,
}

impl Live {
    /// supervisord's identifier, from its own answer or from its events.
    pub fn identifier<'a>(&'a self, overview: &'a Overview) -> &'a str {
        self.supervisord.identifier.as_deref().unwrap_or(&overview.server)
    }
}

impl Board {
    /// Restores what is in the state directory, if there is one.
    pub fn open(common: &Common) -> Result<Self, Failure> {
        let mut history: State<BTreeMap<String, History>> = State::open(common, ".history")?;
        let usage = history.get().into_iter().map(|(name, history)| (name, history.into()));
        let live = Live { usage: usage.collect(), ..Live::default() };
        let mut overview = Journaled::open(common, "")?;
        overview.get();
        Ok(Self {
            overview: overview.into(),
            live: live.into(),
            history: history.into(),
            pending: Mutex::default(),
            has_pending: Condvar::new(),
            version: fastrand::u64(..1 << 53).into(),
        })
    }

    /// Handles an event. `origin` is the run and the identifier of its supervisord.
    pub fn event(&self, origin: (&str, &str), change: Change) {
        let mut overview = lock(&self.overview);
        if overview.known().run != origin.0 {
            overview.apply(Change::Run { run: origin.0.into(), server: origin.1.into() });
        }
        if let Change::State(change) = &change {
            if overview.known().has_seen(origin.0, change.serial) {
                return;
            }
            if let Some(pending) = lock(&self.pending).as_mut() {
                pending.insert(format!("{}:{}", change.group, change.process));
            }
        }
        overview.apply(change);
        drop(overview);
        self.has_pending.notify_all();
        self.changed();
    }

    /// Takes over the states from supervisord's list. With `compare`, returns where they differ from the events.
    pub fn reconcile(&self, at: i64, processes: Vec<Process>, compare: bool) -> Vec<Difference> {
        let differences = lock(&self.overview).decide(|overview| {
            let differences = if compare { overview.differences(&processes) } else { Vec::new() };
            let count = differences.len() as u64;
            (differences, Some(Change::Listed { at, processes, differences: count }))
        });
        self.changed();
        differences
    }

    /// Records an answer from supervisord.
    pub fn told(&self, change: Change) {
        lock(&self.overview).apply(change);
        self.changed();
    }

    /// Gives access to everything at once.
    pub fn look<R>(&self, look: impl FnOnce(&Overview, &Live) -> R) -> R {
        let mut overview = lock(&self.overview);
        look(overview.get(), &lock(&self.live))
    }

    /// Changes the live data.
    pub fn update(&self, change: impl FnOnce(&mut Live)) {
        change(&mut lock(&self.live));
        self.changed();
    }

    /// Saves the history of each process.
    pub fn keep_history(&self) {
        let histories =
            |live: &Live| live.usage.iter().map(|(name, usage)| (name.clone(), usage.history.clone())).collect();
        let kept = histories(&lock(&self.live));
        lock(&self.history).set(kept);
    }

    /// A number that differs after each visible change.
    pub fn version(&self) -> u64 {
        // Another process of the pool may have changed it.
        let seen = lock(&self.overview).get().last_event.map_or(0, |Sighting { at, serial }| at as u64 ^ serial << 44);
        self.version.load(Ordering::Relaxed) ^ seen
    }

    /// Waits until processes have changed that supervisord should be asked about, and returns them. Starts collecting
    /// at the first call.
    pub fn wait(&self, patience: Duration) -> BTreeSet<String> {
        let mut pending = lock(&self.pending);
        pending.get_or_insert_default();
        let is_none = |pending: &mut Option<BTreeSet<_>>| pending.as_ref().is_none_or(BTreeSet::is_empty);
        let waited = self.has_pending.wait_timeout_while(pending, patience, is_none);
        waited.unwrap_or_else(PoisonError::into_inner).0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }
}
