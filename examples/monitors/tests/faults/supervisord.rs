//! What supervisord itself does or suffers: it is killed inside an event, reloads, ends, is process 1.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use crate::figures::figure;
use crate::kills::stop_while_reading;
use crate::subjects::{MESSAGE, SUBJECTS, Subject, named, records, serials};
use crate::support::instrumented::{Instrumented, pid, state_of};
use crate::support::parallel::four_at_a_time;
use crate::support::receiver::Collector;
use crate::support::supervisord;
use crate::support::{program, python, wait_for};

fn killed_inside_an_event(subject: &Subject, numprocs: usize, sync_millis: usize) {
    let collector = Collector::start();
    // supervisord cannot read their log to its end.
    let command = format!("sh -c 'exec \"$0\" \"$@\" 2>> said' {}", subject.command(&collector));
    let Some(mut server) = Instrumented::start("killed", &subject.section(&command, numprocs, sync_millis)) else {
        return;
    };
    subject.wait_until_idle(&server);
    let before = subject.times(&server, &collector, 1000);
    stop_while_reading(&server, subject, 1000);
    let listeners: Vec<_> = (0..numprocs).map(|number| server.pid(&format!("{}_{number}", subject.name))).collect();
    server.kill();
    for listener in listeners {
        // Nobody may be left to wait for it.
        wait_for(&format!("the end of {}", subject.name), || {
            state_of(listener).is_none_or(|state| state == 'Z').then_some(())
        });
    }
    let said = server.file("said");
    let truncated =
        said.lines().filter(|line| line.contains("\"ERROR\"") && line.contains("the input ends inside")).count();
    assert_eq!(truncated, 1, "{}: {said}", subject.name);
    assert!(!said.contains("panicked"), "{}: {said}", subject.name);
    assert_eq!(subject.times(&server, &collector, 1000), before, "{}: half an event was handled", subject.name);
}

#[test]
fn half_an_event_of_a_killed_supervisord_is_not_handled() {
    four_at_a_time(&SUBJECTS, |subject| killed_inside_an_event(subject, 1, 0));
}

#[test]
fn nor_is_it_by_one_of_four_on_a_slow_disk() {
    four_at_a_time(&SUBJECTS, |subject| killed_inside_an_event(subject, 4, 300));
}

/// All that was acknowledged is recorded, once.
fn assert_recorded_once(server: &Instrumented) -> usize {
    let recorded = serials(&server.directory().join("audit.jsonl"));
    let once: BTreeSet<_> = recorded.iter().copied().collect();
    assert_eq!(recorded.len(), once.len(), "{recorded:?}");
    let acknowledged: BTreeSet<_> = server.acknowledged(|name| name.starts_with("comm_monitor")).into_iter().collect();
    assert!(acknowledged.is_subset(&once), "{acknowledged:?}, {once:?}");
    // SIGTERM comes while an answer is on its way: what is recorded may lack supervisord's note of it.
    assert!(once.len() - acknowledged.len() <= 4, "{acknowledged:?}, {once:?}");
    recorded.len()
}

fn four(more: &str) -> Option<Instrumented> {
    let subject = named("comm_monitor");
    let section = subject.section(&subject.command(&Collector::start()), 4, 300);
    let server = Instrumented::start("busy", &(section + more))?;
    subject.wait_until_idle(&server);
    Some(server)
}

#[test]
fn a_reload_with_events_in_the_buffer_doubles_and_tears_nothing() {
    let Some(mut server) = four("") else { return };
    server.send(MESSAGE[0], MESSAGE[1], 0, 40);
    server.wait_for("supervisord.log", "event was processed", 3);
    assert!(server.ctl(&["reload"]).status.success());
    server.wait_for("supervisord.log", "spawned: 'comm_monitor_3'", 2);
    server.wait_until_idle("comm_monitor");
    let before = assert_recorded_once(&server);
    // Serials go on; what the buffer held is gone with it, as supervisord has it.
    server.send(MESSAGE[0], MESSAGE[1], 40, 10);
    server.wait_until_idle("comm_monitor");
    assert_eq!(assert_recorded_once(&server), before + 10);
    let records = records(&server.directory().join("audit.jsonl"));
    assert!(records.iter().all(|record| record["run"] == records[0]["run"]));
    figure("reload with a full buffer", &format!("{before} of 40 events recorded before, 10 of 10 after"));
    assert!(server.stop().success());
}

