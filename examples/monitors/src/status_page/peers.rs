//! Other status pages that this one shows as well: `--peers NAME=URL,…`.
//!
//! Each peer is queried by a thread of its own, with a deadline, and only while somebody is looking at this page. A
//! browser could not do that: peers are other sites, with tokens of their own.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use hyper::StatusCode;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Uri;

use super::names::{self, parameter};
use crate::Failure;
use crate::alerts::secrets::without_credentials;
use crate::alerts::{Url, agent};
use crate::http::{Request, Response};
use crate::log::{Level, log};
use crate::settings::{List, Named, Optional};
use crate::sync::lock;

/// The deadline for a peer's answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// How often a peer is queried while somebody is looking.
const INTERVAL: Duration = Duration::from_secs(3);

/// If the page has not asked for this long, nobody is looking.
const LOOKING: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const MOST: u64 = 8 << 20;

/// The settings of the page's peers.
#[derive(Clone, Debug, Args)]
pub struct PeerSettings {
    /// Other status pages to show below this one: NAME=URL, separated by commas. With a token,
    /// http://:TOKEN@HOST:PORT/, and only as an environment variable
    #[arg(long, env, default_value = "")]
    pub peers: List<PeerUrl>,
    /// A PEM file with the certificates to trust instead of the system's, for peers at https://
    #[arg(long, env, default_value = "")]
    pub peers_ca: Optional<PathBuf>,
}

/// The name and the URL of another status page.
#[derive(Clone, Debug)]
pub struct PeerUrl {
    name: String,
    url: Url,
}

impl FromStr for PeerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Named { name, value } = text.parse()?;
        let url = value.parse().map_err(|why| format!("has an invalid URL for {name:?}: it {why}"))?;
        if name.is_empty() { Err("has a URL without a name".into()) } else { Ok(Self { name, url }) }
    }
}

impl PeerUrl {
    /// Whether its URL contains a token.
    pub fn has_token(&self) -> bool {
        self.url.has_user()
    }
}

/// All peers.
pub struct Peers {
    peers: Vec<Arc<Peer>>,
    looking: Arc<Looking>,
}

/// When somebody last looked at the page.
#[derive(Default)]
struct Looking {
    last: Mutex<Option<Instant>>,
    changed: Condvar,
}

/// A peer, and what is known about it.
struct Peer {
    name: String,
    /// For browsers: without the token.
    page: String,
    known: Mutex<Known>,
}

#[derive(Clone, Default)]
struct Known {
    /// The version of the status: higher for each new one.
    version: u64,
    status: Option<Arc<Value>>,
    tag: Option<String>,
    /// When this status arrived, and when the peer last answered, in seconds since 1970.
    received: f64,
    answered: Option<f64>,
    error: Option<String>,
}

impl Peers {
    /// Starts a thread for each peer.
    pub fn watch(settings: &PeerSettings) -> Result<Self, Failure> {
        let looking = Arc::new(Looking::default());
        let mut peers = Vec::new();
        for PeerUrl { name, url } in &*settings.peers {
            let agent = agent(url, DEADLINE, 0, ("--peers-ca", settings.peers_ca.as_deref()))?;
            let base = format!("{}/", url.uri().to_string().trim_end_matches('/'));
            let status = format!("{base}status.json").parse::<Uri>()?;
            let peer = Peer { name: name.clone(), page: without_credentials(&base), known: Mutex::default() };
            let peer = Arc::new(peer);
            let (watched, looking) = (Arc::clone(&peer), Arc::clone(&looking));
            let builder = thread::Builder::new().name("peer".into()).stack_size(512 << 10);
            builder.spawn(move || watched.watch(&agent, &status, &looking))?;
            peers.push(peer);
        }
        Ok(Self { peers, looking })
    }

    /// What is known about all peers, without statuses that the client already has: `?known=VERSION,VERSION`.
    pub fn answer(&self, request: &Request) -> Response {
        self.looking.now();
        let had = parameter(request, "known").unwrap_or_default();
        let mut had = had.split(',').map(|version| version.parse::<u64>().ok());
        let peers = self.peers.iter().map(|peer| {
            let known = peer.known();
            let is_had = had.next().flatten() == Some(known.version);
            json!({
                "name": peer.name,
                "url": peer.page,
                "version": known.version,
                "received": known.received,
                "answered": known.answered,
                "error": known.error,
                "status": known.status.as_deref().filter(|_| !is_had),
            })
        });
        names::json(StatusCode::OK, &json!({ "now": now(), "peers": peers.collect::<Vec<_>>() }))
    }
}

impl Looking {
    fn now(&self) {
        *lock(&self.last) = Some(Instant::now());
        self.changed.notify_all();
    }

    /// Waits until somebody looks.
    fn wait(&self) {
        let last = lock(&self.last);
        let nobody = |last: &mut Option<Instant>| last.is_none_or(|last| last.elapsed() > LOOKING);
        drop(self.changed.wait_while(last, nobody));
    }
}

impl Peer {
    fn known(&self) -> Known {
        lock(&self.known).clone()
    }

    fn watch(&self, agent: &Agent, url: &Uri, looking: &Looking) {
        loop {
            looking.wait();
            let before = self.known();
            let answer = ask(agent, url, before.tag.as_deref());
            let after = before.clone().after(answer);
            if before.error.is_none() != after.error.is_none() || before.answered.is_none() && before.error.is_none() {
                let (level, how) = match &after.error {
                    Some(error) => (Level::Warning, format!("cannot be reached: {error}")),
                    None => (Level::Info, "answers".into()),
                };
                log(level, format!("the status page of {} {how}", self.name), json!({ "url": self.page }));
            }
            *lock(&self.known) = after;
            thread::sleep(INTERVAL);
        }
    }
}

