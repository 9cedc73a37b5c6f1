//! A supervisord with processes, and a `trading_monitor` whose page is tested.

use std::thread;

use serde_json::Value;

use crate::browser::Browser;
use crate::support::supervisord::Supervisord;
use crate::support::{client, program, wait_for};

const MONITOR: &str = "trading_monitor";

/// A supervisord, and the URL of its page.
pub struct Site {
    pub supervisord: Supervisord,
    pub url: String,
}

impl Site {
    /// Starts one with these programs, and these settings of the page. `None` if there is no supervisord.
    pub fn start(identifier: &str, programs: &str, settings: &str) -> Option<Self> {
        Self::start_with(identifier, programs, settings, "")
    }

    /// With these variables in the monitor's environment.
    pub fn start_with(identifier: &str, programs: &str, settings: &str, environment: &str) -> Option<Self> {
        let program = program(MONITOR);
        let program = program.to_str().unwrap().replace('%', "%%");
        let listen = if settings.contains("--listen") { "" } else { "--listen 127.0.0.1:0" };
        // supervisord does not restart it, so that a test can kill it.
        let listener = format!(
            "[eventlistener:{MONITOR}]\ncommand = \"{program}\" {listen} --system photos {settings}\n\
             environment = {environment}\nevents = PROCESS_STATE,TICK_60\nbuffer_size = 1000\nautorestart = false\n\
             startsecs = 0\nstdout_logfile = NONE\nstderr_logfile = %(here)s/{MONITOR}.err\n"
        );
        let supervisord = Supervisord::start(identifier, &format!("{listener}{programs}"))?;
        let url = wait_for("the page's address", || {
            let said = supervisord.file(&format!("{MONITOR}.err"));
            let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find_map(|line| Some(line["url"].as_str()?.to_owned()))
        });
        Some(Self { supervisord, url })
    }

    /// The data of the page.
    pub fn status(&self) -> Value {
        let text = client().get(format!("{}status.json", self.url)).call().unwrap().body_mut().read_to_string();
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    /// Waits until the page has a process in this state.
    pub fn wait_for_state(&self, name: &str, state: &str) {
        wait_for(&format!("{name} to be {state}"), || {
            let status = self.status();
            let processes = status["processes"].as_array().unwrap();
            processes.iter().any(|process| process["name"] == name && process["state"] == state).then_some(())
        });
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Faster than its own shutdown, which needs a turn of supervisord's loop for each group.
        if !thread::panicking() {
            self.supervisord.stop();
        }
    }
}

/// A program that runs until it is signalled, and is then not restarted.
pub fn lasting(name: &str) -> String {
    format!("[program:{name}]\ncommand = cat\nstartsecs = 0\nautorestart = false\n")
}

/// A group of such programs.
pub fn group(name: &str, programs: &[&str]) -> String {
    let sections: String = programs.iter().map(|program| lasting(program)).collect();
    format!("[group:{name}]\nprograms = {}\n{sections}", programs.join(","))
}

/// A program that supervisord cannot start.
pub fn hopeless(name: &str) -> String {
    format!("[program:{name}]\ncommand = /nonexistent/{name}\nstartretries = 0\n")
}

/// Finds the row of a process in the page, not in the table for browsers without scripts.
pub const ROW: &str = "const row = (name) => [...document.querySelectorAll('.board:not(#static) tr.row')]\
    .find((row) => row.querySelector('.name').textContent === name);";

impl Browser {
    /// Waits until the row of a process has the class of state `kind`.
    pub fn wait_for_kind(&self, name: &str, kind: &str) {
        let script = format!("{ROW} return row(arguments[0])?.dataset.kind");
        wait_for(&format!("{name} to be shown as {kind}"), || {
            (self.run_with(&script, serde_json::json!([name])) == kind).then_some(())
        });
    }

    /// Gives the row of a process an id, to find it by.
    pub fn mark(&self, name: &str, id: &str) {
        self.run_with(&format!("{ROW} row(arguments[0]).id = arguments[1]"), serde_json::json!([name, id]));
    }
}
