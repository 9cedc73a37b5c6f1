//! What monitors connect to: a stand-in for supervisord's XML-RPC interface, and servers that misbehave.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use dxr::{MethodCall, Value};

/// Accepts connections on a free port for as long as the tests run, each in a thread of its own.
pub fn accept(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, serve) = (socket.unwrap(), Arc::clone(&serve));
            thread::spawn(move || serve(socket));
        }
    });
    address
}

/// Reads a request and writes these bytes for it.
pub fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    accept(move |mut socket| {
        if read_request(&mut socket).is_ok() {
            drop(socket.write_all(&bytes));
        }
    })
}

/// Takes in what is sent, and never says anything.
pub fn mute() -> SocketAddr {
    accept(|mut socket| drop(io::copy(&mut socket, &mut io::sink())))
}

/// Sends these bytes, then one more byte each moment, for as long as somebody reads.
pub fn dripping(begin: &'static str) -> SocketAddr {
    accept(|mut socket| {
        let mut sent = socket.write_all(begin.as_bytes());
        while sent.is_ok() {
            thread::sleep(Duration::from_millis(20));
            sent = socket.write_all(b"a");
        }
    })
}

/// Head and body of an HTTP request.
fn read_request(socket: &mut impl Read) -> io::Result<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body)?;
    Ok((head, String::from_utf8(body).unwrap()))
}

/// Answers a monitor's calls as supervisord does, and does nothing.
#[derive(Clone)]
pub struct FakeSupervisord {
    pub url: String,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    authorization: Option<String>,
    processes: String,
    faults: Vec<(&'static str, &'static str)>,
    calls: Vec<String>,
}

impl FakeSupervisord {
    pub fn over_tcp() -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let shared = Arc::clone(&known);
        let address = accept(move |socket| serve(socket, &shared));
        Self { url: format!("http://{address}"), known }
    }

    pub fn over_unix(path: &Path) -> Self {
        let this = Self { url: format!("unix://{}", path.display()), known: Arc::default() };
        let (listener, known) = (UnixListener::bind(path).unwrap(), Arc::clone(&this.known));
        thread::spawn(move || listener.incoming().for_each(|socket| serve(socket.unwrap(), &known)));
        this
    }

    /// From now on, calls need this account.
    pub fn require(&self, account: &str) {
        let code = base64::engine::general_purpose::STANDARD.encode(account);
        self.known.lock().unwrap().authorization = Some(format!("Authorization: Basic {code}\r\n"));
    }

    /// From now on, its processes are these: `GROUP:NAME`, state, and process id.
    pub fn processes(&self, processes: &[(&str, &str, u32)]) {
        self.known.lock().unwrap().processes = array(processes.iter().map(|(full_name, state, pid)| {
            let (group, name) = full_name.split_once(':').unwrap();
            let text = |text: &str| format!("<string>{}</string>", escape(text));
            let number = |number: i64| format!("<int>{number}</int>");
            // Never started, where there is no process and none has ended.
            let start = if matches!(*state, "STOPPED") { 0 } else { START };
            vec![
                ("name", text(name)),
                ("group", text(group)),
                ("start", number(start)),
                ("stop", number(0)),
                ("now", number(START + 100)),
                ("state", number(20)),
                ("statename", text(state)),
                ("spawnerr", text("")),
                ("exitstatus", number(0)),
                ("logfile", text("/log/é & <others>")),
                ("pid", number((*pid).into())),
                ("description", text("")),
            ]
        }));
    }

    /// From now on, calls of this method fail.
    pub fn fault(&self, method: &'static str, text: &'static str) {
        self.known.lock().unwrap().faults.push((method, text));
    }

    /// The calls that it has had so far, but for those of the list of processes.
    pub fn calls(&self) -> Vec<String> {
        self.known.lock().unwrap().calls.clone()
    }
}

/// When processes were started.
pub const START: i64 = 1_790_000_000;

fn serve(mut socket: impl Read + Write, known: &Mutex<Known>) {
    let Ok((head, body)) = read_request(&mut socket) else { return };
    let mut known = known.lock().unwrap();
    let answer = if known.authorization.as_ref().is_some_and(|needed| !head.contains(needed)) {
        "HTTP/1.0 401 Unauthorized\r\n\r\n".to_owned()
    } else {
        let xml = known.answer(&MethodCall::from_xml(&body).unwrap());
        format!("HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{xml}", xml.len())
    };
    drop(socket.write_all(answer.as_bytes()));
}

impl Known {
    fn answer(&mut self, call: &MethodCall) -> String {
        let method = call.name.strip_prefix("supervisor.").unwrap();
        if method != "getAllProcessInfo" {
            let params = call.params.iter().map(|param| match param {
                Value::String(text) => text.clone(),
                Value::Boolean(flag) => flag.to_string(),
                other => panic!("{other:?}"),
            });
            self.calls.push([method.to_owned()].into_iter().chain(params).collect::<Vec<_>>().join(" "));
        }
        let value = match method {
            _ if let Some((_, text)) = self.faults.iter().find(|(failing, _)| *failing == method) => {
                let fault = members(&[
                    ("faultCode", "<int>10</int>".into()),
                    ("faultString", format!("<string>{}</string>", escape(text))),
                ]);
                return format!(
                    "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n{fault}</fault>\n</methodResponse>\n"
                );
            }
            "getAllProcessInfo" => self.processes.clone(),
            "startProcess" => "<value><boolean>1</boolean></value>\n".into(),
            "startProcessGroup" | "stopProcessGroup" => array([vec![
                ("name", "<string>worker</string>".into()),
                ("group", "<string>trading_system</string>".into()),
                ("status", "<int>80</int>".into()),
                ("description", "<string>OK</string>".into()),
            ]]),
            other => panic!("{other}"),
        };
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n{value}</param>\n</params>\n</methodResponse>\n"
        )
    }
}

fn array(structs: impl IntoIterator<Item = Vec<(&'static str, String)>>) -> String {
    let elements: String = structs.into_iter().map(|fields| members(&fields)).collect();
    format!("<value><array><data>\n{elements}</data></array></value>\n")
}

fn members(fields: &[(&str, String)]) -> String {
    let mut text = String::from("<value><struct>\n");
    for (name, value) in fields {
        writeln!(text, "<member>\n<name>{name}</name>\n<value>{value}</value>\n</member>").unwrap();
    }
    text + "</struct></value>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
