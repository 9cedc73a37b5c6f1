//! Checks endpoints by an answer of the application. An accepted connection says little: the kernel accepts connections
//! even if the process is stopped or hangs.

use std::fs;
use std::io::{Read, Write};
use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{ClientRequestBuilder, Message};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::{Endpoint, wireguard};
use crate::Failure;
use crate::alerts::tls::Authorities;
use crate::net::connect;

/// How much of an answer is searched for an expected text.
const LIMIT: usize = 64 << 10;
/// The longest message of a web socket.
const MESSAGE_LIMIT: usize = 1 << 20;

/// What to check.
#[derive(Clone, Debug)]
pub enum Check {
    /// A network interface must be up.
    Interface(String),
    /// The peers of a tunnel, or the one named, must have had a recent handshake.
    WireGuard { interface: String, peer: Option<String>, max_age: Duration },
    /// A port must accept a connection and, if `send` or `expect` is set, answer.
    Tcp { address: String, send: Option<Vec<u8>>, expect: Option<Vec<u8>> },
    /// A server must answer with one of these statuses, and with the text in the body.
    Http { url: Uri, status: RangeInclusive<u16>, expect: Option<Vec<u8>> },
    /// A server must answer a ping and, if a text is expected, send a message that contains it.
    WebSocket { url: Uri, send: Option<String>, expect: Option<Vec<u8>> },
}

/// Resources that checks share.
pub struct Tools {
    agent: Agent,
    tls: Arc<ClientConfig>,
    wg_command: String,
}

impl Tools {
    pub fn new(ca: Option<&Path>, wg_command: &str, endpoints: &[Endpoint]) -> Result<Self, Failure> {
        // Without any trusted authorities, unencrypted endpoints can still be checked.
        let authorities = if endpoints.iter().any(|endpoint| endpoint.check.is_safe()) {
            Authorities::load("--endpoint-ca", ca)?
        } else {
            Authorities::default()
        };
        let tls = authorities.for_streams()?;
        let config = Agent::config_builder()
            .tls_config(authorities.for_http())
            .max_idle_connections(0)
            // The status must be that of this endpoint, not of another.
            .max_redirects(0)
            .http_status_as_error(false)
            // An answer from a proxy says nothing about the endpoint.
            .proxy(None);
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), PlainResolver);
        Ok(Self { agent, tls, wg_command: wg_command.into() })
    }
}

impl Check {
    fn is_safe(&self) -> bool {
        match self {
            Self::Http { url, .. } | Self::WebSocket { url, .. } => is_safe(url),
            _ => false,
        }
    }

    pub fn run(&self, tools: &Tools, deadline: Instant) -> Result<(), Failure> {
        match self {
            Self::Interface(interface) => is_up(interface),
            Self::WireGuard { interface, peer, max_age } => {
                wireguard::check(&tools.wg_command, interface, peer.as_deref(), *max_age, deadline)
            }
            Self::Tcp { address, send, expect } => tcp(address, send.as_deref(), expect.as_deref(), deadline),
            Self::Http { url, status, expect } => http(&tools.agent, url, status, expect.as_deref(), deadline),
            Self::WebSocket { url, send, expect } => {
                web_socket(&tools.tls, url, send.as_deref(), expect.as_deref(), deadline)
            }
        }
    }
}

fn is_up(interface: &str) -> Result<(), Failure> {
    let state = fs::read_to_string(format!("/sys/class/net/{interface}/operstate"));
    match state.map_err(|error| format!("no interface {interface}: {error}"))?.trim() {
        // A tunnel has no carrier, so its state is unknown.
        "up" | "unknown" => Ok(()),
        state => Err(format!("the interface is {state}").into()),
    }
}

fn tcp(address: &str, send: Option<&[u8]>, expect: Option<&[u8]>, deadline: Instant) -> Result<(), Failure> {
    let mut socket = connect(address, deadline)?;
    if let Some(bytes) = send {
        socket.write_all(bytes)?;
    }
    match (expect, send) {
        (Some(text), _) => await_text(socket, text),
        // Any answer will do.
        (None, Some(_)) => await_text(socket, b""),
        (None, None) => Ok(()),
    }
}

