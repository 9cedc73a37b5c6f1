//! What `fleet` prints: the lines selected, their format, and the summary.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use crate::names::ProcessPattern;
use crate::settings::List;

/// Which lines to show. A line must match all settings.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is shown")]
pub struct Filter {
    /// Only these hosts, separated by commas
    #[arg(long, env = "FLEET_HOST", default_value = "")]
    pub host: List<String>,
    /// Only these processes: NAME, GROUP:NAME, GROUP:* or *, separated by commas. If empty, supervisords are shown as
    /// well
    #[arg(long, env = "FLEET_PROCESS", default_value = "")]
    pub process: List<ProcessPattern>,
    /// Only these states, separated by commas, such as FATAL,UNKNOWN,SILENT
    #[arg(long, env = "FLEET_STATE", default_value = "")]
    pub state: List<String>,
}

impl Filter {
    /// Whether to show this line.
    pub fn shows(&self, line: &Value) -> bool {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        let fits = |list: &[String], key| list.is_empty() || list.iter().any(|it| it.eq_ignore_ascii_case(text(key)));
        let named = || line["process"].is_string() && self.process.matches(text("group"), text("process"));
        fits(&self.host, "host") && fits(&self.state, "state") && (self.process.is_empty() || named())
    }
}

/// How many supervisords and processes are in each state.
#[derive(Default)]
pub struct Summary {
    servers: BTreeMap<String, u64>,
    processes: BTreeMap<String, u64>,
}

impl Summary {
    pub fn count(&mut self, line: &Value) {
        let counts = match line["kind"].as_str() {
            Some("server") => &mut self.servers,
            Some("state") => &mut self.processes,
            _ => return,
        };
        *counts.entry(line["state"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }

    /// Whether a process is FATAL.
    pub fn has_fatal(&self) -> bool {
        self.processes.contains_key("FATAL")
    }

    /// The last line of the table.
    pub fn print(&self, json: bool, output: &mut impl Write) -> io::Result<()> {
        if json {
            let line = json!({ "kind": "summary", "servers": self.servers, "processes": self.processes });
            return writeln!(output, "{line}");
        }
        let [servers, processes] =
            [("supervisords", &self.servers), ("processes", &self.processes)].map(|(what, all)| {
                let parts: Vec<_> = all.iter().map(|(state, count)| format!("{count} {state}")).collect();
                let total: u64 = all.values().sum();
                if parts.is_empty() {
                    format!("{total} {what}")
                } else {
                    format!("{total} {what}: {}", parts.join(", "))
                }
            });
        writeln!(output, "{servers}; {processes}")
    }
}

/// Prints the names of the columns.
pub fn head(output: &mut impl Write) -> io::Result<()> {
    row(["HOST", "SERVER", "PROCESS", "STATE", "PID", "AGE", "HEARD", "SINCE"], output)
}

/// Prints a line.
pub fn say(line: &Value, json: bool, output: &mut impl Write) -> io::Result<()> {
    if json {
        return writeln!(output, "{line}");
    }
    // Names may contain anything, but must not break the table.
    let text = |key: &str| line[key].as_str().unwrap_or_default().escape_debug().to_string();
    let (process, state) = match text("kind").as_str() {
        "started" => ("*".into(), "(a new run)".into()),
        "dropped" => ("*".into(), format!("({} events were dropped)", line["count"])),
        "server" => match line["waiting"].as_u64() {
            Some(waiting @ 1..) => ("*".into(), format!("{} ({waiting} events behind)", text("state"))),
            _ => ("*".into(), text("state")),
        },
        _ => (
            format!("{}:{}", text("group"), text("process")),
            text("state") + if line["uncertain"] == true { "?" } else { "" },
        ),
    };
    let pid = line["pid"].as_u64().map_or_else(String::new, |pid| pid.to_string());
    let [age, heard] = ["age", "heard_age"].map(|key| line[key].as_i64().map_or_else(String::new, in_words));
    row([&text("host"), &text("server"), &process, &state, &pid, &age, &heard, &text("since")], output)
}

/// A duration in its two largest units.
fn in_words(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn row([host, server, process, state, pid, age, heard, since]: [&str; 8], output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{host:<20} {server:<14} {process:<32} {state:<10} {pid:>8} {age:>7} {heard:>7} {since}")
}
