//! The actions of the page, if allowed: start, stop and restart processes, and clear their logs.
//!
//! ```text
//! POST /processes/GROUP:NAME/start|stop|restart|clear-log
//! POST /groups/GROUP/start|stop|restart
//! POST /all/start|stop|restart
//! POST /selection/start|stop|restart      with {"processes": ["GROUP:NAME", …]}
//! GET  /actions/ID
//! ```
//!
//! Each action runs in a thread of its own, so no event waits for it. The response is sent when the action is done.
//! After two seconds, it is 202 with the action's `id`, which can be used to ask for the outcome.

use std::collections::BTreeMap;
use std::env;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Site, carry_out, names};
use crate::http::{Request, Response};
use crate::log::{Level, log};
use crate::names::ProcessName;
use crate::supervisord::Process;
use crate::sync::lock;

/// How many actions may run at the same time.
const AT_ONCE: usize = 4;

/// How many outcomes are remembered.
const REMEMBERED: usize = 64;

/// How often a request checks its action, and the pause in between.
const LOOKS: u32 = 40;
const LOOK: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Restart,
    ClearLog,
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "start" => Ok(Self::Start),
            "stop" => Ok(Self::Stop),
            "restart" => Ok(Self::Restart),
            "clear-log" => Ok(Self::ClearLog),
            _ => Err(()),
        }
    }
}

/// What to do it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Process(ProcessName),
    Group(String),
    Some(Vec<ProcessName>),
    All,
}

impl Target {
    /// Whether it includes a process.
    pub fn has(&self, process: &Process) -> bool {
        match self {
            Self::Process(name) => is(process, name),
            Self::Some(names) => names.iter().any(|name| is(process, name)),
            Self::Group(group) => process.group == *group,
            Self::All => true,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Process(name) => name.to_string(),
            Self::Group(group) => format!("{group}:*"),
            Self::Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            Self::All => "all".into(),
        }
    }
}

fn is(process: &Process, name: &ProcessName) -> bool {
    process.group == name.group && process.name == name.name
}

/// The result of an action: what was done, or why not.
pub type Outcome = Result<String, String>;

/// Running actions, and recent outcomes.
#[derive(Default)]
pub struct Actions(Mutex<Jobs>);

#[derive(Default)]
struct Jobs {
    last: u64,
    /// `None` while the action is running.
    outcomes: BTreeMap<u64, Option<Outcome>>,
}

impl Actions {
    fn with<R>(&self, change: impl FnOnce(&mut Jobs) -> R) -> R {
        change(&mut lock(&self.0))
    }

    /// A number for a new action. `None` if too many are running.
    fn begin(&self) -> Option<u64> {
        self.with(|jobs| {
            if jobs.outcomes.values().filter(|outcome| outcome.is_none()).count() >= AT_ONCE {
                return None;
            }
            while jobs.outcomes.len() >= REMEMBERED {
                let oldest = jobs.outcomes.iter().find(|(_, outcome)| outcome.is_some()).map(|(id, _)| *id)?;
                jobs.outcomes.remove(&oldest);
            }
            jobs.last += 1;
            jobs.outcomes.insert(jobs.last, None);
            Some(jobs.last)
        })
    }

    fn end(&self, id: u64, outcome: Outcome) {
        self.with(|jobs| jobs.outcomes.insert(id, Some(outcome)));
    }

    fn outcome(&self, id: u64) -> Option<Option<Outcome>> {
        self.with(|jobs| jobs.outcomes.get(&id).cloned())
    }
}

/// An action that is marked as ended when it is dropped, even after a panic.
struct Job {
    site: Arc<Site>,
    id: u64,
    outcome: Outcome,
}

impl Drop for Job {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Ok(String::new()));
        self.site.actions.end(self.id, outcome);
    }
}

