//! Files that are kept: reports, backups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::state::replace;

/// The JSON files of a directory.
pub fn of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect())
}

/// Writes a file in one step, in a directory that is made if need be. Its path.
pub fn keep(directory: &Path, name: &str, text: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let path = directory.join(name);
    replace(&path, text)?;
    Ok(path)
}

/// Removes the first, by their names, of more than `kept` JSON files whose names begin so. Others may be there as well.
pub fn prune(directory: &Path, start: &str, kept: u32) -> io::Result<()> {
    let mut files = of(directory)?;
    files.retain(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(start.as_bytes())));
    files.sort();
    files.iter().rev().skip(kept as usize).try_for_each(fs::remove_file)
}

/// Copies files into a directory, each in one step. The copies. One that cannot be copied does not keep the others from it.
pub fn copy(sources: &[PathBuf], directory: &Path) -> io::Result<Vec<PathBuf>> {
    let copy = |source: &PathBuf| {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let copied = fs::read(source).and_then(|text| keep(directory, &name, &text));
        copied.map_err(|error| format!("{}: {error}", source.display()))
    };
    let (copies, failed): (Vec<_>, Vec<_>) = sources.iter().map(copy).partition(Result::is_ok);
    let failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    if failed.is_empty() { copies.into_iter().collect() } else { Err(failed.join(", ")) }.map_err(io::Error::other)
}
