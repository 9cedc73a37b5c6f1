//! Stores a text in two files that are written alternately. Whenever a process is killed, and however full the disk is,
//! one of the two is valid. So a change needs no new or renamed file, which would cost far more than a write.
//!
//! ```text
//! {"turn":7,"crc32":2597995183,"bytes":23}
//! {"when":1795401900,...}
//! ```
//!
//! The valid file with the higher turn has the current text. A wrong checksum means that the write was not completed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{files, lock};

/// The longest possible header.
const LONGEST_HEAD: usize = 80;

pub struct ByTurns {
    paths: [PathBuf; 2],
    files: [File; 2],
    /// The turn of `text`; 0 before the first.
    turn: u64,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Head {
    turn: u64,
    crc32: u32,
    bytes: usize,
}

/// The result of reading the files.
pub enum Found<'a> {
    /// The text that was last read or written.
    Unchanged,
    /// A text from another process, or from an earlier one.
    New(&'a [u8]),
    /// There is content, but neither file is valid.
    Broken,
}

impl ByTurns {
    /// Opens `PATH.0.json` and `PATH.1.json`, creating them if necessary.
    pub fn open(path: &Path) -> io::Result<Self> {
        let paths = ["0.json", "1.json"].map(|end| files::beside(path, &format!(".{end}")));
        Ok(Self { files: open(&paths)?, paths, turn: 0, text: Vec::new() })
    }

    pub fn path(&self) -> &Path {
        &self.paths[0]
    }

    /// Locks out other processes until [`ByTurns::unlock`].
    pub fn lock(&mut self) -> io::Result<()> {
        // If the files were removed, writes to them would be lost.
        if self.files.iter().any(|file| file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)) {
            self.files = open(&self.paths)?;
            let left = [head(&self.files[0])?, head(&self.files[1])?].into_iter().flatten().map(|head| head.turn).max();
            if left.is_some_and(|left| left + 1 == self.turn) {
                // The newer file is gone, but its text is known here: it is written again.
                self.text.clear();
            } else {
                self.turn = 0;
            }
        }
        lock::itself(&self.files[0])
    }

    pub fn unlock(&self) {
        // At the latest, the lock ends with the process.
        let _ = self.files[0].unlock();
    }

    pub fn read(&mut self) -> io::Result<Found<'_>> {
        let heads = [head(&self.files[0])?, head(&self.files[1])?];
        let is_newer = |head: &Option<Head>| head.is_some_and(|head| head.turn > self.turn);
        if self.turn > 0 && !heads.iter().any(is_newer) {
            return Ok(Found::Unchanged);
        }
        let mut is_empty = true;
        let mut newest: Option<(u64, Vec<u8>)> = None;
        for file in &mut self.files {
            let mut content = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut content)?;
            is_empty &= content.is_empty();
            let found = whole(&content).filter(|(turn, _)| newest.as_ref().is_none_or(|(newest, _)| turn > newest));
            newest = found.map(|(turn, text)| (turn, text.to_vec())).or(newest);
        }
        match newest {
            Some((turn, _)) if turn == self.turn => Ok(Found::Unchanged),
            Some(newest) => {
                (self.turn, self.text) = newest;
                Ok(Found::New(&self.text))
            }
            None if is_empty => Ok(Found::Unchanged),
            None => Ok(Found::Broken),
        }
    }

    /// Not synced: a write survives the process at once. Does nothing if the text is unchanged.
    pub fn write(&mut self, text: Vec<u8>) -> io::Result<()> {
        if self.turn > 0 && text == self.text {
            return Ok(());
        }
        let turn = self.turn + 1;
        let head = Head { turn, crc32: checksum(turn, &text), bytes: text.len() };
        let content = [&serde_json::to_vec(&head)?, &b"\n"[..], &text, b"\n"].concat();
        let file = &self.files[turn as usize % 2];
        file.write_all_at(&content, 0)?;
        if file.metadata()?.len() > content.len() as u64 {
            file.set_len(content.len() as u64)?;
        }
        (self.turn, self.text) = (turn, text);
        Ok(())
    }

    /// Copies both files for inspection. Returns the paths of the copies.
    pub fn keep_aside(&self) -> io::Result<[PathBuf; 2]> {
        let aside = self.paths.each_ref().map(|path| files::beside(path, ".unreadable"));
        for (path, aside) in self.paths.iter().zip(&aside) {
            fs::copy(path, aside)?;
        }
        Ok(aside)
    }
}

