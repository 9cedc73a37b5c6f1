//! A file with the messages that the broker has not accepted yet.
//!
//! The file is a sequence of records: the length of the body and its CRC-32, four bytes each, little endian; then the
//! body, whose first byte is its kind:
//!
//! * `M`: a message. The rest is the message.
//! * `D`: the broker accepted the oldest message.
//! * `L`: the rest is the id of the last event before this file was started.
//!
//! The file only grows, until more than half of it is obsolete; then a new one replaces it. So a killed process leaves
//! a valid file, except perhaps for the last record. That event was not answered, and its record is cut off. Any other
//! damage is the disk's or a person's: it costs one record.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::message::{self, Message};
use crate::log::{Level, log};
use crate::{files, lock};

const HEAD: usize = 8;
/// A file with less obsolete data than this is not replaced.
const WORTH: u64 = 1 << 20;

/// A queue of messages in a file.
pub struct Spool {
    file: File,
    path: PathBuf,
    /// Holds the lock as long as the spool exists.
    _lock: File,
    /// Where the next record goes.
    end: u64,
    queue: VecDeque<Entry>,
    /// How many bytes the queued messages may take, and how many they do.
    bound: u64,
    waiting: u64,
    /// The id of the last event that was stored or dropped.
    last: String,
    /// The last message in the queue, if it is about dropped events and can count more.
    gap: Option<Gap>,
    /// How many accepted messages could not be marked as such.
    marks_due: usize,
}

/// A record with a message.
#[derive(Clone, Copy)]
struct Entry {
    at: u64,
    len: u64,
}

struct Gap {
    count: u64,
    first: Message,
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in the file, though perhaps not yet on disk.
    Written,
    /// It is the last one already: supervisord sent the event again.
    Again,
    /// There is no room.
    Full,
}

impl Spool {
    /// Opens and locks the spool of this name. Waits while another process has it.
    pub fn open(directory: &Path, name: &str, bound: u64) -> io::Result<Self> {
        let path = path(directory, name)?;
        let lock = lock::whenever(&path, || {
            let fields = json!({ "spool": path.to_string_lossy() });
            log(Level::Warning, "another process has the spool: waiting for it", fields);
        })?;
        let spool = Self::locked(path, bound, lock)?;
        log(Level::Info, "the spool is open", json!({ "spooled": spool.messages() }));
        Ok(spool)
    }

    /// Opens and locks the spool of this name. `None` if another process has it.
    pub fn try_open(directory: &Path, name: &str, bound: u64) -> io::Result<Option<Self>> {
        let path = path(directory, name)?;
        lock::at_once(&path)?.map(|lock| Self::locked(path, bound, lock)).transpose()
    }

    fn locked(path: PathBuf, bound: u64, lock: File) -> io::Result<Self> {
        let file = files::open_in_place(&path)?;
        files::sync_directory_of(&path)?;
        let (queue, last) = (VecDeque::new(), String::new());
        let mut spool =
            Self { file, path, _lock: lock, end: 0, queue, bound, waiting: 0, last, gap: None, marks_due: 0 };
        spool.load()?;
        Ok(spool)
    }

    fn load(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        let mut input = BufReader::new(self.file.try_clone()?);
        while let Some((len, body)) = read_record(&mut input, size - self.end)? {
            match body.as_deref().and_then(<[u8]>::split_first) {
                Some((b'M', rest)) => {
                    self.last = Message::from_bytes(rest).map(|message| message.last_id().into()).unwrap_or_default();
                    self.queue.push_back(Entry { at: self.end, len });
                    self.waiting += len;
                }
                Some((b'D', _)) => self.waiting -= self.queue.pop_front().map_or(0, |entry| entry.len),
                Some((b'L', id)) => self.last = String::from_utf8_lossy(id).into(),
                _ if self.end + len < size => {
                    let details = json!({ "at": self.end, "bytes": len });
                    log(Level::Error, "the spool is damaged: a record is lost", details);
                    // It was probably a message, which a later record marks as done.
                    self.queue.push_back(Entry { at: self.end, len: 0 });
                }
                _ => break,
            }
            self.end += len;
        }
        self.queue.retain(|entry| entry.len > 0);
        if self.end < size {
            let details = json!({ "bytes": size - self.end });
            log(Level::Warning, "the spool's last record is incomplete: it is cut off", details);
            self.file.set_len(self.end)?;
        }
        Ok(())
    }

    /// Appends a message if there is room. A message larger than the bound fits if the queue is empty.
    pub fn append(&mut self, message: &Message) -> io::Result<Stored> {
        if message.last_id() == self.last {
            return Ok(Stored::Again);
        }
        let record = record(b'M', &message.to_bytes());
        if !self.queue.is_empty() && self.waiting + record.len() as u64 > self.bound {
            return Ok(Stored::Full);
        }
        self.push(&record)?;
        self.gap = None;
        self.last = message.last_id().into();
        Ok(Stored::Written)
    }

