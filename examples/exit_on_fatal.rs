//! Shuts supervisord down when a critical process is FATAL. In a container, that ends the
//! container.
//!
//! ```ini
//! [eventlistener:exit_on_fatal]
//! command = /usr/local/bin/exit_on_fatal web worker
//! events = PROCESS_STATE_FATAL
//! buffer_size = 100
//! autorestart = true
//! stderr_logfile = /dev/stderr
//! stderr_logfile_maxbytes = 0
//! ```
//!
//! Without arguments, every process is critical. supervisord exits with 0.

use std::env;
use std::io::{Write, stderr};
use std::process::Command;

use supervisor_events::host::std_io::{ServeError, serve_stdio};
use supervisor_events::{Event, ProcessState, Reply};

fn main() -> Result<(), ServeError> {
    let critical: Vec<String> = env::args().skip(1).collect();
    // supervisord tells its children where they can call it.
    let server = env::var("SUPERVISOR_SERVER_URL").unwrap_or_default();
    serve_stdio(|notification| {
        if let Ok(Event::ProcessState(event)) = notification.event()
            && event.state == ProcessState::Fatal
            && (critical.is_empty() || critical.iter().any(|name| *name == *event.processname))
        {
            writeln!(stderr(), "{} is FATAL: shutting supervisord down", event.processname)?;
            // An error rejects the event, which comes again, up to three times.
            let mut shutdown = Command::new("supervisorctl");
            let status = shutdown.args(["-s", &server, "shutdown"]).status()?;
            if !status.success() {
                return Err(format!("supervisorctl: {status}").into());
            }
        }
        Ok(Reply::OK)
    })
}
