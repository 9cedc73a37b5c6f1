//! Repeated failures form one incident: an alert when it begins, counts while it lasts, and an alert when it is over.
//!
//! An incident is over once the process has been running for a while without a failure, was stopped by somebody, or has
//! been removed.

mod book;

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use supervisor_events::{ProcessStateEvent, SupervisorState};

use crate::Failure;
use crate::alerts::{Alert, Alerts, Measure, Severity, Status};
use crate::log::{Level, log, seconds_now};
use crate::run::Context;
use crate::settings::{Common, seconds};
use crate::state::State;
use crate::supervisord::Supervisord;
use book::{Book, Incident};

#[derive(Clone, Copy, Debug, Args)]
pub struct IncidentSettings {
    /// Seconds that a process must run without a failure to count as recovered
    #[arg(long, env, default_value = "300", value_parser = seconds)]
    pub recovered_after: Duration,
    /// Seconds between two alerts about a process that keeps failing
    #[arg(long, env, default_value = "900", value_parser = seconds)]
    pub repeat_after: Duration,
}

/// Open incidents, and the alerts about them.
pub struct Incidents {
    settings: IncidentSettings,
    book: State<Book>,
    alerts: Alerts,
}

impl Incidents {
    pub fn new(settings: IncidentSettings, common: &Common) -> Result<Self, Failure> {
        let (book, alerts) = (State::open(common, "")?, Alerts::new(common)?);
        Ok(Self { settings, book, alerts })
    }

    /// Where the alerts are sent.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Records that supervisord is shutting down, or is running again.
    pub fn supervisord_is(&mut self, context: &Context<'_>, state: SupervisorState) {
        self.book.update(|book| book.set_ending(context.run, state == SupervisorState::Stopping));
    }

    /// Records a failure, and sends an alert if one is due: always if measures were taken, and never if supervisord is
    /// shutting down. The results of the measures are reported by later alerts.
    pub fn failed(
        &mut self,
        context: &Context<'_>,
        event: &ProcessStateEvent<'_>,
        (kind, severity): (&str, Severity),
        mut details: Value,
        measures: &[Measure],
    ) {
        let (group, name) = (event.groupname.as_str(), event.processname.as_str());
        let told_of = format!("{}/{}", context.run, context.header.serial());
        let (failure, settings) = (Incident::new((group, name), kind, severity, seconds_now(), told_of), self.settings);
        let due = self
            .book
            .update(|book| if book.is_ending(context.run) { None } else { Some(book.fail(failure, &settings)) });
        let Some(incident) = due else {
            return log(Level::Info, "no alert: supervisord is shutting down", json!({ "process": event }));
        };
        if incident.is_none() && measures.is_empty() {
            return;
        }
        if let Some(incident) = incident {
            (details["failures"], details["since"]) = (incident.failures.into(), time(incident.since));
        }
        let alert = Alert::new(severity, kind, Some((name, group)), details).status(Status::Firing);
        let actions = measures.iter().map(|measure| measure.action.clone()).collect();
        self.alerts.send(context, [alert.actions(actions).with_evidence()]);
    }

    /// Reports processes that have recovered. Calls supervisord only if some may have.
    pub fn tell_recovered(&mut self, context: &Context<'_>, supervisord: &Supervisord) -> Result<(), Failure> {
        let (now, settings) = (seconds_now(), self.settings);
        if !self.book.update(|book| book.may_end(now, &settings)) {
            return Ok(());
        }
        let processes = supervisord.processes()?;
        let over = self.book.update(|book| book.over(&processes, now, &settings));
        let alerts = over.iter().map(|Incident { group, name, event, severity, failures, since, last, .. }| {
            let details = json!({ "failures": failures, "since": time(*since), "last": time(*last) });
            Alert::new(*severity, event, Some((name, group)), details).status(Status::Resolved)
        });
        self.alerts.send(context, alerts);
        if !over.is_empty() {
            self.book.update(|book| book.end(&over));
        }
        Ok(())
    }
}

/// Repeated events whose end the monitor cannot detect.
pub struct Storms {
    settings: IncidentSettings,
    book: State<Book>,
}

impl Storms {
    /// The state is kept with the monitor's.
    pub fn new(settings: IncidentSettings, common: &Common) -> Result<Self, Failure> {
        Ok(Self { settings, book: State::open(common, "")? })
    }

    /// Records an occurrence, once for each `number` of an event. Returns the count and the beginning if an alert is
    /// due: when it begins, and at intervals while it lasts.
    pub fn note(&mut self, context: &Context<'_>, number: usize, process: (&str, &str), kind: &str) -> Option<Value> {
        let told_of = format!("{}/{}/{number}", context.run, context.header.serial());
        let failure = Incident::new(process, kind, Severity::Warning, seconds_now(), told_of);
        let due = self.book.update(|book| book.fail(failure, &self.settings))?;
        Some(json!({ "count": due.failures, "since": time(due.since) }))
    }
}

fn time(seconds: i64) -> Value {
    jiff::Timestamp::from_second(seconds).map_or(Value::Null, |time| time.to_string().into())
}
