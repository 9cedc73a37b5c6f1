//! Whether something answers at a URL, and how soon.

use std::fs;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::Message;
use ureq::Agent;

use super::Failure;
use super::alerts::secrets::without_credentials;
use super::alerts::tls;
use super::net::connect;
use super::settings::Named;

/// Something that can be checked, and what it is called.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub name: String,
    pub url: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Named { name, value: url } = text.parse()?;
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            let url = without_credentials(&url);
            return Err(format!("has {url:?}, which begins with none of {SCHEMES:?}"));
        }
        Ok(Self { name, url })
    }
}

/// What can be checked: that a connection is accepted, that a request succeeds, that a ping is answered, that a network
/// interface is up.
const SCHEMES: [&str; 4] = ["tcp://", "http://", "ws://", "interface:"];

/// How long the answer took, or why there was none.
pub type Finding = Result<Duration, String>;

/// Checks all of them at once. None takes longer than the timeout.
pub fn check_all(urls: &[&str], timeout: Duration) -> Vec<Finding> {
    let deadline = Instant::now() + timeout;
    let (sender, receiver) = mpsc::channel();
    for (index, url) in urls.iter().map(|url| (*url).to_owned()).enumerate() {
        let sender = sender.clone();
        // Not waited for beyond the deadline: nothing bounds how long the name of a host is looked up.
        thread::spawn(move || {
            let begin = Instant::now();
            let found = check(&url, deadline).map(|()| begin.elapsed()).map_err(|error| error.to_string());
            drop(sender.send((index, found)));
        });
    }
    drop(sender);
    let mut findings = vec![Err("no answer within the deadline".to_owned()); urls.len()];
    while let Ok((index, found)) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        findings[index] = found;
    }
    findings
}

fn check(url: &str, deadline: Instant) -> Result<(), Failure> {
    if let Some(interface) = url.strip_prefix("interface:") {
        let state = fs::read_to_string(format!("/sys/class/net/{interface}/operstate"));
        return match state.map_err(|error| format!("no interface {interface}: {error}"))?.trim() {
            // A tunnel has no carrier to tell of.
            "up" | "unknown" => Ok(()),
            state => Err(format!("the interface is {state}").into()),
        };
    }
    if let Some(address) = url.strip_prefix("tcp://") {
        connect(address.trim_end_matches('/'), deadline)?;
    } else if let Some(rest) = url.strip_prefix("ws://") {
        let host = rest.split(['/', '?']).next().unwrap_or(rest);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        let socket = connect(&address, deadline)?;
        let (mut socket, _) = tungstenite::client(url, socket).map_err(|error| error.to_string())?;
        socket.send(Message::Ping("heartbeat".into()))?;
        while socket.read()? != Message::Pong("heartbeat".into()) {}
        // The answer to this is not waited for.
        drop(socket.close(None));
    } else {
        let left = deadline.saturating_duration_since(Instant::now());
        let config = Agent::config_builder().timeout_global(Some(left)).tls_config(tls::none());
        let agent: Agent = config.build().new_agent();
        agent.get(url).call()?;
    }
    Ok(())
}
