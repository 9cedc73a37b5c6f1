//! The loop around what a monitor decides: settings, events that come again, events that were lost, the end.

mod seen;

use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use serde_json::json;
use supervisor_events::host::std_io::Serve;
use supervisor_events::{Event, EventError, Header, LengthUnit, Notification, Reply};

use crate::Failure;
use crate::log::{self, log};
use crate::settings::{Setting, Settings};
use seen::{Seen, Sighting};

/// What a monitor makes of events.
pub trait Monitor {
    /// Acts on an event that has not been acted on. What it fails with is logged.
    fn handle(&mut self, header: &Header<'_>, event: &Event<'_>) -> Result<(), Failure>;
}

/// The `main` of the monitor `name`: reads the settings, makes the monitor, and feeds it events until SIGTERM or the end of input.
pub fn run<M: Monitor>(
    name: &'static str,
    about: &str,
    own: &'static [Setting],
    monitor: impl FnOnce(&Settings) -> Result<M, Failure>,
) -> ExitCode {
    log::set_monitor(name);
    let served = Settings::read(about, own).and_then(|settings| match settings {
        Some(settings) => serve(&settings, monitor(&settings)?),
        None => Ok(()),
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log("ERROR", error.to_string(), json!({}));
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: &Settings, mut monitor: impl Monitor) -> Result<(), Failure> {
    let unit = match settings.get("length-unit") {
        "code-points" => LengthUnit::CodePoints,
        "bytes" => LengthUnit::Bytes,
        other => return Err(format!("--length-unit is code-points or bytes, not {other:?}").into()),
    };
    let mut seen = Seen::open(settings)?;
    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signal)?;
    let report = |report: fmt::Arguments<'_>| log("ERROR", report.to_string(), json!({}));
    Serve::new().length_unit(unit).stop_on(stop.as_fd()).report(report).stdio(|notification| {
        let header = &notification.header;
        let which = json!({ "serial": header.serial(), "eventname": header.eventname() });
        match seen.begin(header.serial()) {
            // Another pool rejected it, and supervisord then gives it to all; or our last incarnation died over its reply.
            Sighting::Handled => log("INFO", "event came again: nothing more to do", which),
            Sighting::New => {
                handle(&mut monitor, notification);
                seen.done(header.serial());
            }
        }
        // What could not be done was logged. To reject the event would bring it back at once, and keep all others away.
        Ok(Reply::OK)
    })?;
    Ok(())
}

fn handle(monitor: &mut impl Monitor, notification: &Notification<'_>) {
    let header = &notification.header;
    let handled = match notification.event() {
        Ok(event) => monitor.handle(header, &event),
        // A plugin's, which cannot concern a monitor that does not know it.
        Err(EventError::UnknownType) => Ok(()),
        Err(error) => Err(error.to_string().into()),
    };
    if let Err(error) = handled {
        log("ERROR", error.to_string(), json!({ "serial": header.serial(), "eventname": header.eventname() }));
    }
}
