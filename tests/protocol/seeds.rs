//! The inputs in `fuzz/seeds`, which found a fault or reach a rare case, checked as the fuzz targets check them.

use std::fs;
use std::path::Path;

use crate::cases;
use crate::fuzz::TARGETS;

#[test]
fn every_seed_keeps_the_invariant_of_its_target() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, check) in TARGETS {
        let mut count = 0;
        let entries = fs::read_dir(seeds.join(target)).unwrap();
        for entry in entries.take(cases(usize::MAX, 1)) {
            let path = entry.unwrap().path();
            let checked = std::panic::catch_unwind(|| check(&fs::read(&path).unwrap()));
            assert!(checked.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= cases(10, 1), "{target}: {count} inputs");
    }
}
