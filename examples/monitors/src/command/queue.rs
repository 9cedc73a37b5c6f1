//! Limits how many commands run at the same time, and how many wait.
//!
//! Jobs with the same key run one after the other, in order; jobs with different keys run in parallel, up to a limit.
//! Adding a job never waits. Jobs that are not run are logged: once when that begins, and with a count when it ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::child::End;
use crate::log::{Level, log};
use crate::sync::lock;

/// How many bytes of input may wait.
const MOST_BYTES: usize = 64 << 20;

/// Something to be run.
pub struct Job {
    /// Its name in the log.
    pub key: String,
    pub when_busy: WhenBusy,
    /// How much memory it uses while it waits.
    pub bytes: usize,
    /// Runs it. It must return by [`End`].
    pub act: Box<dyn FnOnce(&End) + Send>,
}

/// What to do with a job while another with its key is running or waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// It waits for its turn.
    Wait,
    /// It is not run.
    Skip,
    /// It replaces the waiting one, or waits.
    Replace,
}

/// Runs jobs in threads.
pub struct Queue {
    shared: Arc<Shared>,
    /// How long running jobs may go on at the end.
    patience: Duration,
    /// Whether to drop waiting jobs silently at the end.
    is_quiet: bool,
}

struct Shared {
    state: Mutex<State>,
    /// A job has ended.
    changed: Condvar,
    /// How many may run at the same time.
    jobs: usize,
    /// How many may wait.
    waiting: usize,
    end: End,
}

#[derive(Default)]
struct State {
    running: Vec<String>,
    waiting: VecDeque<Job>,
    bytes: usize,
    /// How many jobs of a key were skipped because another one was running or waiting.
    skipped: BTreeMap<String, u64>,
    /// How many were dropped because too many were waiting.
    dropped: u64,
    is_closed: bool,
}

impl Queue {
    /// A queue for `jobs` running jobs and `waiting` more. At the end, running jobs get `patience`.
    pub fn new(jobs: usize, waiting: usize, patience: Duration) -> Self {
        let (state, changed, end) = (Mutex::default(), Condvar::new(), End::default());
        let shared = Arc::new(Shared { state, changed, jobs: jobs.max(1), waiting: waiting.max(1), end });
        Self { shared, patience, is_quiet: false }
    }

    /// For jobs that need not run before the end.
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Runs a job now, later, or not at all, as `when_busy` says.
    pub fn add(&self, job: Job) {
        let mut state = self.shared.lock();
        let is_known = |other: &String| *other == job.key;
        let waits = state.waiting.iter().position(|other| other.key == job.key);
        match (job.when_busy, waits) {
            (WhenBusy::Skip, Some(_)) => return state.note_skipped(&job.key),
            (WhenBusy::Skip, None) if state.running.iter().any(is_known) => return state.note_skipped(&job.key),
            (WhenBusy::Replace, Some(at)) => {
                state.note_skipped(&job.key);
                state.bytes += job.bytes;
                let old = std::mem::replace(&mut state.waiting[at], job);
                state.bytes -= old.bytes;
            }
            _ => {
                state.bytes += job.bytes;
                state.waiting.push_back(job);
            }
        }
        self.shared.start(&mut state);
        while state.waiting.len() > self.shared.waiting || state.bytes > MOST_BYTES && state.waiting.len() > 1 {
            state.drop_oldest();
        }
    }

    /// How many jobs are running, and how many are waiting.
    pub fn busy(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.running.len(), state.waiting.len())
    }
}

impl Drop for Queue {
    /// Waits for running jobs, or stops them. Waiting jobs are not run.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        for job in std::mem::take(&mut state.waiting).into_iter().filter(|_| !self.is_quiet) {
            log(Level::Error, format!("NOT run before the end: {}", job.key), json!({}));
        }
        let end = Instant::now() + self.patience;
        let _ = self.shared.end.set(end);
        // A killed process does not end at once.
        let last = end + self.patience + Duration::from_secs(1);
        while !state.running.is_empty() {
            let Some(left) = last.checked_duration_since(Instant::now()) else { break };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Starts jobs that may run, each in a thread that then continues with waiting jobs.
    fn start(self: &Arc<Self>, state: &mut State) {
        while let Some(job) = self.next(state) {
            let (this, key) = (Arc::clone(self), job.key.clone());
            let work = move || this.work(job);
            let thread = thread::Builder::new().name("command".into()).stack_size(256 << 10).spawn(work);
            if let Err(error) = thread {
                state.running.retain(|running| *running != key);
                log(Level::Error, format!("NOT run, because no thread could be started: {key}: {error}"), json!({}));
            }
        }
    }

    /// Takes the first waiting job that may run.
    fn next(&self, state: &mut State) -> Option<Job> {
        if state.is_closed || state.running.len() >= self.jobs {
            return None;
        }
        let at = state.waiting.iter().position(|job| !state.running.contains(&job.key))?;
        let job = state.waiting.remove(at)?;
        state.bytes -= job.bytes;
        state.running.push(job.key.clone());
        if state.waiting.is_empty() && state.dropped > 0 {
            let dropped = std::mem::take(&mut state.dropped);
            log(Level::Error, format!("{dropped} commands were NOT run, because too many were waiting"), json!({}));
        }
        Some(job)
    }

    fn work(self: &Arc<Self>, job: Job) {
        let mut next = Some(job);
        while let Some(Job { key, act, .. }) = next {
            // A panic in a job must not occupy its place forever.
            let running = Running { shared: self, key: &key };
            act(&self.end);
            drop(running);
            next = self.next(&mut self.lock());
        }
    }
}

