//! Notes in a file which process is FATAL, and starts it again: endlessly, if it cannot run.
//!
//! ```ini
//! [eventlistener:restart_fatal]
//! command = /usr/local/bin/restart_fatal /var/log/fatal.log
//! events = PROCESS_STATE_FATAL
//! buffer_size = 100
//! autorestart = true
//! stderr_logfile = /var/log/restart_fatal.log
//! ```

use std::env;
use std::fs::File;
use std::io::Write;
use std::process::Command;

use supervisor_events::host::std_io::{ServeError, serve_stdio};
use supervisor_events::{Event, Reply};

fn main() -> Result<(), ServeError> {
    let path = env::args().nth(1).unwrap_or_else(|| "fatal.log".into());
    // supervisord tells its children where they can call it.
    let server = env::var("SUPERVISOR_SERVER_URL").unwrap_or_default();
    serve_stdio(|notification| {
        if let Ok(Event::ProcessState(event)) = notification.event() {
            let process = format!("{}:{}", event.groupname, event.processname);
            // With `?`, the event is rejected and comes again, up to three times.
            // Then the line is there more than once.
            writeln!(File::options().append(true).create(true).open(&path)?, "{process}")?;
            // If the process cannot run, that is the next event.
            Command::new("supervisorctl").args(["-s", &server, "start", &process]).status()?;
        }
        Ok(Reply::OK)
    })
}
