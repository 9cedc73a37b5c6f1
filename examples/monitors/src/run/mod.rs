//! The common part of every program: a `main` that reads settings and reports errors; for monitors also the event loop,
//! which recognises repeated events and ends in order.

mod dead_letters;
mod hold;
mod identity;
mod presence;
mod seen;
mod table;

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rustix::io::Errno;
use serde_json::json;
use signal_hook::consts::{SIGTERM, SIGXFSZ};
use supervisor_events::host::std_io::Serve;
use supervisor_events::{Event, EventError, Header, Notification, Reply};

use crate::Failure;
use crate::alerts::{Alert, Alerts, Severity};
use crate::log::{self, Level, log};
use crate::settings::{self, Common};
use crate::supervisord::log_failure;
use dead_letters::DeadLetters;
pub use hold::{Unanswered, hold};
pub use identity::run_of_parent;
use seen::{Seen, Sighting};

/// Decides what to do about events.
pub trait Monitor: Sized {
    type Settings: Parser;

    /// The common settings, among the monitor's own.
    fn common(settings: &Self::Settings) -> &Common;

    fn new(settings: Self::Settings) -> Result<Self, Failure>;

    /// Its alerts, if it sends any.
    fn alerts(&self) -> Option<&Alerts>;

    /// Handles a new event. An error is logged, and the event is answered; but [`Unanswered`] ends the process, and the
    /// event comes again.
    fn handle(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure>;
}

/// What is known about an event besides its content.
pub struct Context<'a> {
    pub header: &'a Header<'a>,
    /// Identifies this run of supervisord: each run's serials begin at 0.
    pub run: &'a str,
    /// How many bytes of the payload are missing, because the event was too large.
    pub omitted: u64,
    /// The payload as received.
    pub payload: &'a [u8],
}

/// A program's `main`: starts the log, reads the settings and runs `act`. Logs an error.
pub fn main<S: Parser>(program: &'static str, act: impl FnOnce(S) -> Result<(), Failure>) -> ExitCode {
    log::start(program);
    let acted = outlive_file_limits().map_err(Into::into).and_then(|()| settings::read(program));
    let acted = acted.and_then(|settings| settings.map_or(Ok(()), act));
    match acted {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(Level::Error, with_cure(&error.to_string()), json!({}));
            ExitCode::FAILURE
        }
    }
}

/// A file that may not grow (RLIMIT_FSIZE) is an error like a full disk, as long as its signal does not end the process.
fn outlive_file_limits() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// The error of a process that may not open a file more does not say where the limit is.
fn with_cure(error: &str) -> String {
    let is_limit = io::Error::from(Errno::MFILE).to_string();
    if !error.contains(&is_limit) {
        return error.to_owned();
    }
    format!(
        "{error}: raise the limit of open files (`ulimit -n`, or LimitNOFILE of supervisord's service) to 64 or more"
    )
}

/// A monitor's `main`: creates the monitor, and passes it events until SIGTERM or end of input.
pub fn monitor<M: Monitor>(program: &'static str) -> ExitCode {
    main(program, |settings| {
        let common = M::common(&settings).clone();
        serve(&common, M::new(settings)?)
    })
}

/// A socket that becomes readable at SIGTERM.
pub fn at_sigterm() -> io::Result<UnixStream> {
    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, signal)?;
    Ok(stop)
}

fn serve(settings: &Common, monitor: impl Monitor) -> Result<(), Failure> {
    let (seen, newest) = Seen::open(settings)?;
    let mut worker = Worker { monitor, seen, dead_letters: DeadLetters::new(settings) };
    let stop = at_sigterm()?;
    hold::end_on_sigterm()?;
    let report = |report: fmt::Arguments<'_>| log(Level::Error, report.to_string(), json!({}));
    // The handler fails only if an event must not be answered. Rejecting it would bring it back at once.
    let serve = Serve::new().length_unit(settings.server.length_unit).stop_on(stop.as_fd()).report(report);
    let serve = serve.reject_errors(false);
    let serve = match newest {
        Some(newest) => serve.resume(newest),
        None => serve,
    };
    serve.stdio(|notification| {
        worker.take(notification)?;
        Ok(Reply::OK)
    })?;
    Ok(())
}

struct Worker<M> {
    monitor: M,
    seen: Seen,
    dead_letters: DeadLetters,
}

impl<M: Monitor> Worker<M> {
    /// Handles an event, unless that has been done before. An error means that it must not be answered.
    fn take(&mut self, notification: &Notification<'_>) -> Result<(), Unanswered> {
        let header = &notification.header;
        let taken = match self.seen.begin(header) {
            // Another pool rejected it, so supervisord resent it to all; or our predecessor died before its answer
            // arrived.
            Sighting::Handled => {
                log(Level::Info, "event came again: nothing more to do", which(header));
                return Ok(());
            }
            Sighting::New => {
                if notification.omitted > 0 {
                    let message = format!("an event is too large: its last {} bytes are missing", notification.omitted);
                    log(Level::Error, message, which(header));
                }
                self.handle(notification)
            }
            Sighting::Deadly(tries) => self.set_aside(notification, &format!("{tries} processes died over it")),
        };
        match taken {
            Ok(()) => self.seen.done(header),
            Err(_) => self.seen.give_back(header),
        }
        taken
    }

    fn handle(&mut self, notification: &Notification<'_>) -> Result<(), Unanswered> {
        let header = &notification.header;
        let run = self.seen.run();
        let handled = match notification.event() {
            Ok(event) => {
                let context = context(notification, &run);
                self.monitor.handle(&context, &event)
            }
            // A plugin's event: a monitor that does not know it does not need it.
            Err(EventError::UnknownType) => Ok(()),
            Err(error) => return self.set_aside(notification, &format!("its payload cannot be parsed: {error}")),
        };
        let Err(error) = handled else { return Ok(()) };
        match error.downcast::<Unanswered>() {
            Ok(unanswered) => Err(*unanswered),
            Err(error) => {
                // Any other failure is only logged.
                log_failure(Level::Error, &error, error.to_string(), which(header));
                Ok(())
            }
        }
    }

    fn set_aside(&self, notification: &Notification<'_>, why: &str) -> Result<(), Unanswered> {
        let (header, run) = (&notification.header, self.seen.run());
        if let Some(alerts) = self.monitor.alerts() {
            let details = json!({ "monitor": log::monitor(), "eventname": header.eventname(), "why": why });
            let context = context(notification, &run);
            alerts.send(&context, [Alert::new(Severity::Critical, "EVENT_SET_ASIDE", None, details)]);
        }
        self.dead_letters.keep(notification, &run, why)
    }
}

fn context<'a>(notification: &'a Notification<'_>, run: &'a str) -> Context<'a> {
    let Notification { header, payload, omitted, .. } = notification;
    Context { header, run, omitted: *omitted, payload }
}

fn which(header: &Header<'_>) -> serde_json::Value {
    json!({ "serial": header.serial(), "eventname": header.eventname() })
}