/// Marks a job as running until it is dropped.
struct Running<'a> {
    shared: &'a Arc<Shared>,
    key: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.running.retain(|key| key != self.key);
        if let Some(skipped) = state.skipped.remove(self.key) {
            log(Level::Warning, format!("{} was still running, and was skipped {skipped} times", self.key), json!({}));
        }
        if thread::panicking() {
            // This thread cannot continue with waiting jobs.
            self.shared.start(&mut state);
        }
        self.shared.changed.notify_all();
    }
}

impl State {
    fn note_skipped(&mut self, key: &str) {
        let skipped = self.skipped.entry(key.to_owned()).or_default();
        *skipped += 1;
        if *skipped == 1 {
            log(Level::Warning, format!("{key} is still running: it is skipped until it has ended"), json!({}));
        }
    }

    fn drop_oldest(&mut self) {
        let Some(job) = self.waiting.pop_front() else { return };
        self.bytes -= job.bytes;
        if self.dropped == 0 {
            let message = format!("too many commands are waiting: the oldest are NOT run, first {}", job.key);
            log(Level::Error, message, json!({ "waiting": self.waiting.len() }));
        }
        self.dropped += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A job that sends its number when it begins, and ends when told to.
    fn job(key: &str, number: u32, begun: &Sender<u32>) -> (Job, Sender<()>) {
        let (end, ended) = channel();
        let begun = begun.clone();
        let act = Box::new(move |_: &End| {
            begun.send(number).unwrap();
            let _: Result<(), _> = ended.recv();
        });
        (Job { key: key.into(), when_busy: WhenBusy::Wait, bytes: 1, act }, end)
    }

    fn begins(begun: &Receiver<u32>) -> u32 {
        begun.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn is_idle(queue: &Queue) {
        let begin = Instant::now();
        while queue.busy() != (0, 0) {
            assert!(begin.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn those_of_one_key_run_in_order_and_no_more_at_once_than_may() {
        let (queue, (begun, order)) = (Queue::new(2, 10, Duration::ZERO), channel());
        let ends: Vec<_> = [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
            .map(|(key, number)| {
                let (job, end) = job(key, number, &begun);
                queue.add(job);
                end
            })
            .into();
        let mut first = [begins(&order), begins(&order)];
        first.sort();
        assert_eq!((first, queue.busy()), ([1, 3], (2, 2)));
        ends[2].send(()).unwrap();
        // The second of `a` was added earlier, but may not run yet.
        assert_eq!(begins(&order), 4);
        ends[0].send(()).unwrap();
        assert_eq!(begins(&order), 2);
        drop(ends);
        is_idle(&queue);
    }

    #[test]
    fn a_job_is_skipped_or_replaced_as_it_says() {
        let (queue, (begun, order)) = (Queue::new(1, 10, Duration::ZERO), channel());
        let add = |key, number, when_busy| {
            let (job, end) = job(key, number, &begun);
            queue.add(Job { when_busy, ..job });
            end
        };
        let first = add("a", 1, WhenBusy::Skip);
        assert_eq!(begins(&order), 1);
        let mut others = vec![add("a", 2, WhenBusy::Skip), add("a", 3, WhenBusy::Replace)];
        others.extend([add("a", 4, WhenBusy::Replace), add("a", 5, WhenBusy::Skip), add("b", 6, WhenBusy::Skip)]);
        assert_eq!(queue.busy(), (1, 2));
        drop(first);
        assert_eq!(begins(&order), 4);
        drop(others);
        assert_eq!(begins(&order), 6);
        is_idle(&queue);
        assert!(order.try_recv().is_err());
        drop(add("a", 7, WhenBusy::Skip));
        assert_eq!(begins(&order), 7);
    }

    #[test]
    fn the_oldest_gives_way_to_the_newest() {
        let (queue, (begun, order)) = (Queue::new(1, 2, Duration::ZERO), channel());
        let ends: Vec<_> = (1..=5)
            .map(|number| {
                let (job, end) = job(&number.to_string(), number, &begun);
                queue.add(job);
                end
            })
            .collect();
        assert_eq!((begins(&order), queue.busy()), (1, (1, 2)));
        drop(ends);
        assert_eq!((begins(&order), begins(&order)), (4, 5));
        is_idle(&queue);
    }

    #[test]
    fn one_that_panics_takes_no_place_with_it() {
        let (queue, (begun, order)) = (Queue::new(1, 2, Duration::ZERO), channel());
        let act = Box::new(|_: &End| std::panic::resume_unwind(Box::new(())));
        queue.add(Job { key: "a".into(), when_busy: WhenBusy::Wait, bytes: 1, act });
        is_idle(&queue);
        queue.add(job("a", 1, &begun).0);
        assert_eq!(begins(&order), 1);
    }

    #[test]
    fn at_the_end_nothing_is_begun_and_what_runs_is_told() {
        let (queue, (begun, order)) = (Queue::new(1, 2, Duration::ZERO), channel());
        let (told, was_told) = channel();
        let act = Box::new(move |end: &End| {
            begun.send(1).unwrap();
            while end.get().is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            told.send(()).unwrap();
        });
        queue.add(Job { key: "a".into(), when_busy: WhenBusy::Wait, bytes: 1, act });
        assert_eq!(begins(&order), 1);
        let (never, _) = channel::<u32>();
        queue.add(job("a", 2, &never).0);
        drop(queue);
        was_told.try_recv().unwrap();
    }
}
