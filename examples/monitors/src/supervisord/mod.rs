//! Calls to supervisord's XML-RPC interface, at the address and with the account that its children are given:
//! SUPERVISOR_SERVER_URL, SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD.
//!
//! A call ends within a few seconds, whatever supervisord does.

mod about;
mod check;
mod fault;
mod logs;
mod process;
mod reason;
mod server;
mod stops;

use std::borrow::Cow;
use std::collections::HashMap;
use std::env;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use dxr::{FaultResponse, MethodCall, MethodResponse, TryFromValue, TryToValue, Value};

use crate::Failure;
use crate::net::{connect, connect_unix};
pub use check::{Names, log_failure};
pub use fault::{Fault, Misconfigured, Refused, Unknown, fault_of};
pub use logs::{Stream, Tail};
pub use process::Process;
use process::process;
pub use server::{pid_in, signal_to_end};
pub use stops::{Stops, leave};

const TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait before it is asked again what has become of a call.
const PAUSE: Duration = Duration::from_secs(1);

/// The supervisord that started this process.
#[derive(Clone)]
pub struct Supervisord {
    url: Option<String>,
    authorization: String,
    /// What monitors stopped, where that is noted.
    stops: Option<stops::Kept>,
}

/// How a process ended, as supervisord saw it.
pub struct Ended {
    /// What it is now.
    pub state: String,
    /// -1 if a signal ended it. None where supervisord does not keep it: the process was never started, ended too
    /// quickly, or has been started again.
    pub exit_status: Option<i32>,
    /// Why it could not be started, or what was wrong with its end; otherwise empty.
    pub spawn_error: String,
}

impl Supervisord {
    pub fn from_env() -> Self {
        let account = env::var("SUPERVISOR_USERNAME").ok().zip(env::var("SUPERVISOR_PASSWORD").ok());
        let encode = |account| base64::engine::general_purpose::STANDARD.encode(account);
        let authorization = account.map(|(user, password)| encode(format!("{user}:{password}")));
        let authorization = authorization.map_or_else(String::new, |code| format!("Authorization: Basic {code}\r\n"));
        Self { url: env::var("SUPERVISOR_SERVER_URL").ok(), authorization, stops: None }
    }

    /// All processes, in supervisord's order.
    pub fn processes(&self) -> Result<Vec<Process>, Failure> {
        let infos = Vec::<HashMap<String, Value>>::try_from_value(&self.call("getAllProcessInfo", vec![])?)?;
        infos.iter().map(process).collect()
    }

    /// One process, by its full name.
    pub fn process(&self, full_name: &str) -> Result<Process, Failure> {
        let info = self.call("getProcessInfo", vec![full_name.try_to_value()?])?;
        process(&HashMap::<String, Value>::try_from_value(&info)?)
    }

    /// How a process ended, by its full name.
    pub fn ended(&self, full_name: &str) -> Result<Ended, Failure> {
        let info = self.call("getProcessInfo", vec![full_name.try_to_value()?])?;
        let info = HashMap::<String, Value>::try_from_value(&info)?;
        let state: String = field(&info, "statename")?;
        // supervisord says 0 as well where it knows none.
        let is_kept = matches!(state.as_str(), "EXITED" | "STOPPED");
        let exit_status = is_kept.then(|| field(&info, "exitstatus")).transpose()?;
        Ok(Ended { state, exit_status, spawn_error: field(&info, "spawnerr")? })
    }

    /// The last bytes that a process wrote to its standard error, as far as supervisord keeps them.
    pub fn stderr_tail(&self, full_name: &str, bytes: usize) -> Result<String, Failure> {
        let name = full_name.try_to_value()?;
        let tail = |bytes: usize| -> Result<String, Failure> {
            let params = vec![name.clone(), Value::Integer(0), Value::Integer(bytes.try_into()?)];
            let tail = Vec::<Value>::try_from_value(&self.call("tailProcessStderrLog", params)?)?;
            Ok(String::try_from_value(tail.first().ok_or("the answer is empty")?)?)
        };
        whole_characters(bytes, tail)
    }

    /// Starts a process, and does not wait until it runs.
    pub fn start(&self, full_name: &str) -> Result<(), Failure> {
        let answer = self.call("startProcess", vec![full_name.try_to_value()?, Value::Boolean(false)]);
        self.forget_stop(full_name);
        answer.map(drop)
    }

    /// Signals all processes of a group to stop, and does not wait until they have. What became of each: its name, and
    /// `OK` or why not.
    pub fn stop_group(&self, group: &str) -> Result<Vec<(String, String)>, Failure> {
        let at = stops::now();
        let answer = self.call("stopProcessGroup", vec![group.try_to_value()?, Value::Boolean(false)]);
        let answer = answer.and_then(|answer| outcomes(&answer));
        self.note_group(group, at, &answer);
        answer
    }

    /// Starts those processes of a group that do not run, and does not wait until they do.
    pub fn start_group(&self, group: &str) -> Result<Vec<(String, String)>, Failure> {
        outcomes(&self.call("startProcessGroup", vec![group.try_to_value()?, Value::Boolean(false)])?)
    }

    fn call_to_stop(&self, full_name: &str) -> Result<(), Failure> {
        self.call("stopProcess", vec![full_name.try_to_value()?, Value::Boolean(false)]).map(drop)
    }

    /// Makes a call again whose outcome is [`Unknown`], once a second until supervisord answers, in a thread of its own:
    /// later events do not wait for it. `tell` is given the answer.
    pub fn ask_until_known<T>(
        &self,
        call: impl Fn(&Self) -> Result<T, Failure> + Send + 'static,
        tell: impl FnOnce(Result<T, Failure>) + Send + 'static,
    ) -> io::Result<()> {
        let this = self.clone();
        let ask = move || loop {
            thread::sleep(PAUSE);
            match call(&this) {
                Err(error) if !error.is::<Refused>() => {}
                answer => return tell(answer),
            }
        };
        thread::Builder::new().name("supervisord".into()).spawn(ask).map(drop)
    }

