//! Receivers of alerts: an HTTP server that accepts JSON, and a port that refuses connections.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tiny_http::{Request, Response, Server};

use super::{PATIENCE, wait_for};

/// Answers requests one by one, when told to; their senders wait until then.
pub struct Receiver(Server);

/// A request that waits for its answer. If it is dropped, the answer is an error.
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

    /// Waits for the next request.
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

    /// Whether no request is waiting.
    pub fn is_idle(&self) -> bool {
        self.0.try_recv().unwrap().is_none()
    }
}

impl Received {
    pub fn answer(self, status: u16) {
        self.request.respond(Response::empty(status)).unwrap();
    }
}

/// Answers all requests at once, and keeps their content.
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

    /// Waits for the first alert for which `is` holds.
    pub fn wait_for(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.bodies.lock().unwrap().iter().find(|body| is(body)).cloned())
    }

    /// How many deliveries match.
    pub fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.bodies.lock().unwrap().iter().filter(|body| is(body)).count()
    }

    /// The keys of the alerts that match. One that is delivered again, as when its monitor ends before it has the answer,
    /// has the same.
    pub fn keys(&self, is: impl Fn(&Value) -> bool) -> BTreeSet<String> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().filter(|body| is(body)).map(|body| body["key"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

/// A port that refuses connections as long as this value lives: one end of a connection occupies it, so that nobody
/// else can listen there.
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
