//! A value with many small changes: a snapshot is written occasionally, and a journal holds the changes since then. So
//! the cost of a change does not depend on the size of the value.
//!
//! ```text
//! {"after":17,"begun":9}   the whole has all changes up to this one; a number that no other journal has
//! [18,{...}]               a change, and its number
//! ```
//!
//! An incomplete line is ignored, and the next change overwrites it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::State;
use crate::log::{Level, log};
use crate::settings::Common;
use crate::{Failure, files, lock};

/// A journal longer than this is merged into the snapshot.
const LONGEST: u64 = 256 * 1024;

/// A value that results from a sequence of changes, in the same way in every process.
pub trait Apply {
    type Change: Serialize + DeserializeOwned;

    fn apply(&mut self, change: Self::Change);
}

/// A value shared by a monitor's pool, in files if there is a state directory.
pub struct Journaled<T> {
    whole: State<Whole<T>>,
    journal: Option<Journal>,
    value: T,
    /// The number of the last change applied.
    number: u64,
    /// Whether a change could not be written. The value in memory is then newer than the files, and is kept.
    leads: bool,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Whole<T> {
    number: u64,
    value: T,
}

struct Journal {
    path: PathBuf,
    file: File,
    /// Its first line as last read or written: if it differs, the journal was started over.
    head: String,
    /// The end of the last complete line that was read or written.
    end: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    after: u64,
    begun: u32,
}

impl<T: Apply + Clone + Default + Serialize + DeserializeOwned> Journaled<T> {
    /// The value with this `name` in the monitor's pool. The only value of a monitor has an empty name.
    pub fn open(settings: &Common, name: &str) -> Result<Self, Failure> {
        let whole = State::open(settings, name)?;
        let journal = settings.state_dir.as_ref().map(|directory| {
            let path = directory.join(format!("{}{name}.journal.json", files::of_pool()));
            let file =
                files::open_in_place(&path).map_err(|error| format!("{path:?} must be a writable file: {error}"))?;
            Ok::<_, Failure>(Journal { path, file, head: String::new(), end: 0 })
        });
        let journal = journal.transpose()?;
        Ok(Self { whole, journal, value: T::default(), number: 0, leads: false })
    }

    /// The value, including changes by other processes of the pool.
    pub fn get(&mut self) -> &T {
        self.alone(|_| ((), Ok(())));
        &self.value
    }

    /// The value as of the last access to the files.
    pub fn known(&self) -> &T {
        &self.value
    }

    /// Applies a change.
    pub fn apply(&mut self, change: T::Change) {
        self.decide(|_| ((), Some(change)));
    }

    /// Decides on a change by looking at the value, and applies it, if any.
    pub fn decide<R>(&mut self, decide: impl FnOnce(&T) -> (R, Option<T::Change>)) -> R {
        self.alone(|this| {
            let (result, change) = decide(&this.value);
            (result, change.map_or(Ok(()), |change| this.add(change)))
        })
    }

    fn add(&mut self, change: T::Change) -> io::Result<()> {
        self.number += 1;
        let line = serde_json::to_vec(&(self.number, &change));
        self.value.apply(change);
        match &mut self.journal {
            Some(journal) if !self.leads => journal.append(line?),
            _ => Ok(()),
        }
    }

    /// Runs `act` on the current value while no other process accesses it. If the files cannot be read or written, logs
    /// that once, and keeps the newer value in memory until they can.
    fn alone<R>(&mut self, act: impl FnOnce(&mut Self) -> (R, io::Result<()>)) -> R {
        let led = self.leads;
        let caught_up = self.lock_and_catch_up();
        self.leads |= caught_up.is_err();
        let (result, written) = act(self);
        self.leads |= written.is_err();
        let length = self.journal.as_ref().map_or(0, |journal| journal.end);
        if caught_up.is_ok() && (self.leads || length > LONGEST) {
            self.leads = self.write_whole().is_err();
        }
        let path = self.journal.as_ref().map(|journal| &journal.path);
        match (led, self.leads) {
            (false, true) => {
                let why = caught_up.and(written).err().map_or_else(String::new, |error| format!(": {error}"));
                let message = format!("changes cannot be kept{why}; until they can, they are kept in memory");
                log(Level::Error, message, json!({ "path": path }));
            }
            (true, false) => log(Level::Info, "changes can be kept again", json!({ "path": path })),
            _ => {}
        }
        if let Some(journal) = &self.journal {
            // At the latest, the lock ends with the process.
            let _ = journal.file.unlock();
        }
        result
    }

    fn lock_and_catch_up(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        // If the file was removed, writes to it would be lost.
        let was_removed = journal.file.metadata()?.nlink() == 0;
        if was_removed {
            journal.file = files::open_in_place(&journal.path)?;
        }
        lock::itself(&journal.file)?;
        if self.leads || was_removed && !journal.head.is_empty() {
            // The value in memory is newer.
            self.leads = true;
            return Ok(());
        }
        let (head, lines) = journal.read()?;
        if head != journal.head || head.is_empty() {
            let Whole { number, value } = self.whole.get();
            (self.number, self.value) = (number, value);
            if head.is_empty() {
                return journal.begin(number);
            }
            journal.head = head;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let Ok((number, change)) = serde_json::from_slice::<(u64, T::Change)>(whole) else { break };
            journal.end += line.len() as u64;
            if number > self.number {
                self.number = number;
                self.value.apply(change);
            }
        }
        Ok(())
    }

