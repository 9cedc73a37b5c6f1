//! Alerts when processes are lost, and stops trading when the risk manager is.
//!
//! ```ini
//! [eventlistener:failure_monitor]
//! command = /usr/local/bin/failure_monitor --alert-url http://monitoring.internal/alerts
//! events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED
//! buffer_size = 100
//! ```
//!
//! Every loss is a line on standard error. Critical processes that became FATAL, and all that exited unexpectedly, are
//! alerts as well: JSON, by HTTP POST. Without the risk manager, the group of trading processes is stopped. SIGTERM ends
//! the monitor once it has answered the event at hand. `--help` tells the settings.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use lexopt::ValueExt;
use serde_json::{Value, json};
use supervisor_events::host::std::Serve;
use supervisor_events::{
    Delivery, Event, EventError, LengthUnit, Notification, ProcessState, ProcessStateEvent, Reply, SequenceAudit,
};
use ureq::Agent;

/// As `eprintln!`, but in one write, which supervisord can take for one piece of output, and without a panic when
/// nobody reads it.
macro_rules! log {
    ($($line:tt)*) => { drop(io::stderr().write_all((format!($($line)*) + "\n").as_bytes())) };
}

/// Argument, environment variable, default, meaning.
const SETTINGS: [(&str, &str, &str, &str); 7] = [
    ("alert-url", "ALERT_URL", "", "where alerts go, http://HOST/PATH; to standard error alone if empty"),
    ("critical", "CRITICAL_PROCESSES", "risk_manager,hyperliquid_feed,order_executor", "alert when these are FATAL"),
    ("risk-manager", "RISK_MANAGER", "risk_manager", "when this one is FATAL, stop the group"),
    ("group", "TRADING_GROUP", "trading_system", "the group to stop"),
    ("supervisorctl", "SUPERVISORCTL", "supervisorctl", "the program to stop it with"),
    ("timeout", "ALERT_TIMEOUT", "5", "seconds that an alert may take"),
    ("length", "LENGTH_UNIT", "code-points", "what the server's `len` counts: code-points or bytes"),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(settings) = settings()? else { return Ok(()) };
    let unit = match settings["length"].as_str() {
        "code-points" => LengthUnit::CodePoints,
        "bytes" => LengthUnit::Bytes,
        other => return Err(format!("--length is code-points or bytes, not {other:?}").into()),
    };
    let timeout = settings["timeout"].parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let timeout = timeout.ok_or_else(|| format!("--timeout is a number of seconds, not {:?}", settings["timeout"]))?;
    if !settings["alert-url"].is_empty() && !settings["alert-url"].starts_with("http://") {
        return Err(format!("--alert-url begins with http://, not {:?}", settings["alert-url"]).into());
    }
    // Alerts are rare: a connection that was kept may well be dead when the next one is due.
    let agent = Agent::config_builder().timeout_global(Some(timeout)).max_idle_connections(0).build().new_agent();
    let mut monitor = Monitor { settings, agent, audit: SequenceAudit::new() };

    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signal)?;
    Serve::new().length_unit(unit).stop_on(stop.as_fd()).stdio(|notification| {
        monitor.handle(notification);
        // What could not be done was logged. To reject the event would bring it back at once, and keep all others away.
        Ok(Reply::OK)
    })?;
    Ok(())
}

/// Arguments before environment before defaults. None if only help was asked for.
fn settings() -> Result<Option<HashMap<&'static str, String>>, lexopt::Error> {
    let from_env = |variable, default: &str| env::var(variable).unwrap_or_else(|_| default.into());
    let mut settings: HashMap<_, _> =
        SETTINGS.iter().map(|(name, variable, default, _)| (*name, from_env(variable, default))).collect();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                println!("usage: failure_monitor [--SETTING VALUE]...\n");
                for (name, variable, default, meaning) in SETTINGS {
                    println!("  --{name} VALUE\n        {meaning} [environment: {variable}; default: {default:?}]");
                }
                return Ok(None);
            }
            lexopt::Arg::Long(name) => {
                let setting = SETTINGS.iter().find(|setting| setting.0 == name).ok_or(argument.unexpected())?;
                settings.insert(setting.0, arguments.value()?.string()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(settings))
}