/// Answers a request for an action.
pub async fn answer(site: &Arc<Site>, request: &Request) -> Response {
    if !site.may_act {
        let why = "this page is read-only: set --allow-actions true for trading_monitor to change that";
        return names::error(StatusCode::FORBIDDEN, why);
    }
    if request.method() != Method::POST {
        let mut response = names::error(StatusCode::METHOD_NOT_ALLOWED, "an action needs POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if let Some(why) = is_foreign(request.headers()) {
        return names::error(StatusCode::FORBIDDEN, why);
    }
    let Some((target, action)) = asked_for(request.uri().path(), request.body()) else {
        let why = "an action is /processes/GROUP:NAME/ACTION, /groups/GROUP/ACTION, /selection/ACTION or /all/ACTION";
        return names::error(StatusCode::NOT_FOUND, why);
    };
    let Some(id) = site.actions.begin() else {
        let why = format!("{AT_ONCE} actions are under way: try again when one of them has ended");
        return names::error(StatusCode::SERVICE_UNAVAILABLE, &why);
    };
    let what = format!("{action:?} of {}", target.text());
    let by = user(request.headers());
    log(Level::Info, format!("{what} was requested on the status page"), json!({ "user": by }));
    let mut job = Job { site: Arc::clone(site), id, outcome: Err("the action has failed".into()) };
    let act = move || {
        let own = OwnName::from_env();
        job.outcome = carry_out::carry_out(&job.site.supervisord, action, &target, own.as_ref());
        let (level, outcome) = match &job.outcome {
            Ok(done) => (Level::Info, done),
            Err(why) => (Level::Warning, why),
        };
        log(level, format!("{what}: {outcome}"), json!({ "user": by }));
    };
    // If the thread could not be started, the job has been dropped, and so has ended.
    if let Err(error) = thread::Builder::new().name("action".into()).spawn(act) {
        return names::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
    }
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        if let Some(Some(_)) = site.actions.outcome(id) {
            break;
        }
    }
    outcome(site, id)
}

/// Answers a request for the outcome of an action.
pub fn outcome_of(site: &Arc<Site>, id: &str) -> Response {
    let id = id.parse().unwrap_or_default();
    outcome(site, id)
}

fn outcome(site: &Arc<Site>, id: u64) -> Response {
    match site.actions.outcome(id) {
        None => names::error(StatusCode::NOT_FOUND, "the outcome of this action is unknown"),
        Some(None) => names::json(StatusCode::ACCEPTED, &json!({ "id": id })),
        Some(Some(Ok(message))) => names::json(StatusCode::OK, &json!({ "id": id, "message": message })),
        Some(Some(Err(why))) => names::json(StatusCode::CONFLICT, &json!({ "id": id, "error": why })),
    }
}

/// Why a request is refused if it does not come from the page. Foreign pages can make a browser send a form, but not
/// these headers.
fn is_foreign(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("x-requested-with".parse().ok()?) != Some("status-page") {
        return Some("an action needs the header X-Requested-With: status-page");
    }
    let kind = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Some("an action needs the header Content-Type: application/json");
    }
    // Browsers always send it. The page may be behind a proxy with TLS, so the scheme is ignored.
    let origin = text(ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let is_ours = origin.is_none() || origin == text(HOST);
    if is_ours { None } else { Some("this action was requested by another page: its Origin is not this Host") }
}

/// Who is acting, as far as is known: the user name sent with the token.
fn user(headers: &HeaderMap) -> Option<String> {
    use base64::Engine;
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, account) = given.split_once(' ')?;
    let account = base64::engine::general_purpose::STANDARD.decode(account.trim()).ok()?;
    let name = account.split(|byte| *byte == b':').next().filter(|name| !name.is_empty())?;
    scheme.eq_ignore_ascii_case("basic").then(|| String::from_utf8_lossy(name).into_owned())
}

