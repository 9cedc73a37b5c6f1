//! `crash_report` under a real supervisord, together with superlance's crashmail.

use std::cell::RefCell;

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, python, wait_for};
use serde_json::Value;

fn listener(settings: &str, url: &str) -> String {
    let program = program("crash_report");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:crash_report]\ncommand = \"{program}\" --alert-timeout 60 {settings}\n\
         environment = ALERT_URL=\"{url}\"\n\
         events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,SUPERVISOR_STATE_CHANGE,TICK_5\npriority = 15\n\
         buffer_size = 1000\nstartsecs = 0\nautorestart = true\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/said\n"
    )
}

const ENDS: &str = "startsecs = 0\nautorestart = false\nautostart = false\n";

fn crashing(name: &str, code: u32) -> String {
    format!("[program:{name}]\ncommand = sh -c 'echo early; echo \"{name} has lost it\" >&2; exit {code}'\n{ENDS}")
}

fn reported(report: &Value) -> Vec<String> {
    let processes = report["details"]["processes"].as_array().unwrap();
    let mut names: Vec<_> = processes.iter().map(|failed| failed["process"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_same_crashes_are_reported_as_by_crashmail_and_all_at_once() {
    let alerts = Collector::start();
    let Some(programs) = python::programs() else { return };
    let crashmail = format!(
        "[eventlistener:crashmail]\ncommand = {} -a -m ops@example.org -s 'cat >> %(here)s/mails; \
         echo >> %(here)s/mails'\n\
         events = PROCESS_STATE\npriority = 20\nbuffer_size = 1000\nstartsecs = 0\nstdout_logfile = NONE\n",
        programs.join("crashmail").display().to_string().replace('%', "%%")
    );
    let sections = listener("--batch-seconds 1", &alerts.url())
        + &crashmail
        + &crashing("three", 3)
        + &crashing("four", 4)
        // An expected exit, a stop, and an exit after a signal.
        + &format!("[program:job]\ncommand = true\n{ENDS}")
        + &format!("[program:stopped]\ncommand = cat\n{ENDS}")
        + &format!("[program:killed]\ncommand = cat\n{ENDS}");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    for name in ["crash_report", "crashmail"] {
        supervisord.wait_for("supervisord.log", &format!("{name}: ACKNOWLEDGED -> READY"), 1);
    }
    supervisord.ctl(&["start", "three", "four", "job", "stopped", "killed"]);
    supervisord.ctl(&["stop", "stopped"]);
    supervisord.ctl(&["signal", "KILL", "killed"]);
    // A tick may have come in between.
    let all = || {
        let names = RefCell::new(Vec::new());
        alerts.count(|alert| {
            names.borrow_mut().extend(reported(alert));
            true
        });
        let mut names = names.into_inner();
        names.sort();
        names
    };
    wait_for("all of them", || (all() == ["four", "killed", "three"]).then_some(()));
    let report = alerts.wait_for("one", |report| reported(report).contains(&"three".into()));
    assert_eq!((&report["event"], &report["severity"]), (&"CRASH_REPORT".into(), &"WARNING".into()));
    let text = report["details"]["report"].as_str().unwrap();
    assert!(text.contains(" three:three exited unexpectedly, pid "), "{text}");
    assert!(text.contains(", exit status 3\n    three has lost it"), "{text}");
    let report = alerts.wait_for("the other", |report| reported(report).contains(&"killed".into()));
    assert!(report["details"]["report"].as_str().unwrap().contains(", by a signal"), "{report}");

    let mailed = || {
        let mails = supervisord.file("mails");
        let names = mails.lines().filter_map(|line| line.strip_prefix("Process ")?.split(' ').next());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    };
    wait_for("the mails", || (mailed().len() >= 3).then_some(()));
    assert_eq!(mailed(), all());
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn what_waits_survives_a_kill_and_is_reported_at_the_end_where_nothing_is_kept() {
    for (state, is_kept) in [("--state-dir %(here)s/state", true), ("", false)] {
        let alerts = Collector::start();
        let settings =
            format!("--processes three,unable --batch-seconds {} {state}", if is_kept { 8 } else { 100_000 });
        let unable = "[program:unable]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = false\n";
        let sections = listener(&settings, &alerts.url()) + &crashing("three", 3) + &crashing("four", 4) + unable;
        let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
        supervisord.ctl(&["start", "three", "four", "unable"]);
        supervisord.wait_for("said", "three:three is EXITED", 1);
        supervisord.wait_for("said", "unable:unable is FATAL", 1);
        if is_kept {
            supervisord.wait_for("supervisord.log", "crash_report: event was processed", 3);
            supervisord.ctl(&["signal", "KILL", "crash_report"]);
        } else {
            assert!(supervisord.stop().success());
        }
        let report = alerts.wait_for("the report", |alert| alert["event"] == "CRASH_REPORT");
        assert_eq!((reported(&report), &report["severity"]), (vec!["three".into(), "unable".into()], &"HIGH".into()));
        if is_kept {
            assert!(supervisord.stop().success());
        }
        assert_eq!(alerts.count(|_| true), 1);
    }
}
