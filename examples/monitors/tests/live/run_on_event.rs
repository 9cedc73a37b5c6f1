//! `run_on_event` under a real supervisord, with each of the recipes.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::receiver::Collector;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{program, wait_for};

fn listener(settings: &str, environment: &str) -> String {
    let program = program("run_on_event");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:run_on_event]\ncommand = \"{program}\" {settings}\nenvironment = {environment}\n\
         events = PROCESS_STATE,PROCESS_LOG,SUPERVISOR_STATE_CHANGE\npriority = 12\nbuffer_size = 1000\n\
         startsecs = 0\nautorestart = true\nstdout_logfile = NONE\nstderr_logfile = %(here)s/said\n\
         stderr_events_enabled = true\n"
    )
}

fn failing(name: &str) -> String {
    format!("[program:{name}]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = false\n")
}

/// Whether the program of a recipe exists.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "no {program}");
        let _ = writeln!(io::stderr(), "\nSKIPPED, for want of {program}: apt-get install curl bsdutils systemd\n");
    }
    there
}

fn recipe(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(name).display().to_string()
}

/// The next message that contains this text.
fn wait_for_message(socket: &UnixDatagram, text: &str) -> String {
    wait_for(text, || {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).ok()?;
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        message.contains(text).then_some(message)
    })
}

#[test]
fn each_recipe_does_what_it_says() {
    if !["curl", "logger", "systemd-notify"].into_iter().all(has) {
        return;
    }
    let (slack, outside) = (Collector::start(), tempfile::TempDir::new().unwrap());
    let here = outside.path().display();
    let socket = |name: &str| {
        let socket = UnixDatagram::bind(outside.path().join(name)).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    let (syslog, systemd) = (socket("syslog"), socket("systemd"));
    let sendmail = outside.path().join("sendmail");
    fs::write(
        &sendmail,
        format!("#!/bin/sh\necho \"$*\" > {here}/arguments\ncat > {here}/mail.new\nmv {here}/mail.new {here}/mail\n"),
    )
    .unwrap();
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755)).unwrap();
    let commands = ["slack", "mail", "logger", "systemd-notify"].map(recipe).join("\n    ");
    let environment = format!(
        "\n    ON_EVENT=\"{commands}\",\n    SLACK_URL=\"{}\",MAIL_TO=\"ops@example.org\",\
         SENDMAIL=\"{here}/sendmail -i -t\",\n    \
         LOGGER=\"logger --socket {here}/syslog --tag supervisord --priority daemon.warning\",\n    \
         NOTIFY_SOCKET=\"{here}/systemd\",NO_PROXY=\"127.0.0.1\"",
        slack.url()
    );
    let settings = "--processes web --event-types PROCESS_STATE_FATAL,SUPERVISOR_STATE_CHANGE";
    let sections = listener(settings, &environment) + &failing("web") + &failing("other");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    assert!(wait_for_message(&systemd, "READY=1").contains("STATUS=all processes are started"));
    supervisord.ctl(&["start", "other", "web"]);
    let told =
        slack.wait_for("slack", |message| message["text"].as_str().unwrap().ends_with(": PROCESS_STATE_FATAL web:web"));
    assert_eq!(told.as_object().unwrap().len(), 1);
    let read = |name: &str| fs::read_to_string(outside.path().join(name)).unwrap_or_default();
    wait_for("the mail", || read("mail").contains("] PROCESS_STATE_FATAL web:web\n").then_some(()));
    let mail = read("mail");
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(head.starts_with("To: ops@example.org\nSubject: ["), "{head}");
    assert_eq!((body, read("arguments").as_str()), ("processname:web groupname:web from_state:BACKOFF\n", "-i -t\n"));
    let message = wait_for_message(&syslog, "PROCESS_STATE_FATAL");
    assert!(message.starts_with("<28>") && message.contains("supervisord: PROCESS_STATE_FATAL web:web"), "{message}");
    wait_for_message(&systemd, "STATUS=web:web is FATAL");
    assert!(supervisord.stop().success());
    assert!(slack.count(|message| message["text"].as_str().unwrap().contains("other")) == 0);
    assert_clean(&supervisord.log());
}

#[test]
fn what_commands_print_is_in_the_log_alone_and_runs_nothing_again() {
    let command = "sh -c 'echo RESULT 2; echo READY >&2; echo x >> runs; cat >> payloads; env >> variables'";
    let environment = format!("ON_EVENT=\"{command} \"");
    let settings = "--event-types PROCESS_LOG,PROCESS_STATE_EXITED";
    let talker = "[program:talker]\ncommand = sh -c 'printf one; exit 3'\nstartsecs = 0\nautorestart = false\n\
                  autostart = false\nstdout_events_enabled = true\n";
    let Some(mut supervisord) = Supervisord::start("s", &(listener(settings, &environment) + talker)) else { return };
    supervisord.ctl(&["start", "talker"]);
    supervisord.wait_for("runs", "x\n", 2);
    supervisord.wait_for("said", "has run", 2);
    let has = |text: &str| assert!(supervisord.file("variables").contains(text), "{text}");
    has("SUPERVISOR_EVENT_EXPECTED=0\n");
    has("SUPERVISOR_EVENT_PROCESSNAME=talker\n");
    let payloads = supervisord.file("payloads");
    assert!(
        payloads.contains(" channel:stdout\none") && payloads.contains(" from_state:RUNNING expected:0 pid:"),
        "{payloads}"
    );
    let said = supervisord.file("said");
    assert!(said.contains("RESULT 2") && said.contains("READY"), "{said}");
    // Its own log has come as events by now: one more event shows that they were answered, and that nothing was run.
    supervisord.ctl(&["start", "talker"]);
    supervisord.wait_for("said", "has run", 4);
    assert_eq!(supervisord.file("runs"), "x\n".repeat(4));
    assert!(supervisord.stop().success());
    assert_clean(&supervisord.log());
}
