//! A plain listener, the example `stop_on_signal`, under a real supervisord, whose judgement is final: its debug log
//! shows every state of the listener.

use crate::support::examples::example;
use crate::support::supervisord::{Supervisord, assert_clean};

/// A name with spaces and a character of two bytes, in every header.
const IDENTIFIER: &str = "trading host één";

/// The listener. It logs the header of each event.
fn listener(events: &str) -> String {
    let program = example("stop_on_signal");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:listener]\ncommand = \"{program}\"\nevents = {events}\nbuffer_size = 100\nstartsecs = 0\n\
         autorestart = true\nstderr_logfile = %(here)s/listener.err\n"
    )
}

const LASTING: &str = "[program:lasting]\ncommand = cat\nstartsecs = 0\nautorestart = false\n";

#[test]
fn every_event_is_processed() {
    let talker = "[program:talker]\ncommand = sh talker.sh\ndirectory = %(here)s\nstartsecs = 0\n\
                  autorestart = false\nautostart = false\nstdout_capture_maxbytes = 1KB\n\
                  stdout_events_enabled = true\nstderr_events_enabled = true\n";
    let sections = [&listener("EVENT"), LASTING, talker].concat();
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections) else { return };
    let (log, got) = ("supervisord.log", "listener.err");

    // Payloads with more bytes than characters, before all others.
    supervisord.write(
        "talker.sh",
        "echo 'prix: 12 € — ✓ 日本 🦀'\necho 'één' >&2\n\
         echo '<!--XSUPERVISOR:BEGIN-->SIGNAL:é€🦀<!--XSUPERVISOR:END-->'\nexec cat\n",
    );
    assert!(supervisord.ctl(&["start", "talker"]).status.success());
    for eventname in ["PROCESS_LOG_STDOUT", "PROCESS_LOG_STDERR", "PROCESS_COMMUNICATION_STDOUT"] {
        supervisord.wait_for(got, &format!("eventname:{eventname} "), 1);
    }
    supervisord.ctl(&["signal", "KILL", "lasting"]);
    supervisord.wait_for(got, "eventname:PROCESS_STATE_EXITED ", 1);
    let header = format!("ver:3.0 server:{IDENTIFIER} serial:");
    assert!(supervisord.file(got).lines().all(|line| line.starts_with(&header)), "{}", supervisord.file(got));

    // At SIGTERM it answers the last event and ends; its next process continues.
    let before = supervisord.pid("listener");
    assert!(supervisord.ctl(&["restart", "listener"]).status.success());
    assert!(supervisord.log().contains("stopped: listener (exit status 0)"));
    assert_ne!(supervisord.pid("listener"), before);
    supervisord.ctl(&["signal", "KILL", "talker"]);
    supervisord.wait_for(got, "eventname:PROCESS_STATE_EXITED ", 2);
    supervisord.ctl(&["signal", "TERM", "listener"]);
    supervisord.wait_for(log, "exited: listener (exit status 0; expected)", 1);
    supervisord.wait_for(log, "spawned: 'listener'", 3);

    assert!(supervisord.stop().success());
    let log = supervisord.log();
    assert_clean(&log);
    let count = |text| log.matches(text).count();
    assert_eq!(count("sent to listener listener"), count("listener: event was processed"));
}

#[test]
fn an_event_that_another_pool_rejects_comes_again() {
    // Sends READY, reads a header, rejects the event, and never asks for another one.
    let rejecter = "[eventlistener:rejecter]\ncommand = sh rejecter.sh\ndirectory = %(here)s\nstartsecs = 0\n\
                    autostart = false\nevents = PROCESS_STATE_EXITED\n";
    let sections = [&listener("PROCESS_STATE_EXITED"), rejecter, LASTING].concat();
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections) else { return };
    let log = "supervisord.log";

    supervisord.write("rejecter.sh", "echo READY\nread header\nprintf 'RESULT 4\\nFAIL'\nexec cat > /dev/null\n");
    assert!(supervisord.ctl(&["start", "rejecter"]).status.success());
    supervisord.wait_for(log, "rejecter: ACKNOWLEDGED -> READY", 1);
    supervisord.wait_for(log, "success: lasting entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "lasting"]);
    supervisord.wait_for(log, "listener: event was processed", 2);

    assert!(supervisord.stop().success());
    let got = supervisord.file("listener.err");
    let serial = |line: &str| line.split(" serial:").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let serials: Vec<_> = got.lines().map(serial).collect();
    assert!(serials.len() >= 2 && serials[0].is_some() && serials[0] == serials[1], "{got}");
    assert!(supervisord.log().contains("rejecter: event was rejected"));
    assert!(!supervisord.log().contains("-> UNKNOWN"));
}
