//! What supervisord keeps for a listener that is not running, and what it does not: the table in docs/operations.md.

use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};
use serde_json::Value;

#[test]
fn events_wait_for_a_listener_that_is_restarted_and_are_thrown_away_at_an_update() {
    let program = program("comm_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    let sections = format!(
        "[eventlistener:comm_monitor]\ncommand = \"{program}\" --audit-file %(here)s/audit.jsonl\n\
         events = PROCESS_COMMUNICATION\nbuffer_size = 100\nstdout_logfile = NONE\n\
         stderr_logfile = %(here)s/comm_monitor.err\n\
         [program:talker]\ncommand = sh talker.sh\ndirectory = %(here)s\nautostart = false\nautorestart = false\n\
         startsecs = 0\nstdout_capture_maxbytes = 64KB\n"
    );
    let Some(mut supervisord) = Supervisord::start("upgrade", &sections) else { return };
    let mut said = 0;
    let mut say = || {
        said += 1;
        let text = format!("SIGNAL:ENTRY:talker:BTC {said}");
        supervisord.write("talker.sh", &format!("echo '<!--XSUPERVISOR:BEGIN-->{text}<!--XSUPERVISOR:END-->'\n"));
        supervisord.ctl(&["start", "talker"]);
        supervisord.wait_for("supervisord.log", "exited: talker (exit status 0; expected)", said);
    };
    let recorded = || {
        let text = supervisord.file("audit.jsonl");
        let data =
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["data"].as_str().map(Into::into));
        data.collect::<Vec<String>>().join(",")
    };
    let wait_for_records = |expected: &str| wait_for(expected, || (recorded() == expected).then_some(()));
    supervisord.wait_for("supervisord.log", "comm_monitor: ACKNOWLEDGED -> READY", 1);
    say();
    supervisord.ctl(&["stop", "comm_monitor"]);
    say();
    say();
    assert!(supervisord.ctl(&["start", "comm_monitor"]).status.success());
    wait_for_records("BTC 1,BTC 2,BTC 3");

    supervisord.ctl(&["stop", "comm_monitor"]);
    say();
    let changed = supervisord.file("supervisord.conf").replace("buffer_size = 100", "buffer_size = 200");
    supervisord.write("supervisord.conf", &changed);
    assert!(supervisord.ctl(&["update", "comm_monitor"]).status.success());
    supervisord.wait_for("supervisord.log", "comm_monitor: ACKNOWLEDGED -> READY", 3);
    say();
    wait_for_records("BTC 1,BTC 2,BTC 3,BTC 5");
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
