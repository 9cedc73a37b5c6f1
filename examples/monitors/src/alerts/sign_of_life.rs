//! A dead man's switch: a request with each tick, to a receiver that alarms when they stop coming.
//!
//! They stop when the machine, supervisord or the monitor is gone or hangs, and as long as alerts cannot be delivered: all
//! that no alert can tell.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde_json::json;
use ureq::Agent;

use super::http::{Url, agent_of};
use super::{AlertSettings, Alerts};
use crate::Failure;
use crate::log::{Level, log};

/// What gives signs of life.
pub struct SignOfLife {
    agent: Agent,
    url: Url,
    /// To the thread that sends them, once there is one.
    due: Option<SyncSender<()>>,
}

impl SignOfLife {
    pub fn new(url: &Url, settings: &AlertSettings) -> Result<Self, Failure> {
        let agent = agent_of(url, settings)?;
        log(Level::Info, "signs of life are sent", json!({ "to": url.origin() }));
        Ok(Self { agent, url: url.clone(), due: None })
    }

    /// Sends one, unless alerts cannot be delivered. It waits for nobody: if the last one is still on its way, that has
    /// to do.
    pub fn give(&mut self, alerts: &Alerts) {
        if alerts.are_delivered() {
            if self.due.is_none() {
                self.start();
            }
            // Full: the last one is on its way.
            let _ = self.due.as_ref().map(|due| due.try_send(()));
        }
    }

    fn start(&mut self) {
        let (sender, receiver) = sync_channel(1);
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let builder = thread::Builder::new().name("sign-of-life".into()).stack_size(512 << 10);
        match builder.spawn(move || send(&agent, &url, &receiver)) {
            Ok(_) => self.due = Some(sender),
            Err(error) => {
                log(Level::Error, format!("no sign of life, because no thread could be started: {error}"), json!({}))
            }
        }
    }
}

fn send(agent: &Agent, url: &Url, due: &Receiver<()>) {
    let mut failing = false;
    while due.recv().is_ok() {
        let answer = agent.get(url.uri()).call();
        let why = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("http status: {}", answer.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        match &why {
            // Once, not with each: the other end alarms.
            Some(why) if !failing => {
                log(Level::Error, format!("Failed to give a sign of life: {why}"), json!({ "to": url.origin() }));
            }
            None if failing => log(Level::Info, "signs of life are taken again", json!({ "to": url.origin() })),
            _ => {}
        }
        failing = why.is_some();
    }
}
