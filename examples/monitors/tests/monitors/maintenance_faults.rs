//! `maintenance_monitor` with full disks, and with a clock that is set back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::{Driven, levels};
use crate::support::wait_for;
use jiff::ToSpan;
use tempfile::TempDir;

#[test]
fn where_there_is_no_room_for_a_backup_the_older_ones_stay() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("positions.json");
    fs::write(&file, "whole").unwrap();
    // A limit on file sizes, without a signal when it is reached.
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; ulimit -f 64; exec "$0" "$@""#]);
    command.arg(crate::support::program("maintenance_monitor")).current_dir(directory.path());
    command.args(["--backup-files", "positions.json", "--keep-backups", "1"]);
    let mut monitor = Driven::spawn("maintenance_monitor", directory.path(), &mut command);
    let wait = |monitor: &Driven, what: &str| {
        wait_for(what, || {
            monitor.lines().iter().any(|line| line["message"].as_str().unwrap().starts_with(what)).then_some(())
        });
    };
    monitor.send("TICK_3600", "when:3600");
    wait(&monitor, "backup done");
    fs::write(&file, vec![b'x'; 100_000]).unwrap();
    monitor.send("TICK_3600", "when:7200");
    wait(&monitor, "backup NOT done");
    monitor.end();
    let backups: Vec<_> =
        fs::read_dir(directory.path().join("backup")).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(backups, [directory.path().join("backup/1970-01-01T01-00-00Z")]);
    let copy = backups[0].join(file.canonicalize().unwrap().strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(copy).unwrap(), "whole");
}

#[test]
fn a_clock_that_is_set_back_costs_no_report_and_no_summary() {
    let directory = TempDir::new().unwrap();
    let mut monitor = Driven::start("maintenance_monitor", directory.path(), &["--keep", "2", "--state-dir", "state"]);
    let now = crate::maintenance::midnight();
    let mut summaries = |at: jiff::Timestamp| {
        let lines = monitor.send("TICK_3600", &format!("when:{}", at.as_second()));
        assert_eq!(levels(&lines, "ERROR"), [""; 0]);
        let report = at.strftime("reports/report-%Y-%m-%dT%H-%M-%SZ.json").to_string();
        assert!(Path::new(&directory.path().join(report)).exists(), "{at}");
        lines.iter().filter(|line| line["message"] == "alert: DAILY_SUMMARY").count()
    };
    for hours in [8760, 8784] {
        assert_eq!(summaries(now + hours.hours()), 1);
    }
    // A year back, and the day's summary is made once.
    assert_eq!([0, 1, 23, 24, 25].map(|hours| summaries(now + hours.hours())), [1, 0, 0, 1, 0]);
    // An hour back causes no further summary.
    assert_eq!([23, 24, 25].map(|hours| summaries(now + hours.hours())), [0; 3]);
    monitor.end();
}
