//! Calls supervisord: everything that a listener can ask of it.
//!
//! [`Supervisord`] covers every method of the XML-RPC interface that a listener needs, with its own types for arguments
//! and answers. It connects to SUPERVISOR_SERVER_URL, which supervisord sets for its children, over a unix socket or
//! TCP, with the account in SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD.
//!
//! * **Calls may be made while an event is handled.** supervisord does not wait for its listeners, and answers them
//!   while they are BUSY.
//! * **Every call has a deadline**, 3 seconds unless [`Supervisord::with_deadline`] sets another, whatever supervisord
//!   does. That works because no call waits for a process: `start` returns when supervisord has begun to start it.
//! * **There are four kinds of failures:** [`Refused`] with a [`Fault`], [`Unknown`], [`Misconfigured`], and others,
//!   which may be worth a retry. Each says in words what happened, and the cure if there is one.
//!
//! `docs/calls.md` explains what deadlocks, what comes back as an event, and what must be set up.
//!
//! ```no_run
//! use std::io::{Write, stderr};
//!
//! use supervisor_events::host::std_io::serve_stdio;
//! use supervisor_events::{Event, ProcessState, Reply};
//! use supervisor_monitors::supervisord::{Fault, Supervisord, fault_of};
//!
//! fn main() -> Result<(), supervisor_monitors::Failure> {
//!     let supervisord = Supervisord::from_env();
//!     // Subscribed to PROCESS_STATE_FATAL: one more try for each process that could not be started.
//!     serve_stdio(|notification| {
//!         if let Ok(Event::ProcessState(event)) = notification.event()
//!             && event.state == ProcessState::Fatal
//!         {
//!             let name = format!("{}:{}", event.groupname, event.processname);
//!             match supervisord.start(&name) {
//!                 Ok(()) => writeln!(stderr(), "{name} is being started")?,
//!                 // Somebody was faster.
//!                 Err(error) if fault_of(&error) == Some(Fault::AlreadyStarted) => {}
//!                 Err(error) => writeln!(stderr(), "{name} is not started: {error}")?,
//!             }
//!         }
//!         Ok(Reply::OK)
//!     })?;
//!     Ok(())
//! }
//! ```

mod about;
mod call;
mod check;
mod control;
mod fault;
mod groups;
mod logs;
mod messages;
mod outcome;
mod process;
mod reason;
mod server;
mod signal;
mod stops;

use std::env;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use about::ServerState;
pub use check::{Names, log_failure};
pub use fault::{Fault, Misconfigured, Refused, Unknown, fault_of};
pub use groups::Reloaded;
pub use logs::{Stream, Tail};
pub use outcome::ProcessOutcome;
pub use process::{Process, find};
pub use reason::{End, ends};
pub use server::{pid_in, signal_to_end};
pub use signal::Signal;
pub use stops::{Stops, leave};

/// The default deadline of a call.
const DEADLINE: Duration = Duration::from_secs(3);

/// A supervisord that can be called.
#[derive(Clone)]
pub struct Supervisord {
    url: Option<String>,
    /// A line of a request's header, or empty.
    authorization: String,
    deadline: Duration,
    /// What monitors stopped, if that is recorded.
    stops: Option<stops::Kept>,
}

impl Supervisord {
    /// The supervisord that started this process, from SUPERVISOR_SERVER_URL, SUPERVISOR_USERNAME and
    /// SUPERVISOR_PASSWORD.
    pub fn from_env() -> Self {
        let account = env::var("SUPERVISOR_USERNAME").ok().zip(env::var("SUPERVISOR_PASSWORD").ok());
        let account = account.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        Self::new(env::var("SUPERVISOR_SERVER_URL").ok(), account)
    }

    /// The supervisord at this URL, `unix:///PATH` or `http://HOST:PORT`, with this username and password if it
    /// requires them.
    pub fn at(url: &str, account: Option<(&str, &str)>) -> Self {
        Self::new(Some(url.into()), account)
    }

    /// Whether its URL is known.
    pub fn is_known(&self) -> bool {
        self.url.is_some()
    }

    /// Sets how long each call may take, from connecting to the last byte of the answer.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    fn new(url: Option<String>, account: Option<(&str, &str)>) -> Self {
        let encode = |(user, password)| STANDARD.encode(format!("{user}:{password}"));
        let authorization = account.map(|account| format!("Authorization: Basic {}\r\n", encode(account)));
        Self { url, authorization: authorization.unwrap_or_default(), deadline: DEADLINE, stops: None }
    }
}
