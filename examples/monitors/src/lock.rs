//! Locks between processes, each a lock on a file, usually one beside what it protects. A lock lasts until the file is
//! closed, and no longer than its process.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{BlockingRetryable, ConstantBuilder};

use crate::files;

const PAUSE: Duration = Duration::from_millis(2);

/// Locks `path`. Waits at most a second: a process that is suspended must not block all others.
pub fn soon(path: &Path) -> io::Result<File> {
    let file = beside(path)?;
    itself(&file)?;
    Ok(file)
}

/// Locks the file itself until it is closed or unlocked. Waits no longer than [`soon`].
pub fn itself(file: &File) -> io::Result<()> {
    let patience = ConstantBuilder::new().with_delay(PAUSE).with_max_times(500);
    let lock = || file.try_lock();
    let locked = lock.retry(patience).when(|error| matches!(error, TryLockError::WouldBlock)).call();
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::other("another process holds its lock"),
        TryLockError::Error(error) => error,
    })
}

/// Locks `path`, however long that takes. Calls `say` first if it has to wait.
pub fn whenever(path: &Path, say: impl FnOnce()) -> io::Result<File> {
    let file = beside(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say();
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(file)
}

/// Locks `path`, unless another process holds the lock.
pub fn at_once(path: &Path) -> io::Result<Option<File>> {
    let file = beside(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The file that is locked for `path`.
pub fn beside(path: &Path) -> io::Result<File> {
    files::open(&self::path(path), File::options().create(true).append(true))
}

/// The path of that file.
pub fn path(path: &Path) -> PathBuf {
    files::beside(path, ".lock")
}