    /// Merges all changes into the snapshot, and then empties the journal.
    fn write_whole(&mut self) -> io::Result<()> {
        self.whole.set(Whole { number: self.number, value: self.value.clone() });
        if self.whole.leads {
            return Err(io::Error::other("the snapshot could not be written"));
        }
        self.journal.as_mut().map_or(Ok(()), |journal| journal.begin(self.number))
    }
}

impl Journal {
    /// The first line, and everything after the part that is already known.
    fn read(&mut self) -> io::Result<(String, Vec<u8>)> {
        let mut start = [0; 64];
        let length = self.file.read_at(&mut start, 0)?;
        let head = start[..length].split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let head =
            str::from_utf8(head).ok().filter(|head| head.ends_with('\n') && serde_json::from_str::<Head>(head).is_ok());
        let head = head.unwrap_or_default().to_owned();
        if head != self.head {
            self.end = head.len() as u64;
        }
        let mut lines = vec![0; self.file.metadata()?.len().saturating_sub(self.end) as usize];
        let mut read = 0;
        while read < lines.len() {
            match self.file.read_at(&mut lines[read..], self.end + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        lines.truncate(read);
        Ok((head, lines))
    }

    fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.file.write_all_at(&line, self.end)?;
        self.end += line.len() as u64;
        // Removes the rest of a longer line that was cut off.
        if self.file.metadata()?.len() > self.end {
            self.file.set_len(self.end)?;
        }
        Ok(())
    }

    fn begin(&mut self, after: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.head, self.end) = (String::new(), 0);
        let head = serde_json::to_string(&Head { after, begun: fastrand::u32(..) })? + "\n";
        self.append(head.trim_end().into())?;
        self.head = head;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::path::Path;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;

    #[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
    struct Sum(Vec<u64>);

    impl Apply for Sum {
        type Change = u64;

        fn apply(&mut self, change: u64) {
            self.0.push(change);
        }
    }

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        common: Common,
    }

    fn sums(directory: &Path) -> Journaled<Sum> {
        let settings = Settings::parse_from(["test".as_ref(), "--state-dir".as_ref(), directory.as_os_str()]);
        Journaled::open(&settings.common, "").unwrap()
    }

    fn file_in(directory: &Path) -> PathBuf {
        directory.join(format!("{}.journal.json", files::of_pool()))
    }

    #[test]
    fn changes_outlive_their_process_and_reach_the_others() {
        let directory = TempDir::new().unwrap();
        let (mut one, mut other) = (sums(directory.path()), sums(directory.path()));
        for number in 0..10 {
            if number % 3 == 0 { &mut other } else { &mut one }.apply(number);
        }
        let all = Sum((0..10).collect());
        assert_eq!((one.get(), other.get(), sums(directory.path()).get()), (&all, &all, &all));
    }

    #[test]
    fn a_long_journal_is_put_into_the_whole() {
        let directory = TempDir::new().unwrap();
        let (mut one, mut other) = (sums(directory.path()), sums(directory.path()));
        let mut longest = 0;
        for number in 0..50_000 {
            one.apply(number);
            longest = longest.max(fs::metadata(file_in(directory.path())).unwrap().len());
            if number % 20_000 == 0 {
                other.get();
            }
        }
        assert!((LONGEST - 100..=LONGEST).contains(&longest), "{longest}");
        assert!(fs::metadata(file_in(directory.path())).unwrap().len() < longest);
        let all = Sum((0..50_000).collect());
        assert_eq!((other.get(), sums(directory.path()).get()), (&all, &all));
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_there() {
        let directory = TempDir::new().unwrap();
        let mut sum = sums(directory.path());
        (1..4).for_each(|number| sum.apply(number));
        let whole = fs::read(file_in(directory.path())).unwrap();
        for cut in 0..whole.len() {
            fs::write(file_in(directory.path()), &whole[..cut]).unwrap();
            let mut cut_off = sums(directory.path());
            let known = cut_off.get().0.len() as u64;
            assert_eq!(cut_off.get(), &Sum((1..=known).collect()));
            cut_off.apply(9);
            assert_eq!(sums(directory.path()).get(), &Sum((1..=known).chain([9]).collect()), "cut at {cut}");
            fs::remove_dir_all(directory.path()).unwrap();
            fs::create_dir(directory.path()).unwrap();
        }
    }

    #[test]
    fn a_file_that_was_removed_is_made_anew_with_what_is_known() {
        let directory = TempDir::new().unwrap();
        let mut sum = sums(directory.path());
        sum.apply(1);
        fs::remove_file(file_in(directory.path())).unwrap();
        sum.apply(2);
        sum.apply(3);
        assert_eq!(sums(directory.path()).get(), &Sum(vec![1, 2, 3]));
    }
}
