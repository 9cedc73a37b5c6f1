//! Pages name tests, as `FILE::NAME`: they exist.

use std::fs;
use std::path::Path;

/// Panics unless each of the tests in a cell of a table is in its file, which is given from `tests` on.
pub fn assert_they_exist(cell: &str) {
    for test in cell.split(", ").map(|test| test.trim_matches('`')) {
        let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
        let path = match file.strip_prefix("../") {
            // A test of the crate itself.
            Some(file) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(file),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file),
        };
        let source = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let Some((before, _)) = source.split_once(&format!("\nfn {name}()")) else { panic!("there is no {test}") };
        let attributes = before.lines().rev().take_while(|line| line.starts_with("#["));
        assert!(attributes.into_iter().any(|line| line == "#[test]"), "it is no test: {test}");
    }
}

/// The cells of a line of a table; one if it is none.
pub fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}
