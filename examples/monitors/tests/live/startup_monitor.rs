//! `startup_monitor` under a real supervisord: what it starts and stops, and what it leaves alone.

use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use tempfile::TempDir;

const SAID: &str = "startup_monitor.err";

/// The listener, for a system of one critical process and no group.
fn monitor(critical: &str, settings: &str) -> String {
    let program = program("startup_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:startup_monitor]\ncommand = \"{program}\" --critical-processes {critical} --trading-group '' {settings}\n\
         events = PROCESS_STATE\nbuffer_size = 100\nautorestart = true\nstartsecs = 0\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/{SAID}\n"
    )
}

/// A program that runs until it is signalled.
fn lasting(name: &str, autostart: bool) -> String {
    format!("[program:{name}]\ncommand = cat\nstartsecs = 0\nautostart = {autostart}\n")
}

fn wait_for_state(supervisord: &Supervisord, process: &str, state: &str) {
    wait_for(&format!("{process} to be {state}"), || (supervisord.status(process) == state).then_some(()));
}

fn end(mut supervisord: Supervisord) {
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
    let said = supervisord.file(SAID);
    assert!(!said.contains(r#""level":"ERROR""#), "{said}");
}

#[test]
fn what_a_person_stopped_is_left_alone() {
    let sections = [
        monitor("db", "--dependents app=db,other=db"),
        lasting("db", true),
        lasting("app", false),
        lasting("other", false),
    ];
    let Some(supervisord) = Supervisord::start("by hand", &sections.concat()) else { return };
    wait_for_state(&supervisord, "app", "RUNNING");
    wait_for_state(&supervisord, "other", "RUNNING");
    assert!(supervisord.ctl(&["stop", "app"]).status.success());
    supervisord.ctl(&["signal", "KILL", "other"]);
    assert!(supervisord.ctl(&["restart", "db"]).status.success());
    supervisord.wait_for(SAID, "app is left alone: it was stopped, but not by a monitor", 1);
    // Even if the monitor has forgotten everything.
    assert!(supervisord.ctl(&["restart", "startup_monitor"]).status.success());
    supervisord.wait_for(SAID, "app is left alone: it was stopped, but not by a monitor", 2);
    assert_eq!(supervisord.status("app"), "STOPPED");
    wait_for_state(&supervisord, "other", "RUNNING");
    // Until that person starts it.
    assert!(supervisord.ctl(&["start", "app"]).status.success());
    assert_eq!(supervisord.file(SAID).matches("app is started").count(), 1);
    end(supervisord);
}

#[test]
fn a_job_starts_what_needs_its_end() {
    let sections = [
        monitor("db", "--dependents 'app=db+exited(jobs:migrate)'"),
        lasting("db", true),
        lasting("app", false),
        "[group:jobs]\nprograms = migrate\n[program:migrate]\ncommand = sh migrate.sh\ndirectory = %(here)s\n\
         startsecs = 0\nautostart = false\nautorestart = false\nexitcodes = 4\n"
            .into(),
    ];
    let Some(supervisord) = Supervisord::start("jobs", &sections.concat()) else { return };
    let exit = |code: u8| {
        supervisord.write("migrate.sh", &format!("exit {code}\n"));
        supervisord.ctl(&["start", "jobs:migrate"]);
        supervisord.wait_for("supervisord.log", &format!("exited: migrate (exit status {code};"), 1);
        // The monitor has handled it, because it has handled the next event.
        supervisord.ctl(&["restart", "db"]);
    };
    // Neither failure nor success for this job.
    exit(3);
    exit(0);
    supervisord.wait_for(SAID, "Process db started successfully", 3);
    assert_eq!(supervisord.status("app"), "STOPPED");
    exit(4);
    wait_for_state(&supervisord, "app", "RUNNING");
    supervisord.wait_for(SAID, "app is started because ", 1);
    end(supervisord);
}

#[test]
fn a_monitor_that_comes_later_asks_what_runs_and_goes_on_after_its_own_end() {
    let state = TempDir::new().unwrap();
    let sections = [
        lasting("db", true),
        lasting("app", false),
        // It has had its turn once it has ended.
        "[program:once]\ncommand = sh -c 'exit 0'\nstartsecs = 0\nautostart = false\nautorestart = false\n".into(),
        "[include]\nfiles = %(here)s/more.conf\n".into(),
    ];
    let Some(supervisord) = Supervisord::start("update", &sections.concat()) else { return };
    wait_for_state(&supervisord, "db", "RUNNING");
    let settings = format!("--dependents app=db,once=db --state-dir {}", state.path().display());
    supervisord.write("more.conf", &monitor("db", &settings));
    assert!(supervisord.ctl(&["update"]).status.success());
    wait_for_state(&supervisord, "app", "RUNNING");
    wait_for_state(&supervisord, "once", "EXITED");
    supervisord.wait_for(SAID, "trading resumes", 1);

    // It remembers its actions, and sees what happened without it.
    assert!(supervisord.ctl(&["stop", "startup_monitor"]).status.success());
    supervisord.ctl(&["start", "startup_monitor"]);
    supervisord.wait_for(SAID, "Process startup_monitor started successfully", 2);
    assert_eq!(supervisord.file(SAID).matches(" is started because db runs").count(), 2);
    assert!(supervisord.ctl(&["stop", "startup_monitor"]).status.success());
    assert!(supervisord.ctl(&["restart", "db"]).status.success());
    assert!(supervisord.ctl(&["start", "startup_monitor"]).status.success());
    supervisord.wait_for(SAID, "once is started because db runs", 2);
    supervisord.wait_for(SAID, "trading resumes", 2);
    assert_eq!(supervisord.file(SAID).matches("trading resumes").count(), 2);
    end(supervisord);
}

#[test]
fn dependents_stop_in_reverse_order_and_come_back() {
    let slow = "[program:web]\ncommand = sh web.sh\ndirectory = %(here)s\nstartsecs = 0\nautostart = false\n";
    let sections = [
        monitor("db", "--dependents web=app,app=db --stop-dependents true"),
        lasting("db", true),
        lasting("app", false),
        slow.into(),
    ];
    let Some(supervisord) = Supervisord::start("order", &sections.concat()) else { return };
    // Its dependency must wait until it has said goodbye.
    supervisord.write("web.sh", "trap 'sleep 1; exit' TERM\nwhile :; do sleep 0.05; done\n");
    wait_for_state(&supervisord, "web", "RUNNING");
    assert!(supervisord.ctl(&["stop", "db"]).status.success());
    supervisord.wait_for("supervisord.log", "stopped: app ", 1);
    let log = supervisord.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} in {log}"));
    assert!(at("stopped: web ") < at("killing app "), "{log}");
    assert!(supervisord.ctl(&["start", "db"]).status.success());
    wait_for_state(&supervisord, "web", "RUNNING");
    wait_for_state(&supervisord, "app", "RUNNING");

    // In whatever order the events arrive.
    in_a_later_second();
    supervisord.ctl(&["restart", "db"]);
    supervisord.wait_for("supervisord.log", "stopped: app ", 2);
    supervisord.wait_for(SAID, "app is started because ", 3);
    supervisord.wait_for(SAID, "web is started because ", 3);
    wait_for_state(&supervisord, "web", "RUNNING");
    // A person's stop counts, even for what we once stopped.
    assert!(supervisord.ctl(&["stop", "web"]).status.success());
    supervisord.ctl(&["restart", "db"]);
    supervisord.wait_for(SAID, "app is started because ", 4);
    supervisord.wait_for(SAID, "web is left alone", 1);
    assert_eq!(supervisord.status("web"), "STOPPED");
    end(supervisord);
}

#[test]
fn what_it_stopped_is_not_taken_for_a_persons_when_trading_resumes() {
    let sections = [
        monitor("web", "--dependents mailer=web --stop-dependents true --trading-group t"),
        "[group:t]\nprograms = web,mailer\n".into(),
        lasting("web", true) + "autorestart = true\n",
        lasting("mailer", false),
    ];
    let Some(supervisord) = Supervisord::start("trading", &sections.concat()) else { return };
    wait_for_state(&supervisord, "t:mailer", "RUNNING");
    supervisord.wait_for(SAID, "trading resumes", 1);
    in_a_later_second();
    supervisord.ctl(&["signal", "KILL", "t:web"]);
    supervisord.wait_for(SAID, "mailer is stopped because ", 1);
    supervisord.wait_for(SAID, "trading resumes", 2);
    wait_for_state(&supervisord, "t:mailer", "RUNNING");
    assert!(!supervisord.file(SAID).contains("left alone"), "{}", supervisord.file(SAID));
    end(supervisord);
}

/// supervisord's times are whole seconds: a process that ends in the second in which its dependent was started, and
/// runs again at once, seems to have ended before.
fn in_a_later_second() {
    let now = || jiff::Timestamp::now().as_second();
    let before = now();
    wait_for("a later second", || (now() > before + 1).then_some(()));
}
