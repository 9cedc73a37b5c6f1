//! `failure_monitor` under a real supervisord, whose debug log shows every state of the listener.

use std::net::TcpListener;

use crate::support::program;
use crate::support::receiver::{ClosedPort, Received, Receiver};
use crate::support::supervisord::{Supervisord, assert_clean};
use serde_json::{Value, json};

/// A name with spaces and a two-byte character, in every header.
const IDENTIFIER: &str = "trading host één";

/// Settings for a system with the processes worker and other.
const OTHER_SYSTEM: &str = "--critical-processes worker --risk-manager worker --trading-group other --system photos";

/// The listener with these `arguments` and `url`. It also gets output of processes, which must do no harm.
fn monitor(name: &str, arguments: &str, url: &str) -> String {
    let program = program("failure_monitor");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:{name}]\ncommand = \"{program}\" {arguments}\nenvironment = ALERT_URL=\"{url}\"\n\
         events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,PROCESS_LOG\n\
         buffer_size = 100\nstartsecs = 0\n\
         stderr_logfile = %(here)s/{name}.err\n"
    )
}

/// A program that runs until it is signalled.
fn lasting(name: &str) -> String {
    format!("[program:{name}]\ncommand = cat\nstartsecs = 0\nautorestart = false\n")
}

/// A program that cannot be started. It ends too early, however late supervisord notices.
fn failing(name: &str, autostart: bool) -> String {
    format!("[program:{name}]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = {autostart}\n")
}

