//! Which processes of a pool are alive: each holds a lock on a file named after it. A process id alone may have been
//! reused, which is common in containers.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use crate::{files, lock};

pub struct Presence {
    /// The prefix of the files' names.
    path: PathBuf,
    _own: File,
}

impl Presence {
    pub fn announce(path: &Path) -> io::Result<Self> {
        let own = files::open(&name(path, process::id()), File::options().create(true).append(true))?;
        lock::itself(&own)?;
        Ok(Self { path: path.to_owned(), _own: own })
    }

    pub fn is_alive(&self, pid: u32) -> bool {
        pid != process::id() && is_held(&name(&self.path, pid))
    }

    /// Whether no other process of the pool is alive. Removes the files of dead processes.
    pub fn is_alone(&self) -> io::Result<bool> {
        let prefix = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut alone = true;
        for entry in fs::read_dir(self.path.parent().unwrap_or(Path::new(".")))? {
            let file = entry?.file_name().to_string_lossy().into_owned();
            let pid = file.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix(".pid-")?.parse().ok());
            let Some(pid) = pid.filter(|pid| *pid != process::id()) else { continue };
            if self.is_alive(pid) {
                alone = false;
            } else {
                let _ = fs::remove_file(name(&self.path, pid));
            }
        }
        Ok(alone)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(name(&self.path, process::id()));
    }
}

fn name(path: &Path, pid: u32) -> PathBuf {
    files::beside(path, &format!(".pid-{pid}"))
}

fn is_held(path: &Path) -> bool {
    files::open(path, File::options().append(true)).is_ok_and(|file| file.try_lock().is_err())
}
