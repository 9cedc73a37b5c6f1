//! A small HTTP server, for a page that is looked at now and then: whatever clients do, it holds only so many connections,
//! each for a few seconds and in a few KiB, and the next client is answered.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
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

/// What the body of a POST may have, in bytes.
const BODY: usize = 64 * 1024;

/// A request: its method, path, query, headers, and the whole of its body if it is a POST.
pub type Request = hyper::Request<Bytes>;

/// An answer to one.
pub type Response = hyper::Response<Bytes>;

/// What answers requests.
///
/// All requests are answered by one thread: what takes long is for `tokio::task::spawn_blocking`.
pub trait Answer: Clone + Send + Sync + 'static {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// A response of this kind.
pub fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A line of text: why there is no other answer.
pub fn refusal(status: StatusCode, why: &str) -> Response {
    response(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

/// Answers requests; returns why it cannot any longer.
pub async fn serve(listener: TcpListener, answer: impl Answer) -> io::Error {
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
        connections.push_back(tokio::spawn(converse(stream, answer.clone())));
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

async fn converse(stream: TcpStream, answer: impl Answer) {
    let service = service_fn(move |request| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(respond(request, &answer).await.map(Full::new)) }
    });
    let connection =
        http1::Builder::new().keep_alive(false).max_buf_size(HEAD).serve_connection(TokioIo::new(stream), service);
    let _ = timeout(PATIENCE, connection).await;
}

async fn respond(request: hyper::Request<Incoming>, answer: &impl Answer) -> Response {
    let (head, body) = request.into_parts();
    let body = match head.method {
        Method::POST => match Limited::new(body, BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body of a request is at most 64 KiB");
            }
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "the body cannot be read"),
        },
        // Nobody looks at what others send.
        _ => Bytes::new(),
    };
    answer.answer(Request::from_parts(head, body)).await
}
