//! A real supervisord's answers at a monitor's start, and at its own end.

use std::fs;
use std::path::Path;

use crate::support::program;
use crate::support::supervisord::Supervisord;
use tempfile::TempDir;

/// A supervisord with these sections besides `[supervisord]`. `%(ENV_PLACE)s` is its directory.
fn bare(sections: &str) -> Option<Supervisord> {
    let place = TempDir::new().unwrap();
    let configuration = place.path().join("supervisord.conf");
    let text = format!(
        "[supervisord]\nnodaemon = true\nsilent = true\nlogfile = %(ENV_PLACE)s/supervisord.log\n\
         pidfile = %(ENV_PLACE)s/supervisord.pid\n{sections}"
    );
    fs::write(&configuration, text).unwrap();
    Supervisord::configured(Path::new(&configuration), ("PLACE", TempDir::new().unwrap()), &[])
}

fn monitor(name: &str, settings: &str, events: &str) -> String {
    let program = program(name);
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {settings}\nevents = {events}\nstartsecs = 0\n\
         buffer_size = 100\nautorestart = false\nstdout_logfile = NONE\n"
    )
}

#[test]
fn what_supervisord_lacks_is_said_with_the_line_to_add() {
    let socket = "[unix_http_server]\nfile = %(ENV_PLACE)s/socket\n";
    let locked = "username = u\npassword = p\n[rpcinterface:supervisor]\n\
                  supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n";
    for (sections, why) in [
        (String::new(), "supervisord has no HTTP server, so it cannot be called. Add"),
        (socket.into(), "supervisord does not know this call. Add to its configuration: [rpcinterface:supervisor]"),
        (format!("{socket}{locked}"), "SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD are missing. Add"),
    ] {
        let listener = monitor("trading_monitor", "--listen 127.0.0.1:0", "TICK_60");
        let listener = format!("{listener}stderr_logfile = %(ENV_PLACE)s/trading_monitor.err\n");
        let Some(mut supervisord) = bare(&(sections + &listener)) else { return };
        supervisord.wait_for("supervisord.log", "exited: trading_monitor (exit status 1; not expected)", 1);
        let said = supervisord.file("trading_monitor.err");
        assert!(said.contains(why) && said.lines().count() == 1, "{why}: {said}");
        assert!(supervisord.stop().success());
    }
}

#[test]
fn an_ordinary_shutdown_is_no_error() {
    let settings = "--critical-processes worker --trading-group last";
    let monitors = [
        ("failure_monitor", format!("{settings} --risk-manager last --lost-when EXITED --backup worker")),
        ("startup_monitor", format!("{settings} --dependents worker=last")),
        ("trading_monitor", "--listen 127.0.0.1:0".into()),
        ("performance_monitor", "--processes * --interval 0.01".into()),
        ("maintenance_monitor", "--audit-file %(here)s/audit --report-dir %(here)s/reports".into()),
    ];
    let listener = |(name, settings): &(&str, String)| {
        let listener = monitor(name, settings, "PROCESS_STATE,TICK_5");
        format!("{listener}stderr_logfile = %(here)s/{name}.err\n")
    };
    // It ends by itself while waiting for the end of the other one, which it delays: events keep coming until then.
    let programs = "[program:worker]\ncommand = cat\nstartsecs = 0\nautorestart = false\npriority = 1000\n\
         [program:last]\ncommand = sh last.sh\ndirectory = %(here)s\nstartsecs = 0\nautorestart = true\npriority = 900\n\
         [program:slow]\ncommand = sh slow.sh\ndirectory = %(here)s\nstartsecs = 0\nautostart = false\n\
         priority = 2000\nstopwaitsecs = 60\n";
    let sections = monitors.each_ref().map(listener).concat() + programs;
    let Some(mut supervisord) = Supervisord::start("ending", &sections) else { return };
    supervisord.write("last.sh", "while [ ! -e stopping ]; do sleep 0.05; done\nexit 3\n");
    // The first group that supervisord stops, and a slow one: until it has ended, the others are not told.
    let slow = "trap 'touch stopping; until grep -q \"exited: last\" supervisord.log; do sleep 0.05; done; sleep 1; exit' TERM\n\
                while :; do sleep 0.05; done\n";
    supervisord.write("slow.sh", slow);
    for (name, _) in &monitors {
        supervisord.wait_for("supervisord.log", &format!("{name}: ACKNOWLEDGED -> READY"), 1);
    }
    supervisord.ctl(&["start", "last", "slow"]);
    supervisord.wait_for("supervisord.log", "success: slow entered RUNNING state", 1);
    assert!(supervisord.stop().success());
    assert!(supervisord.log().contains("exited: last (exit status 3; not expected)"));
    let mut told = 0;
    for (name, _) in &monitors {
        let said = supervisord.file(&format!("{name}.err"));
        // It must report the loss itself.
        for wrong in [r#""level":"ERROR""#, " is NOT ", " was NOT ", "UNKNOWN"] {
            assert!(!said.contains(wrong), "{wrong}: {said}");
        }
        let takes_no_calls = "supervisord is shutting down or restarting, and accepts no calls";
        assert!(said.matches(takes_no_calls).count() <= 1, "{said}");
        told += said.matches(takes_no_calls).count();
    }
    assert!(told > 0, "none of them called");
}
