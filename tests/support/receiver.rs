//! The other end of alerts: an HTTP server that takes in JSON, and a port where nobody listens.

use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;
use tiny_http::{Request, Response, Server};

use super::PATIENCE;

/// Takes in requests when it is asked to; their senders wait until then.
pub struct Receiver(Server);

/// A request that waits for its answer. Dropped, it is answered with an error.
pub struct Received {
    pub method: String,
    pub path: String,
    pub content_type: Option<String>,
    pub body: Value,
    request: Request,
}

impl Receiver {
    pub fn start() -> Self {
        Self(Server::http("127.0.0.1:0").unwrap())
    }

    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.0.server_addr())
    }

    /// The next request; waits for it.
    pub fn next(&self) -> Received {
        let mut request = self.0.recv_timeout(PATIENCE).unwrap().expect("a request was due");
        let content_type = request.headers().iter().find(|header| header.field.equiv("content-type"));
        Received {
            method: request.method().to_string(),
            path: request.url().to_owned(),
            content_type: content_type.map(|header| header.value.to_string()),
            body: serde_json::from_reader(request.as_reader()).unwrap(),
            request,
        }
    }

    /// Whether no request waits.
    pub fn is_idle(&self) -> bool {
        self.0.try_recv().unwrap().is_none()
    }
}

impl Received {
    pub fn answer(self, status: u16) {
        self.request.respond(Response::empty(status)).unwrap();
    }
}

/// A port that refuses connections for as long as this lives: one end of a connection holds it, so that nobody else
/// can listen there.
pub struct ClosedPort(TcpStream);

impl ClosedPort {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self(TcpStream::connect(listener.local_addr().unwrap()).unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}
