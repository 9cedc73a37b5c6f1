//! Makes a call: one HTTP request over a unix socket or TCP, within a deadline.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use dxr::{FaultResponse, MethodCall, MethodResponse, TryFromValue, Value};

use super::{Fault, Misconfigured, Refused, Supervisord, Unknown};
use crate::Failure;
use crate::net::{connect, connect_unix};

/// The pause before a call is repeated.
const PAUSE: Duration = Duration::from_secs(1);

/// A struct in an answer.
pub(super) type Info = HashMap<String, Value>;

impl Supervisord {
    /// Repeats a call whose outcome is [`Unknown`], once a second until supervisord answers, in a thread of its own:
    /// later events do not wait for it. Passes the answer to `tell`.
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

    pub(super) fn call(&self, method: &str, params: Vec<Value>) -> Result<Value, Failure> {
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
        let deadline = Instant::now() + self.deadline;
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

    /// One HTTP 1.0 request, after which the connection is closed. HTTP clients do not support unix sockets.
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

/// Without `[rpcinterface:supervisor]`, supervisord does not know any method that monitors call.
const NO_INTERFACE: &str = "supervisord does not know this call. Add to its configuration: [rpcinterface:supervisor] with \
    supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface; then restart it";

/// Why there is no connection, and the cure.
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

/// The value of a key in an answer's struct.
pub(super) fn field<T: TryFromValue>(info: &Info, key: &str) -> Result<T, Failure> {
    Ok(T::try_from_value(info.get(key).ok_or_else(|| format!("the answer has no {key:?}"))?)?)
}
