//! A supervisord that sends events when a test asks for them, and listeners that stop at a certain moment.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::supervisord::Supervisord;
use super::wait_for;

pub struct Instrumented(Supervisord);

impl Instrumented {
    /// Starts one with these sections. `%(here)s/shim.so` is what [`shim`] builds. None if there is no compiler, or no
    /// supervisord to be had.
    pub fn start(identifier: &str, sections: &str) -> Option<Self> {
        let directory = prepare(identifier, sections)?;
        let configuration = directory.path().join("supervisord.conf");
        Supervisord::configured(&configuration, ("PYTHONPATH", directory), &[]).map(Self)
    }

    /// The same, with programs that `install` puts into its directory.
    pub fn start_with(identifier: &str, sections: &str, install: impl FnOnce(&Path) -> Option<()>) -> Option<Self> {
        let directory = prepare(identifier, sections)?;
        install(directory.path())?;
        let configuration = directory.path().join("supervisord.conf");
        Some(Self(Supervisord::configured_from_its_directory(&configuration, ("PYTHONPATH", directory))))
    }

    /// Has supervisord send events in a row; in each payload, `NUMBER` is its number, from `first` on.
    pub fn send(&self, eventname: &str, payload: &str, first: usize, count: usize) {
        let parameters = [string(eventname), string(payload), int(first), int(count)];
        assert_eq!(self.call("events.send", &parameters), "<boolean>1</boolean>");
    }

    /// Waits until no event of a pool is under way, and none waits.
    pub fn wait_until_idle(&self, pool: &str) {
        wait_for(&format!("{pool} to be idle"), || {
            (self.call("events.is_idle", &[string(pool)]) == "<boolean>1</boolean>").then_some(())
        });
    }

    /// Writes to the standard input of a process, as anybody may who may call supervisord.
    pub fn write_to(&self, process: &str, text: &str) {
        assert_eq!(self.call("supervisor.sendProcessStdin", &[string(process), string(text)]), "<boolean>1</boolean>");
    }

    /// Calls supervisord over its socket; what the value is, as XML.
    fn call(&self, method: &str, parameters: &[String]) -> String {
        let parameters: String =
            parameters.iter().map(|value| format!("<param><value>{value}</value></param>")).collect();
        let body = format!("<methodCall><methodName>{method}</methodName><params>{parameters}</params></methodCall>");
        let mut stream = UnixStream::connect(self.directory().join("socket")).unwrap();
        write!(stream, "POST /RPC2 HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(!answer.contains("<fault>"), "{method}: {answer}");
        let (_, value) = answer.split_once("<value>").unwrap_or_else(|| panic!("{method}: {answer}"));
        value.split_once("</value>").unwrap().0.trim().to_owned()
    }

    /// Stops a process (SIGSTOP) when it comes to this moment: see `shim.c`.
    pub fn stop_at(&self, process: &str, moment: &str) {
        File::create(self.directory().join(format!("stop/{process}.{moment}"))).unwrap();
    }

    pub fn signal(&self, process: &str, signal: Signal) {
        // Between two incarnations there is nobody.
        let _ = kill_process(pid(self.pid(process)), signal);
    }

    /// Kills supervisord itself, at once.
    pub fn kill(&mut self) {
        kill_process(pid(self.file("supervisord.pid").trim().parse().unwrap()), Signal::KILL).unwrap();
        self.ends();
    }

    /// The serials that listeners have answered with OK, in supervisord's order. `is_one` tells which listeners.
    pub fn acknowledged(&self, is_one: impl Fn(&str) -> bool) -> Vec<u64> {
        let log = self.log();
        let mut sent = BTreeMap::new();
        let mut done = Vec::new();
        for line in log.lines().filter_map(|line| line.split_once(" DEBG ").map(|(_, text)| text)) {
            if let Some((serial, listener)) =
                line.strip_prefix("event ").and_then(|rest| rest.split_once(" sent to listener "))
            {
                sent.insert(listener.to_owned(), serial.parse().unwrap());
            } else if let Some(listener) = line.strip_suffix(": event was processed").filter(|name| is_one(name)) {
                done.push(sent[listener]);
            }
        }
        done
    }

    /// How many events of a pool supervisord says that it has discarded.
    pub fn discarded(&self, pool: &str) -> usize {
        self.log().matches(&format!("pool {pool} event buffer overflowed, discarding event")).count()
    }
}

impl Deref for Instrumented {
    type Target = Supervisord;

    fn deref(&self) -> &Supervisord {
        &self.0
    }
}

impl DerefMut for Instrumented {
    fn deref_mut(&mut self) -> &mut Supervisord {
        &mut self.0
    }
}

/// A directory with all that an instrumented supervisord needs.
fn prepare(identifier: &str, sections: &str) -> Option<TempDir> {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let interface = "[rpcinterface:events]\nsupervisor.rpcinterface_factory = supervisord_events:make\n";
    fs::write(path("supervisord.conf"), Supervisord::configuration(identifier, &(interface.to_owned() + sections)))
        .unwrap();
    fs::write(path("supervisord_events.py"), include_str!("supervisord_events.py")).unwrap();
    fs::create_dir(path("stop")).unwrap();
    shim(directory.path())?;
    Some(directory)
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", text.replace('&', "&amp;").replace('<', "&lt;"))
}

fn int(number: usize) -> String {
    format!("<int>{number}</int>")
}

pub fn pid(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

/// Waits until a process is stopped.
pub fn wait_until_stopped(pid: u32) {
    wait_for("the process to be stopped", || (state_of(pid) == Some('T')).then_some(()));
}

/// The state of a process, as the kernel tells it.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Builds the library that stops listeners, in this directory. None without a compiler, which is said.
pub fn shim(directory: &Path) -> Option<PathBuf> {
    let (source, library) = (directory.join("shim.c"), directory.join("shim.so"));
    fs::write(&source, include_str!("shim.c")).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
    let why = match built {
        Ok(output) if output.status.success() => return Some(library),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    super::python::or_skip("a C compiler", Err(why))
}
