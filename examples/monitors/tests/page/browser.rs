//! A browser: the parts of WebDriver (JSON over HTTP) and of Chromium's own protocol that the tests need.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{client, wait_for};

/// One at a time: on a busy machine, two are slower than one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// WebDriver's key for an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window, which closes when this value is dropped.
pub struct Browser {
    driver: Child,
    session: String,
    directory: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// A key, as in WebDriver.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

impl Browser {
    /// `None` if there is no browser.
    pub fn start() -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = TempDir::new().unwrap();
        let port = free_port();
        let mut command = Command::new("chromedriver");
        let log = File::create(directory.path().join("driver.log")).unwrap();
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let (driver, chromium) = match (command.spawn(), chromium()) {
            (Ok(driver), Some(chromium)) => (driver, chromium),
            (driver, _) => {
                if let Ok(mut driver) = driver {
                    driver.kill().and_then(|()| driver.wait()).unwrap();
                }
                assert!(env::var_os("CI").is_none(), "no chromium and chromedriver");
                // Not `eprintln!`, which is hidden if a test passes.
                let want =
                    "\nSKIPPED, for want of chromium and chromedriver: apt-get install chromium chromium-driver\n";
                let _ = writeln!(io::stderr(), "{want}");
                return None;
            }
        };
        let session = format!("http://127.0.0.1:{port}/session");
        let mut this = Self { driver, session, directory, _turn: turn };
        this.open_session(&chromium);
        Some(this)
    }

    fn open_session(&mut self, chromium: &str) {
        let status = self.session.replace("/session", "/status");
        wait_for("chromedriver", || client().get(&status).call().ok().map(drop));
        let profile = self.directory.path().join("profile");
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        .map(String::from)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let always = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
        });
        let session = self.request("POST", "", &json!({ "capabilities": { "alwaysMatch": always } }));
        self.session = format!("{}/{}", self.session, session["sessionId"].as_str().unwrap());
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().new_agent();
        let answer = match method {
            "GET" => agent.get(&url).call(),
            "DELETE" => agent.delete(&url).call(),
            _ => agent.post(&url).header("content-type", "application/json").send(body.to_string()),
        };
        let text = answer.unwrap().into_body().with_config().limit(64 << 20).read_to_string().unwrap();
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {}", answer["value"]);
        answer["value"].take()
    }

    /// Opens a page. A new fragment alone would not load it again.
    pub fn open(&self, url: &str) {
        self.request("POST", "/url", &json!({ "url": "about:blank" }));
        self.request("POST", "/url", &json!({ "url": url }));
    }

    /// The value of a script's `return`.
    pub fn run(&self, script: &str) -> Value {
        self.run_with(script, json!([]))
    }

    pub fn run_with(&self, script: &str, arguments: Value) -> Value {
        self.request("POST", "/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Waits until an expression is true.
    pub fn wait_until(&self, what: &str, expression: &str) {
        let script = format!("return Boolean({expression})");
        wait_for(what, || (self.run(&script) == true).then_some(()));
    }

    /// The visible text of the first element.
    pub fn text(&self, selector: &str) -> String {
        let text = self.run_with("return document.querySelector(arguments[0])?.innerText", json!([selector]));
        text.as_str().unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.request("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks as a person does: on something visible.
    pub fn click(&self, selector: &str) {
        self.request("POST", &format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types into an element.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.request("POST", &format!("/element/{}/value", self.element(selector)), &json!({ "text": text }));
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: &str) {
        let keys = [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] });
        self.request("POST", "/actions", &actions);
    }

    /// Sets the size of the window, and the colour scheme.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", scheme);
    }

    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.request("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// The browser's complaints since the last call: errors of scripts, violations of the policy, failed requests.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.request("POST", "/se/log", &json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if thread::panicking() {
            let state = client().get(format!("{}/title", self.session)).call();
            let state = state.ok().and_then(|mut title| title.body_mut().read_to_string().ok());
            eprintln!("the page: {state:?}");
        }
        // Also ends Chromium, which killing chromedriver would not.
        let _ = client().delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn chromium() -> Option<String> {
    let paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let path = paths.into_iter().find(|path| Path::new(path).exists())?;
    Some(path.into())
}

/// A port without a listener.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
