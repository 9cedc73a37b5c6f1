//! Locks among processes, each by a file beside what it locks. A lock lasts as long as the file that is returned, and no
//! longer than its process.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use backon::{BlockingRetryable, ConstantBuilder};

const PAUSE: Duration = Duration::from_millis(2);

/// Locks what is at `path`. Waits for a second at most: a process that was stopped must not stop all others.
pub fn soon(path: &Path) -> io::Result<File> {
    let file = beside(path)?;
    let patience = ConstantBuilder::new().with_delay(PAUSE).with_max_times(500);
    let locked = || file.try_lock();
    locked.retry(patience).when(|error| matches!(error, TryLockError::WouldBlock)).call()?;
    Ok(file)
}

/// Locks what is at `path`, however long that takes. If it has to wait, it says so first.
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

/// The file that is locked.
pub fn beside(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path.with_extension("lock"))
}
