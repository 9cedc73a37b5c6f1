//! `trading-system`: the commands in its banner, carried out as written; and that Ctrl-C leaves nothing behind.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::path;
use crate::support::{client, program, python, wait_for};

/// The commands that the banner suggests, and the alerts that follow.
const TO_TRY: [(&str, &[&str]); 5] = [
    ("lose the risk manager, ", &["PROCESS_FATAL (firing) risk_manager", " BACKUP_RUNNING", " TRADING_STOPPED"]),
    ("get it back, ", &[" TRADING_RESUMED"]),
    ("crash a process", &[" UNEXPECTED_EXIT (firing) genetic_engine"]),
    ("send an alert", &["CRITICAL DRAWDOWN risk_manager"]),
    ("see what runs", &[]),
];

struct Running {
    script: Child,
    directory: TempDir,
}

impl Running {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let output = File::create(directory.path().join("output")).unwrap();
        // A test runner may ignore SIGINT, and so would the script.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "bash"]).arg(path("trading-system")).process_group(0);
        command.env("TRADING_DIR", directory.path()).env("MONITORS", program("failure_monitor").parent().unwrap());
        // target/debug/PROGRAM
        command.env("CARGO_TARGET_DIR", program("failure_monitor").ancestors().nth(2).unwrap());
        for setting in ["ALERT_URL", "ENDPOINTS", "FEED_PORT", "LISTEN", "PROCESSES", "VPN_INTERFACE"] {
            command.env_remove(setting);
        }
        command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
        Self { script: command.spawn().unwrap(), directory }
    }

    fn output(&self) -> String {
        fs::read_to_string(self.directory.path().join("output")).unwrap()
    }

    /// Waits for a text in the output after this many bytes.
    fn wait_for(&mut self, text: &str, from: usize) {
        wait_for(&format!("{text:?} of {}", self.directory.path().display()), || {
            assert_eq!(self.script.try_wait().unwrap(), None, "{}", self.output());
            self.output()[from..].contains(text).then_some(())
        });
    }

    /// The commands below this line of the banner.
    fn commands(&self, what: &str) -> String {
        let output = self.output();
        let lines = output.lines().skip_while(|line| !line.trim_start().starts_with(what)).skip(1);
        let commands: Vec<_> = lines.map_while(|line| line.strip_prefix("        ")).collect();
        assert!(!commands.is_empty(), "{what}: {output}");
        commands.join("\n")
    }

    /// What Ctrl-C does in a terminal.
    fn interrupt(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.script), Signal::INT);
        wait_for("the end", || self.script.try_wait().unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.script.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.interrupt();
        }
    }
}

fn sh(commands: &str) {
    let output = Command::new("sh").args(["-e", "-c", commands]).output().unwrap();
    assert!(output.status.success(), "{commands}: {output:?}");
}

/// The processes whose environment contains this directory.
fn processes_of(directory: &Path) -> Vec<String> {
    let variable = format!("TRADING_DIR={}\0", directory.display()).into_bytes();
    let is_of = |process: &Path| {
        fs::read(process.join("environ")).is_ok_and(|text| text.windows(variable.len()).any(|part| part == variable))
    };
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.filter(|process| is_of(process)).filter_map(|it| fs::read_to_string(it.join("cmdline")).ok()).collect()
}

#[test]
fn what_the_banner_says_works_and_ctrl_c_leaves_nothing() {
    // The environment that the script uses.
    if python::programs().is_none() {
        return;
    }
    let mut system = Running::start();
    system.wait_for("see what runs", 0);
    system.wait_for(" TRADING_RESUMED", 0);
    let output = system.output();
    let page = output.lines().find_map(|line| line.trim().strip_prefix("status page")).unwrap().trim().to_owned();
    let mut answer = client().get(page).call().unwrap();
    assert!(answer.body_mut().read_to_string().unwrap().contains("risk_manager"));

    for (what, alerts) in TO_TRY {
        // Resumed processes may still be starting.
        let status = format!("'{}/ctl' status trading_system:genetic_engine", system.directory.path().display());
        let is_up = |status: &str| Command::new("sh").args(["-c", status]).output().unwrap().status.success();
        if what != "get it back, " {
            wait_for("genetic_engine", || is_up(&status).then_some(()));
        }
        let from = system.output().len();
        let commands = system.commands(what);
        if what == "see what runs" {
            // Its exit code says whether all are running: one crashes from time to time.
            sh(&format!("{commands} | grep RUNNING"));
        } else {
            sh(&commands);
        }
        alerts.iter().for_each(|alert| system.wait_for(alert, from));
    }

    let there = processes_of(system.directory.path());
    assert!(there.len() > 10, "{there:?}");
    system.interrupt();
    assert_eq!(processes_of(system.directory.path()), [""; 0]);
}
