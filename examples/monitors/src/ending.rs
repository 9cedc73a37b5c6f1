//! Ends supervisord, and with it the container it runs in, when a process is lost. A grace period gives the process
//! time to come back. supervisord always exits with 0, so an exit code is left in a file for whatever runs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::Failure;
use crate::files;
use crate::log::{Level, log};
use crate::settings::{Optional, seconds_or_zero};
use crate::supervisord::{Supervisord, find, pid_in, signal_to_end};
use crate::sync::lock;

/// How supervisord ends.
#[derive(Clone, Debug, Args)]
pub struct EndingSettings {
    /// Seconds that a lost process has to come back: it is RUNNING again, or somebody stopped it
    #[arg(long, env, default_value = "0", value_parser = seconds_or_zero)]
    pub grace: Duration,
    /// How supervisord ends: shutdown (a call) or signal (SIGTERM to its process)
    #[arg(long, env, default_value = "shutdown")]
    pub end_by: EndBy,
    /// The pidfile of supervisord, with the process to signal if supervisord cannot be called. If empty, supervisord is
    /// asked for its pid
    #[arg(long, env, default_value = "")]
    pub pidfile: Optional<PathBuf>,
    /// The file to write the exit code to, for container-entrypoint. If empty, none is written
    #[arg(long, env, default_value = "")]
    pub exit_code_file: Optional<PathBuf>,
    /// The exit code to write to that file: 1 to 255
    #[arg(long, env, default_value = "1", value_parser = clap::value_parser!(u8).range(1..))]
    pub exit_code: u8,
}

/// How to end supervisord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndBy {
    Shutdown,
    Signal,
}

impl FromStr for EndBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shutdown" => Ok(Self::Shutdown),
            "signal" => Ok(Self::Signal),
            _ => Err(format!("is shutdown or signal, not {text:?}")),
        }
    }
}

/// Ends supervisord once. No event waits for it.
#[derive(Clone)]
pub struct Ending {
    settings: EndingSettings,
    supervisord: Supervisord,
    /// The processes that are in their grace period.
    in_grace: Arc<Mutex<BTreeSet<String>>>,
    /// Whether supervisord is about to end, for whatever reason.
    ends: Arc<AtomicBool>,
}

impl Ending {
    /// Refuses a directory as the exit code file: otherwise the mistake would only show when a process is lost.
    pub fn new(settings: EndingSettings, supervisord: Supervisord) -> Result<Self, Failure> {
        if let Some(path) = settings.exit_code_file.as_ref().filter(|path| path.is_dir()) {
            return Err(format!("--exit-code-file {} is a directory: name a file in it", path.display()).into());
        }
        Ok(Self { settings, supervisord, in_grace: Arc::default(), ends: Arc::default() })
    }

    /// Records that supervisord is ending, or is running again.
    pub fn supervisord_ends(&self, ends: bool) {
        self.ends.store(ends, Ordering::Relaxed);
    }

    /// Whether supervisord is about to end. Processes that end now are meant to.
    pub fn is_near(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Ends supervisord because this process (`GROUP:NAME`) is lost, unless it comes back within the grace period.
    pub fn after_loss_of(&self, full_name: &str) {
        if self.settings.grace.is_zero() {
            return self.end(full_name);
        }
        let mut in_grace = lock(&self.in_grace);
        if !in_grace.insert(full_name.into()) {
            return;
        }
        drop(in_grace);
        let seconds = self.settings.grace.as_secs_f64();
        log(Level::Warning, format!("{full_name} has {seconds} s to come back"), json!({}));
        let (this, name) = (self.clone(), full_name.to_owned());
        let started = thread::Builder::new().name("grace".into()).spawn(move || {
            thread::sleep(this.settings.grace);
            lock(&this.in_grace).remove(&name);
            if this.has_come_back(&name) {
                log(Level::Info, format!("{name} has come back: supervisord continues"), json!({}));
            } else {
                this.end(&name);
            }
        });
        if let Err(error) = started {
            log(Level::Error, format!("no grace period, because no thread could be started: {error}"), json!({}));
            self.end(full_name);
        }
    }

    fn has_come_back(&self, full_name: &str) -> bool {
        match self.supervisord.processes() {
            Ok(processes) => {
                let process = find(&processes, full_name);
                process.is_none_or(|process| process.runs() || process.is_stopped())
            }
            Err(error) => {
                let message = format!("{error}: it is unknown whether {full_name} has come back");
                log(Level::Error, message, json!({}));
                false
            }
        }
    }

    /// Ends supervisord, and keeps trying until it does.
    fn end(&self, full_name: &str) {
        if self.ends.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(path) = &*self.settings.exit_code_file
            && let Err(error) = write(path, self.settings.exit_code)
        {
            let message = format!("--exit-code-file {}: {error}: the exit code will be 0", path.display());
            log(Level::Error, message, json!({}));
        }
        log(Level::Emergency, format!("{full_name} is lost: supervisord ends"), json!({}));
        let this = self.clone();
        let started = thread::Builder::new().name("ending".into()).spawn(move || this.try_until_done());
        if let Err(error) = started {
            log(Level::Warning, format!("no thread could be started: {error}"), json!({}));
            self.try_until_done();
        }
    }

    fn try_until_done(&self) {
        let mut complained = false;
        while let Err(error) = self.try_to_end() {
            if !complained {
                complained = true;
                log(Level::Emergency, format!("supervisord does NOT end: {error}; trying again"), json!({}));
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn try_to_end(&self) -> Result<(), Failure> {
        if self.settings.end_by == EndBy::Shutdown {
            match self.supervisord.shut_down() {
                Err(error) if self.settings.pidfile.is_some() => {
                    log(Level::Warning, format!("{error}: signalling the process in --pidfile instead"), json!({}));
                }
                answer => return answer,
            }
        }
        let pid = match &*self.settings.pidfile {
            Some(file) => pid_in(file)?,
            None => self.supervisord.pid()?,
        };
        signal_to_end(pid)
    }
}

fn write(path: &Path, code: u8) -> std::io::Result<()> {
    files::replace(path, format!("{code}\n").as_bytes())
}
