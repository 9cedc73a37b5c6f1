//! The recordings in `tests/ground-truth`: the streams of real servers, and what they mean.

#![allow(dead_code, reason = "no test needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use supervisor_events::LengthUnit;

/// A recorded stream: what one listener read from its standard input.
pub struct Recording {
    /// The file's name, without its extension.
    pub name: String,
    /// The stream, byte for byte.
    pub bytes: Vec<u8>,
    /// What `len` counts in it.
    pub unit: LengthUnit,
    /// What it must decode to.
    pub description: Value,
}

/// All recorded streams: those of supervisor 4.3.0, then those of other servers. Under Miri, which is slow, only those of
/// up to 600 bytes.
pub fn recordings() -> Vec<Recording> {
    let streams = recordings_in("streams");
    let others = recordings_in("other-servers");
    assert!(streams.len() >= 34 && others.len() >= 4, "recordings are missing");
    let is_chosen = |path: &PathBuf| !cfg!(miri) || fs::metadata(path).unwrap().len() <= 600;
    streams.into_iter().chain(others).filter(is_chosen).map(|path| Recording::read(&path)).collect()
}

/// The recordings in one folder, in the order of their names.
fn recordings_in(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_stream(path)).collect();
    paths.sort();
    paths
}

fn is_stream(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bin")
}

impl Recording {
    fn read(path: &Path) -> Self {
        let description = json(&path.with_extension("json"));
        // The recordings of supervisor 4.3.0 do not name their unit: it counts code points.
        let unit = description["unit"].as_str().map_or(LengthUnit::CodePoints, |unit| unit.parse().unwrap());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, bytes: fs::read(path).unwrap(), unit, description }
    }
}

/// The single notifications, with the values of the event objects that they were made from.
pub fn notifications() -> Vec<Value> {
    match recorded("notifications.json")["vectors"].take() {
        Value::Array(vectors) => vectors,
        other => panic!("not a list: {other}"),
    }
}

/// Bytes that a description holds as base64.
pub fn base64(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Reads a JSON file of the recordings.
pub fn recorded(name: &str) -> Value {
    json(&path(name))
}

/// Reads the JSON files of the recordings whose names begin with `start`.
pub fn recorded_like(start: &str) -> Vec<Value> {
    let paths = fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(start))
        .map(|path| json(&path))
        .collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
