//! The status page and `/metrics` for a real supervisord's processes, as read by Prometheus.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{client, program, python, wait_for};

/// A supervisord with processes that end in every way, and a trading_monitor.
struct System {
    supervisord: Supervisord,
}

impl System {
    fn start(identifier: &str) -> Option<Self> {
        let monitor = program("trading_monitor");
        let monitor = monitor.to_str().unwrap().replace('%', "%%");
        let sections = format!(
            "[eventlistener:trading_monitor]\n\
             command = \"{monitor}\" --listen 127.0.0.1:0 --status-interval 0.3 --state-dir %(here)s/state\n\
             events = PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE,TICK_60\nbuffer_size = 100\nstartsecs = 0\n\
             autorestart = true\nstdout_logfile = NONE\nstderr_logfile = %(here)s/trading_monitor.err\n\
             [program:crasher]\ncommand = sh crasher.sh\ndirectory = %(here)s\nstartsecs = 0\nautorestart = true\n\
             [program:steady]\ncommand = cat\nstartsecs = 0\n\
             [program:victim]\ncommand = cat\nstartsecs = 0\nautorestart = false\n\
             [program:job]\ncommand = sh -c 'exit 2'\nexitcodes = 2\nstartsecs = 0\nautorestart = unexpected\n\
             [program:missing]\ncommand = %(here)s/nowhere\nstartretries = 1\n\
             [program:idle]\ncommand = cat\nautostart = false\nstdout_logfile = NONE\nstartsecs = 0\n"
        );
        let supervisord = Supervisord::start(identifier, &sections)?;
        supervisord.write("crasher.sh", "while [ ! -e crash ]; do sleep 0.05; done\nrm crash\nexit 3\n");
        Some(Self { supervisord })
    }

    /// The page's address.
    fn url(&self) -> String {
        wait_for("the page", || {
            let log = self.supervisord.file("trading_monitor.err");
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut pages = lines.filter_map(|line| Some(line["url"].as_str()?.to_owned()));
            pages.next_back()
        })
    }

    fn get(&self, path: &str) -> String {
        client().get(format!("{}{path}", self.url())).call().unwrap().body_mut().read_to_string().unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.get("status.json")).unwrap()
    }

    /// Waits until the data about a process satisfies `is`.
    fn process(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(name, || {
            let status = self.status();
            let process = status["processes"].as_array().unwrap().iter().find(|process| process["name"] == name);
            process.filter(|process| is_so(process)).cloned()
        })
    }

    fn crash(&self) {
        self.supervisord.write("crash", "");
    }
}