fn http(
    agent: &Agent,
    url: &Uri,
    statuses: &RangeInclusive<u16>,
    expect: Option<&[u8]>,
    deadline: Instant,
) -> Result<(), Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    let request = agent.get(url).config().timeout_global(Some(left)).build();
    let response = request.call().map_err(|error| match error {
        Error::Timeout(_) => Failure::from("timed out"),
        error => error.into(),
    })?;
    let status = response.status().as_u16();
    if !statuses.contains(&status) {
        let redirected = if response.status().is_redirection() { ": redirects are not followed" } else { "" };
        return Err(format!("http status: {status}{redirected}").into());
    }
    expect.map_or(Ok(()), |text| await_text(response.into_body().into_reader(), text))
}

fn web_socket(
    tls: &Arc<ClientConfig>,
    url: &Uri,
    send: Option<&str>,
    expect: Option<&[u8]>,
    deadline: Instant,
) -> Result<(), Failure> {
    let socket = connect(&address(url), deadline)?;
    let stream: Box<dyn Stream> = if is_safe(url) { Box::new(encrypt(tls, url, socket)?) } else { Box::new(socket) };
    let mut request = ClientRequestBuilder::new(url.clone());
    if let Some(account) = account(url) {
        request = request.with_header("Authorization", format!("Basic {}", STANDARD.encode(account)));
    }
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let config = config.max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
    let connected = tungstenite::client::client_with_config(request, stream, Some(config));
    let (mut socket, _) = connected.map_err(|error| error.to_string())?;
    if let Some(text) = send {
        socket.send(Message::text(text))?;
    }
    socket.send(Message::Ping("heartbeat".into()))?;
    let mut missing = (true, expect.is_some());
    while missing != (false, false) {
        match (socket.read()?, expect) {
            (Message::Pong(payload), _) if payload == "heartbeat" => missing.0 = false,
            (message @ (Message::Text(_) | Message::Binary(_)), Some(text)) => {
                missing.1 &= memmem::find(&message.into_data(), text).is_none();
            }
            _ => {}
        }
    }
    // The reply to this is not awaited.
    drop(socket.close(None));
    Ok(())
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

fn encrypt<S: Read + Write>(
    tls: &Arc<ClientConfig>,
    url: &Uri,
    socket: S,
) -> Result<StreamOwned<ClientConnection, S>, Failure> {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned())?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::clone(tls), name)?, socket))
}

fn is_safe(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("https" | "wss"))
}

/// `HOST:PORT`.
fn address(url: &Uri) -> String {
    let port = url.port_u16().unwrap_or(if is_safe(url) { 443 } else { 80 });
    format!("{}:{port}", url.host().unwrap_or_default())
}

/// `USER:PASSWORD` in the URL.
fn account(url: &Uri) -> Option<Vec<u8>> {
    let (account, _) = url.authority()?.as_str().rsplit_once('@')?;
    Some(percent_decode_str(account).collect())
}

/// Reads until the text has been found. An empty text is found in the first byte.
fn await_text(mut answer: impl Read, text: &[u8]) -> Result<(), Failure> {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    while read.len() < LIMIT {
        let count = answer.read(&mut chunk)?;
        if count == 0 {
            return Err(
                if read.is_empty() { "the answer is empty" } else { "the answer lacks the expected text" }.into()
            );
        }
        // The text may have begun in the previous chunk.
        let from = read.len().saturating_sub(text.len());
        read.extend_from_slice(&chunk[..count]);
        if memmem::find(&read[from..], text).is_some() {
            return Ok(());
        }
    }
    Err(format!("the expected text is not in the first {} KiB of the answer", LIMIT >> 10).into())
}

/// Resolves names in the check's own thread, of which each endpoint has at most one. ureq's own resolver would start an
/// extra thread each time, and abandon it.
#[derive(Debug)]
struct PlainResolver;

impl Resolver for PlainResolver {
    fn resolve(&self, url: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut resolved = self.empty();
        let room = 16;
        for address in address(url).to_socket_addrs()?.take(room) {
            resolved.push(address);
        }
        if resolved.is_empty() { Err(Error::HostNotFound) } else { Ok(resolved) }
    }
}