#[test]
fn an_update_with_events_in_the_buffer_doubles_and_tears_nothing() {
    let Some(mut server) = four("") else { return };
    server.send(MESSAGE[0], MESSAGE[1], 0, 40);
    server.wait_for("supervisord.log", "event was processed", 3);
    let changed = server.file("supervisord.conf").replace("buffer_size = 10000", "buffer_size = 9999");
    server.write("supervisord.conf", &changed);
    assert!(server.ctl(&["update"]).status.success());
    server.wait_until_idle("comm_monitor");
    let before = assert_recorded_once(&server);
    server.send(MESSAGE[0], MESSAGE[1], 40, 10);
    server.wait_until_idle("comm_monitor");
    assert_eq!(assert_recorded_once(&server), before + 10);
    figure("update with a full buffer", &format!("{before} of 40 events recorded before, 10 of 10 after"));
    assert!(server.stop().success());
}

#[test]
fn a_stop_with_events_in_the_buffer_acknowledges_nothing_that_is_not_recorded() {
    let Some(mut server) = four("") else { return };
    server.send(MESSAGE[0], MESSAGE[1], 0, 40);
    server.wait_for("supervisord.log", "event was processed", 3);
    assert!(server.stop().success());
    let recorded = assert_recorded_once(&server);
    assert!((3..40).contains(&recorded), "{recorded}");
    let log = server.log();
    assert!(!log.contains("SIGKILL"), "a listener did not end by itself");
    figure("stop with a full buffer", &format!("{recorded} of 40 events recorded"));
}

/// Programs that are supervisord's, but for `supervisord` itself: it is process 1 of a namespace, and shows each user only
/// their own processes.
fn contained(directory: &Path) -> Option<()> {
    let programs = supervisord::programs()?;
    let alone =
        "unshare --pid --fork --kill-child --mount sh -c 'mount -t proc -o hidepid=2 proc /proc && exec \"$@\"' sh";
    let checked = Command::new("sh").args(["-c", &format!("{alone} true")]).output().unwrap();
    if !checked.status.success() {
        let why = String::from_utf8_lossy(&checked.stderr).into_owned();
        // Not `or_skip`: what a machine may not do is no reason to fail.
        python::say_skipped("a process namespace with hidepid", &why);
        return None;
    }
    for (name, before) in [("supervisord", alone), ("supervisorctl", "")] {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\nexec {before} \"{}\" \"$@\"\n", programs.join(name).display())).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    Some(())
}

/// Kills the first process of the namespace, and with it all others.
fn kill_namespace(server: &mut Instrumented) {
    let unshare = server.child().as_raw_pid();
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
    kill_process(pid(children.trim().parse().unwrap()), Signal::KILL).unwrap();
    server.ends();
}

/// Serials begin at 0 with each run, and nothing in `/proc` tells the runs apart.
#[test]
fn as_process_1_with_hidepid_each_run_is_known_and_no_event_is_lost() {
    let subject = named("comm_monitor");
    // Another user than supervisord's, from whom `/proc` hides it, and who can read neither cargo's directory nor root's.
    let section = subject.section("%(here)s/comm_monitor --audit-file %(here)s/files/audit.jsonl", 4, 300);
    let section =
        section.replace("STATE_DIR=\"%(here)s/state\"", "STATE_DIR=\"%(here)s/files/state\"") + "user = nobody\n";
    let started = Instrumented::start_with("contained", &section, |directory| {
        contained(directory)?;
        fs::copy(program("comm_monitor"), directory.join("comm_monitor")).unwrap();
        fs::create_dir(directory.join("files")).unwrap();
        for (path, mode) in [("", 0o755), ("files", 0o777), ("stop", 0o777)] {
            fs::set_permissions(directory.join(path), Permissions::from_mode(mode)).unwrap();
        }
        Some(())
    });
    let Some(mut server) = started else { return };
    assert_eq!(server.file("supervisord.pid").trim(), "1");
    let trail = server.directory().join("files/audit.jsonl");
    let mut before = 0;
    for run in 0..3 {
        server.wait_until_idle("comm_monitor");
        server.send(MESSAGE[0], MESSAGE[1], run * 10, 10);
        // One of them is killed meanwhile, and is not taken for another run's.
        server.ctl(&["signal", "KILL", "comm_monitor:comm_monitor_1"]);
        server.wait_until_idle("comm_monitor");
        let recorded: Vec<_> = serials(&trail).into_iter().skip(before).collect();
        before += recorded.len();
        // The one that was killed had an event at most, which may be there twice, with its serial.
        assert!(recorded.len() <= 11, "run {run}: {recorded:?}");
        assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), (0..10).collect(), "run {run}");
        kill_namespace(&mut server);
        if run < 2 {
            server.start_again();
        }
    }
    let records = records(&trail);
    let runs: Vec<_> = records.iter().map(|record| record["run"].as_str().unwrap()).collect();
    assert_eq!(runs.iter().collect::<BTreeSet<_>>().len(), 3, "{runs:?}");
    assert!(runs.is_sorted_by_key(|run| runs.iter().position(|first| first == run)));
    figure("process 1 with hidepid", &format!("3 runs, 30 events of four, {} recorded twice", records.len() - 30));
}
