//! Rotates logs that programs write themselves and nobody else rotates. A program keeps writing to the file that it has
//! open, so the content is copied and the file is truncated.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::files;

/// Rotates the files that match a pattern and have at least `least` bytes: copies `NAME` to `NAME.1`, after renaming
/// that to `NAME.2`, and so on; keeps at most `kept`. Returns the rotated files.
pub fn rotate(patterns: &[String], least: u64, kept: u32) -> io::Result<Vec<PathBuf>> {
    let (mut rotated, mut failed) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let paths = match glob::glob(pattern) {
            Ok(paths) => paths,
            Err(error) => {
                failed.push(format!("{pattern}: {error}"));
                continue;
            }
        };
        for path in paths.filter_map(Result::ok).filter(|path| is_log(path)) {
            match rotate_one(&path, least.max(1), kept) {
                Ok(true) => rotated.push(path),
                Ok(false) => {}
                Err(error) => failed.push(format!("{}: {error}", path.display())),
            }
        }
    }
    if failed.is_empty() { Ok(rotated) } else { Err(io::Error::other(failed.join(", "))) }
}

/// Excludes our own files, such as `NAME.1`, which a pattern may well match.
fn is_log(path: &Path) -> bool {
    let is_number = |end: &str| end == "rotating" || !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && !path.extension().and_then(|end| end.to_str()).is_some_and(is_number)
}

fn rotate_one(path: &Path, least: u64, kept: u32) -> io::Result<bool> {
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut log = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    let metadata = log.metadata()?;
    if metadata.len() < least {
        return Ok(false);
    }
    let part = files::beside(path, ".rotating");
    let _ = fs::remove_file(&part);
    let mut options = File::options();
    let mut copy = options.write(true).create_new(true).mode(metadata.permissions().mode() & 0o777).open(&part)?;
    let copied = io::copy(&mut log, &mut copy).and_then(|_| copy.sync_data());
    if let Err(error) = copied {
        // If the disk is full, free the space.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    files::shift(path, kept)?;
    fs::rename(&part, files::rotated(path, 1))?;
    // Copies what was written in the meantime. What is written between this line and the next is lost: the program
    // cannot be locked out.
    io::copy(&mut log, &mut copy)?;
    log.set_len(0)?;
    copy.sync_data()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_program_goes_on_with_the_file_that_it_has_open() {
        let place = TempDir::new().unwrap();
        let path = |name: &str| place.path().join(name);
        let read = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
        let pattern = [path("*.log*").to_str().unwrap().to_owned()];
        let mut program = File::options().create(true).append(true).open(path("app.log")).unwrap();
        fs::write(path("small.log"), "x").unwrap();
        for number in 1..=4 {
            program.write_all(format!("{number}........\n").as_bytes()).unwrap();
            assert_eq!(rotate(&pattern, 5, 2).unwrap(), [path("app.log")]);
        }
        assert!(rotate(&pattern, 5, 2).unwrap().is_empty());
        program.write_all(b"5\n").unwrap();
        assert_eq!([read("app.log"), read("app.log.1"), read("app.log.2")], ["5\n", "4........\n", "3........\n"]);
        assert!(!path("app.log.3").exists() && !path("app.log.1.1").exists() && read("small.log") == "x");
    }

    #[test]
    fn what_cannot_be_rotated_is_told_and_nothing_is_lost() {
        let place = TempDir::new().unwrap();
        let path = place.path().join("app.log");
        fs::write(&path, "12345").unwrap();
        std::os::unix::fs::symlink(&path, place.path().join("link.log")).unwrap();
        fs::create_dir_all(place.path().join("app.log.1/in-the-way")).unwrap();
        let pattern = [place.path().join("*.log").to_str().unwrap().to_owned()];
        let error = rotate(&pattern, 1, 1).unwrap_err();
        assert!(error.to_string().contains("app.log: ") && !error.to_string().contains("link"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "12345");
    }
}
