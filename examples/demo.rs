//! Shows `failure_monitor` at work, with nothing else on the machine: a simulated supervisord starts it, sends it the
//! events of a bad day, and shows what is said on both sides. Alerts and calls go to a receiver in this program.
//!
//! ```text
//! demo [FAILURE_MONITOR]
//! ```

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use dxr::{MethodCall, MethodResponse, Value};
use supervisor_events::simulator::{Report, Simulator};

/// What supervisord would send. The process names are odd on purpose: supervisord allows them.
const EVENTS: &[(&str, &str)] = &[
    ("PROCESS_STATE_EXITED", "processname:backtest groupname:backtest from_state:RUNNING expected:1 pid:2701"),
    (
        "PROCESS_STATE_EXITED",
        "processname:genetic_engine groupname:trading_system from_state:RUNNING expected:0 pid:2766",
    ),
    (
        "PROCESS_STATE_EXITED",
        "processname:prijs één: a b groupname:trading_system from_state:RUNNING expected:0 pid:2790",
    ),
    ("PROCESS_STATE_FATAL", "processname:hyperliquid_feed groupname:trading_system from_state:BACKOFF"),
    ("PROCESS_STATE_FATAL", "processname:risk_manager groupname:trading_system from_state:BACKOFF"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let monitor = match env::args_os().nth(1) {
        Some(path) => path,
        None => build("failure_monitor")?,
    };
    let (said, lines) = mpsc::channel();
    let receiver = receive(said.clone())?;

    let mut command = Command::new(monitor);
    command.env("ALERT_URL", format!("http://{receiver}/alerts")).stderr(std::process::Stdio::piped());
    command.env("SUPERVISOR_SERVER_URL", format!("http://{receiver}"));
    let mut simulator = Simulator::spawn(&mut command)?;
    simulator.pool.server = "trading host:9001".into();
    let stderr = simulator.take_stderr().ok_or("the monitor has no standard error")?;
    let monitor = thread::spawn(move || forward(stderr, &said));

    let show = Show { colour: io::stdout().is_terminal() };
    show.reports(&simulator.run(Duration::from_secs(5)));
    for (eventname, payload) in EVENTS {
        simulator.notify(eventname, payload.as_bytes());
        show.reports(&simulator.run(Duration::from_secs(10)));
        // What the monitor said before it answered; the rest comes with the next event, or at the end.
        lines.try_iter().for_each(|line| show.line(&line));
    }
    simulator.close_input();
    let status = simulator.wait(Duration::from_secs(10))?;
    let _ = monitor.join();
    lines.try_iter().for_each(|line| show.line(&line));
    match status {
        Some(status) if status.success() => println!("the monitor has ended, as it should at the end of its input"),
        Some(status) => return Err(format!("the monitor failed: {status}").into()),
        None => return Err("the monitor goes on though its input has ended".into()),
    }
    Ok(())
}

/// A line of the view: who, and what.
enum Line {
    Monitor(String),
    Alert(String),
    /// What supervisord is asked to do.
    Call(String),
}

struct Show {
    colour: bool,
}

impl Show {
    fn print(&self, colour: u8, who: &str, what: &str) {
        if self.colour {
            println!("\x1b[{colour}m{who:>12}\x1b[0m  {what}");
        } else {
            println!("{who:>12}  {what}");
        }
    }

    fn line(&self, line: &Line) {
        match line {
            Line::Monitor(text) => self.print(33, "monitor says", text),
            Line::Alert(text) => self.print(31, "alert", text),
            Line::Call(text) => self.print(35, "call", text),
        }
    }

    fn reports(&self, reports: &[Report]) {
        for report in reports {
            match report {
                Report::Sent(event) => {
                    println!();
                    self.print(36, "event", &format!("{} {}", event.serial, event.eventname));
                    self.print(36, "", &String::from_utf8_lossy(&event.payload));
                }
                Report::State { from, to } => {
                    self.print(90, "listener", &format!("{} → {}", from.name(), to.name()));
                }
                Report::Result { data, accepted, .. } => {
                    let verdict = if *accepted { "processed" } else { "rejected" };
                    self.print(32, "reply", &format!("{} ({verdict})", data.escape_ascii()));
                }
                other => self.print(31, "trouble", &format!("{other:?}")),
            }
        }
    }
}

fn forward(stderr: impl Read, said: &Sender<Line>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let _ = said.send(Line::Monitor(line));
    }
}

/// Takes alerts, and calls to supervisord, on a free port of this machine.
fn receive(said: Sender<Line>) -> Result<String, Box<dyn Error>> {
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").map_err(|error| error.to_string())?);
    let address = server.server_addr().to_string();
    thread::spawn(move || {
        for mut request in server.incoming_requests() {
            let mut body = String::new();
            let _ = request.as_reader().read_to_string(&mut body);
            if request.url() == "/RPC2" {
                let call = MethodCall::from_xml(&body).map(|call| format!("{} {:?}", call.name, call.params));
                let _ = said.send(Line::Call(call.unwrap_or(body)));
                // There are no processes: nothing was stopped.
                let nothing = MethodResponse { value: Value::Array(Vec::new()) }.to_xml().unwrap_or_default();
                let _ = request.respond(tiny_http::Response::from_string(nothing));
            } else {
                let _ = said.send(Line::Alert(body));
                let _ = request.respond(tiny_http::Response::empty(204));
            }
        }
    });
    Ok(address)
}

/// The example beside this one, built by the cargo that built this one.
fn build(example: &str) -> Result<OsString, Box<dyn Error>> {
    let path = env::current_exe()?.with_file_name(format!("{example}{}", env::consts::EXE_SUFFIX));
    if let Some(cargo) = env::var_os("CARGO") {
        let target = path.ancestors().nth(3).map(PathBuf::from).ok_or("where the examples are built is not known")?;
        let mut build = Command::new(cargo);
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", example]);
        build.arg("--target-dir").arg(target);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err(format!("the example {example} cannot be built").into());
        }
    }
    Ok(path.into())
}