    fn call(&self, method: &str, params: Vec<Value>) -> Result<Value, Failure> {
        let failed = |error: Failure| {
            let text = format!("supervisord: {method}: {error}");
            if error.is::<Unknown>() {
                Unknown(text).into()
            } else if error.is::<Misconfigured>() {
                Misconfigured(text).into()
            } else {
                Failure::from(text)
            }
        };
        let call = MethodCall { name: Cow::Owned(format!("supervisor.{method}")), params };
        let response = self.post(&call.to_xml()?).map_err(failed)?;
        match MethodResponse::from_xml(&response) {
            Ok(response) => Ok(response.value),
            Err(error) => match FaultResponse::from_xml(&response) {
                Ok(FaultResponse { fault }) => match fault.code().into() {
                    Fault::UnknownMethod => Err(failed(Misconfigured(NO_INTERFACE.into()).into())),
                    code => {
                        Err(Refused { fault: code, text: format!("supervisord: {method}: {}", fault.string()) }.into())
                    }
                },
                Err(_) => Err(failed(error.into())),
            },
        }
    }

    fn post(&self, body: &str) -> Result<String, Failure> {
        let deadline = Instant::now() + TIMEOUT;
        let url = self.url.as_deref().ok_or("SUPERVISOR_SERVER_URL is not set: was this started by supervisord?")?;
        if let Some(path) = url.strip_prefix("unix://") {
            self.exchange(connect_unix(path, deadline).map_err(|error| no_connection(path, error))?, "localhost", body)
        } else if let Some(host) = url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or(rest)) {
            self.exchange(connect(host, deadline).map_err(|error| no_connection(host, error))?, host, body)
        } else {
            Err(Misconfigured(format!("SUPERVISOR_SERVER_URL begins with unix:// or http://, not {url:?}")).into())
        }
    }

    fn no_account(&self) -> Misconfigured {
        let are = if self.authorization.is_empty() { "are missing" } else { "are wrong" };
        Misconfigured(format!(
            "SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD {are}. Add to [supervisord] in its configuration: environment = \
             SUPERVISOR_USERNAME=\"…\",SUPERVISOR_PASSWORD=\"…\" with the username and password of its HTTP server"
        ))
    }

    /// One request of HTTP 1.0, which ends with its connection. HTTP clients have no unix sockets.
    fn exchange(&self, mut socket: impl Read + Write, host: &str, body: &str) -> Result<String, Failure> {
        let request = format!(
            "POST /RPC2 HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n{}\r\n{body}",
            body.len(),
            self.authorization,
        );
        socket.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        socket.read_to_end(&mut response).map_err(|error| Unknown(error.to_string()))?;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_len) = head.parse(&response)? else {
            return Err("the answer is cut off".into());
        };
        match head.code {
            Some(200) => {}
            Some(401) => return Err(self.no_account().into()),
            code => return Err(format!("the answer is HTTP status {}", code.unwrap_or_default()).into()),
        }
        let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
        let body = &response[head_len..];
        if length.is_some_and(|length: usize| length != body.len()) {
            return Err("the answer is cut off".into());
        }
        Ok(str::from_utf8(body)?.to_owned())
    }
}

/// Without `[rpcinterface:supervisor]` supervisord knows no method that a monitor calls.
const NO_INTERFACE: &str = "supervisord does not know this call. Add to its configuration: [rpcinterface:supervisor] with \
    supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface; then restart it";

/// Why there is no connection, and what to do about it.
fn no_connection(address: &str, error: io::Error) -> Failure {
    let cure = match error.kind() {
        // It may be busy.
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => return Unknown(error.to_string()).into(),
        io::ErrorKind::PermissionDenied => format!(
            "this process's user may not open it. Add chown = {} to [unix_http_server] in supervisord's configuration, \
             and let this user into the socket's directory",
            rustix::process::geteuid().as_raw()
        ),
        io::ErrorKind::NotFound => {
            "if something removes the socket while supervisord runs, set file of [unix_http_server] in \
             supervisord's configuration to another directory; then restart supervisord"
                .into()
        }
        _ => "set [unix_http_server] or [inet_http_server] in supervisord's configuration to an address that this \
             process can reach; SUPERVISOR_SERVER_URL in its environment takes precedence"
            .into(),
    };
    Misconfigured(format!("no connection to {address}: {error}: {cure}")).into()
}

/// The last bytes of a text. supervisord fails if the first of them is in the middle of a character, which has up to 4.
fn whole_characters(bytes: usize, tail: impl Fn(usize) -> Result<String, Failure>) -> Result<String, Failure> {
    let mut found = tail(bytes);
    for shorter in (bytes.saturating_sub(3)..bytes).rev() {
        match found {
            Err(error) if !error.is::<Unknown>() => found = tail(shorter),
            _ => break,
        }
    }
    found
}

fn outcomes(value: &Value) -> Result<Vec<(String, String)>, Failure> {
    let outcome = |info: &HashMap<String, Value>| Ok((field(info, "name")?, field(info, "description")?));
    Vec::<HashMap<String, Value>>::try_from_value(value)?.iter().map(outcome).collect()
}

fn field<T: TryFromValue>(info: &HashMap<String, Value>, key: &str) -> Result<T, Failure> {
    Ok(T::try_from_value(info.get(key).ok_or_else(|| format!("the answer has no {key:?}"))?)?)
}
