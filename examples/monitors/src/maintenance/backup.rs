//! Copies files to a new directory for each backup, under their full paths. docs/monitors.md explains how to restore
//! one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf, absolute};

use jiff::Timestamp;

use crate::files;

/// More files than this must be a mistake, such as a directory that does not belong to strategies.
const MOST_FILES: usize = 10_000;

/// The same applies to this many nested directories. Each level needs stack, here and when a backup is removed.
const DEEPEST: usize = 64;

/// Copies the named files to a new directory in `directory`, and keeps the newest `kept`. The backup is named after the
/// time, and appears only once it is complete. Unreadable files are skipped and reported. If the disk is full, there is
/// no new backup, and the old ones remain.
pub fn back_up(
    files: &[String],
    state: Option<&Path>,
    directory: &Path,
    kept: u32,
    at: Timestamp,
) -> io::Result<PathBuf> {
    files::make_directory(directory)?;
    let (mut sources, mut failed) = (BTreeSet::new(), Vec::new());
    if let Some(state) = state {
        match files::of(state) {
            Ok(files) => sources.extend(files),
            Err(error) => failed.push(format!("{}: {error}", state.display())),
        }
    }
    // A name may lead to it by another way.
    let backups = fs::canonicalize(directory)?;
    for name in files {
        let mut found = Found::default();
        if let Err(error) = found.find(name, &backups) {
            failed.push(format!("{name}: {error}"));
        }
        sources.append(&mut found.files);
        failed.append(&mut found.failed);
    }
    let name = at.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let part = directory.join(format!("{name}.part"));
    files::make_directory(&part)?;
    for source in &sources {
        match copy(source, &part) {
            Err(error) if has_no_room(&error) => {
                fs::remove_dir_all(&part)?;
                return Err(io::Error::new(error.kind(), format!("{}: {error}", source.display())));
            }
            Err(error) => failed.push(format!("{}: {error}", source.display())),
            Ok(()) => {}
        }
    }
    let backup = unused(directory, &name);
    fs::rename(&part, &backup)?;
    files::sync_directory_of(&backup)?;
    prune(directory, &backup, kept)?;
    if failed.is_empty() { Ok(backup) } else { Err(io::Error::other(failed.join(", "))) }
}

/// The name, or the next free one if the name is taken.
fn unused(directory: &Path, name: &str) -> PathBuf {
    let names = (1..).map(|number| directory.join(if number == 1 { name.into() } else { format!("{name}-{number}") }));
    let mut free = names.filter(|path| !path.exists());
    free.next().unwrap_or_default()
}

/// Whether further copies would fail as well.
fn has_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), FileTooLarge | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// The files that a name refers to, and those that cannot be read.
#[derive(Default)]
struct Found {
    files: BTreeSet<PathBuf>,
    failed: Vec<String>,
}

impl Found {
    /// Adds the files of a path, a directory or a pattern. Fails if there are none, or too many.
    fn find(&mut self, name: &str, backups: &Path) -> io::Result<()> {
        if Path::new(name).exists() {
            return self.add(&absolute(name)?, backups, DEEPEST);
        }
        let mut matches = glob::glob(name).map_err(io::Error::other)?.peekable();
        if matches.peek().is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        matches.try_for_each(|path| match path {
            Ok(path) => self.add(&absolute(path)?, backups, DEEPEST),
            Err(error) => {
                self.failed.push(error.to_string());
                Ok(())
            }
        })
    }

    /// Skips unreadable directories. Fails if there are too many files.
    fn add(&mut self, path: &Path, backups: &Path, deepest: usize) -> io::Result<()> {
        if self.files.len() + self.failed.len() >= MOST_FILES {
            return Err(io::Error::other(format!("more than {MOST_FILES} files")));
        }
        if path.is_file() {
            self.files.insert(path.to_owned());
        } else if path.is_dir() && fs::canonicalize(path).ok().as_deref() != Some(backups) {
            let Some(deepest) = deepest.checked_sub(1) else {
                self.failed.push(format!("{}: more than {DEEPEST} nested directories", path.display()));
                return Ok(());
            };
            match entries(path) {
                Ok(entries) => return entries.iter().try_for_each(|entry| self.add(entry, backups, deepest)),
                Err(error) => self.failed.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(())
    }
}

/// The entries of a directory, without links to directories, which may form loops.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)?.take(MOST_FILES + 1) {
        let entry = entry?;
        if !(entry.file_type()?.is_symlink() && entry.path().is_dir()) {
            entries.push(entry.path());
        }
    }
    Ok(entries)
}

/// Copies a file to its full path below `directory`.
fn copy(source: &Path, directory: &Path) -> io::Result<()> {
    let source = absolute(source)?;
    let parts = source.components().filter(|part| matches!(part, Component::Normal(_)));
    let copy = parts.fold(directory.to_owned(), |path, part| path.join(part));
    copy.parent().map_or(Ok(()), fs::create_dir_all)?;
    let copied = fs::copy(&source, &copy).and_then(|_| File::open(&copy)?.sync_data());
    if copied.is_err() {
        // A partial copy would look like a complete one.
        let _ = fs::remove_file(&copy);
    }
    copied
}

