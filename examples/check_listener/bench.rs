//! How listeners are started: the command, the environment that supervisord would give it, and what is expected of it.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use supervisor_events::ListenerState;

use crate::causes::{self, Cause};
use crate::events::Subscription;
use crate::findings::Finding;
use crate::subject::Subject;

/// How listeners are started, and what they are expected to do.
#[derive(Clone)]
pub struct Bench {
    pub command: Vec<OsString>,
    /// What the listener subscribes to.
    pub events: Subscription,
    /// How long to wait for what is expected.
    pub patience: Duration,
    /// How long to wait after that, to tell a slow listener from a silent one.
    pub grace: Duration,
    /// The pool has a `result_handler` of its own: any answer is correct.
    pub result_handler: bool,
    /// Causes that were found before, and are not reported again.
    pub known: Vec<&'static Cause>,
    /// Watch which process writes. This makes the listener's output a socket, which it is not under supervisord.
    pub watch_writers: bool,
}

impl Bench {
    /// Starts the listener and ends it again.
    pub fn can_start(&self) -> Result<(), String> {
        let program = self.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
        Subject::spawn(self).map(drop).map_err(|error| format!("cannot start {program}: {error}"))
    }

    /// Starts the listener, and waits until it is READY.
    pub fn start(&self) -> Result<Subject<'_>, Box<Finding>> {
        let mut subject = Subject::spawn(self).expect("it could be started before");
        subject.wait_for(ListenerState::Ready)?;
        Ok(subject)
    }

    /// Whether a second instance starts while a first one is running. Some listeners hold a port, or a lock.
    pub fn starts_twice(&self) -> bool {
        let Ok(first) = self.start() else { return true };
        let Ok(mut second) = Subject::spawn(self) else { return true };
        let beside = second.reaches(ListenerState::Ready, self.patience);
        // Was the first one in its way?
        drop(first);
        match beside {
            Ok(true) => true,
            Ok(false) => !matches!(second.reaches(ListenerState::Ready, self.patience / 2), Ok(true)),
            Err(finding) => finding.cause != causes::DIED_AT_START || self.start().is_err(),
        }
    }
}

/// The variables that supervisord sets for its listeners; those that are set already are kept.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("SUPERVISOR_ENABLED", "1"),
    ("SUPERVISOR_PROCESS_NAME", "listener"),
    ("SUPERVISOR_GROUP_NAME", "listener"),
    // Nobody answers there: a listener that calls back finds supervisord gone.
    ("SUPERVISOR_SERVER_URL", "unix:///nonexistent/supervisor.sock"),
];

pub fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let missing = ENVIRONMENT.into_iter().filter(|(name, _)| env::var_os(name).is_none());
    missing.chain(needs_utf8_locale().then_some(("LC_CTYPE", "C.UTF-8")))
}

/// supervisord's Python (3.7 and later) replaces the C locale by C.UTF-8, and its children inherit that, unless LC_ALL
/// is set.
fn needs_utf8_locale() -> bool {
    let value = |name| env::var_os(name).filter(|value| !value.is_empty());
    value("LC_ALL").is_none() && value("LC_CTYPE").is_none_or(|locale| locale == "C" || locale == "POSIX")
}
