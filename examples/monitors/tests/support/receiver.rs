//! The other end of alerts: an HTTP server that takes in JSON, and a port where nobody listens.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tiny_http::{Request, Response, Server};

use super::{PATIENCE, wait_for};

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

/// Takes in all requests at once, and keeps what they said.
pub struct Collector {
    server: Arc<Server>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    pub fn start() -> Self {
        let this = Self { server: Arc::new(Server::http("127.0.0.1:0").unwrap()), bodies: Arc::default() };
        let (server, bodies) = (Arc::clone(&this.server), Arc::clone(&this.bodies));
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let body = serde_json::from_reader(request.as_reader()).unwrap();
                bodies.lock().unwrap().push(body);
                request.respond(Response::empty(204)).unwrap();
            }
        });
        this
    }

    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.server.server_addr())
    }

    /// The first that is so; waits for it.
    pub fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.bodies.lock().unwrap().iter().find(|body| is(body)).cloned())
    }

    /// How many are so.
    pub fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.bodies.lock().unwrap().iter().filter(|body| is(body)).count()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.unblock();
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