    /// Drops a message for lack of room, and counts it in a message of its own, which may exceed the bound.
    pub fn drop_message(&mut self, message: &Message) -> io::Result<()> {
        // A message that may be under way to the broker, or is not the last in the file, must not be changed.
        let tail = self.queue.back().filter(|tail| self.queue.len() > 1 && tail.at + tail.len == self.end);
        match (&mut self.gap, tail.copied()) {
            (Some(gap), Some(tail)) => {
                let new = record(b'M', &message::dropped(gap.count + 1, &gap.first, message).to_bytes());
                self.file.write_all_at(&new, tail.at)?;
                gap.count += 1;
                let len = new.len() as u64;
                (self.end, self.waiting) = (tail.at + len, self.waiting - tail.len + len);
                self.queue.pop_back();
                self.queue.push_back(Entry { len, ..tail });
                // It may be shorter than the record it replaces.
                let _ = self.file.set_len(self.end);
            }
            _ => {
                self.push(&record(b'M', &message::dropped(1, message, message).to_bytes()))?;
                self.gap = Some(Gap { count: 1, first: message.clone() });
            }
        }
        self.last = message.last_id().into();
        Ok(())
    }

    /// The oldest message.
    pub fn head(&self) -> io::Result<Option<Message>> {
        let Some(entry) = self.queue.front() else { return Ok(None) };
        let mut bytes = vec![0; entry.len as usize];
        self.file.read_exact_at(&mut bytes, entry.at)?;
        let body = read_record(&mut &bytes[..], entry.len)?.and_then(|(_, body)| body);
        let message = body.as_ref().and_then(|body| body.get(1..)).and_then(Message::from_bytes);
        message.map(Some).ok_or_else(|| io::Error::other("the spool was changed by somebody else"))
    }

    /// Removes the oldest message, which the broker has accepted. This is not synced: after a power failure, the
    /// message is published again, and the broker recognises its id.
    pub fn done(&mut self) {
        if self.mark_done() {
            // If there is no new file, the old one remains in use.
            let _ = self.replace(true);
        }
    }

    /// The same, but never waits for the disk, for callers that must not block. They sync soon after.
    pub fn done_without_sync(&mut self) {
        if self.mark_done() {
            let _ = self.replace(false);
        }
    }

    /// Returns whether the file is worth replacing now.
    fn mark_done(&mut self) -> bool {
        let Some(entry) = self.queue.pop_front() else { return false };
        self.waiting -= entry.len;
        self.marks_due += 1;
        if self.write(&record(b'D', b"").repeat(self.marks_due)).is_ok() {
            self.marks_due = 0;
        }
        let dead = self.end - self.waiting;
        dead > WORTH && dead > self.waiting
    }

    /// How many messages are waiting.
    pub fn messages(&self) -> usize {
        self.queue.len()
    }

    /// The id of the last event that was stored or dropped.
    pub fn last_id(&self) -> &str {
        &self.last
    }

    /// Makes everything written so far survive a power failure.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The file, to be synced by another thread.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let at = self.end;
        self.write(record)?;
        self.queue.push_back(Entry { at, len: record.len() as u64 });
        self.waiting += record.len() as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end).inspect_err(|_| {
            // Removes a partial record.
            let _ = self.file.set_len(self.end);
        })?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Replaces the file with a new one that contains only the waiting messages.
    fn replace(&mut self, sync: bool) -> io::Result<()> {
        let path = self.path.with_extension("new");
        let file = files::open(&path, File::options().read(true).write(true).create(true).truncate(true))?;
        let mut end = 0;
        let mut put = |bytes: &[u8]| {
            file.write_all_at(bytes, end)?;
            end += bytes.len() as u64;
            io::Result::Ok(end - bytes.len() as u64)
        };
        put(&record(b'L', self.last.as_bytes()))?;
        let mut queue = VecDeque::with_capacity(self.queue.len());
        for entry in &self.queue {
            let mut bytes = vec![0; entry.len as usize];
            self.file.read_exact_at(&mut bytes, entry.at)?;
            queue.push_back(Entry { at: put(&bytes)?, ..*entry });
        }
        if sync {
            file.sync_data()?;
        }
        fs::rename(&path, &self.path)?;
        (self.file, self.end, self.queue, self.marks_due) = (file, end, queue, 0);
        if sync { files::sync_directory_of(&self.path) } else { Ok(()) }
    }
}

/// The path of the spool. Its lock is a separate file, because the spool itself is replaced.
fn path(directory: &Path, name: &str) -> io::Result<PathBuf> {
    files::make_directory(directory)?;
    let path = directory.join(format!("{name}.spool"));
    // Anyone who can open it can hold the lock.
    lock::beside(&path)?;
    Ok(path)
}

fn record(kind: u8, rest: &[u8]) -> Vec<u8> {
    let body = [&[kind], rest].concat();
    [&(body.len() as u32).to_le_bytes(), &crc32fast::hash(&body).to_le_bytes(), &body[..]].concat()
}

/// Reads a record of at most `left` bytes: its length, and its body if that is what was written. `None` if the record is
/// incomplete.
fn read_record(input: &mut impl Read, left: u64) -> io::Result<Option<(u64, Option<Vec<u8>>)>> {
    if left < HEAD as u64 {
        return Ok(None);
    }
    let mut numbers = [[0; 4]; 2];
    for number in &mut numbers {
        input.read_exact(number)?;
    }
    let [len, checksum] = numbers.map(u32::from_le_bytes);
    if u64::from(len) > left - HEAD as u64 {
        return Ok(None);
    }
    let mut body = vec![0; len as usize];
    input.read_exact(&mut body)?;
    let body = Some(body).filter(|body| crc32fast::hash(body) == checksum);
    Ok(Some((HEAD as u64 + u64::from(len), body)))
}
