//! The queue of undelivered alerts: bounded, in order, and in a file if there is a directory for it.
//!
//! Appending waits neither for the receiver nor for the disk. A plain write reaches the system's page cache, which
//! survives a kill of this process; a separate thread syncs it to disk.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::unique;
use crate::forward::message::{ID, Message};
use crate::forward::spool::{Spool, Stored};
use crate::log::{Level, log};
use crate::sync::lock;
use crate::{Failure, files};

/// The limit in bytes, for the file and for memory separately.
const BOUND: usize = 1 << 20;
/// How many processes of one monitor can share a directory.
const SLOTS: usize = 100;

pub struct Queue {
    state: Mutex<State>,
    /// There is more to send or to sync, or less to wait for.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    spool: Option<Spool>,
    /// Alerts that the file did not accept, or all if there is no file. They are newer than those in the file.
    memory: VecDeque<Message>,
    memory_bytes: usize,
    /// How many alerts have left the queue: the number of the oldest one still in it.
    first: u64,
    dropped: u64,
    /// The file with the number of dropped alerts.
    dropped_path: Option<PathBuf>,
    write_failed: bool,
    unsynced: bool,
    /// The process is ending.
    closing: bool,
    /// No thread empties the queue any more.
    abandoned: bool,
}

impl Queue {
    /// A queue in this directory; in memory if there is none.
    pub fn open(directory: Option<&Path>) -> Result<Self, Failure> {
        let mut state = State::default();
        if let Some(directory) = directory {
            state
                .open(directory)
                .map_err(|error| format!("--state-dir {directory:?} must be a writable directory: alerts: {error}"))?;
        }
        Ok(Self { state: state.into(), changed: Condvar::new() })
    }

    /// Appends an alert. If the queue is full, drops the oldest.
    pub fn push(&self, alert: Vec<u8>) {
        let mut state = self.lock();
        state.memory_bytes += alert.len();
        state.memory.push_back(message(alert));
        state.write_and_tell();
        self.changed.notify_all();
    }

    /// Waits for an alert; returns the oldest one with its number. `None` if the process is ending and all remaining
    /// alerts are on disk.
    pub fn next(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            if state.closing && state.memory.is_empty() {
                return None;
            }
            if let Some(alert) = state.oldest() {
                return Some((state.first, alert));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The alert with this number was delivered, or never will be.
    pub fn taken(&self, number: u64) {
        let mut state = self.lock();
        // It may have been dropped in the meantime.
        if state.first == number {
            state.remove_oldest();
        }
        state.write_and_tell();
        self.changed.notify_all();
    }

    /// Waits, and returns whether the process goes on.
    pub fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let wait = self.changed.wait_timeout_while(state, time, |state| !state.closing);
        !wait.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// How many alerts are waiting.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.spooled() + state.memory.len()
    }

    /// How many alerts were dropped since the last call.
    pub fn take_dropped(&self) -> u64 {
        self.lock().take_dropped()
    }

    /// No thread empties the queue any more.
    pub fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }

