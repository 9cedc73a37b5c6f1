//! Publishes every event of a supervisord to NATS JetStream. `--help` tells the settings, README.md the rest.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use async_nats::jetstream::stream;
use signal_hook::consts::SIGTERM;
use supervisor_events::host::std_io::Serve;
use supervisor_events::{LengthUnit, Reply};
use supervisor_monitors::Failure;
use supervisor_monitors::forward::broker::Broker;
use supervisor_monitors::forward::log::exit_code;
use supervisor_monitors::forward::message::{self, Origin, token};
use supervisor_monitors::forward::queue::Queue;
use supervisor_monitors::forward::settings::{Settings, Table};
use supervisor_monitors::forward::spool::Spool;

const SETTINGS: Table = &[
    ("subject", "FORWARD_SUBJECT", "supervisor", "what subjects begin with: SUBJECT.HOST.EVENTNAME"),
    ("duplicate-window", "FORWARD_DUPLICATE_WINDOW", "120", "of a stream that is created: seconds"),
    ("host", "FORWARD_HOST", "", "this machine; its host name if empty"),
    ("run", "FORWARD_RUN", "", "what tells this run of supervisord from others; from its process if empty"),
    ("spool-dir", "FORWARD_SPOOL_DIR", "/var/spool/forward_monitor", "where events wait for the broker"),
    ("spool-bytes", "FORWARD_SPOOL_BYTES", "67108864", "how many bytes of them; then new ones are dropped"),
    ("deadline", "FORWARD_DEADLINE", "2", "seconds that the broker may take for an event"),
    ("longest-pause", "FORWARD_LONGEST_PAUSE", "10", "seconds between two attempts to reach the broker, at most"),
    ("length", "LENGTH_UNIT", "code-points", "what the server's `len` counts: code-points or bytes"),
];

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<(), Failure> {
    let Some(settings) = Settings::read("forward_monitor", SETTINGS)? else { return Ok(()) };
    let unit = match settings.text("length") {
        "code-points" => LengthUnit::CodePoints,
        "bytes" => LengthUnit::Bytes,
        other => return Err(format!("--length is code-points or bytes, not {other:?}").into()),
    };
    let of_parent = || message::run_of_parent().map_err(|error| format!("set --run: {error}"));
    let origin = Origin {
        prefix: settings.text("subject").into(),
        host: settings.optional("host").map_or_else(message::host_name, Into::into),
        run: settings.optional("run").map_or_else(of_parent, |run| Ok(run.into()))?,
        process: message::process_name(),
    };
    let deadline = settings.seconds("deadline")?;
    let longest_pause = settings.seconds("longest-pause")?;
    let broker = Broker::new(&settings, &format!("{} {}", origin.host, origin.process), deadline)?;
    let config = stream::Config {
        name: broker.stream.clone(),
        subjects: vec![format!("{}.>", origin.prefix)],
        duplicate_window: settings.seconds("duplicate-window")?,
        ..Default::default()
    };

    let directory = Path::new(settings.text("spool-dir"));
    let spool = Spool::open(directory, &token(&origin.process), settings.number("spool-bytes")?);
    let spool = spool.map_err(|error| format!("--spool-dir {}: {error}", directory.display()))?;
    let stopping = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, stopping.clone())?;
    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, signal)?;
    let queue = Arc::new(Queue::new(spool, deadline, stopping));
    let for_broker = queue.clone();
    thread::spawn(move || broker.publish_all(&for_broker, &config, longest_pause));

    // An event that could not be kept is not answered: supervisord gives it to the next process.
    Serve::new().reject_errors(false).length_unit(unit).stop_on(stop.as_fd()).stdio(|event| {
        queue.take(&origin.event(event))?;
        Ok(Reply::OK)
    })?;
    Ok(())
}