fn assert_alert(received: &Received, expected: &Value) {
    let (method, path, content_type) = (&received.method, &received.path, received.content_type.as_deref());
    assert_eq!((method.as_str(), path.as_str(), content_type), ("POST", "/alerts", Some("application/json")));
    let mut alert = received.body.clone();
    let timestamp = alert.as_object_mut().unwrap().shift_remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
    assert_eq!(alert["server"], IDENTIFIER);
    let since = alert["details"].as_object_mut().unwrap().shift_remove("since").unwrap();
    assert!(since.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{since}");
    alert.as_object_mut().unwrap().retain(|field, _| expected.get(field).is_some());
    assert_eq!(&alert, expected);
}

/// The rest of a log line after its time.
fn logged(level: &str, message: &str) -> String {
    format!(r#""level":"{level}","monitor":"failure_monitor","message":"{message}""#)
}

fn unexpected_exit(severity: &str, process: &str, group: &str, pid: u32) -> Value {
    json!({
        "severity": severity, "process": process, "group": group, "event": "UNEXPECTED_EXIT",
        "details": { "pid": pid, "from_state": "RUNNING", "requires_investigation": true, "failures": 1 },
        "system": "photos",
    })
}

#[test]
fn losses_are_alerted_and_trading_is_stopped() {
    let receiver = Receiver::start();
    let talker = "[program:talker]\ncommand = sh talker.sh\ndirectory = %(here)s\nstartsecs = 0\n\
                  autorestart = false\nautostart = false\nstdout_events_enabled = true\nstderr_events_enabled = true\n";
    let sections = [
        monitor("failure_monitor", "--alert-timeout 60 --system photos", &receiver.url()),
        "[group:trading_system]\nprograms = order_executor,hyperliquid_feed,risk_manager,archiver,job\n".into(),
        lasting("order_executor"),
        lasting("hyperliquid_feed"),
        failing("risk_manager", false).replace("command = false", "command = sh risk.sh\ndirectory = %(here)s"),
        failing("archiver", true),
        "[program:job]\ncommand = true\nstartsecs = 0\nautorestart = false\n".into(),
        talker.into(),
    ];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    let (log, said) = ("supervisord.log", "failure_monitor.err");

    // The loss of a process that is not critical is less urgent. An expected exit raises no alert.
    supervisord.wait_for(said, &logged("CRITICAL", "Process archiver entered FATAL state"), 1);
    let alert = receiver.next();
    assert_eq!((&alert.body["severity"], &alert.body["process"]), (&"HIGH".into(), &"archiver".into()));
    alert.answer(200);
    supervisord.wait_for(log, "exited: job (exit status 0; expected)", 1);

    // Payloads with more bytes than characters, before everything else.
    supervisord.write("talker.sh", "echo 'prix: 12 € — ✓ 日本 🦀'\necho 'één' >&2\nexec cat\n");
    assert!(supervisord.ctl(&["start", "talker"]).status.success());
    supervisord.wait_for(log, "'talker' stdout output", 1);
    supervisord.wait_for(log, "'talker' stderr output", 1);

    supervisord.wait_for(log, "success: order_executor entered RUNNING state", 1);
    supervisord.wait_for(log, "success: hyperliquid_feed entered RUNNING state", 1);
    let pid = supervisord.pid("order_executor");
    supervisord.ctl(&["signal", "USR1", "trading_system:order_executor"]);
    let alert = receiver.next();
    assert_alert(&alert, &unexpected_exit("CRITICAL", "order_executor", "trading_system", pid));
    alert.answer(200);
    supervisord.wait_for(
        said,
        &logged("WARNING", &format!("Process order_executor (PID {pid}) exited unexpectedly")),
        1,
    );

    // More than an alert contains, cut off in the middle of a character, and with colours.
    supervisord.write(
        "risk.sh",
        "for i in $(seq 1000); do printf '€€€€'; done >&2\n\
         printf '\\n\\033[31mno <limits> & no \\303\\251\\n' >&2\nexit 1\n",
    );
    // Trading is stopped whether or not anybody accepts the alert.
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    let alert = receiver.next();
    supervisord.wait_for(said, &logged("EMERGENCY", "trading is being stopped"), 1);
    let fatal = json!({
        "severity": "CRITICAL", "process": "risk_manager", "group": "trading_system", "event": "PROCESS_FATAL",
        "details": {
            "message": "Critical process risk_manager failed to start",
            "from_state": "BACKOFF",
            "action_required": "immediate_intervention",
            "failures": 1,
        },
        "system": "photos",
    });
    assert_alert(&alert, &fatal);
    assert_eq!(alert.body["status"], "firing");
    let info = &alert.body["process_info"];
    // supervisord keeps no exit status of a process that ended too quickly.
    assert_eq!((&info["state"], &info["exit_status"]), (&"FATAL".into(), &Value::Null), "{info}");
    assert!(info["spawn_error"].as_str().unwrap().starts_with("Exited too quickly"), "{info}");
    assert_eq!(info["stderr"], "\u{1b}[31mno <limits> & no é\n", "{info}");
    let stopping = json!([
        { "action": "stop group trading_system", "outcome": "stopping", "processes": [["hyperliquid_feed", "OK"]] },
    ]);
    assert_eq!(alert.body["actions"], stopping);
    alert.answer(200);
    let stopped = receiver.next();
    assert_eq!((&stopped.body["event"], &stopped.body["status"]), (&"TRADING_STOPPED".into(), &"resolved".into()));
    assert!(stopped.body["details"]["processes"].to_string().contains(r#"["hyperliquid_feed","STOPPED",0]"#));
    stopped.answer(200);
    supervisord.wait_for(log, "stopped: hyperliquid_feed (terminated by SIGTERM)", 1);
    assert_eq!(supervisord.status("trading_system:hyperliquid_feed"), "STOPPED");
    assert_eq!(supervisord.status("talker"), "RUNNING");
    let lines = supervisord.file(said);
    let [failed, emergency, stopping] = [
        logged("CRITICAL", "Process risk_manager entered FATAL state"),
        logged("EMERGENCY", "Risk manager failed - stopping all trading"),
        r#""processes":[["hyperliquid_feed","OK"]]"#.into(),
    ]
    .map(|text| lines.find(&text).unwrap_or_else(|| panic!("{text} in {lines}")));
    assert!(failed < emergency && emergency < stopping);

    // Another process, another start of the audit's numbers, and a group with the process's name.
    let before = supervisord.pid("failure_monitor");
    assert!(supervisord.ctl(&["restart", "failure_monitor"]).status.success());
    assert!(supervisord.log().contains("stopped: failure_monitor (exit status 0)"));
    assert_ne!(supervisord.pid("failure_monitor"), before);
    let pid = supervisord.pid("talker");
    supervisord.ctl(&["signal", "KILL", "talker"]);
    let alert = receiver.next();
    assert_alert(&alert, &unexpected_exit("WARNING", "talker", "talker", pid));
    alert.answer(202);

    // The events of six processes, and the output of one, each answered.
    supervisord.wait_for(log, "event was processed", 7);
    assert!(supervisord.stop().success());
    let log = supervisord.log();
    assert_clean(&log);
    let count = |text| log.matches(text).count();
    assert_eq!(count("sent to listener failure_monitor"), count("failure_monitor: event was processed"));
    assert_eq!(count("stopped: failure_monitor (exit status 0)"), 2);
    assert!(receiver.is_idle(), "one alert too many");
    let lines = supervisord.file(said);
    assert!(!lines.contains("ERROR") && !lines.contains("Failed") && !lines.contains("Process job"), "{lines}");
}

#[test]
fn what_cannot_be_done_is_said_and_the_event_is_accepted() {
    const SYSTEM: &str = "--critical-processes risk_manager:*";
    let (receiver, closed) = (Receiver::start(), ClosedPort::new());
    let nobody = format!("http://{}/", closed.address());
    let sections = [
        monitor("refused", &format!("{SYSTEM} --trading-group worker --backup nowhere"), &nobody),
        monitor("unheard", &format!("{SYSTEM} --trading-group nowhere"), &receiver.url()),
        "[program:nowhere]\ncommand = cat\nautostart = false\n".into(),
        lasting("worker"),
        failing("risk_manager", false),
    ];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    let log = "supervisord.log";

    supervisord.wait_for(log, "success: worker entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "worker"]);
    receiver.next().answer(400);
    supervisord.wait_for("unheard.err", "Failed to send alert, and it is not sent again: http status: 400", 1);
    supervisord.wait_for("refused.err", "Failed to send alert: io: Connection refused", 1);

    // What existed at the monitors' start is gone.
    assert!(supervisord.ctl(&["remove", "nowhere"]).status.success());
    supervisord.ctl(&["start", "risk_manager"]);
    receiver.next().answer(400);
    let not_stopped = "trading is NOT being stopped: supervisord: stopProcessGroup: BAD_NAME: nowhere";
    supervisord.wait_for("unheard.err", &logged("EMERGENCY", not_stopped), 1);
    let no_backup = "backup was NOT started: supervisord: startProcess: BAD_NAME: nowhere:nowhere";
    supervisord.wait_for("refused.err", &logged("EMERGENCY", no_backup), 1);
    let not_stopped = receiver.next();
    assert_eq!(
        (&not_stopped.body["event"], &not_stopped.body["status"]),
        (&"TRADING_NOT_STOPPED".into(), &"firing".into())
    );
    assert_eq!(not_stopped.body["details"]["error"], "supervisord does not have this group");
    not_stopped.answer(200);
    supervisord.wait_for("refused.err", &logged("CRITICAL", "alert: BACKUP_NOT_RUNNING"), 1);

    supervisord.wait_for(log, "unheard: event was processed", 2);
    supervisord.wait_for(log, "refused: event was processed", 2);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn an_event_survives_its_listener() {
    let receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let settings = format!("{OTHER_SYSTEM} --alert-timeout 60 --state-dir {}", directory.path().display());
    let sections = [monitor("failure_monitor", &settings, &receiver.url()), lasting("worker"), lasting("other")];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    let log = "supervisord.log";

    // Killed while its alert waits for an answer: the next process sends the same one.
    supervisord.wait_for(log, "success: worker entered RUNNING state", 1);
    supervisord.wait_for(log, "success: other entered RUNNING state", 1);
    let expected = unexpected_exit("CRITICAL", "worker", "worker", supervisord.pid("worker"));
    supervisord.ctl(&["signal", "KILL", "worker"]);
    let unanswered = receiver.next();
    assert_alert(&unanswered, &expected);
    let killed = supervisord.pid("failure_monitor");
    supervisord.ctl(&["signal", "KILL", "failure_monitor"]);
    let again = receiver.next();
    assert_alert(&again, &expected);
    assert_eq!(again.body["key"], unanswered.body["key"]);
    again.answer(200);
    // It also gets the event of its own end.
    let own_end = receiver.next();
    assert_alert(&own_end, &unexpected_exit("WARNING", "failure_monitor", "failure_monitor", killed));
    own_end.answer(200);

    // SIGTERM does not wait for the receiver either.
    let expected = unexpected_exit("WARNING", "other", "other", supervisord.pid("other"));
    supervisord.ctl(&["signal", "KILL", "other"]);
    let alert = receiver.next();
    assert_alert(&alert, &expected);
    supervisord.ctl(&["signal", "TERM", "failure_monitor"]);
    supervisord.wait_for(log, "exited: failure_monitor (exit status 0; expected)", 1);
    drop(alert);

    assert!(supervisord.stop().success());
    let log = supervisord.log();
    assert_clean(&log);
    assert_eq!(log.matches("exited: failure_monitor (terminated by SIGKILL; not expected)").count(), 1);
    assert_eq!(log.matches("sent to listener failure_monitor").count(), 3);
    assert_eq!(log.matches("failure_monitor: event was processed").count(), 3);
    assert!(!supervisord.file("failure_monitor.err").contains("Failed"));
    assert!(receiver.is_idle());
}

#[test]
fn an_event_that_another_pool_rejects_is_acted_on_once() {
    let receiver = Receiver::start();
    // Writes READY, reads a header, rejects the event, and never reads another one.
    let rejecter = "[eventlistener:rejecter]\ncommand = sh rejecter.sh\ndirectory = %(here)s\nstartsecs = 0\n\
                    autostart = false\nevents = PROCESS_STATE_EXITED\n";
    let settings = format!("{OTHER_SYSTEM} --alert-timeout 60");
    let sections =
        [monitor("failure_monitor", &settings, &receiver.url()), rejecter.into(), lasting("worker"), lasting("other")];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    let log = "supervisord.log";

    supervisord.write("rejecter.sh", "echo READY\nread header\nprintf 'RESULT 4\\nFAIL'\nexec cat > /dev/null\n");
    assert!(supervisord.ctl(&["start", "rejecter"]).status.success());
    supervisord.wait_for(log, "rejecter: ACKNOWLEDGED -> READY", 1);
    supervisord.wait_for(log, "success: worker entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "worker"]);
    receiver.next().answer(200);
    supervisord.wait_for("failure_monitor.err", "event came again: nothing more to do", 1);
    supervisord.wait_for(log, "failure_monitor: event was processed", 2);

    assert!(supervisord.stop().success());
    assert_eq!(supervisord.file("failure_monitor.err").matches("exited unexpectedly\"").count(), 1);
    assert!(supervisord.log().contains("rejecter: event was rejected"));
    assert!(!supervisord.log().contains("-> UNKNOWN"));
    assert!(receiver.is_idle());
}

#[test]
fn supervisord_is_called_over_tcp_with_an_account() {
    let receiver = Receiver::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = "--critical-processes risk_manager,order_executor --alert-timeout 60";
    let server = format!("[inet_http_server]\nport = 127.0.0.1:{port}\nusername = één\npassword = p:w\n");
    let account = |password| {
        format!(
            "serverurl = http://127.0.0.1:{port}\nenvironment = ALERT_URL=\"{}\",SUPERVISOR_USERNAME=\"één\",\
             SUPERVISOR_PASSWORD=\"{password}\"\n",
            receiver.url()
        )
    };
    let sections = [
        server,
        // If a setting is repeated, the later one counts.
        monitor("right", settings, "") + &account("p:w"),
        monitor("wrong", settings, "") + &account("guessed") + "autorestart = false\n",
        "[group:trading_system]\nprograms = risk_manager,order_executor\n".into(),
        lasting("order_executor"),
        failing("risk_manager", false),
    ];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    supervisord.wait_for("supervisord.log", "success: order_executor entered RUNNING state", 1);
    supervisord.ctl(&["start", "trading_system:risk_manager"]);
    // The loss, and that trading has stopped.
    for _ in 0..2 {
        receiver.next().answer(200);
    }
    supervisord.wait_for("right.err", r#""processes":[["order_executor","OK"]]"#, 1);
    let refused = "supervisord: getAllProcessInfo: SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD are wrong";
    supervisord.wait_for("wrong.err", refused, 1);
    supervisord.wait_for("supervisord.log", "exited: wrong (exit status 1; not expected)", 1);
    supervisord.wait_for("supervisord.log", "stopped: order_executor (terminated by SIGTERM)", 1);
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}

#[test]
fn a_crash_loop_is_one_alert_and_its_end_is_another() {
    let receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let system = "--critical-processes worker --risk-manager worker --trading-group worker";
    let directory = directory.path().display();
    let settings = format!("{system} --alert-timeout 60 --recovered-after 10 --state-dir {directory}");
    let looping = "[program:worker]\ncommand = sh -c 'test -e calm && exec cat; exit 3'\ndirectory = %(here)s\n\
                   startsecs = 0\nautorestart = true\nexitcodes = 0\n";
    let monitor = monitor("failure_monitor", &settings, &receiver.url()).replace("PROCESS_LOG", "TICK_5");
    let sections = [monitor, looping.into()];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    let log = "supervisord.log";
    supervisord.wait_for(log, "exited: worker (exit status 3; not expected)", 20);
    let alert = receiver.next();
    assert_eq!((&alert.body["event"], &alert.body["status"]), (&"UNEXPECTED_EXIT".into(), &"firing".into()));
    assert_eq!(alert.body["details"]["failures"], 1);
    let incident = alert.body["incident"].clone();
    alert.answer(200);
    supervisord.write("calm", "");
    let crashes = |log: &str| log.matches("exited: worker (exit status 3; not expected)").count();
    let over = receiver.next();
    assert_eq!((&over.body["event"], &over.body["status"]), (&"UNEXPECTED_EXIT".into(), &"resolved".into()));
    assert_eq!(over.body["details"]["failures"], crashes(&supervisord.log()));
    assert_eq!(over.body["incident"], incident);
    over.answer(200);
    assert!(supervisord.stop().success());
    assert!(receiver.is_idle(), "one alert too many");
}

#[test]
fn what_ends_while_supervisord_shuts_down_is_no_alert() {
    let receiver = Receiver::start();
    // The server stops first, and slowly. The client misses it.
    let settings = "--critical-processes client --risk-manager client --trading-group server";
    let sections = [
        monitor("failure_monitor", settings, &receiver.url()).replace("PROCESS_LOG", "SUPERVISOR_STATE_CHANGE"),
        "[program:server]\ncommand = sh server.sh\ndirectory = %(here)s\npriority = 20\n".into(),
        "[program:client]\ncommand = sh client.sh\ndirectory = %(here)s\npriority = 10\n".into(),
    ];
    let Some(mut supervisord) = Supervisord::start(IDENTIFIER, &sections.concat()) else { return };
    supervisord.write("server.sh", "touch up\ntrap 'rm up; sleep 3; exit' TERM\nwhile :; do sleep 0.1; done\n");
    supervisord.write("client.sh", "while [ -e up ]; do sleep 0.1; done\nexit 3\n");
    let log = "supervisord.log";
    supervisord.wait_for(log, "success: server entered RUNNING state", 1);
    supervisord.wait_for(log, "success: client entered RUNNING state", 1);
    assert!(supervisord.stop().success());
    assert!(supervisord.log().contains("exited: client (exit status 3; not expected)"), "{}", supervisord.log());
    assert!(receiver.is_idle(), "one alert too many");
    let lines = supervisord.file("failure_monitor.err");
    assert!(lines.contains("no alert: supervisord is shutting down") && !lines.contains("ERROR"), "{lines}");
}