    /// Closes the queue within `patience`. Returns the alerts that will be lost with this process.
    pub fn close(&self, patience: Duration) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        state.closing = true;
        self.changed.notify_all();
        let until = |state: &mut State| !state.memory.is_empty() && !state.abandoned;
        state = self.changed.wait_timeout_while(state, patience, until).unwrap_or_else(PoisonError::into_inner).0;
        state.memory.drain(..).map(|message| message.payload).collect()
    }

    /// Waits for a file to be synced. `None` if the process is ending.
    pub fn next_to_sync(&self) -> Option<io::Result<File>> {
        let state = self.lock();
        let wait = self.changed.wait_while(state, |state| !state.unsynced && !state.closing);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        if state.closing {
            return None;
        }
        state.unsynced = false;
        Some(state.spool.as_ref()?.file())
    }

    /// Whether there is a file.
    pub fn is_on_disk(&self) -> bool {
        self.lock().spool.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Uses the first file that no other process has, and takes over alerts from files whose process has ended.
    fn open(&mut self, directory: &Path) -> io::Result<()> {
        for slot in 0..SLOTS {
            let name = format!("{}.alerts-{slot}", files::of_pool());
            let is_there = directory.join(format!("{name}.spool")).exists();
            if self.spool.is_some() && !is_there {
                break;
            }
            let Some(mut spool) = Spool::try_open(directory, &name, BOUND as u64)? else { continue };
            if self.spool.is_none() {
                self.dropped_path = Some(directory.join(format!("{name}.dropped")));
                self.spool = Some(spool);
                continue;
            }
            if let Err(error) = self.take_over(&mut spool) {
                // They are still there at the next start, and no reason to fail this one.
                let message = format!("alerts of a process that has ended wait until there is room for them: {error}");
                log(Level::Error, message, json!({ "waiting": spool.messages() }));
                break;
            }
        }
        if self.spool.is_none() {
            return Err(io::Error::other(format!("{SLOTS} other processes use it")));
        }
        let dropped = self.dropped_path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        self.dropped += dropped.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Ok(())
    }

    /// Moves alerts over from another file, as long as there is room.
    fn take_over(&mut self, spool: &mut Spool) -> io::Result<()> {
        while let Some(message) = spool.head()? {
            self.memory_bytes += message.payload.len();
            self.memory.push_back(message);
            if let Err(error) = self.write() {
                self.forget_in_memory();
                return Err(error);
            }
            spool.done();
        }
        Ok(())
    }

    fn spooled(&self) -> usize {
        self.spool.as_ref().map_or(0, Spool::messages)
    }

    /// Moves alerts from memory to the file, as far as possible. Logs a failure.
    fn write_and_tell(&mut self) {
        match self.write() {
            Ok(()) => self.write_failed = false,
            Err(error) if !self.write_failed => {
                self.write_failed = true;
                let why = format!("alerts cannot be written to disk, and are kept in memory: {error}");
                log(Level::Error, why, json!({ "waiting": self.spooled() + self.memory.len() }));
            }
            Err(_) => {}
        }
        while self.memory_bytes > BOUND && self.memory.len() > 1 {
            if self.spooled() == 0 {
                self.first += 1;
            }
            self.forget_in_memory();
            self.count_dropped();
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while let (Some(spool), Some(message)) = (&mut self.spool, self.memory.front()) {
            if spool.append(message)? == Stored::Full {
                self.remove_oldest();
                self.count_dropped();
                continue;
            }
            self.unsynced = true;
            self.forget_in_memory();
        }
        Ok(())
    }

    fn forget_in_memory(&mut self) {
        let message = self.memory.pop_front();
        self.memory_bytes -= message.map_or(0, |message| message.payload.len());
    }

    fn oldest(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.spool.as_ref().map(Spool::head) {
                Some(Ok(Some(message))) => return Some(message.payload),
                Some(Err(error)) => {
                    // It will never become readable, and blocks the alerts after it.
                    log(Level::Error, format!("an alert cannot be read back: {error}"), json!({}));
                    self.remove_oldest();
                    self.count_dropped();
                }
                Some(Ok(None)) | None => return self.memory.front().map(|message| message.payload.clone()),
            }
        }
    }

    fn remove_oldest(&mut self) {
        self.first += 1;
        match &mut self.spool {
            Some(spool) if spool.messages() > 0 => {
                spool.done_without_sync();
                self.unsynced = true;
            }
            _ => self.forget_in_memory(),
        }
    }

    fn count_dropped(&mut self) {
        if self.dropped == 0 {
            log(
                Level::Error,
                "too many alerts are waiting: the oldest are dropped and counted",
                json!({ "bytes": BOUND }),
            );
        }
        self.dropped += 1;
        // If the count cannot be stored, it is still in the log and in memory.
        self.dropped_path.as_ref().map(|path| files::write(path, &self.dropped.to_string()));
    }

    fn take_dropped(&mut self) -> u64 {
        if self.dropped > 0 {
            self.dropped_path.as_ref().map(fs::remove_file);
        }
        std::mem::take(&mut self.dropped)
    }
}

fn message(payload: Vec<u8>) -> Message {
    Message { subject: "alert".into(), headers: vec![(ID.into(), unique())], payload }
}
