//! Which events have been acted on: by any process of the pool, in this run of supervisord.

use std::collections::VecDeque;
use std::os::unix::process::parent_id;
use std::process;

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::run_of_parent;
use crate::Failure;
use crate::settings::Common;
use crate::state::State;

/// How many events are remembered. One comes again soon, or not at all.
const REMEMBERED: usize = 64;

pub struct Seen {
    events: State<Events>,
    run: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Events {
    /// Serials begin at 0 with every supervisord.
    run: String,
    recent: VecDeque<Begun>,
}

#[derive(Serialize, Deserialize)]
struct Begun {
    serial: u64,
    /// The process that began to handle it.
    pid: i32,
    done: bool,
}

pub enum Sighting {
    New,
    /// Done, or in the hands of another process.
    Handled,
}

impl Seen {
    pub fn open(settings: &Common) -> Result<Self, Failure> {
        Ok(Self {
            events: State::open(settings, ".events")?,
            run: run_of_parent().unwrap_or_else(|_| parent_id().to_string()),
        })
    }

    /// Takes an event on. One that died with the process that had taken it on is new.
    pub fn begin(&mut self, serial: u64) -> Sighting {
        self.events.update(|events| {
            if events.run != self.run {
                *events = Events { run: self.run.clone(), recent: VecDeque::new() };
            }
            let known = events.recent.iter().position(|begun| begun.serial == serial);
            match known.and_then(|at| events.recent.get(at)) {
                Some(begun) if begun.done || begun.is_in_other_hands() => return Sighting::Handled,
                _ => {}
            }
            known.map(|at| events.recent.remove(at));
            events.recent.push_back(Begun { serial, pid: own_pid(), done: false });
            events.recent.drain(..events.recent.len().saturating_sub(REMEMBERED));
            Sighting::New
        })
    }

    pub fn done(&mut self, serial: u64) {
        self.events.update(|events| {
            events.recent.iter_mut().filter(|begun| begun.serial == serial).for_each(|begun| begun.done = true);
        });
    }
}

impl Begun {
    fn is_in_other_hands(&self) -> bool {
        self.pid != own_pid() && Pid::from_raw(self.pid).is_some_and(|pid| test_kill_process(pid).is_ok())
    }
}

fn own_pid() -> i32 {
    process::id().try_into().unwrap_or_default()
}
