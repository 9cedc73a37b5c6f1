//! Alerts at real receivers.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::programs::{CRASH, Driven, EXITED, program, server};
use super::secrets::refused;
use crate::support::receiver::Collector;
use crate::support::{client, wait_for};

/// An Alertmanager on its own port, which calls a webhook.
struct Alertmanager {
    child: Child,
    url: String,
    _directory: TempDir,
}

impl Alertmanager {
    /// `None` if there is no Alertmanager.
    fn start(webhook: &str) -> Option<Self> {
        // Its name in Debian, and its original name.
        let programs = ["prometheus-alertmanager", "alertmanager"].map(PathBuf::from);
        let runs = |program: &PathBuf| {
            let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let Some(program) = programs.into_iter().find(runs) else {
            assert!(env::var_os("CI").is_none(), "no prometheus-alertmanager");
            // Not `eprintln!`, which is hidden if a test passes.
            let _ = writeln!(io::stderr(), "\nSKIPPED, for want of a prometheus-alertmanager\n");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let [config, log] = ["config.yml", "log"].map(|name| directory.path().join(name));
        let hook = json!({ "url": webhook, "send_resolved": true });
        let settings = json!({
            "route": { "receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s" },
            "receivers": [{ "name": "hook", "webhook_configs": [hook] }],
        });
        // JSON is YAML.
        fs::write(&config, settings.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg("--config.file").arg(&config).arg("--storage.path").arg(directory.path());
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let address = wait_for("Alertmanager's port", || {
            let said = fs::read_to_string(&log).unwrap();
            assert_eq!(child.try_wait().unwrap(), None, "{said}");
            let (_, address) = said.split_once("address=127.0.0.1:")?;
            Some(address.split_once(char::is_whitespace)?.0.to_owned())
        });
        Some(Self { child, url: format!("http://127.0.0.1:{address}/api/v2/alerts"), _directory: directory })
    }

    /// The firing alerts.
    fn firing(&self) -> Vec<Value> {
        let body = client().get(&self.url).call().unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn alertmanager_sees_what_fires_and_what_resolves_it() {
    let notified = Collector::start();
    let Some(alertmanager) = Alertmanager::start(&notified.url()) else { return };
    let (directory, healthy) = (TempDir::new().unwrap(), Arc::new(AtomicBool::new(false)));
    let port = server({
        let healthy = Arc::clone(&healthy);
        move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let status = if healthy.load(Ordering::SeqCst) { "200 OK" } else { "500 Trouble" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let endpoints = format!("feed=http://127.0.0.1:{port}/");
    let settings = ["--alert-url", &alertmanager.url, "--alert-format=alertmanager", "--endpoints", &endpoints];
    let mut monitor = Driven::start("heartbeat_monitor", directory.path(), &settings);
    monitor.send_as(1, "TICK_5", "when:5");
    let fired = wait_for("the alert", || alertmanager.firing().pop());
    let labels = &fired["labels"];
    assert_eq!((&labels["alertname"], &labels["severity"]), (&"ENDPOINT_DOWN".into(), &"critical".into()), "{fired}");
    assert_eq!(fired["status"]["state"], "active", "{fired}");
    assert!(fired["annotations"]["details"].as_str().unwrap().contains("500"), "{fired}");
    let is = |status: &'static str| move |body: &Value| body["status"] == status;
    let told = notified.wait_for("the notification", is("firing"));
    assert_eq!(&told["alerts"][0]["labels"], labels);

    healthy.store(true, Ordering::SeqCst);
    monitor.send_as(2, "TICK_5", "when:10");
    let told = notified.wait_for("the notification of its end", is("resolved"));
    assert_eq!((told["alerts"].as_array().unwrap().len(), &told["alerts"][0]["labels"]), (1, labels));
    assert_eq!(alertmanager.firing(), [] as [Value; 0]);
    // Nothing else was firing, or was resolved.
    assert_eq!(notified.count(|_| true), 2);
    monitor.end();
}

#[test]
fn a_receiver_gets_alerts_in_the_format_that_is_set() {
    for (format, at) in [("slack", "/text"), ("alertmanager", "/0/labels/alertname"), ("pagerduty", "/payload/class")] {
        let (directory, alerts) = (TempDir::new().unwrap(), Collector::start());
        let url = alerts.url();
        let settings = ["--alert-url", &url, "--alert-format", format];
        let environment = [("ALERT_TOKEN", "s3cret-key")];
        let mut monitor = Driven::start_with("failure_monitor", directory.path(), &settings, &environment);
        monitor.send(EXITED, CRASH);
        let is = |body: &Value| body.pointer(at).is_some_and(|value| value.to_string().contains("UNEXPECTED_EXIT"));
        let body = alerts.wait_for(format, is);
        assert_eq!(body["routing_key"] == "s3cret-key", format == "pagerduty", "{body}");
        assert_eq!(body.to_string().contains("s3cret"), format == "pagerduty", "{body}");
        monitor.end();
        let log = fs::read_to_string(directory.path().join("failure_monitor.err")).unwrap();
        assert!(!log.contains("s3cret"), "{log}");
    }
    let mut command = program("failure_monitor");
    let said = refused(command.args(["--alert-url=http://host/", "--alert-format=pagerduty"]));
    assert!(said.contains("needs the integration's key"), "{said}");
}
