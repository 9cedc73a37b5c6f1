//! Which events have been handled, by any process of the pool, in this run of supervisord.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process;

use serde_json::json;
use supervisor_events::{Header, Position};

use super::identity::number_of_parent;
use super::presence::Presence;
use super::table::{Progress, Slot, Table};
use crate::Failure;
use crate::log::{Level, log};
use crate::settings::Common;
use crate::{files, lock};

/// How many events are remembered without a usable file.
const REMEMBERED: usize = 16_384;

/// An event is not tried again after this many processes have died over it. supervisord gives up a listener that dies
/// within its first second after 3 restarts, unless `startretries` says otherwise.
const MOST_TRIES: u32 = 3;

pub struct Seen {
    shared: Option<Shared>,
    /// What could not be written. It takes precedence over the file.
    memory: BTreeMap<u64, Slot>,
    run: u64,
    /// Whether an unusable file has been logged.
    complained: bool,
}

struct Shared {
    table: Table,
    presence: Presence,
    /// Whether the run is identified by the table alone, in which the processes of the pool agree on it.
    follows: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Sighting {
    New,
    /// Handled, or being handled by another process.
    Handled,
    /// This many processes died over it.
    Deadly(u32),
}

impl Seen {
    /// Opens the pool's record, and returns the newest handled event if it is known to belong to this run of
    /// supervisord.
    pub fn open(settings: &Common) -> Result<(Self, Option<Position>), Failure> {
        let identity = number_of_parent();
        let run = identity.unwrap_or_else(|| fastrand::u64(..));
        let mut this = Self { shared: None, memory: BTreeMap::new(), run, complained: false };
        let Some(directory) = &*settings.state_dir else { return Ok((this, None)) };
        let opened = files::make_directory(directory).and_then(|()| this.open_table(directory, identity));
        let newest =
            opened.map_err(|error| format!("--state-dir {directory:?} must be a writable directory: {error}"))?;
        Ok((this, newest))
    }

    fn open_table(&mut self, directory: &Path, identity: Option<u64>) -> io::Result<Option<Position>> {
        let path = directory.join(file_name());
        let table = Table::open(&path)?;
        // Under the lock: two processes that start together would otherwise see each other, and neither would begin a
        // run.
        let locked = lock::itself(table.file());
        let presence = Presence::announce(&path)?;
        let is_alone = presence.is_alone()?;
        let shared = Shared { table, presence, follows: identity.is_none() };
        let (mut newest, mut begun) = (None, Ok(()));
        match shared.table.progress()? {
            Some(known) if known.run == self.run => newest = known.newest,
            // Other processes are alive, so they belong to the same supervisord: they would have ended with any other.
            Some(_) if shared.follows && !is_alone => {}
            Some(known) if shared.follows => {
                begun = shared.table.keep_progress(Progress { is_settled: false, ..known })
            }
            _ => begun = shared.table.begin(self.run),
        }
        // A full disk is no reason to fail.
        self.complain(locked.and(begun));
        let _ = shared.table.file().unlock();
        self.shared = Some(shared);
        Ok(newest)
    }

    /// The name of this run in records.
    pub fn run(&self) -> String {
        format!("{:016x}", self.run)
    }

    /// Takes on an event. An event whose process died is new again.
    pub fn begin(&mut self, header: &Header<'_>) -> Sighting {
        let serial = header.serial();
        self.alone(|this| {
            this.settle(serial);
            let known = this.slot(serial);
            let is_alive = |shared: &Shared| shared.presence.is_alive(known.pid);
            if known.done || known.pid != 0 && this.shared.as_ref().is_some_and(is_alive) {
                return Sighting::Handled;
            }
            if known.tries >= MOST_TRIES {
                return Sighting::Deadly(known.tries);
            }
            this.keep(serial, Slot { pid: process::id(), tries: known.tries + 1, done: false });
            Sighting::New
        })
    }

