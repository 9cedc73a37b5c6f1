//! A small HTTP server, for a page that is looked at now and then: whatever clients do, it holds only so many connections,
//! each for a few seconds and in a few KiB, and the next client is answered.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use crate::log::{Level, log};

/// With one more, the oldest is closed: it has had its time, and the newest may be somebody who wants to know.
const CONNECTIONS: usize = 64;

/// What a connection may take, from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the head of a request may have, in bytes.
const HEAD: usize = 16 * 1024;

/// What is shown at a path: its kind and text. None if there is no such page.
pub trait Pages: Fn(&str) -> Option<(&'static str, String)> + Clone + Send + 'static {}

impl<P: Fn(&str) -> Option<(&'static str, String)> + Clone + Send + 'static> Pages for P {}

/// Answers requests; returns why it cannot any longer.
pub async fn serve(listener: TcpListener, pages: impl Pages) -> io::Error {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    let mut connections = VecDeque::<JoinHandle<()>>::new();
    let mut complained = false;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => {
                if !complained {
                    log(Level::Warning, format!("no connection to the status page for now: {error}"), json!({}));
                    complained = true;
                }
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(error) => return error,
        };
        connections.retain(|connection| !connection.is_finished());
        if connections.len() >= CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        connections.push_back(tokio::spawn(answer(stream, pages.clone())));
        // In a flood, too, a request that is already here is read before its connection may be the oldest.
        yield_now().await;
    }
}

/// Whether the listener is in order: the client is gone, or something is used up that others will give back.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    use rustix::io::Errno;
    let used_up = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || used_up.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

async fn answer(stream: TcpStream, pages: impl Pages) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &pages);
        async { Ok::<_, Infallible>(response) }
    });
    // The body of a request is never read.
    let connection =
        http1::Builder::new().keep_alive(false).max_buf_size(HEAD).serve_connection(TokioIo::new(stream), service);
    let _ = timeout(PATIENCE, connection).await;
}

fn respond(request: &Request<Incoming>, pages: &impl Pages) -> Response<Full<Bytes>> {
    let text = |status, text: &str| (status, "text/plain; charset=utf-8", text.to_owned());
    let (status, kind, body) = if request.headers().get(HOST).is_some_and(|host| !is_this_machine(host)) {
        text(StatusCode::MISDIRECTED_REQUEST, "this page is asked for as localhost, or by a loopback address\n")
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        text(StatusCode::METHOD_NOT_ALLOWED, "this page can only be read\n")
    } else {
        match pages(request.uri().path()) {
            Some((kind, body)) => (StatusCode::OK, kind, body),
            None => text(StatusCode::NOT_FOUND, "there is no such page\n"),
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whether a request was meant for this machine. A page of somebody else's, whose name was made to lead here, says its own
/// name: it must not read this one in the browser of whoever may.
fn is_this_machine(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
