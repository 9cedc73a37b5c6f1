//! Checks whether the services that trading depends on answer, and how fast.
//!
//! `notation` parses an endpoint, `checks` and `wireguard` check it, and `watch` decides what a result means: whether
//! the endpoint has gone down, or is slow.

mod checks;
mod notation;
pub mod watch;
mod wireguard;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::Failure;
use crate::busy::Busy;
use crate::settings::{List, Optional, number, seconds};
use checks::Tools;
pub use notation::Endpoint;

#[derive(Clone, Debug, Args)]
pub struct EndpointSettings {
    /// What to check: NAME=URL or NAME=URL#OPTION=VALUE&OPTION=VALUE, separated by commas, such as
    /// web=https://127.0.0.1/health#expect=ok&process=site:web. URLs: http://, https://, ws://, wss://,
    /// tcp://HOST:PORT, interface:NAME, wireguard:NAME. Options: status, expect, send, slow-after, process, max-age,
    /// peer
    #[arg(long, env, default_value = "")]
    pub endpoints: List<Endpoint>,
    /// A network interface that must be up, such as tun0: short for vpn=interface:NAME in --endpoints
    #[arg(long, env, default_value = "")]
    pub vpn_interface: Optional<String>,
    /// Seconds within which each endpoint must answer: at most 4, because a tick comes every 5
    #[arg(long, env, default_value = "2", value_parser = deadline)]
    pub deadline: Duration,
    /// Seconds after which an answer counts as slow, unless the endpoint has the option slow-after
    #[arg(long, env, default_value = "1", value_parser = seconds)]
    pub slow_after: Duration,
    /// Alert after this many slow answers in a row
    #[arg(long, env, default_value = "3", value_parser = number::<u32>)]
    pub slow_ticks: u32,
    /// A PEM file with the certificates to trust instead of the system's, for https:// and wss://
    #[arg(long, env, default_value = "")]
    pub endpoint_ca: Optional<PathBuf>,
    /// The command to query WireGuard. If the monitor does not run as root: "sudo -n wg"
    #[arg(long, env, default_value = "wg")]
    pub wg_command: String,
}

/// Parses a number of seconds that leaves time before the next tick.
pub fn deadline(text: &str) -> Result<Duration, String> {
    let deadline = seconds(text)?;
    let late = deadline > Duration::from_secs(4);
    if late { Err("leaves no time before the next tick: 4 seconds at most".into()) } else { Ok(deadline) }
}

/// The latency of the answer, or why there was none.
pub type Finding = Result<Duration, String>;

/// Checks endpoints in parallel.
pub struct Checker {
    slots: Vec<Slot>,
    tools: Arc<Tools>,
    deadline: Duration,
}

struct Slot {
    endpoint: Arc<Endpoint>,
    /// Whether its check is running.
    busy: Arc<AtomicBool>,
}

impl Checker {
    /// A checker for the endpoints in the settings.
    pub fn new(settings: &EndpointSettings) -> Result<Self, Failure> {
        let mut endpoints = settings.endpoints.to_vec();
        endpoints.extend(settings.vpn_interface.as_deref().map(Endpoint::vpn));
        let mut names = BTreeSet::new();
        if let Some(twice) = endpoints.iter().find(|endpoint| !names.insert(&endpoint.name)) {
            return Err(format!("--endpoints uses the name {} twice", twice.name).into());
        }
        let tools = Tools::new(settings.endpoint_ca.as_deref(), &settings.wg_command, &endpoints)?;
        Ok(Self::with(tools, endpoints, settings.deadline))
    }

    /// A checker for these endpoints.
    pub fn of(endpoints: &[Endpoint], deadline: Duration, ca: &Optional<PathBuf>) -> Result<Self, Failure> {
        Ok(Self::with(Tools::new(ca.as_deref(), "wg", endpoints)?, endpoints.to_vec(), deadline))
    }

    fn with(tools: Tools, endpoints: Vec<Endpoint>, deadline: Duration) -> Self {
        let slot = |endpoint| Slot { endpoint: Arc::new(endpoint), busy: Arc::default() };
        Self { slots: endpoints.into_iter().map(slot).collect(), tools: Arc::new(tools), deadline }
    }

    /// The endpoints being checked.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.slots.iter().map(|slot| &*slot.endpoint)
    }

    /// Checks all endpoints in parallel. Waits for none much longer than the deadline.
    pub fn check(&self) -> Vec<Finding> {
        let deadline = Instant::now() + self.deadline;
        let (sender, receiver) = mpsc::channel();
        let mut findings = vec![Err("no answer within the deadline".to_owned()); self.slots.len()];
        for (index, slot) in self.slots.iter().enumerate() {
            let (sender, tools) = (sender.clone(), Arc::clone(&self.tools));
            let check = move |endpoint: &Endpoint| {
                let begin = Instant::now();
                let found = endpoint.check.run(&tools, deadline).map(|()| begin.elapsed());
                found.map_err(|error| error.to_string())
            };
            if let Err(error) = slot.start(check, move |found| drop(sender.send((index, found)))) {
                findings[index] = Err(error);
            }
        }
        drop(sender);
        // Usually a check notices the deadline itself.
        let end = deadline + Duration::from_millis(200);
        while let Ok((index, found)) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            findings[index] = found;
        }
        findings
    }
}

impl Slot {
    /// Starts a check in a thread, unless the previous one is still running: a name look-up, or a command that does not
    /// die, may take arbitrarily long, and such threads must not pile up.
    fn start(
        &self,
        check: impl FnOnce(&Endpoint) -> Finding + Send + 'static,
        tell: impl FnOnce(Finding) + Send + 'static,
    ) -> Result<(), String> {
        let Some(busy) = Busy::begin(&self.busy) else {
            return Err("the check of an earlier tick is past its deadline, and still hangs".into());
        };
        let endpoint = Arc::clone(&self.endpoint);
        let run = move || {
            let found = check(&endpoint);
            // The receiver may start the next check at once.
            drop(busy);
            tell(found);
        };
        let thread = thread::Builder::new().name("check".into()).stack_size(256 << 10).spawn(run);
        thread.map(drop).map_err(|error| format!("no thread to check it: {error}"))
    }
}
