//! A small HTTP server for a page that is viewed now and then. Whatever clients do, it keeps a bounded number of
//! connections, each for a few seconds and a few KiB, and can always accept the next one.

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

/// Beyond this, the oldest connection is closed: it has had its time, and the newest may be an operator.
const CONNECTIONS: usize = 64;

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest request head, in bytes.
const HEAD: usize = 16 * 1024;

/// The largest body of a POST, in bytes.
const BODY: usize = 64 * 1024;

/// A request: method, path, query and headers, and for a POST the whole body.
pub type Request = hyper::Request<Bytes>;

/// An answer to one.
pub type Response = hyper::Response<Bytes>;

/// Answers requests.
///
/// One thread answers all requests: slow work belongs in `tokio::task::spawn_blocking`.
pub trait Answer: Clone + Send + Sync + 'static {
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// A response with this status, content type and body.
pub fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A line of text that says why the request is refused.
pub fn refusal(status: StatusCode, why: &str) -> Response {
    response(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

/// Answers requests. Returns the error that stopped it.
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
                    log(
                        Level::Warning,
                        format!("the status page cannot accept connections for now: {error}"),
                        json!({}),
                    );
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
        // Even in a flood, a request that has already arrived is read before its connection becomes the oldest.
        yield_now().await;
    }
}

/// Whether the listener still works: the client is gone, or a resource is exhausted for the moment.
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
                return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request body is larger than 64 KiB");
            }
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "the body cannot be read"),
        },
        // Bodies of other methods are ignored.
        _ => Bytes::new(),
    };
    answer.answer(Request::from_parts(head, body)).await
}