/// A new status and its tag; `None` if it is unchanged.
type News = Option<(Value, Option<String>)>;

impl Known {
    fn after(self, answer: Result<News, Failure>) -> Self {
        match answer {
            Ok(Some((status, tag))) => Self {
                version: self.version + 1,
                status: Some(Arc::new(status)),
                tag,
                received: now(),
                answered: Some(now()),
                error: None,
            },
            Ok(None) => Self { answered: Some(now()), error: None, ..self },
            Err(error) => Self { error: Some(error.to_string()), ..self },
        }
    }
}

fn ask(agent: &Agent, url: &Uri, tag: Option<&str>) -> Result<News, Failure> {
    let request = agent.get(url);
    let answer = tag.iter().fold(request, |request, tag| request.header("if-none-match", *tag)).call()?;
    match answer.status().as_u16() {
        200 => {}
        304 => return Ok(None),
        401 => return Err("it requires a token: http://:TOKEN@HOST:PORT/ in PEERS".into()),
        421 => return Err("it does not know this name: add it to its --status-hosts".into()),
        status => return Err(format!("http status: {status}").into()),
    }
    let tag = answer.headers().get("etag").and_then(|tag| Some(tag.to_str().ok()?.to_owned()));
    let body = answer.into_body().with_config().limit(MOST).read_to_vec()?;
    let status: Value = serde_json::from_slice(&body).map_err(|_| "its answer is not that of a status page")?;
    if is_status(&status) { Ok(Some((status, tag))) } else { Err("its answer is not that of a status page".into()) }
}

/// Whether a status has the form that the page expects. Anything else could break the display of other peers.
fn is_status(status: &Value) -> bool {
    let is_list_of = |list: &Value, fits: fn(&Value) -> bool| list.as_array().is_none_or(|all| all.iter().all(fits));
    status["now"].is_number()
        && status["supervisord"].is_object()
        && status["processes"].is_array()
        && is_list_of(&status["processes"], is_process)
        && (status["events"].is_null() || status["events"].is_array())
        && is_list_of(&status["events"], Value::is_object)
}

fn is_process(process: &Value) -> bool {
    let is_number = |value: &Value| value.is_null() || value.is_number();
    let is_text = |value: &Value| value.is_null() || value.is_string();
    let is_history =
        |value: &Value| value.is_null() || value.as_array().is_some_and(|values| values.iter().all(is_number));
    ["group", "name", "state"].iter().all(|key| process[key].is_string())
        && ["since", "restarts", "cpu", "memory"].iter().all(|key| is_number(&process[key]))
        && ["cpu_history", "memory_history"].iter().all(|key| is_history(&process[key]))
        && ["spawn_error", "description"].iter().all(|key| is_text(&process[key]))
        && (process["last_exit"].is_null() || process["last_exit"].is_object())
}

fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_named_and_their_tokens_told_to_nobody() {
        let peers: List<PeerUrl> = "box2=http://:secret@10.0.0.2:9180, box3=https://proxy/box3/".parse().unwrap();
        assert_eq!(peers.iter().map(PeerUrl::has_token).collect::<Vec<_>>(), [true, false]);
        assert!(!format!("{peers:?}").contains("secret"), "{peers:?}");
        for wrong in ["http://h/", "=http://h/", "x=ftp://secret@h/", "x=", "x=:secret@h"] {
            let error = wrong.parse::<List<PeerUrl>>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_is_known_of_a_peer_stays_when_it_is_gone() {
        let process = json!({ "group": "g", "name": "n", "state": "RUNNING", "cpu_history": [null, 1], "cpu": 1.5 });
        let status = json!({ "now": 1, "supervisord": {}, "processes": [process] });
        assert!(is_status(&status));
        // A malformed status could break the display of the peers after it.
        for (place, value) in [
            ("/now", json!("x")),
            ("/supervisord", json!(null)),
            ("/processes", json!({})),
            ("/processes/0", json!(7)),
            ("/processes/0/name", json!(1)),
            ("/processes/0/cpu", json!("<b>")),
            ("/processes/0/cpu_history", json!({})),
            ("/processes/0/cpu_history/1", json!("x")),
        ] {
            let mut other = status.clone();
            *other.pointer_mut(place).unwrap() = value;
            assert!(!is_status(&other), "{other}");
        }
        for (key, value) in [("last_exit", json!(5)), ("spawn_error", json!({})), ("memory_history", json!(7))] {
            let mut other = status.clone();
            other["processes"][0][key] = value;
            assert!(!is_status(&other), "{other}");
        }
        let events = json!({ "now": 1, "supervisord": {}, "processes": [], "events": 9 });
        assert!(!is_status(&events) && !is_status(&json!([])));
        let first = Known::default().after(Ok(Some((status.clone(), Some("t".into())))));
        assert_eq!((first.version, first.error.as_ref(), first.tag.as_deref()), (1, None, Some("t")));
        let gone = first.after(Err("refused".into()));
        assert_eq!((gone.version, gone.error.as_deref(), gone.status.as_deref()), (1, Some("refused"), Some(&status)));
        let back = gone.after(Ok(None));
        assert_eq!((back.version, back.error, back.status.as_deref()), (1, None, Some(&status)));
    }
}
