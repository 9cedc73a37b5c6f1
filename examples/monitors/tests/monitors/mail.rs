//! Alerts as mail, to a real SMTP server and to a command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::programs::{CRASH, Driven, EXITED, crash_of, program, state};
use super::secrets::refused;
use crate::support::python::with_aiosmtpd;
use crate::support::wait_for;

const ACCOUNT: &str = "mónitor:s3cret p@ss";
/// The same, encoded for a URL.
const ENCODED: &str = "m%C3%B3nitor:s3cret%20p%40ss";
const TO: &str = "Op <op@example.org>";
const FROM: &str = "Trading <trading@example.org>";

/// Accepts mail on its own port.
struct Server {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    /// Contains a certificate for `localhost`.
    directory: TempDir,
}

impl Server {
    /// `None` if there is no aiosmtpd.
    fn start(mode: &str, account: &str) -> Option<Self> {
        let python = with_aiosmtpd()?;
        let directory = TempDir::new().unwrap();
        let [certificate, key] = ["ca.pem", "key.pem"].map(|name| directory.path().join(name));
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
        fs::write(&certificate, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitors/smtp_server.py");
        let mut command = Command::new(python);
        command.arg(script).arg(mode).arg(&certificate).arg(&key).arg(account);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let said = Arc::clone(&lines);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                said.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { child, lines, directory })
    }

    fn port(&self) -> u64 {
        wait_for("the server's port", || self.lines.lock().unwrap().first()?.as_u64())
    }

    fn certificate(&self) -> String {
        self.directory.path().join("ca.pem").to_str().unwrap().to_owned()
    }

    /// Waits for this many mails.
    fn wait_for_mails(&self, count: usize) -> Vec<Value> {
        let mails = || self.lines.lock().unwrap().get(1..).map(<[Value]>::to_vec).filter(|mails| mails.len() >= count);
        wait_for("mail", mails)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let headers = mail["headers"].as_array().unwrap();
    headers.iter().find(|header| header[0] == name).unwrap()[1].as_str().unwrap()
}

/// The alert at the end of a mail.
fn alert_in(body: &str) -> Value {
    serde_json::from_str(body.split_once("\nThe alert:\n").unwrap().1).unwrap()
}

fn wait_for_log(directory: &Path, text: &str) -> String {
    let log = directory.join("failure_monitor.err");
    wait_for(text, || fs::read_to_string(&log).ok().filter(|log| log.contains(text)))
}

#[test]
fn a_server_gets_a_mail_that_a_person_can_read() {
    for (mode, account, scheme, query) in [
        ("plain", "", "smtp", ""),
        ("plain", ACCOUNT, "smtp", ""),
        ("tls", ACCOUNT, "smtps", ""),
        ("starttls", ACCOUNT, "smtp", "?tls=required"),
    ] {
        let Some(server) = Server::start(mode, account) else { return };
        let directory = TempDir::new().unwrap();
        let user = if account.is_empty() { String::new() } else { format!("{ENCODED}@") };
        let url = format!("{scheme}://{user}localhost:{}{query}", server.port());
        let certificate = server.certificate();
        let environment = [
            ("ALERT_SMTP_URL", url.as_str()),
            ("ALERT_MAIL_TO", TO),
            ("ALERT_MAIL_FROM", FROM),
            ("ALERT_CA", &certificate),
        ];
        let settings = ["--critical-processes=r\u{e9}"];
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        monitor.send_as(7, "PROCESS_STATE_FATAL", &state("r\u{e9}", "BACKOFF", ""));
        monitor.send_as(8, EXITED, CRASH);
        let mails = server.wait_for_mails(2);
        let mail = &mails[0];
        assert_eq!(mail["defects"], Value::Array(Vec::new()), "{mail}");
        assert_eq!((&mail["from"], &mail["to"][0]), (&"trading@example.org".into(), &"op@example.org".into()));
        let alert = alert_in(mail["body"].as_str().unwrap());
        let host = alert["host"].as_str().unwrap();
        let subject = format!("CRITICAL: PROCESS_FATAL t:r\u{e9} ({host})");
        assert_eq!((header(mail, "Subject"), header(mail, "From"), header(mail, "To")), (&*subject, FROM, TO));
        let body = mail["body"].as_str().unwrap();
        assert!(body.contains("\n  message: Critical process r\u{e9} failed to start\n"), "{body}");
        assert!(body.contains("\nStatus:  firing\nEnded:   unknown: supervisord: getProcessInfo: "), "{body}");
        assert_eq!((&alert["event"], &alert["serial"]), (&"PROCESS_FATAL".into(), &7.into()));
        let id = header(mail, "Message-ID");
        assert!(id.starts_with(&format!("<{host}/supervisor/").replace('.', "%2E")), "{id}");
        assert_ne!(id, header(&mails[1], "Message-ID"));
        assert_eq!(mail["tls"], mode != "plain");
        assert_eq!(mail["authenticated"], !account.is_empty());
        monitor.end();
        let log = fs::read_to_string(directory.path().join("failure_monitor.err")).unwrap();
        assert!(!log.contains("s3cret") && !log.contains("Failed"), "{log}");
    }
}

#[test]
fn what_a_server_refuses_is_told_and_what_it_delays_is_sent_again() {
    let Some(server) = Server::start("plain", "") else { return };
    let directory = TempDir::new().unwrap();
    let url = format!("smtp://localhost:{}", server.port());
    let environment = [
        ("ALERT_SMTP_URL", url.as_str()),
        ("ALERT_MAIL_TO", "op@example.org, nobody@example.org, busy@example.org"),
        ("ALERT_MAIL_FROM", FROM),
    ];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &[], &environment);
    monitor.send_as(1, EXITED, &crash_of(1));
    let mails = server.wait_for_mails(2);
    let to: Vec<_> = mails.iter().map(|mail| mail["to"].to_string()).collect();
    assert_eq!(to, [r#"["op@example.org"]"#, r#"["busy@example.org"]"#]);
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "Message-ID"));
    let log = wait_for_log(directory.path(), "alerts are delivered again");
    let refusals = log.matches("an alert is refused for nobody@example.org: smtp: permanent error (550)").count();
    assert_eq!((refusals, log.matches("Failed to send alert: smtp: transient error (451)").count()), (1, 1), "{log}");
    monitor.end();