/// Removes incomplete backups, and all but the newest `kept`. Other files are left alone.
fn prune(directory: &Path, newest: &Path, kept: u32) -> io::Result<()> {
    let mut backups = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && is_backup(&name) {
            if name.ends_with(".part") { fs::remove_dir_all(&path)? } else { backups.push(path) }
        }
    }
    files::sort_by_time(&mut backups, newest);
    backups.iter().rev().skip(kept as usize).try_for_each(fs::remove_dir_all)
}

/// Whether the name begins like `2026-11-27T23-00-00Z`.
fn is_backup(name: &str) -> bool {
    let form = b"0000-00-00T00-00-00Z";
    let bytes = name.as_bytes();
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    bytes.len() >= form.len() && bytes.iter().zip(form).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_of_one_name_do_not_meet_and_the_newest_backups_are_kept() {
        let place = TempDir::new().unwrap();
        let path = |name: &str| place.path().join(name);
        for (name, text) in [("a/s.json", "a"), ("b/s.json", "b"), ("b/deep/x", "x"), ("c.1", "1"), ("c.2", "2")] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), text).unwrap();
        }
        std::os::unix::fs::symlink(path("b"), path("b/deep/round")).unwrap();
        let backups = path("b/backups");
        fs::create_dir_all(backups.join("mine")).unwrap();
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        let files = [text("a/s.json"), text("b"), text("c.*")];
        let back_up = |second: i64| back_up(&files, None, &backups, 2, Timestamp::from_second(second).unwrap());
        let first = back_up(0).unwrap();
        let root = |backup: &Path| backup.join(place.path().strip_prefix("/").unwrap());
        for (name, text) in [("a/s.json", "a"), ("b/s.json", "b"), ("b/deep/x", "x"), ("c.1", "1"), ("c.2", "2")] {
            assert_eq!(fs::read_to_string(root(&first).join(name)).unwrap(), text, "{name}");
        }
        assert!(!root(&first).join("b/backups").exists() && !root(&first).join("b/deep/round").exists());
        // The same time again, and a later one.
        let again = back_up(0).unwrap();
        assert_ne!(first, again);
        fs::create_dir(backups.join("1970-01-01T00-00-01Z.part")).unwrap();
        back_up(3600).unwrap();
        assert_eq!(names(&backups), ["1970-01-01T00-00-00Z-2", "1970-01-01T01-00-00Z", "mine"]);
        // By other ways to the same directory.
        std::os::unix::fs::symlink(&backups, path("link")).unwrap();
        for (name, second) in [("b/../b/backups", 7200), ("link", 10_800)] {
            let backup = super::back_up(&files, None, &path(name), 9, Timestamp::from_second(second).unwrap()).unwrap();
            assert!(root(&backup).join("b/s.json").exists() && !root(&backup).join("b/backups").exists(), "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_cost_the_newest_backup() {
        let place = TempDir::new().unwrap();
        let backups = place.path().join("backups");
        let back_up = |second: i64| back_up(&[], None, &backups, 2, Timestamp::from_second(second).unwrap());
        for second in [7200, 7201, 0, 3600] {
            assert!(back_up(second).unwrap().exists(), "{second}");
        }
        assert_eq!(names(&backups), ["1970-01-01T00-00-00Z", "1970-01-01T01-00-00Z"]);
    }

    #[test]
    fn directories_without_end_are_an_error() {
        let place = TempDir::new().unwrap();
        let deep = place.path().join("d/".repeat(300));
        fs::create_dir_all(&deep).unwrap();
        for number in 0..20 {
            fs::write(place.path().join(format!("d/{number}")), "").unwrap();
        }
        fs::write(place.path().join("there"), "").unwrap();
        let files = ["d", "there"].map(|name| place.path().join(name).to_str().unwrap().to_owned());
        let backups = place.path().join("backups");
        let chore = move || back_up(&files, None, &backups, 1, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
        // As chores have it.
        let error = std::thread::Builder::new().stack_size(256 << 10).spawn(chore).unwrap().join().unwrap();
        assert!(error.ends_with("/d: more than 64 nested directories"), "{error}");
        let copy = place.path().join("backups/1970-01-01T00-00-00Z").join(place.path().strip_prefix("/").unwrap());
        assert_eq!(names(&copy), ["d", "there"]);
        // Whatever is called next.
        assert_eq!(names(&copy.join("d")).len(), 20);
    }

    #[test]
    fn what_is_missing_is_told_and_the_rest_is_copied() {
        let place = TempDir::new().unwrap();
        fs::write(place.path().join("there"), "").unwrap();
        let text = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        let files = [text("gone"), text("no*"), text("there")];
        let error = back_up(&files, None, &place.path().join("backup"), 1, Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("gone: ") && error.to_string().contains("no*: "), "{error}");
        let copy = place.path().join("backup/1970-01-01T00-00-00Z").join(place.path().strip_prefix("/").unwrap());
        assert!(copy.join("there").exists());
    }
}
