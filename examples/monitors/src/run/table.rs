//! The file in which the processes of a pool share which events they have handled.
//!
//! ```text
//! offset  0  "seen\0\0\0\1"     8 bytes, little endian each
//!         8  the run of supervisord
//!        16  1 + serial of the newest event that was handled, 0 before the first
//!        24  its poolserial
//!        32  1 if the run is known to be supervisord's; 0 if its next event has to show that
//!        40  slots, 16 bytes each: 1 + serial (u64), process id (u32), deaths and state (u32)
//! ```
//!
//! An event's slot is its serial modulo the number of slots: looking it up takes one read, and storing it one write,
//! however many events are remembered. Nothing is synced to disk. A write survives the process; if the machine goes
//! down, so does supervisord, and its next run begins a new table.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use supervisor_events::Position;

use crate::files;

/// An event is remembered for this many further events of supervisord: more than any pool's buffer holds. The file is
/// sparse, and at most 1 MiB.
const SLOTS: u64 = 65_536;

const MAGIC: [u8; 8] = *b"seen\0\0\0\x01";
const HEADER: u64 = 40;
const DONE: u32 = 1 << 31;

pub struct Table(File);

/// What is known about an event.
#[derive(Clone, Copy, Default)]
pub struct Slot {
    /// The process that began to handle it; 0 if none.
    pub pid: u32,
    /// How many processes have begun to handle it and have not finished properly.
    pub tries: u32,
    pub done: bool,
}

/// The run of supervisord that the table is about, and its newest event.
#[derive(Clone, Copy, Default)]
pub struct Progress {
    pub run: u64,
    pub newest: Option<Position>,
    /// Whether the run is known to be that of the current supervisord.
    pub is_settled: bool,
}

impl Table {
    pub fn open(path: &Path) -> io::Result<Self> {
        files::open_in_place(path).map(Self)
    }

    /// The file, for its lock.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// `None` if the file is new, or belongs to another program.
    pub fn progress(&self) -> io::Result<Option<Progress>> {
        let [magic, run, serial, poolserial, settled] = self.numbers(0)?;
        let newest = serial.checked_sub(1).map(|serial| Position { serial, poolserial });
        Ok((magic.to_le_bytes() == MAGIC).then_some(Progress { run, newest, is_settled: settled == 1 }))
    }

    pub fn keep_progress(&self, progress: Progress) -> io::Result<()> {
        let Position { serial, poolserial } = progress.newest.unwrap_or(Position { serial: u64::MAX, poolserial: 0 });
        let settled = u64::from(progress.is_settled);
        let numbers = [u64::from_le_bytes(MAGIC), progress.run, serial.wrapping_add(1), poolserial, settled];
        self.0.write_all_at(&numbers.map(u64::to_le_bytes).concat(), 0)
    }

    /// Forgets all events, and begins this run.
    pub fn begin(&self, run: u64) -> io::Result<()> {
        self.0.set_len(0)?;
        self.keep_progress(Progress { run, newest: None, is_settled: true })
    }

    pub fn slot(&self, serial: u64) -> io::Result<Option<Slot>> {
        let [known, rest] = self.numbers(place(serial))?;
        let slot = Slot { pid: rest as u32, tries: (rest >> 32) as u32 & !DONE, done: (rest >> 32) as u32 & DONE != 0 };
        Ok((known == serial.wrapping_add(1)).then_some(slot))
    }

    pub fn keep_slot(&self, serial: u64, slot: Slot) -> io::Result<()> {
        let state = slot.tries & !DONE | if slot.done { DONE } else { 0 };
        let rest = u64::from(slot.pid) | u64::from(state) << 32;
        self.0.write_all_at(&[serial.wrapping_add(1), rest].map(u64::to_le_bytes).concat(), place(serial))
    }

    /// Reads zeros beyond the end of the file.
    fn numbers<const N: usize>(&self, at: u64) -> io::Result<[u64; N]> {
        let mut bytes = [[0; 8]; N];
        self.0.read_at(bytes.as_flattened_mut(), at)?;
        Ok(bytes.map(u64::from_le_bytes))
    }
}

fn place(serial: u64) -> u64 {
    HEADER + serial % SLOTS * 16
}
