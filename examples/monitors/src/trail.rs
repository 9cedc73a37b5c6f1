//! The audit trail: an append-only file of JSON lines. Appended lines are durable.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{files, lock, printable};

/// The audit trail at a path. Any number of processes may use it at the same time.
pub struct Trail {
    path: PathBuf,
    is_private: bool,
}

impl Trail {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), is_private: false }
    }

    /// A trail in a directory of ours: readable by this user alone, and never a symbolic link.
    pub fn private(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), is_private: true }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opened by name each time: it may have been rotated. The group may read it, so that it can be collected.
    fn open(&self) -> io::Result<File> {
        let mut options = File::options();
        options.create(true).read(true).append(true);
        if self.is_private { files::open(&self.path, &mut options) } else { options.mode(0o640).open(&self.path) }
    }

    /// Appends the records of one event, and returns once they are on disk. After an error, the trail is unchanged.
    pub fn append(&self, records: &[Value]) -> io::Result<()> {
        let lines: String = records.iter().map(|record| printable::json(&record.to_string()) + "\n").collect();
        let _lock = lock::soon(&self.path)?;
        let mut file = self.open()?;
        let end = whole_lines(&mut file)?;
        let added = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).and_then(|()| match end {
            // A new file's name must survive a power failure as well.
            0 => files::sync_directory_of(&self.path),
            _ => Ok(()),
        });
        if added.is_err() {
            // A full disk may have accepted part of them.
            let _ = file.set_len(end);
        }
        added
    }

    /// Passes all complete records to `take`, those of the last rotated file first. A partial record after a crash is
    /// skipped: it was never acknowledged.
    pub fn read(&self, mut take: impl FnMut(Value)) -> io::Result<()> {
        // Opened under the lock but read without it: reading a long trail must not block writers. Existing content does
        // not change, and a renamed file stays open.
        let locked = lock::soon(&self.path)?;
        let mut files = Vec::new();
        for path in [&files::rotated(&self.path, 1), &self.path] {
            match File::open(path) {
                Ok(file) => files.push((file.metadata()?.len(), file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        drop(locked);
        for (length, file) in files {
            let file = file.take(length);
            let mut lines = BufReader::new(file);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line)? > 0 {
                if line.ends_with(b"\n") {
                    serde_json::from_slice(&line).into_iter().for_each(&mut take);
                }
                line.clear();
            }
        }
        Ok(())
    }

    /// Renames a trail of at least `least` bytes to `NAME.1`, `NAME.1` to `NAME.2`, and so on; keeps at most `kept`.
    /// Returns whether it was rotated.
    pub fn rotate(&self, least: u64, kept: u32) -> io::Result<bool> {
        let _lock = lock::soon(&self.path)?;
        if fs::metadata(&self.path).map_or(0, |metadata| metadata.len()) < least.max(1) {
            return Ok(false);
        }
        files::rotate(&self.path, kept).map(|()| true)
    }
}

/// Removes a partial line that a crash left at the end. Returns the file's length.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(newline) = block.iter().rposition(|byte| *byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}