/// The value of each sample.
fn samples(metrics: &str) -> BTreeMap<&str, f64> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[test]
fn the_page_tells_how_processes_ended_and_what_they_use() {
    let Some(mut system) = System::start("status") else { return };
    system.process("crasher", |process| process["state"] == "RUNNING" && process["memory"].as_u64() > Some(0));
    system.crash();
    // supervisord has restarted it by then, but its own log still has the reason.
    let crashed = system.process("crasher", |process| process["restarts"] == 1 && process["last_exit"]["status"] == 3);
    assert_eq!(crashed["last_exit"]["why"], "exit code 3", "{crashed}");
    assert_eq!((&crashed["exits"], &crashed["state"]), (&json!({ "expected": 0, "unexpected": 1 }), &"RUNNING".into()));
    system.supervisord.ctl(&["signal", "SEGV", "victim"]);
    let killed = system.process("victim", |process| process["last_exit"]["why"].as_str().unwrap_or("").contains("SIG"));
    assert_eq!((&killed["state"], &killed["last_exit"]["status"]), (&"EXITED".into(), &(-1).into()), "{killed}");
    assert!(killed["last_exit"]["why"].as_str().unwrap().starts_with("killed by SIGSEGV"), "{killed}");
    assert!(killed["pid"].is_null() && killed["memory"].is_null() && killed["cpu"].is_null(), "{killed}");
    let job = system.process("job", |process| process["last_exit"]["status"] == 2);
    assert_eq!((&job["exits"]["expected"], &job["last_exit"]["expected"]), (&1.into(), &true.into()), "{job}");
    let missing = system.process("missing", |process| process["state"] == "FATAL");
    let missing =
        if missing["spawn_error"] == "" { system.process("missing", |it| it["spawn_error"] != "") } else { missing };
    let why = missing["spawn_error"].as_str().unwrap();
    assert!(why.contains("nowhere") && missing["last_exit"]["why"] == why, "{missing}");
    assert_eq!((&missing["failed_starts"], &missing["restarts"]), (&2.into(), &1.into()), "{missing}");
    let idle = system.process("idle", |process| process["description"] == "Not started");
    assert_eq!(
        (&idle["state"], &idle["has_stdout"], &idle["last_exit"]),
        (&"STOPPED".into(), &false.into(), &Value::Null)
    );

    // Usage now and over time.
    let steady = system.process("steady", |process| process["cpu"].is_number());
    assert_eq!((&steady["processes"], &steady["has_stdout"]), (&1.into(), &true.into()), "{steady}");
    for history in ["cpu_history", "memory_history"] {
        let minutes = steady[history].as_array().unwrap();
        assert!(minutes.len() == 60 && minutes[0].is_null() && minutes[59].is_number(), "{steady}");
    }
    let status = system.status();
    assert_eq!((&status["server"], &status["version"]), (&"status".into(), &"4.3.0".into()), "{status}");
    assert_eq!((&status["supervisord"]["up"], &status["supervisord"]["state"]), (&true.into(), &"RUNNING".into()));
    assert!(status["supervisord"]["pid"].is_number() && status["supervisord"]["error"].is_null(), "{status}");
    let crash = status["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["process"] == "crasher" && event["to"] == "EXITED");
    assert_eq!(crash.unwrap()["expected"], false, "{status}");
    assert_eq!(status["counts"]["FATAL"], 1, "{status}");

    // A removed group is gone; a restart of the monitor itself loses nothing.
    system.supervisord.ctl(&["stop", "idle"]);
    system.supervisord.ctl(&["remove", "idle"]);
    wait_for("idle to be gone", || (!system.get("status.json").contains("\"idle\"")).then_some(()));
    let before = system.url();
    system.supervisord.ctl(&["restart", "trading_monitor"]);
    wait_for("another page", || (system.url() != before).then_some(()));
    let again = system.process("crasher", |_| true);
    assert_eq!((&again["restarts"], &again["last_exit"]), (&1.into(), &crashed["last_exit"]), "{again}");
    assert!(system.supervisord.stop().success());
    assert_clean(&system.supervisord.log());
}

/// Finds a program. Tests do without it, except in CI.
fn tool(name: &str) -> Option<PathBuf> {
    let there = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return Some(name.into());
    }
    assert!(env::var_os("CI").is_none(), "no {name}: it is in Debian's package prometheus");
    // Not `eprintln!`, which is hidden if a test passes.
    let _ = writeln!(io::stderr(), "\nSKIPPED, for want of {name}: it is in Debian's package prometheus\n");
    None
}

fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn prometheus_finds_nothing_wrong_with_the_metrics() {
    let Some(mut system) = System::start("with \"quotes\"") else { return };
    system.process("crasher", |process| process["state"] == "RUNNING" && process["cpu"].is_number());
    system.process("missing", |process| process["state"] == "FATAL");
    let before = system.get("metrics");
    let of = r#"{server="with \"quotes\"",group="crasher",process="crasher"}"#;
    let restarts = format!("supervisor_process_restarts_total{of}");
    assert_eq!(samples(&before).get(&*restarts), Some(&0.0), "{before}");
    system.crash();
    system.process("crasher", |process| process["restarts"] == 1 && process["last_exit"]["status"] == 3);
    let after = system.get("metrics");
    let told = samples(&after);
    let exits = of.replace('}', ",expected=\"false\"}");
    for (name, value) in [
        (restarts, 1.0),
        (format!("supervisor_process_exits_total{exits}"), 1.0),
        (format!("supervisor_process_last_exit_status{of}"), 3.0),
        (r#"supervisor_up{server="with \"quotes\""}"#.into(), 1.0),
        (r#"supervisor_processes{server="with \"quotes\""}"#.into(), 7.0),
        (r#"supervisor_build_info{server="with \"quotes\"",version="4.3.0"}"#.into(), 1.0),
    ] {
        assert_eq!(told.get(&*name), Some(&value), "{name}: {after}");
    }
    // One of all states.
    let states =
        told.iter().filter(|(name, _)| name.starts_with("supervisor_process_state{") && name.contains("missing"));
    let states: Vec<_> = states.collect();
    assert_eq!((states.len(), states.iter().map(|(_, is_it)| **is_it).sum::<f64>()), (8, 1.0), "{states:?}");

    if let Some(promtool) = tool("promtool") {
        let checked = run(Command::new(promtool).args(["check", "metrics"]), &after);
        assert!(checked.status.success() && checked.stderr.is_empty() && checked.stdout.is_empty(), "{checked:?}");
    }
    let request = client().get(format!("{}metrics", system.url())).header("accept", "application/openmetrics-text");
    let mut response = request.call().unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let open_metrics = response.body_mut().read_to_string().unwrap();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0") && open_metrics.ends_with("# EOF\n"),
        "{kind}"
    );
    if let Some(python) = python::with_prometheus_client() {
        let parse = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
                     print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))";
        let parsed = run(Command::new(python).args(["-c", parse]), &open_metrics);
        let count = String::from_utf8(parsed.stdout).unwrap();
        assert_eq!(count.trim(), told.len().to_string(), "{}", String::from_utf8_lossy(&parsed.stderr));
    }
    assert!(system.supervisord.stop().success());
}

