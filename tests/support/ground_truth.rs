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
    path: PathBuf,
}

/// All recorded streams: those of supervisor 4.3.0, then those of other servers. Under Miri, which is slow, only those of
/// up to 350 bytes.
pub fn recordings() -> Vec<Recording> {
    let streams = recordings_in("streams");
    let others = recordings_in("other-servers");
    assert!(streams.len() >= 34 && others.len() >= 4, "recordings are missing");
    let is_chosen = |path: &PathBuf| !cfg!(miri) || fs::metadata(path).unwrap().len() <= 350;
    streams.into_iter().chain(others).filter(is_chosen).map(Recording::read).collect()
}

/// The recordings in one folder, in the order of their names.
fn recordings_in(folder: &str) -> Vec<PathBuf> {
    let folder = path(folder);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name.to_str().unwrap().ends_with(".bin"));
    // Names, not paths: Miri would take seconds to compare those.
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

impl Recording {
    fn read(path: PathBuf) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&path).unwrap();
        let mut recording = Self { name, bytes, unit: LengthUnit::CodePoints, path };
        // The recordings of supervisor 4.3.0 do not name their unit: it counts code points.
        if !recording.path.parent().unwrap().ends_with("streams") {
            recording.unit = recording.description()["unit"].as_str().unwrap().parse().unwrap();
        }
        recording
    }

    /// What it must decode to. Read only when it is asked for: Miri takes longer for it than for the stream.
    pub fn description(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path.with_extension("json")).unwrap()).unwrap()
    }
}

/// The single notifications, with the values of the event objects that they were made from: one in `step`.
pub fn notifications(step: usize) -> Vec<Value> {
    vectors("notifications", step)
}

/// The vectors of the JSON files whose names begin with `start`: of each file one in `step`. Each vector is a line of its
/// own, so that the others are not even parsed.
pub fn vectors(start: &str, step: usize) -> Vec<Value> {
    let paths = fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().path());
    let chosen = paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(start));
    chosen
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            // The first line says what they are, and the last one closes the list.
            let lines = text.lines().skip(1).filter(|line| *line != "]}").step_by(step);
            lines.map(|line| serde_json::from_str(line.trim_end_matches(',')).unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// Bytes that a description holds as base64.
pub fn base64(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth").join(name)
}
