//! The tests named in docs/monitors.md exist, and every row names one.

use std::fs;

use super::path;
use crate::support::named_tests::{assert_they_exist, cells};

#[test]
fn every_behaviour_names_tests_that_exist() {
    let page = fs::read_to_string(path("../../docs/monitors.md")).unwrap();
    let mut count = 0;
    for line in page.lines() {
        let cells = cells(line);
        let Some(Ok(number)) = cells.first().map(|cell| cell.parse::<usize>()) else { continue };
        count += 1;
        assert_eq!((number, cells.len()), (count, 4), "{line}");
        assert_they_exist(cells[3]);
    }
    assert_eq!(count, 58);
}