fn open(paths: &[PathBuf; 2]) -> io::Result<[File; 2]> {
    Ok([files::open_in_place(&paths[0])?, files::open_in_place(&paths[1])?])
}

/// The header of a file. `None` if it is empty, or was not written by this module.
fn head(file: &File) -> io::Result<Option<Head>> {
    let mut start = [0; LONGEST_HEAD];
    let length = file.read_at(&mut start, 0)?;
    Ok(parse_head(&start[..length]).map(|(head, _)| head))
}

fn parse_head(content: &[u8]) -> Option<(Head, &[u8])> {
    let end = content.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&content[..end]).ok()?, &content[end + 1..]))
}

fn whole(content: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = parse_head(content)?;
    let text = rest.get(..head.bytes)?;
    (checksum(head.turn, text) == head.crc32).then_some((head.turn, text))
}

fn checksum(turn: u64, text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&turn.to_le_bytes());
    hasher.update(text);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        match ByTurns::open(path).unwrap().read().unwrap() {
            Found::New(text) => String::from_utf8(text.to_vec()).unwrap(),
            Found::Unchanged => "nothing".into(),
            Found::Broken => "broken".into(),
        }
    }

    #[test]
    fn wherever_a_write_was_cut_off_the_text_before_it_is_there() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("state");
        let mut kept = ByTurns::open(&path).unwrap();
        assert_eq!(read(&path), "nothing");
        let texts = ["{}", "{\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}", "[1]", "[2]", "[333]"];
        let mut last = "nothing";
        for (turn, text) in (1..).zip(texts) {
            let file = &kept.paths[turn % 2].clone();
            let before = fs::read(file).unwrap();
            kept.write(text.into()).unwrap();
            assert_eq!(read(&path), text);
            let after = fs::read(file).unwrap();
            // The last byte is the newline, which does not matter.
            for cut in 0..after.len() - 1 {
                let end = before.get(cut..).unwrap_or_default();
                fs::write(file, [&after[..cut], end].concat()).unwrap();
                let found = read(&path);
                assert!(
                    found == last || turn == 1 && found == "broken" || found == text && after[..cut] == before[..cut],
                    "turn {turn}, cut at {cut}: {found}"
                );
            }
            fs::write(file, after).unwrap();
            last = text;
        }
    }

    #[test]
    fn what_another_process_wrote_is_read_once() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("state");
        let (mut one, mut other) = (ByTurns::open(&path).unwrap(), ByTurns::open(&path).unwrap());
        for turn in 1..6_u8 {
            one.write(vec![turn]).unwrap();
            assert!(matches!(one.read().unwrap(), Found::Unchanged));
            assert!(matches!(other.read().unwrap(), Found::New(text) if text == [turn]));
            assert!(matches!(other.read().unwrap(), Found::Unchanged));
            other.write(vec![turn, turn]).unwrap();
            assert!(matches!(one.read().unwrap(), Found::New(text) if text == [turn, turn]));
        }
    }

    #[test]
    fn what_is_left_of_two_files_does_not_take_back_what_is_known() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("state");
        let mut kept = ByTurns::open(&path).unwrap();
        for text in [b"[1]", b"[2]"] {
            kept.write(text.to_vec()).unwrap();
        }
        fs::remove_file(kept.path()).unwrap();
        assert_eq!(read(&path), "[1]");
        kept.lock().unwrap();
        assert!(matches!(kept.read().unwrap(), Found::Unchanged));
        kept.write(b"[2]".to_vec()).unwrap();
        kept.unlock();
        assert_eq!(read(&path), "[2]");
    }

    #[test]
    fn files_that_were_removed_are_made_anew() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("state");
        let mut kept = ByTurns::open(&path).unwrap();
        kept.write(b"[1]".to_vec()).unwrap();
        fs::remove_file(kept.path()).unwrap();
        kept.lock().unwrap();
        kept.write(b"[2]".to_vec()).unwrap();
        kept.unlock();
        assert_eq!(read(&path), "[2]");
    }
}
