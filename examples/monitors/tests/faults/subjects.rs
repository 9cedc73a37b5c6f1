//! The monitors, each with an event of its own and with what shows that it was handled.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::instrumented::Instrumented;
use crate::support::receiver::Collector;
use crate::support::{program, wait_for};

pub struct Subject {
    pub name: &'static str,
    settings: &'static str,
    pub eventname: &'static str,
    /// The payload, in which NUMBER is the event's number.
    pub payload: &'static str,
    /// What the log says once it is handled. What it does not say is in the audit trail, or with the collector.
    said: Said,
}

#[derive(Clone, Copy)]
enum Said {
    Log(&'static [&'static str]),
    Trail,
    Posted,
}

const fn subject(
    name: &'static str,
    settings: &'static str,
    [eventname, payload]: [&'static str; 2],
    said: Said,
) -> Subject {
    Subject { name, settings, eventname, payload, said }
}

pub const MESSAGE: [&str; 2] = [
    "PROCESS_COMMUNICATION_STDOUT",
    "processname:engine groupname:engine pid:2766\nSIGNAL:ENTRY:momentum-7:BTC 1 worker-NUMBER",
];
pub const EXITED: [&str; 2] =
    ["PROCESS_STATE_EXITED", "processname:worker-NUMBER groupname:g from_state:RUNNING expected:0 pid:2766"];
const STARTING: [&str; 2] =
    ["PROCESS_STATE_STARTING", "processname:worker-NUMBER groupname:g from_state:STOPPED tries:0"];
const RUNNING: [&str; 2] =
    ["PROCESS_STATE_RUNNING", "processname:worker-NUMBER groupname:g from_state:STARTING pid:2766"];

/// All monitors. Their addresses and files are those of `%(here)s` and of a collector.
pub const SUBJECTS: [Subject; 8] = [
    subject(
        "failure_monitor",
        "--critical-processes \"\" --risk-manager \"\"",
        EXITED,
        Said::Log(&["alert: UNEXPECTED_EXIT", "\"worker-NUMBER\""]),
    ),
    subject(
        "startup_monitor",
        "--critical-processes \"\" --trading-group \"\" --dependents \"\"",
        STARTING,
        Said::Log(&["Process worker-NUMBER is starting"]),
    ),
    subject("comm_monitor", "--audit-file %(here)s/audit.jsonl", MESSAGE, Said::Trail),
    subject(
        "heartbeat_monitor",
        "--endpoints closed=tcp://127.0.0.1:1 --vpn-interface lo",
        ["TICK_5", "when:NUMBER"],
        Said::Log(&["Heartbeat", "\"when\":NUMBER,"]),
    ),
    subject("trading_monitor", "--listen 127.0.0.1:0", RUNNING, Said::Log(&["worker-NUMBER: STARTING -> RUNNING"])),
    subject(
        "performance_monitor",
        "--processes \"\" --limits \"\" --interval 0.1",
        ["TICK_60", "when:NUMBER"],
        Said::Log(&["Performance metrics"]),
    ),
    subject(
        "maintenance_monitor",
        "--audit-file %(here)s/audit.jsonl --report-dir %(here)s/reports --backup-dir %(here)s/backup",
        ["TICK_3600", "when:NUMBER"],
        Said::Log(&["report done"]),
    ),
    subject(
        "forward_monitor",
        "--http-url URL --spool-dir %(here)s/spool --longest-pause 0.2 --heartbeat 1000",
        RUNNING,
        Said::Posted,
    ),
];

pub fn named(name: &str) -> &'static Subject {
    SUBJECTS.iter().find(|subject| subject.name == name).expect("a monitor")
}

impl Subject {
    /// What runs it, in a section.
    pub fn command(&self, collector: &Collector) -> String {
        let program = program(self.name);
        let program = program.to_str().unwrap().replace('%', "%%");
        format!("\"{program}\" {}", self.settings.replace("URL", &collector.url()))
    }

    /// Its section, with as many processes as this, on a disk that takes this long.
    pub fn section(&self, command: &str, numprocs: usize, sync_millis: usize) -> String {
        let Subject { name, eventname, .. } = self;
        // It keeps its own directory.
        let state = if *name == "forward_monitor" { "" } else { "STATE_DIR=\"%(here)s/state\"," };
        format!(
            "[eventlistener:{name}]\ncommand = {command}\ndirectory = %(here)s\n\
             process_name = %(program_name)s_%(process_num)d\nnumprocs = {numprocs}\n\
             events = {eventname}\nbuffer_size = 10000\nstartsecs = 0\nautorestart = true\n\
             stdout_logfile = NONE\nstderr_logfile = %(here)s/{name}.err\n\
             environment = {state}LD_PRELOAD=\"%(here)s/shim.so\",STOP_DIR=\"%(here)s/stop\",\
             SYNC_MILLIS=\"{sync_millis}\"\n"
        )
    }

    /// The process that supervisord gives events to as long as it is READY.
    pub fn process(&self) -> String {
        format!("{}_0", self.name)
    }

    /// How often an event was handled, as far as others can see.
    pub fn times(&self, server: &Instrumented, collector: &Collector, number: usize) -> usize {
        let number = number.to_string();
        match self.said {
            Said::Log(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| text.replace("NUMBER", &number)).collect();
                let is_it = |line: &&str| texts.iter().all(|text| line.contains(text));
                server.file(&format!("{}.err", self.name)).lines().filter(is_it).count()
            }
            Said::Trail => {
                let end = format!("worker-{number}");
                let is_it = |record: &&Value| {
                    record["data"].as_str().is_some_and(|data| data.split(' ').any(|word| word == end))
                };
                records(&server.directory().join("audit.jsonl")).iter().filter(is_it).count()
            }
            Said::Posted => {
                let text = format!("worker-{number} ");
                collector.count(|body| body.to_string().contains(&text))
            }
        }
    }

    /// Waits until supervisord has got all its answers.
    pub fn wait_until_idle(&self, server: &Instrumented) {
        server.wait_until_idle(self.name);
    }
}

/// The whole lines of an audit trail.
pub fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The serials in an audit trail, once all of these are there.
pub fn serials(path: &Path) -> Vec<u64> {
    records(path).iter().map(|record| record["serial"].as_u64().unwrap()).collect()
}

/// Waits until supervisord tells of so many ends of a process, and says how it ended last.
pub fn end_of(server: &Instrumented, process: &str, times: usize) -> String {
    let exited = format!("exited: {process} (");
    wait_for(&format!("end {times} of {process}"), || {
        let log = server.log();
        let mut ends = log.split(&exited).skip(1);
        let end = ends.nth(times - 1)?;
        Some(end.split(')').next().unwrap().to_owned())
    })
}
