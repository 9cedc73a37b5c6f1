//! Collects the output of all processes in one place: pieces of output are assembled into lines, which go to files,
//! syslog or journald.
//!
//! ```text
//! PROCESS_LOG ─▶ Pending ─▶ lines ─▶ daemons (syslog, journald): each waits for a moment, then drops and counts
//!                  │                 files: written before the event is answered, however long that takes
//!               STATE_DIR
//! ```

mod daemon;
mod file;
mod journald;
mod line;
mod literal;
mod pending;
mod syslog;
mod target;
mod transport;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Args};
use serde_json::json;
use supervisor_events::{Event, ProcessState};

use crate::log::{Level, log};
use crate::names::{ProcessPattern, is_own_pool};
use crate::run::{Context, hold};
use crate::settings::{Common, List, seconds};
use crate::state::State;
use crate::{Failure, files, lock};
use daemon::Daemon;
use file::Files;
pub use line::{Line, Source, Wholeness};
use pending::{Output, Pending};
pub use syslog::Facility;
use target::Target;

/// Where lines go, and how they are cut.
#[derive(Clone, Debug, Args)]
pub struct CollectSettings {
    /// Where lines go, separated by commas: json:PATH, text:PATH, syslog, syslog:SOCKET, syslog+udp://HOST:PORT,
    /// syslog+tcp://HOST:PORT, journald, journald:SOCKET. A path may hold {group}, {process} and {channel}
    #[arg(long, env, default_value = "")]
    log_to: List<Target>,
    /// Processes whose output is collected: NAME, GROUP:NAME, GROUP:* or *, separated by commas
    #[arg(long, env, default_value = "*")]
    processes: List<ProcessPattern>,
    /// The longest line in bytes, 64 to 131072. A longer line is cut into several, which are marked as cut
    #[arg(long, env, default_value = "16384", value_parser = clap::value_parser!(u32).range(64..=131_072))]
    max_line: u32,
    /// Seconds after which an incomplete line is written, marked as unfinished. Needs ticks
    #[arg(long, env, default_value = "10", value_parser = seconds)]
    unfinished_after: Duration,
    /// Whether to remove colours and other terminal escape sequences: true or false
    #[arg(long, env, default_value = "false", action = ArgAction::Set)]
    strip_ansi: bool,
    /// Rotate a file before it gets larger than this many bytes
    #[arg(long, env, default_value = "52428800", value_parser = clap::value_parser!(u64).range(1024..))]
    rotate_bytes: u64,
    /// How many rotated files to keep: PATH.1 is the newest
    #[arg(long, env, default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    rotate_keep: u32,
    /// The facility of syslog messages: user, daemon, local0 to local7
    #[arg(long, env, default_value = "local0")]
    syslog_facility: Facility,
    /// Seconds that an event waits for syslog or journald. After that, lines for it are dropped, counted and reported
    /// until it accepts them again
    #[arg(long, env, default_value = "2", value_parser = seconds)]
    sink_wait: Duration,
}

/// Assembles lines, and writes them.
pub struct Collector {
    settings: CollectSettings,
    said_own: bool,
    state: State<Pending>,
    /// A copy of the state: only this process changes it.
    pending: Pending,
    files: Vec<Files>,
    daemons: Vec<Daemon>,
    /// The lock that keeps other processes of the pool out while this one runs.
    _alone: Option<File>,
}

impl Collector {
    /// An error names the wrong setting.
    pub fn new(settings: CollectSettings, common: &Common) -> Result<Self, Failure> {
        if settings.log_to.is_empty() {
            return Err("--log-to is empty: set it to where lines go, such as json:/var/log/processes.jsonl".into());
        }
        let mut files = Vec::new();
        let mut daemons = Vec::new();
        for target in settings.log_to.iter() {
            match target {
                Target::File(file) => {
                    files.push(
                        Files::open(file, settings.rotate_bytes, settings.rotate_keep)
                            .map_err(|error| format!("--log-to {target}: cannot write there: {error}"))?,
                    );
                }
                Target::Daemon(kind) => daemons.push(Daemon::new(kind, settings.syslog_facility, settings.sink_wait)),
            }
        }
        let mut state = State::open(common, "")?;
        let alone = common.state_dir.as_deref().map(be_alone_in).transpose()?;
        let pending = state.get();
        Ok(Self { settings, said_own: false, state, pending, files, daemons, _alone: alone })
    }