    // No recipient is left.
    let only = [environment[0], ("ALERT_MAIL_TO", "nobody@example.org"), environment[2]];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &[], &only);
    monitor.send_as(2, EXITED, &crash_of(2));
    wait_for_log(directory.path(), "Failed to send alert, and it is not sent again: smtp: permanent error (550)");
    monitor.end();
    assert_eq!(server.wait_for_mails(2).len(), 2);
}

#[test]
fn a_wrong_account_or_certificate_or_a_slow_server_loses_no_mail() {
    let Some(server) = Server::start("tls", ACCOUNT) else { return };
    let Some(slow) = Server::start("plain", "") else { return };
    let (certificate, other) = (server.certificate(), slow.certificate());
    let [wrong, right] = ["x", ENCODED].map(|account| {
        let account = if account == "x" { "m:s3cret" } else { account };
        format!("smtps://{account}@localhost:{}", server.port())
    });
    let dripping = format!("smtp://localhost:{}", slow.port());
    let directory = TempDir::new().unwrap();
    for (url, ca, to, timeout, why) in [
        (&wrong, &certificate, TO, "60", "smtp: permanent error (535)"),
        (&right, &other, TO, "60", "certificate"),
        (&dripping, &other, "slow@example.org", "0.3", "smtp: timed out"),
    ] {
        let _ = fs::remove_file(directory.path().join("failure_monitor.err"));
        let environment = [
            ("ALERT_SMTP_URL", url.as_str()),
            ("ALERT_MAIL_TO", to),
            ("ALERT_MAIL_FROM", FROM),
            ("ALERT_CA", ca),
            ("ALERT_TIMEOUT", timeout),
        ];
        let settings = ["--state-dir", "state"];
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        monitor.send_as(1, EXITED, CRASH);
        let log = wait_for_log(directory.path(), "Failed to send alert: ");
        assert!(log.contains(why) && !log.contains("s3cret"), "{why}: {log}");
        monitor.end();
    }
    let environment =
        [("ALERT_SMTP_URL", &*right), ("ALERT_MAIL_TO", TO), ("ALERT_MAIL_FROM", FROM), ("ALERT_CA", &certificate)];
    let monitor = Driven::start_with("failure_monitor", directory.path(), &["--state-dir", "state"], &environment);
    // The event was sent to both processes again, and both recognised it.
    assert_eq!(server.wait_for_mails(1).len(), 1);
    monitor.end();
}