    pub fn done(&mut self, header: &Header<'_>) {
        let newest = Position { serial: header.serial(), poolserial: header.poolserial() };
        self.alone(|this| {
            let slot = Slot { done: true, ..this.slot(newest.serial) };
            this.keep(newest.serial, slot);
            let Some(shared) = &this.shared else { return };
            let kept = match shared.progress_of(this.run) {
                Ok(known) if known.newest.is_none_or(|known| known.serial < newest.serial) => {
                    shared.table.keep_progress(Progress { run: this.run, newest: Some(newest), is_settled: true })
                }
                known => known.map(drop),
            };
            this.complain(kept);
        });
    }

    /// Returns an unhandled event. The event is not to blame for the end of this process.
    pub fn give_back(&mut self, header: &Header<'_>) {
        let serial = header.serial();
        self.alone(|this| {
            let known = this.slot(serial);
            this.keep(serial, Slot { pid: 0, tries: known.tries.saturating_sub(1), done: false });
        });
    }

    /// If a run can only be identified by its numbers, it continues as long as they do: with a serial after the newest
    /// one, or with an event that was begun. The first process of the pool that gets an event decides this for all.
    fn settle(&mut self, serial: u64) {
        let Some(shared) = self.shared.as_ref().filter(|shared| shared.follows) else { return };
        let Ok(Some(known)) = shared.table.progress() else { return };
        let is_begun = || shared.table.slot(serial).is_ok_and(|slot| slot.is_some_and(|slot| !slot.done));
        if known.is_settled {
            self.run = known.run;
        } else if known.newest.is_some_and(|newest| newest.serial < serial) || is_begun() {
            self.run = known.run;
            let kept = shared.table.keep_progress(Progress { is_settled: true, ..known });
            self.complain(kept);
        } else {
            let begun = shared.table.begin(self.run);
            self.complain(begun);
        }
    }

    /// Runs `act` while no other process of the pool does.
    fn alone<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        if let Some(locked) = self.shared.as_ref().map(|shared| lock::itself(shared.table.file())) {
            self.complain(locked);
        }
        let result = act(self);
        if let Some(shared) = &self.shared {
            let _ = shared.table.file().unlock();
        }
        result
    }

    fn slot(&mut self, serial: u64) -> Slot {
        if let Some(slot) = self.memory.get(&serial) {
            return *slot;
        }
        let Some(shared) = &self.shared else { return Slot::default() };
        let read = shared.progress_of(self.run).and_then(|_| shared.table.slot(serial));
        read.as_ref().ok().copied().flatten().unwrap_or_else(|| {
            self.complain(read.map(drop));
            Slot::default()
        })
    }

    fn keep(&mut self, serial: u64, slot: Slot) {
        let kept = self.shared.as_ref().map(|shared| {
            let known = shared.progress_of(self.run)?;
            // A full disk may have space again.
            if known.run != self.run {
                shared.table.begin(self.run)?;
            }
            shared.table.keep_slot(serial, slot)
        });
        match kept {
            Some(Ok(())) => drop(self.memory.remove(&serial)),
            failed => {
                self.memory.insert(serial, slot);
                if self.memory.len() > REMEMBERED {
                    self.memory.pop_first();
                }
                self.complain(failed.unwrap_or(Ok(())));
            }
        }
    }

    /// Logs the first failure.
    fn complain(&mut self, done: io::Result<()>) {
        if let Err(error) = done
            && !self.complained
        {
            self.complained = true;
            let message = format!("cannot record which events were handled: {error}; only this process knows");
            log(Level::Error, message, json!({ "file": file_name() }));
        }
    }
}

impl Shared {
    /// Fails if the table belongs to another run: our supervisord was killed, and this process has outlived it.
    fn progress_of(&self, run: u64) -> io::Result<Progress> {
        match self.table.progress()? {
            Some(progress) if progress.run != run => Err(io::Error::other("another supervisord uses it")),
            progress => Ok(progress.unwrap_or_default()),
        }
    }
}

fn file_name() -> String {
    format!("{}.events", files::of_pool())
}