    /// Handles an event. When this returns, its lines are in all files.
    pub fn take(&mut self, context: &Context<'_>, event: &Event<'_>) -> Result<(), Failure> {
        let serial = context.header.serial();
        if self.pending.has_taken(context.run, serial) {
            return Ok(());
        }
        let mut pending = self.pending.clone();
        let mut lines = Vec::new();
        let limit = self.settings.max_line as usize;
        // Lines begun under an earlier supervisord will never be completed.
        pending.begin_run(context.run, &mut lines);
        match event {
            Event::ProcessLog(event) if self.collects(&event.groupname, &event.processname) => {
                let output = Output::of_log(context, event);
                pending.add(&output, event.data, limit, &mut lines);
            }
            Event::ProcessCommunication(event) if self.collects(&event.groupname, &event.processname) => {
                let output = Output::of_communication(context, event);
                pending::whole(&output, event.data, limit, &mut lines);
            }
            Event::ProcessState(event) if has_ended(event.state) => {
                pending.finish(&event.groupname, &event.processname, &mut lines);
            }
            _ => {}
        }
        pending.finish_older(self.settings.unfinished_after, &mut lines);
        if self.settings.strip_ansi {
            lines.iter_mut().for_each(Line::strip_ansi);
        }
        self.write(&lines)?;
        if pending.differs(&self.pending) {
            pending.taken(serial);
            self.state.set(pending.clone());
        }
        self.pending = pending;
        Ok(())
    }

    /// Whether to collect a process's output. This listener's own output is never collected: each line in its log would
    /// cause another.
    fn collects(&mut self, group: &str, name: &str) -> bool {
        if !is_own_pool(group) {
            return self.settings.processes.matches(group, name);
        }
        if !self.said_own {
            self.said_own = true;
            let message = "this listener's own standard error comes as events, which are left out: set \
                           stderr_events_enabled = false in its section";
            log(Level::Warning, message, json!({ "process": name, "group": group }));
        }
        false
    }

    fn write(&mut self, lines: &[Line]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        // Daemons first, because they never wait long: a full disk must not keep lines from them.
        self.daemons.iter_mut().for_each(|daemon| daemon.deliver(lines));
        for file in &mut self.files {
            if let Err(error) = file.append(lines) {
                hold(&format!("{file} lacks lines"), error, || file.append(lines))?;
            }
        }
        Ok(())
    }
}

impl Drop for Collector {
    /// The processes that began lines may be gone by the next start.
    fn drop(&mut self) {
        let mut pending = self.pending.clone();
        let mut lines = Vec::new();
        pending.finish_all(&mut lines);
        if lines.is_empty() {
            return;
        }
        if self.settings.strip_ansi {
            lines.iter_mut().for_each(Line::strip_ansi);
        }
        let written: Result<Vec<()>, _> = self.files.iter_mut().map(|file| file.append(&lines)).collect();
        match written {
            Ok(_) => {
                self.daemons.iter_mut().for_each(|daemon| daemon.deliver(&lines));
                self.state.set(pending);
            }
            // With a state directory, the next process still has them.
            Err(error) => {
                let message = format!("unfinished lines could not be written at the end: {error}");
                log(Level::Error, message, json!({ "lines": lines.len() }));
            }
        }
    }
}

/// Fails if another process of this pool uses the directory: the pieces of a line would go to different processes.
fn be_alone_in(directory: &Path) -> Result<File, Failure> {
    let locked = lock::soon(&directory.join(format!("{}.alone", files::of_pool())));
    locked.map_err(|error| {
        let cure = "set numprocs = 1, because the pieces of a line must all come to one process";
        format!("--state-dir {directory:?}: {error}: {cure}").into()
    })
}

fn has_ended(state: ProcessState) -> bool {
    matches!(
        state,
        ProcessState::Exited
            | ProcessState::Stopped
            | ProcessState::Backoff
            | ProcessState::Fatal
            | ProcessState::Unknown
    )
}