/// A command with this script.
fn script(directory: &Path, text: &str) -> String {
    let path = directory.join("sendmail");
    fs::write(&path, format!("#!/bin/sh\ncd {}\n{text}\n", directory.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_command_gets_the_same_mail() {
    let directory = TempDir::new().unwrap();
    // First busy, with a long message; then it rejects a mail; then it accepts all.
    let command = script(
        directory.path(),
        "echo called >> calls\ncase $(wc -l < calls) in\n\
         *1) seq 100000 >&2; exit 75;;\n*2) echo no such user >&2; exit 67;;\nesac\n\
         printf '%s\\n' \"$@\" > arguments\nenv > environment\ncat > mail.part\nmv mail.part mail",
    );
    let command = format!("{command} --one two");
    let environment = [
        ("ALERT_MAIL_TO", "Op <op@example.org>, b@example.org"),
        ("ALERT_MAIL_FROM", FROM),
        ("SUPERVISOR_PASSWORD", "secret"),
    ];
    let settings = ["--alert-sendmail", &command];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
    monitor.send_as(1, EXITED, &crash_of(1));
    monitor.send_as(2, EXITED, &crash_of(2));
    let mail = wait_for("the mail", || fs::read_to_string(directory.path().join("mail")).ok());
    monitor.end();
    let arguments = fs::read_to_string(directory.path().join("arguments")).unwrap();
    assert_eq!(arguments, "--one\ntwo\n-i\n-f\ntrading@example.org\n--\nop@example.org\nb@example.org\n");
    let environment = fs::read_to_string(directory.path().join("environment")).unwrap();
    assert!(environment.contains("ALERT_MAIL_FROM") && !environment.contains("secret"), "{environment}");
    assert!(mail.starts_with("From: ") && !mail.contains('\r'), "{mail}");
    assert!(mail.contains("\nSubject: WARNING: UNEXPECTED_EXIT trading_system:worker-2"), "{mail}");
    // Quoted-printable, because of its long lines.
    assert_eq!(alert_in(&mail.replace("=\n", "").replace("=3D", "="))["serial"], 2);
    let log = fs::read_to_string(directory.path().join("failure_monitor.err")).unwrap();
    assert!(log.contains("Failed to send alert: ") && log.contains("sendmail: exit status: 75: 1\\n2\\n"), "{log}");
    assert!(log.contains("not sent again: ") && log.contains("sendmail: exit status: 67: no such user"), "{log}");
}

#[test]
fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let directory = TempDir::new().unwrap();
    // Neither it nor its children read anything.
    let command = script(directory.path(), "sleep 10000 &\necho $! $$ > pids.part\nmv pids.part pids\nwait");
    let environment = [("ALERT_MAIL_TO", TO), ("ALERT_MAIL_FROM", FROM), ("ALERT_TIMEOUT", "1")];
    let settings = ["--alert-sendmail", &command];
    let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
    monitor.send_as(1, EXITED, CRASH);
    let pids = wait_for("its processes", || fs::read_to_string(directory.path().join("pids")).ok());
    wait_for_log(directory.path(), "sendmail: timed out");
    for pid in pids.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()) {
        wait_for("their end", || (test_kill_process(pid).is_err() || is_zombie(pid)).then_some(()));
    }
    monitor.end();
}

/// Whether it has ended, though its new parent has not noticed.
fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    status.contains("\nState:\tZ")
}

#[test]
fn settings_for_mail_that_make_no_sense_are_refused() {
    let [to, from, url] = [("ALERT_MAIL_TO", "a@x"), ("ALERT_MAIL_FROM", "b@x"), ("ALERT_SMTP_URL", "smtp://host")];
    let cases: [(&[(&str, &str)], &str); 10] = [
        (&[("ALERT_MAIL_TO", "nonsense")], "--alert-mail-to is a list of mail addresses, separated by commas"),
        (&[("ALERT_MAIL_FROM", "nonsense")], "--alert-mail-from is a mail address"),
        (&[to, url], "--alert-mail-to needs --alert-mail-from"),
        (&[from, url], "--alert-mail-to is empty"),
        (&[to, from], "--alert-mail-to needs --alert-smtp-url or --alert-sendmail"),
        (&[to, from, url, ("ALERT_SENDMAIL", "sendmail")], "--alert-smtp-url and --alert-sendmail are both set"),
        (&[to, from, url, ("ALERT_URL", "http://x")], "--alert-url and --alert-mail-to are both set"),
        (&[to, from, ("ALERT_SMTP_URL", "smtp://a:s3cret@host")], "would send the password in plain text"),
        (&[to, from, ("ALERT_SMTP_URL", "s3cret")], "--alert-smtp-url is smtp://HOST"),
        (&[to, from, ("ALERT_SMTP_URL", "smtps://host"), ("ALERT_CA", "/dev/null")], "has no certificate"),
    ];
    for (environment, why) in cases {
        let said = refused(program("failure_monitor").envs(environment.iter().copied()));
        assert!(said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
    }
    let mut command = program("failure_monitor");
    let said = refused(command.envs([to, from]).arg("--alert-smtp-url=smtps://a:s3cret@host"));
    assert!(said.contains("set ALERT_SMTP_URL in the environment") && !said.contains("s3cret"), "{said}");
}
