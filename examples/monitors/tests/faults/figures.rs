//! What was counted, and docs/reliability.md, which has it.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::support::named_tests::{assert_they_exist, cells};

/// Notes what a scenario has counted, in the file FAULTS_FIGURES if there is one, else on standard error.
pub fn figure(scenario: &str, counted: &str) {
    let line = format!("{scenario}: {counted}\n");
    // Not `eprintln!`, which is not shown for a test that passes.
    let _ = match env::var_os("FAULTS_FIGURES") {
        Some(path) => File::options().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}

#[test]
fn every_scenario_of_the_page_names_tests_that_exist() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
    let page = fs::read_to_string(page).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.contains("::")).map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), 5, "scenario, tries, what held, figures, test: {row:?}");
        assert_they_exist(row[4]);
    }
    assert!(rows.len() > 25, "{}", rows.len());
    // No test of this directory is missing there.
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults")).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name().into_string().unwrap())).unwrap();
        let source = fs::read_to_string(path).unwrap();
        for test in source.split("#[test]\n").skip(1).filter(|_| name.ends_with(".rs") && name != "figures.rs") {
            let test = test.split_once("fn ").unwrap().1.split('(').next().unwrap();
            assert!(page.contains(&format!("`faults/{name}::{test}`")), "the page lacks {name}::{test}");
        }
    }
}