/// Parses a path.
fn asked_for(path: &str, body: &[u8]) -> Option<(Target, Action)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let target = match parts.next()? {
        "processes" => Target::Process(names::process(parts.next()?)?),
        "groups" => Target::Group(names::decode(parts.next()?)?),
        "all" => Target::All,
        "selection" => {
            let Selection { processes } = serde_json::from_slice(body).ok()?;
            Target::Some(processes.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    let action = parts.next()?.parse().ok()?;
    let is_possible = action != Action::ClearLog || matches!(target, Target::Process(_));
    (is_possible && parts.next().is_none()).then_some((target, action))
}

/// The body of a request for several processes.
#[derive(Deserialize)]
struct Selection {
    processes: Vec<String>,
}

/// supervisord's name for this process.
pub struct OwnName(ProcessName);

impl OwnName {
    fn from_env() -> Option<Self> {
        let [group, name] = ["SUPERVISOR_GROUP_NAME", "SUPERVISOR_PROCESS_NAME"].map(|name| env::var(name).ok());
        Some(Self(ProcessName { group: group?, name: name? }))
    }

    /// Whether it is this process, whose end would also end the action.
    pub fn is(&self, process: &Process) -> bool {
        is(process, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_is_meant() {
        let process = |group: &str, name: &str| Target::Process(ProcessName { group: group.into(), name: name.into() });
        for (path, expected) in [
            ("/processes/g:n/start", Some((process("g", "n"), Action::Start))),
            ("/processes/g:a%20b%2Fc%3Ad/clear-log", Some((process("g", "a b/c:d"), Action::ClearLog))),
            ("/processes/n/stop", Some((process("n", "n"), Action::Stop))),
            ("/groups/%C3%A9/restart", Some((Target::Group("é".into()), Action::Restart))),
            ("/all/stop", Some((Target::All, Action::Stop))),
            ("/all/clear-log", None),
            ("/groups/g/clear-log", None),
            ("/processes/g:*/stop", None),
            ("/processes/g:%ff/stop", None),
            ("/processes/g:n/kill", None),
            ("/processes/g:n/stop/", None),
            ("/processes/stop", None),
            ("/", None),
        ] {
            assert_eq!(asked_for(path, b""), expected, "{path}");
        }
        let names = ["g:n", "g:a b"].map(|name| name.parse().unwrap()).into();
        let selection = |body: &str| asked_for("/selection/stop", body.as_bytes());
        assert_eq!(selection(r#"{"processes": ["g:n", "g:a b"]}"#), Some((Target::Some(names), Action::Stop)));
        for wrong in ["", "{}", r#"{"processes": ["g:*"]}"#, r#"{"processes": [1]}"#] {
            assert_eq!(selection(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_page_itself_may_act() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let page = [("x-requested-with", "status-page"), ("content-type", "application/json"), ("host", "localhost:1")];
        let with = |more: (&'static str, &'static str)| is_foreign(&headers(&[&page[..], &[more]].concat()));
        assert_eq!(is_foreign(&headers(&page)), None);
        assert_eq!(with(("origin", "http://localhost:1")), None);
        assert_eq!(with(("origin", "https://localhost:1")), None);
        for origin in ["http://evil.example", "http://localhost:2", "null", "http://localhost"] {
            assert!(with(("origin", origin)).is_some(), "{origin}");
        }
        for missing in 0..2 {
            let mut rest = page.to_vec();
            rest.remove(missing);
            assert!(is_foreign(&headers(&rest)).is_some(), "{missing}");
        }
    }

    #[test]
    fn only_a_few_actions_are_under_way_and_only_some_outcomes_remembered() {
        let actions = Actions::default();
        let ids: Vec<_> = (0..AT_ONCE).map(|_| actions.begin().unwrap()).collect();
        assert_eq!(actions.begin(), None);
        for _ in 0..REMEMBERED {
            actions.end(ids[0], Ok("done".into()));
            let id = actions.begin().unwrap();
            actions.end(id, Err("failed".into()));
        }
        actions.with(|jobs| assert!(jobs.outcomes.len() <= REMEMBERED));
        assert_eq!(actions.outcome(ids[1]), Some(None), "what is under way is not forgotten");
        assert_eq!(actions.outcome(0), None);
    }
}
