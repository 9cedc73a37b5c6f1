//! Files and directories that only this user may read: state, reports, backups.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rustix::fs::OFlags;
use serde_json::json;

use crate::log::{Level, log, monitor};

/// Creates the directory if it does not exist. A directory that others can write to is used, with a warning: they could
/// remove what is stored there.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    static SAID: Once = Once::new();
    if fs::metadata(path)?.mode() & 0o022 != 0 {
        SAID.call_once(|| {
            log(Level::Warning, "the state directory is writable by others: chmod it to 0700", json!({ "path": path }));
        });
    }
    Ok(())
}

/// The base name of this monitor's files. A pool with a name of its own gets files of its own: another pool of the same
/// program may use the same directory with other settings.
pub fn of_pool() -> String {
    let pool = env::var("SUPERVISOR_GROUP_NAME").ok().filter(|pool| pool != monitor()).unwrap_or_default();
    let pool: String = pool.chars().map(|char| if char.is_alphanumeric() { char } else { '-' }).collect();
    if pool.is_empty() { monitor().to_owned() } else { format!("{}.{pool}", monitor()) }
}

/// Opens a file, creating it for this user alone. Symbolic links are refused: they could redirect our writes to a file
/// of somebody else's choice.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path)
}

/// Opens a file like [`open`], to read and write it in place.
pub fn open_in_place(path: &Path) -> io::Result<File> {
    open(path, File::options().read(true).write(true).create(true).truncate(false))
}

/// Appends a suffix to a file's name. `with_extension` would map `audit.log` and `audit.jsonl` to the same name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_owned().into_os_string();
    path.push(suffix);
    path.into()
}

/// Replaces a file atomically and durably: after a crash, a reader finds either the old file or the new one.
pub fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let (file, new) = write_beside(path, text)?;
    file.sync_data()?;
    fs::rename(new, path)?;
    sync_directory_of(path)
}

fn write_beside(path: &Path, text: &[u8]) -> io::Result<(File, PathBuf)> {
    let new = beside(path, ".new");
    let mut file = open(&new, File::options().write(true).create(true).truncate(true))?;
    if let Err(error) = file.write_all(text) {
        // If the disk is full, free the space.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok((file, new))
}

/// Makes the name of a new or renamed file durable.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

/// The JSON files of a directory.
pub fn of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect())
}

/// Renames a file to `NAME.1`, `NAME.1` to `NAME.2`, and so on; keeps at most `kept`.
pub fn rotate(path: &Path, kept: u32) -> io::Result<()> {
    shift(path, kept)?;
    fs::rename(path, rotated(path, 1))
}

/// Renames `NAME.1` to `NAME.2`, `NAME.2` to `NAME.3`, and so on; keeps at most `kept`.
pub fn shift(path: &Path, kept: u32) -> io::Result<()> {
    for number in (1..kept).rev() {
        match fs::rename(rotated(path, number), rotated(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The name of a file after `number` rotations.
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    beside(path, &format!(".{number}"))
}

/// Overwrites a file, readable by this user alone.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    open(path, File::options().write(true).create(true).truncate(true))?.write_all(text.as_bytes())
}

/// Writes a file atomically, creating the directory if needed, and returns its path.
pub fn keep(directory: &Path, name: &str, text: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let path = directory.join(name);
    replace(&path, text)?;
    Ok(path)
}

/// Sorts files whose names are times, oldest first. Names later than `newest` come first: they date from before the
/// clock was set back.
pub fn sort_by_time(paths: &mut [PathBuf], newest: &Path) {
    paths.sort_by_key(|path| (path.file_name() <= newest.file_name(), path.clone()));
}

/// Keeps the newest `kept` JSON files whose names begin with `start`, in the directory of `newest`. Other files are
/// left alone.
pub fn prune(newest: &Path, start: &str, kept: u32) -> io::Result<()> {
    let mut files = of(newest.parent().unwrap_or(Path::new("")))?;
    files.retain(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(start.as_bytes())));
    sort_by_time(&mut files, newest);
    files.iter().rev().skip(kept as usize).try_for_each(fs::remove_file)
}
