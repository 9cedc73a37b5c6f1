//! Writes lines to files, and rotates them. A failed write leaves none of an event's lines behind, and the event waits.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::line::Line;
use super::target::FileTarget;
use crate::files;
use crate::log::{Level, log};

/// The files of one target: a single one, or one per process if the path contains a process's name.
pub struct Files {
    target: FileTarget,
    rotate_bytes: u64,
    keep: u32,
    /// How many of the current lines are written: a full disk may accept only some.
    written: usize,
    /// Whether a failed rotation has been logged.
    is_stuck: bool,
}

impl Files {
    /// Fails if the target is not writable.
    pub fn open(target: &FileTarget, rotate_bytes: u64, keep: u32) -> io::Result<Self> {
        let this = Self { target: target.clone(), rotate_bytes, keep, written: 0, is_stuck: false };
        if !target.path.contains('{') {
            open(Path::new(&target.path))?;
        }
        Ok(this)
    }

    /// Appends lines. After an error, calling it again with the same lines continues where it stopped.
    pub fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        while let Some(first) = lines.get(self.written) {
            let path = self.path(first);
            let of_file = lines[self.written..].iter().take_while(|line| self.path(line) == path);
            let (mut text, mut count) = (String::new(), 0);
            for line in of_file {
                text += &if self.target.is_json { line.json() } else { line.plain() };
                count += 1;
            }
            self.append_to(Path::new(&path), &text)?;
            self.written += count;
        }
        self.written = 0;
        Ok(())
    }

    /// Opened by name each time: another program may rotate it as well.
    fn append_to(&mut self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = open(path)?;
        let mut length = file.metadata()?.len();
        if length > 0 && length + text.len() as u64 > self.rotate_bytes {
            match files::rotate(path, self.keep) {
                Ok(()) => {
                    file = open(path)?;
                    length = file.metadata()?.len();
                    self.is_stuck = false;
                }
                // Lines in a file that is too large are better than lines that wait.
                Err(error) if !self.is_stuck => {
                    self.is_stuck = true;
                    let message = format!("{}: cannot be rotated, so it keeps growing: {error}", path.display());
                    log(Level::Error, message, json!({}));
                }
                Err(_) => {}
            }
        }
        let mut last = [b'\n'];
        // A crash of the machine may have left a partial line.
        let is_torn = length > 0 && file.read_at(&mut last, length - 1)? == 1 && last != *b"\n";
        let newline = if is_torn { "\n" } else { "" };
        let added = file.write_all(newline.as_bytes()).and_then(|()| file.write_all(text.as_bytes()));
        if added.is_err() {
            // A full disk may have accepted part of them.
            let _ = file.set_len(length);
        }
        added
    }

    fn path(&self, line: &Line) -> String {
        let path = &self.target.path;
        if !path.contains('{') {
            return path.clone();
        }
        let path = path.replace("{channel}", line.channel.name()).replace("{group}", &name(&line.group));
        path.replace("{process}", &name(&line.process))
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// The longest part of a file name, in bytes: a whole name may have 255.
const LONGEST: usize = 100;

/// Turns a process's name into a file name that never leads to another directory.
fn name(text: &str) -> String {
    let is_safe = |char: char| char.is_alphanumeric() || matches!(char, '.' | '_' | '-' | '@' | '+' | ':');
    let safe: String = text.chars().map(|char| if is_safe(char) { char } else { '-' }).collect();
    let safe = safe[..safe.floor_char_boundary(LONGEST)].to_owned();
    match safe.strip_prefix('.') {
        Some(rest) => format!("-{rest}"),
        None if safe.is_empty() => "-".into(),
        None => safe,
    }
}

/// The group may read the file, so that it can be collected.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).read(true).append(true).mode(0o640);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory: PathBuf = path.parent().map(Into::into).unwrap_or_default();
            fs::create_dir_all(directory)?;
            options.open(path)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_in_the_same_directory() {
        for (text, expected) in [
            ("web", "web"),
            ("../../etc/passwd", "-.-..-etc-passwd"),
            ("..", "-."),
            ("a b/c", "a-b-c"),
            ("", "-"),
            ("worker:01", "worker:01"),
            (&"é".repeat(200), &"é".repeat(50)),
        ] {
            assert_eq!(name(text), expected);
        }
    }
}
