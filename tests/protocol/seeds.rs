//! The inputs in `fuzz/seeds`, which found something or reach something, checked as the fuzz targets check them.

use std::fs;
use std::path::Path;

use crate::fuzz::TARGETS;

#[test]
fn every_kept_input_keeps_to_its_invariant() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, check) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(seeds.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let checked = std::panic::catch_unwind(|| check(&fs::read(&path).unwrap()));
            assert!(checked.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 10, "{target}: {count} inputs");
    }
}
