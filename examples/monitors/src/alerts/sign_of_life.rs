//! A dead man's switch: each tick sends a request to a service that raises an alarm when the requests stop.
//!
//! They stop when the machine, supervisord or the monitor is down or hangs, and while alerts cannot be delivered. No
//! alert could report any of these.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde_json::json;
use ureq::Agent;

use super::http::{Url, agent_of};
use super::{AlertSettings, Alerts};
use crate::Failure;
use crate::log::{Level, log};

/// Sends signs of life.
pub struct SignOfLife {
    agent: Agent,
    url: Url,
    /// Wakes the sending thread, once it has been started.
    due: Option<SyncSender<()>>,
}

impl SignOfLife {
    pub fn new(url: &Url, settings: &AlertSettings) -> Result<Self, Failure> {
        let agent = agent_of(url, settings)?;
        log(Level::Info, "signs of life are sent", json!({ "to": url.origin() }));
        Ok(Self { agent, url: url.clone(), due: None })
    }

    /// Sends a sign of life, unless alerts cannot be delivered. Never waits: if the last request is still under way,
    /// this one is skipped.
    pub fn give(&mut self, alerts: &Alerts) {
        if alerts.are_delivered() {
            if self.due.is_none() {
                self.start();
            }
            // Full: the last request is still under way.
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
            // Logged once: the service raises the alarm.
            Some(why) if !failing => {
                log(Level::Error, format!("Failed to give a sign of life: {why}"), json!({ "to": url.origin() }));
            }
            None if failing => log(Level::Info, "signs of life are accepted again", json!({ "to": url.origin() })),
            _ => {}
        }
        failing = why.is_some();
    }
}
