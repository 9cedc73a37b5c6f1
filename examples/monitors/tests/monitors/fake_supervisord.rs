//! A supervisord that only answers calls, and records them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use dxr::{FaultResponse, MethodCall, MethodResponse, TryToValue, Value as XmlRpcValue};

/// Group, name, state, process id.
pub type Process = (&'static str, &'static str, &'static str, u32);

/// What settings name, in their defaults and in the tests.
pub const THERE: [Process; 12] = [
    ("trading_system", "risk_manager", "RUNNING", 1),
    ("trading_system", "hyperliquid_feed", "RUNNING", 1),
    ("trading_system", "order_executor", "RUNNING", 1),
    ("t", "r", "RUNNING", 1),
    ("t", "risk", "STOPPED", 0),
    ("t", "feed", "STOPPED", 0),
    ("t", "exec", "STOPPED", 0),
    ("t", "growing", "STOPPED", 0),
    ("s", "stats", "STOPPED", 0),
    ("b", "b", "STOPPED", 0),
    ("nowhere", "nowhere", "STOPPED", 0),
    ("nowhere", "b", "STOPPED", 0),
];

/// Has some processes, initially those of [`THERE`], and records calls. After a call about `nowhere`, the answer is
/// lost.
pub struct FakeSupervisord {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
    processes: Arc<Mutex<Vec<Process>>>,
    /// How often it was asked for them.
    asked: Arc<AtomicUsize>,
    /// Whether it answers every call with an error.
    broken: Arc<AtomicBool>,
    shutting_down: Arc<AtomicBool>,
}

impl FakeSupervisord {
    pub fn start() -> Self {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr());
        let this = Self {
            url,
            calls: Arc::default(),
            processes: Arc::default(),
            asked: Arc::default(),
            broken: Arc::default(),
            shutting_down: Arc::default(),
        };
        this.set(&THERE);
        let (calls, processes) = (Arc::clone(&this.calls), Arc::clone(&this.processes));
        let (asked, broken) = (Arc::clone(&this.asked), Arc::clone(&this.broken));
        let shutting_down = Arc::clone(&this.shutting_down);
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                if broken.load(Ordering::SeqCst) {
                    request.respond(tiny_http::Response::empty(500)).unwrap();
                    continue;
                }
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let call = MethodCall::from_xml(&body).unwrap();
                let method = call.name.strip_prefix("supervisor.").unwrap();
                let xml = match (method, call.params.first()) {
                    _ if shutting_down.load(Ordering::SeqCst) => {
                        FaultResponse { fault: dxr::Fault::new(6, "SHUTDOWN_STATE".into()) }.to_xml().unwrap()
                    }
                    ("getAllProcessInfo", _) => {
                        asked.fetch_add(1, Ordering::SeqCst);
                        list(&processes.lock().unwrap())
                    }
                    ("getProcessInfo", Some(XmlRpcValue::String(name))) => {
                        MethodResponse { value: ended(name) }.to_xml().unwrap()
                    }
                    ("readLog", _) => {
                        let log = "2026-11-27 23:06:03,000 WARN exited: r (exit status 3; not expected)
";
                        MethodResponse { value: log.try_to_value().unwrap() }.to_xml().unwrap()
                    }
                    (method, None) => MethodResponse { value: about(method) }.to_xml().unwrap(),
                    ("tailProcessStderrLog", _) => {
                        let tail = ["panic: no limits\n".try_to_value().unwrap(), XmlRpcValue::Integer(17)];
                        MethodResponse { value: XmlRpcValue::Array(tail.into()) }.to_xml().unwrap()
                    }
                    (_, Some(XmlRpcValue::String(name))) => {
                        calls.lock().unwrap().push(format!("{method} {name}"));
                        if name.contains("nowhere") {
                            FaultResponse { fault: dxr::Fault::new(10, "BAD_NAME: nowhere".into()) }.to_xml().unwrap()
                        } else if method == "startProcess" {
                            MethodResponse { value: XmlRpcValue::Boolean(true) }.to_xml().unwrap()
                        } else {
                            list(&[])
                        }
                    }
                    other => panic!("{other:?}"),
                };
                request.respond(tiny_http::Response::from_string(xml)).unwrap();
            }
        });
        this
    }

    pub fn environment(&self) -> [(&str, &str); 1] {
        [("SUPERVISOR_SERVER_URL", &self.url)]
    }

    pub fn set(&self, processes: &[Process]) {
        *self.processes.lock().unwrap() = processes.to_vec();
    }

    /// From now on it answers every call with an error, or normally again.
    pub fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// From now on it refuses every call, as during a shutdown.
    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

/// Its answer about any process.
fn ended(full_name: &str) -> XmlRpcValue {
    let (group, name) = full_name.split_once(':').unwrap();
    let fields = [("group", group), ("name", name), ("statename", "EXITED"), ("spawnerr", "Bad exit code 3")];
    let fields = fields.map(|(key, text)| (key.to_owned(), text.try_to_value().unwrap()));
    let numbers = [("exitstatus", 3), ("pid", 0), ("start", 1_000_000_000), ("stop", 1_000_000_001)];
    let numbers = numbers.map(|(key, number)| (key.to_owned(), XmlRpcValue::Integer(number)));
    XmlRpcValue::Struct(fields.into_iter().chain(numbers).collect())
}

/// Its answers about itself.
fn about(method: &str) -> XmlRpcValue {
    match method {
        "getState" => XmlRpcValue::Struct([("statename".to_owned(), "RUNNING".try_to_value().unwrap())].into()),
        "getPID" => XmlRpcValue::Integer(1),
        "getIdentification" => "fake".try_to_value().unwrap(),
        "getSupervisorVersion" => "4.3.0".try_to_value().unwrap(),
        other => panic!("{other}"),
    }
}

pub fn list(processes: &[Process]) -> String {
    let info = |(group, name, state, pid): &Process| {
        let fields = [("group", *group), ("name", *name), ("statename", *state)]
            .map(|(key, text)| (key.to_owned(), text.try_to_value().unwrap()));
        let start = if *state == "STOPPED" { 0 } else { 1_000_000_000 };
        let numbers = [("pid", *pid as i32), ("start", start), ("stop", 0), ("exitstatus", 0)]
            .map(|(key, number)| (key.to_owned(), XmlRpcValue::Integer(number)));
        XmlRpcValue::Struct(fields.into_iter().chain(numbers).collect())
    };
    MethodResponse { value: XmlRpcValue::Array(processes.iter().map(info).collect()) }.to_xml().unwrap()
}
