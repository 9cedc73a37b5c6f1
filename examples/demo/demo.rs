//! Shows a monitor at work: a simulated supervisord sends it the events of a bad day, and each is printed with the
//! monitor's comment and its reply. Both run in this process, and need nothing but this crate.
//!
//! [`watch`] is the monitor. Under a real supervisord, `host::std_io::serve_stdio` would call it.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use supervisor_events::host::std_io::Serve;
use supervisor_events::simulator::{PoolEvent, Report, Simulator};
use supervisor_events::{Event, LengthUnit, ListenerState, ProcessState, Reply};

const HELP: &str = "\
Shows a monitor at work: a simulated supervisord sends it the events of a bad day.

Usage: demo [OPTIONS]

Options:
  -h, --help     print this help
  -V, --version  print the version

Exit codes:
  0  the monitor answered every event, or the reader of the output is gone
  1  it did not, or the output cannot be written
  2  the command line is wrong

Environment:
  NO_COLOR  if set, the output has no colours; they are also off if the output is not a terminal
";

/// The events that supervisord would send. One name is odd on purpose: supervisord allows it.
const EVENTS: [(&str, &str); 5] = [
    ("PROCESS_STATE_EXITED", "processname:backtest groupname:research from_state:RUNNING expected:1 pid:2701"),
    ("PROCESS_STATE_EXITED", "processname:engine groupname:trading from_state:RUNNING expected:0 pid:2766"),
    ("PROCESS_STATE_EXITED", "processname:prijs één: a b groupname:trading from_state:RUNNING expected:0 pid:2790"),
    ("PROCESS_STATE_FATAL", "processname:feed groupname:trading from_state:BACKOFF"),
    ("PROCESS_STATE_FATAL", "processname:risk_manager groupname:trading from_state:BACKOFF"),
];

/// The monitor: what it says about an event.
fn watch(event: &Event<'_>) -> String {
    match event {
        Event::ProcessState(event) if event.state == ProcessState::Fatal && event.processname == "risk_manager" => {
            format!("EMERGENCY: there is no risk manager; stopping all of {}", event.groupname)
        }
        Event::ProcessState(event) if event.state == ProcessState::Fatal => {
            format!("CRITICAL: {} cannot be started; supervisord has given up", event.processname)
        }
        Event::ProcessState(event) if event.expected == Some(false) => {
            format!("WARNING: {} exited unexpectedly; supervisord starts it again", event.processname)
        }
        Event::ProcessState(event) => format!("{} exited as expected: nothing to do", event.processname),
        other => format!("not for this monitor: {other:?}"),
    }
}

fn main() -> ExitCode {
    let mut text = None;
    for argument in env::args_os().skip(1) {
        match argument.to_str() {
            Some("--help" | "-h") => text = Some(HELP.into()),
            Some("--version" | "-V") => text = Some(format!("demo {}\n", env!("CARGO_PKG_VERSION"))),
            _ => return fail(2, format!("unexpected argument {argument:?} (demo --help lists the options)")),
        }
    }
    let done = match text {
        Some(text) => io::stdout().write_all(text.as_bytes()),
        None => show(),
    };
    match done {
        // A broken pipe means that the reader of the output has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(1, error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, message: String) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(code)
}

fn show() -> io::Result<()> {
    // The monitor's standard input and output, and in the place of its standard error, a channel.
    let (input, to_monitor) = io::pipe()?;
    let (from_monitor, output) = io::pipe()?;
    let (say, said) = mpsc::channel();
    let monitor = thread::spawn(move || {
        Serve::new().run(input, output, |notification| {
            say.send(watch(&notification.event()?))?;
            Ok(Reply::OK)
        })
    });

    let mut simulator = Simulator::new(from_monitor, to_monitor);
    simulator.pool.server = "host:9001".into();
    for (eventname, payload) in EVENTS {
        simulator.notify(eventname, payload.as_bytes());
    }
    let mut screen = Screen::new();
    screen.text("A simulated supervisord sends a monitor the events of a bad day. Both run in this process.")?;
    screen.line(SENT, "sent", "what supervisord writes to the monitor's standard input: a header, and a payload")?;
    screen.line(SAID, "monitor", "what the monitor says about it")?;
    screen.line(REPLY, "reply", "what the monitor writes to its standard output")?;
    while simulator.pool.waiting() != 0 || simulator.state() != ListenerState::Ready {
        // A step sends at most one event, so the monitor's lines before its reply are about that one.
        for report in simulator.step(Duration::from_secs(60)) {
            match report {
                Report::Sent(event) => screen.sent(&simulator, &event)?,
                Report::Result { data, accepted, .. } => {
                    said.try_iter().try_for_each(|line| screen.line(SAID, "monitor", &line))?;
                    screen.reply(&data, accepted)?;
                }
                Report::State { .. } => {}
                other => return Err(io::Error::other(format!("the monitor does not behave: {other:?}"))),
            }
        }
    }

    simulator.close_input();
    match monitor.join() {
        Ok(ended) => ended.map_err(io::Error::other)?,
        Err(_) => return Err(io::Error::other("the monitor panicked")),
    }
    screen.text("")?;
    screen.text("supervisord closes the monitor's standard input, and the monitor ends.")
}

/// Terminal colours.
const SENT: u8 = 36;
const SAID: u8 = 33;
const REPLY: u8 = 32;

struct Screen {
    output: io::Stdout,
    colour: bool,
}

impl Screen {
    fn new() -> Self {
        let output = io::stdout();
        let colour = output.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { output, colour }
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    fn line(&mut self, colour: u8, who: &str, what: &str) -> io::Result<()> {
        if self.colour {
            writeln!(self.output, "\x1b[{colour}m{who:>7}\x1b[0m  {what}")
        } else {
            writeln!(self.output, "{who:>7}  {what}")
        }
    }

    /// The event's bytes: the line of its header, and its payload.
    fn sent(&mut self, simulator: &Simulator, event: &PoolEvent) -> io::Result<()> {
        let mut buffer = [0; 1024];
        let envelope = simulator.pool.envelope(event);
        let bytes = envelope.write_to(LengthUnit::CodePoints, &mut buffer).map_err(io::Error::other)?;
        self.text("")?;
        let mut who = "sent";
        for line in String::from_utf8_lossy(bytes).lines() {
            self.line(SENT, who, line)?;
            who = "";
        }
        Ok(())
    }

    fn reply(&mut self, data: &[u8], accepted: bool) -> io::Result<()> {
        let mut buffer = [0; 1024];
        let bytes = Reply::new(data).encode().write_to(&mut buffer).map_err(io::Error::other)?;
        let verdict = if accepted { "processed" } else { "rejected" };
        self.line(REPLY, "reply", &format!("{}  ({verdict})", bytes.escape_ascii()))
    }
}