struct Monitor {
    settings: HashMap<&'static str, String>,
    agent: Agent,
    audit: SequenceAudit,
}

impl Monitor {
    fn handle(&mut self, notification: &Notification<'_>) {
        let header = &notification.header;
        if let Delivery::Redelivery { .. } = self.audit.observe(header) {
            // Another pool rejected it: supervisord then gives it to this one again.
            return log!("event {} ({}) came again: nothing more to do", header.serial, header.eventname);
        }
        match notification.event() {
            Ok(Event::ProcessState(event)) => match (event.state, event.expected) {
                (ProcessState::Fatal, _) => self.fatal(&event),
                (ProcessState::Exited, Some(false)) => self.exited_unexpectedly(&event),
                _ => {}
            },
            Ok(_) | Err(EventError::UnknownType) => {}
            Err(error) => log!("WARNING: event {} ({}): {error}", header.serial, header.eventname),
        }
    }

    fn fatal(&self, event: &ProcessStateEvent<'_>) {
        let name = event.processname;
        log!("CRITICAL: Process {name} entered FATAL state");
        if name == self.settings["risk-manager"] {
            log!("EMERGENCY: Risk manager failed - stopping all trading");
            // Before the alert, which may take its time.
            self.stop_trading().unwrap_or_else(|error| log!("EMERGENCY: trading is NOT being stopped: {error}"));
        }
        if self.settings["critical"].split(',').any(|critical| critical.trim() == name) {
            let details = json!({
                "message": format!("Critical process {name} failed to start"),
                "from_state": event.from_state,
                "action_required": "immediate_intervention",
            });
            self.alert(event, "PROCESS_FATAL", details);
        }
    }

    fn exited_unexpectedly(&self, event: &ProcessStateEvent<'_>) {
        let pid = event.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
        log!("WARNING: Process {} (PID {pid}) exited unexpectedly", event.processname);
        let details = json!({ "pid": event.pid, "from_state": event.from_state, "requires_investigation": true });
        self.alert(event, "UNEXPECTED_EXIT", details);
    }

    fn alert(&self, event: &ProcessStateEvent<'_>, kind: &str, details: Value) {
        let alert = json!({
            "timestamp": jiff::Timestamp::now().to_string(),
            "severity": "CRITICAL",
            "process": event.processname,
            "group": event.groupname,
            "event": kind,
            "details": details,
            "system": self.settings["group"],
        });
        let url = &self.settings["alert-url"];
        if !url.is_empty() {
            let request = self.agent.post(url).header("content-type", "application/json");
            if let Err(error) = request.send(alert.to_string()) {
                log!("Failed to send alert: {error}: {alert}");
            }
        }
    }

    /// Starts `supervisorctl stop GROUP:*`, and leaves it to a thread: until the processes have ended, other events come.
    fn stop_trading(&self) -> io::Result<()> {
        let from_env = |variable| env::var(variable).map_err(|_| io::Error::other(format!("{variable} is not set")));
        let program = &self.settings["supervisorctl"];
        let (output, its_output) = io::pipe()?;
        let mut command = Command::new(program);
        command.arg("-s").arg(from_env("SUPERVISOR_SERVER_URL")?);
        if let (Ok(user), Ok(password)) = (from_env("SUPERVISOR_USERNAME"), from_env("SUPERVISOR_PASSWORD")) {
            command.args(["-u", &user, "-p", &password]);
        }
        command.arg("stop").arg(format!("{}:*", self.settings["group"]));
        command.stdin(Stdio::null()).stdout(its_output.try_clone()?).stderr(its_output);
        let mut child = command.spawn().map_err(|error| io::Error::other(format!("{program}: {error}")))?;
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                log!("EMERGENCY: {}", String::from_utf8_lossy(&line));
            }
            match child.wait() {
                Ok(status) if status.success() => log!("EMERGENCY: trading was stopped"),
                Ok(status) => log!("EMERGENCY: trading was NOT stopped: supervisorctl: {status}"),
                Err(error) => log!("EMERGENCY: nobody knows whether trading was stopped: {error}"),
            }
        });
        Ok(())
    }
}