/// A Prometheus that scrapes one target each second.
struct Prometheus {
    child: Child,
    url: String,
    _directory: TempDir,
}

impl Prometheus {
    fn start(target: &str) -> Option<Self> {
        let program = tool("prometheus")?;
        let directory = TempDir::new().unwrap();
        let (configuration, log) = (directory.path().join("prometheus.yml"), directory.path().join("log"));
        let scrape = json!({ "job_name": "monitors", "static_configs": [{ "targets": [target] }] });
        // JSON is YAML.
        let settings = json!({ "global": { "scrape_interval": "1s" }, "scrape_configs": [scrape] });
        fs::write(&configuration, settings.to_string()).unwrap();
        // It does not report its port.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.arg("--config.file").arg(&configuration).arg("--storage.tsdb.path").arg(directory.path().join("data"));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log).unwrap());
        Some(Self { child: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}"), _directory: directory })
    }

    /// The result of a query. `None` while it cannot be queried.
    fn query(&self, query: &str) -> Option<Vec<Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut response = client().get(format!("{}/api/v1/query?query={encoded}", self.url)).call().ok()?;
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string().ok()?).unwrap();
        Some(answer["data"]["result"].as_array()?.clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_tells_which_process_restarted_in_the_last_five_minutes() {
    let Some(mut system) = System::start("scraped") else { return };
    // The one that cannot be started has been retried by then.
    system.process("missing", |process| process["state"] == "FATAL");
    system.process("crasher", |process| process["state"] == "RUNNING");
    let target = system.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let Some(prometheus) = Prometheus::start(&target) else { return };
    wait_for("a scrape", || prometheus.query("supervisor_process_restarts_total{process=\"crasher\"} == 0")?.pop());
    assert_eq!(prometheus.query("increase(supervisor_process_restarts_total[5m]) > 0"), Some(vec![]));
    system.crash();
    let restarted = wait_for("the restart", || {
        let restarted = prometheus.query("increase(supervisor_process_restarts_total[5m]) > 0")?;
        (!restarted.is_empty()).then_some(restarted)
    });
    let names: Vec<_> = restarted.iter().map(|series| &series["metric"]["process"]).collect();
    assert_eq!(names, ["crasher"], "{restarted:?}");
    assert_eq!(restarted[0]["metric"]["server"], "scraped", "{restarted:?}");
    assert!(system.supervisord.stop().success());
}

/// The code blocks of a documentation page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let start = format!("```{language}\n");
    let parts = text.split(&start).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn what_the_documentation_gives_to_prometheus_is_what_it_takes() {
    let Some(promtool) = tool("promtool") else { return };
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file.yml");
    let mut checked = Vec::new();
    for block in blocks("monitors.md", "yaml") {
        let what = if block.starts_with("groups:") { "rules" } else { "config" };
        fs::write(&path, block).unwrap();
        // The file with the token is elsewhere.
        let lint = if what == "config" { "--syntax-only" } else { "--lint-fatal" };
        let output = run(Command::new(&promtool).args(["check", what, lint]).arg(&path), "");
        assert!(output.status.success(), "{output:?}");
        checked.push(what);
    }
    checked.sort_unstable();
    assert_eq!(checked, ["config", "rules"]);
}
