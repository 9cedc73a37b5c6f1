//! Publishes all events of a supervisord to NATS JetStream or an HTTP server.
//!
//! ```ini
//! [eventlistener:forward_monitor]
//! command = /usr/local/bin/forward_monitor
//! user = monitors
//! environment =
//!     NATS_URL="nats://broker.internal:4222",
//!     NATS_USER="forward",
//!     NATS_PASSWORD_FILE="/etc/monitors/nats-password"
//! events = PROCESS_STATE,PROCESS_GROUP,SUPERVISOR_STATE_CHANGE
//! priority = -10
//! buffer_size = 1000
//! autorestart = true
//! stdout_logfile = NONE
//! stderr_logfile = /var/log/supervisor/%(program_name)s.err
//! stderr_logfile_maxbytes = 10MB
//! ```
//!
//! `--help` lists the settings; README.md has the details.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::SIGTERM;
use supervisor_events::Reply;
use supervisor_events::host::std_io::Serve;
use supervisor_monitors::Failure;
use supervisor_monitors::forward::broker::Broker;
use supervisor_monitors::forward::http::{Http, HttpSettings};
use supervisor_monitors::forward::jetstream::JetStream;
use supervisor_monitors::forward::message::{self, Origin, token};
use supervisor_monitors::forward::queue::Queue;
use supervisor_monitors::forward::settings::Connection;
use supervisor_monitors::forward::sink::{Sink, publish_all};
use supervisor_monitors::forward::spool::Spool;
use supervisor_monitors::forward::streams::{LimitSettings, Streams};
use supervisor_monitors::machine::host_name;
use supervisor_monitors::run;
use supervisor_monitors::settings::{Optional, Server, number, seconds};

/// Publishes all events of a supervisord to NATS JetStream or an HTTP server.
#[derive(Parser)]
struct Settings {
    /// The first part of all subjects: SUBJECT.HOST.EVENTNAME, and SUBJECT.HOST.last.… for the last states
    #[arg(long, env = "FORWARD_SUBJECT", default_value = "supervisor")]
    subject: String,
    /// The name of this machine. If empty, the host name
    #[arg(long, env = "FORWARD_HOST", default_value = "")]
    host: Optional<String>,
    /// A name for this run of supervisord. If empty, it is derived from the boot and supervisord's process; without a
    /// /proc, it must be set
    #[arg(long, env = "FORWARD_RUN", default_value = "")]
    run: Optional<String>,
    /// Directory for events waiting for the broker
    #[arg(long, env = "FORWARD_SPOOL_DIR", default_value = "/var/spool/forward_monitor")]
    spool_dir: PathBuf,
    /// How many bytes of events may wait there. Beyond that, new events are dropped
    #[arg(long, env = "FORWARD_SPOOL_BYTES", default_value = "67108864", value_parser = number::<u64>)]
    spool_bytes: u64,
    /// Seconds within which the broker has to acknowledge an event
    #[arg(long, env = "FORWARD_DEADLINE", default_value = "2", value_parser = seconds)]
    deadline: Duration,
    /// The longest pause between attempts to reach the broker, in seconds
    #[arg(long, env = "FORWARD_LONGEST_PAUSE", default_value = "10", value_parser = seconds)]
    longest_pause: Duration,
    /// Seconds between heartbeats, by which fleet tells a dead machine from a quiet one
    #[arg(long, env = "FORWARD_HEARTBEAT", default_value = "15", value_parser = seconds)]
    heartbeat: Duration,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    limits: LimitSettings,
    #[command(flatten)]
    http: HttpSettings,
}

fn main() -> ExitCode {
    run::main(env!("CARGO_BIN_NAME"), forward)
}

fn forward(settings: Settings) -> Result<(), Failure> {
    let of_parent = || run::run_of_parent().map_err(|error| format!("set --run: {error}"));
    let origin = Origin {
        prefix: settings.subject,
        host: settings.host.0.unwrap_or_else(host_name),
        run: settings.run.0.map_or_else(of_parent, Ok)?,
        process: message::process_name(),
    };
    let (deadline, longest_pause) = (settings.deadline, settings.longest_pause);
    let sink: Box<dyn Sink> = match &*settings.http.http_url {
        Some(url) => Box::new(Http::new(url, &settings.http, deadline)?),
        None => {
            let name = format!("{} {}", origin.host, origin.process);
            let broker = Broker::new(&settings.connection, &name, deadline)?;
            let streams = Streams::new(&broker.stream, &origin.prefix, &settings.limits);
            Box::new(JetStream::new(broker, streams, origin.clone(), settings.heartbeat))
        }
    };

    let directory = &settings.spool_dir;
    let spool = Spool::open(directory, &token(&origin.process), settings.spool_bytes);
    let spool = spool.map_err(|error| format!("--spool-dir {}: {error}", directory.display()))?;
    let stopping = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, stopping.clone())?;
    let stop = run::at_sigterm()?;
    let queue = Arc::new(Queue::new(spool, deadline, stopping));
    let for_sink = queue.clone();
    thread::Builder::new().name("publish".into()).spawn(move || publish_all(sink, &for_sink, longest_pause))?;

    // An event that could not be stored is not answered: supervisord sends it to the next process.
    Serve::new().reject_errors(false).length_unit(settings.server.length_unit).stop_on(stop.as_fd()).stdio(
        |event| {
            queue.take(&origin.event(event))?;
            Ok(Reply::OK)
        },
    )?;
    Ok(())
}
