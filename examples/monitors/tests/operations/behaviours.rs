//! The tests named in docs/monitors.md exist, and every row names one.

use std::fs;

use super::path;

#[test]
fn every_behaviour_names_tests_that_exist() {
    let page = fs::read_to_string(path("../../docs/monitors.md")).unwrap();
    let mut count = 0;
    for line in page.lines() {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(Ok(number)) = cells.first().map(|cell| cell.parse::<usize>()) else { continue };
        count += 1;
        assert_eq!((number, cells.len()), (count, 4), "{line}");
        let tests: Vec<_> = cells[3].split(", ").map(|test| test.trim_matches('`')).collect();
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            let source = fs::read_to_string(path("tests").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("#[test]\nfn {name}()")), "{test}");
        }
    }
    assert_eq!(count, 58);
}
