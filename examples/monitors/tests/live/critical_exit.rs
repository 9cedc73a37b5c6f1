//! `critical_exit` under a real supervisord, and `container-entrypoint` around both: as an ordinary process, and as the
//! first process of a namespace.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::supervisord::{self, Supervisord};
use crate::support::{program, wait_for, within_patience};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn listener(settings: &str) -> String {
    let program = program("critical_exit");
    let program = program.to_str().unwrap().replace('%', "%%");
    format!(
        "[eventlistener:critical_exit]\ncommand = {}\n\
         events = PROCESS_STATE_FATAL,PROCESS_STATE_EXITED,SUPERVISOR_STATE_CHANGE\npriority = 1\n\
         buffer_size = 100\nstartsecs = 0\nautorestart = true\nstdout_logfile = NONE\nstderr_logfile = %(here)s/said\n",
        settings.replace("PROGRAM", &program)
    )
}

/// Cannot be started.
fn failing(name: &str) -> String {
    format!("[program:{name}]\ncommand = false\nstartsecs = 60\nstartretries = 0\nautostart = false\n")
}

fn lasting(name: &str, settings: &str) -> String {
    format!("[program:{name}]\ncommand = cat\nstartsecs = 0\n{settings}\n")
}

#[test]
fn the_loss_of_a_process_that_matters_ends_supervisord_and_no_other_does() {
    let settings = "PROGRAM --processes web,jobs:* --exit-code-file %(here)s/code --exit-code 3";
    let sections = [
        listener(settings),
        failing("web"),
        failing("other"),
        "[group:jobs]\nprograms = mailer\n".into(),
        lasting("mailer", "autorestart = false"),
    ];
    let Some(mut supervisord) = Supervisord::start("s", &sections.concat()) else { return };
    supervisord.ctl(&["start", "other"]);
    supervisord.wait_for("supervisord.log", "critical_exit: event was processed", 1);
    // An exit only counts as a loss if that was set.
    supervisord.wait_for("supervisord.log", "success: mailer entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "jobs:mailer"]);
    supervisord.wait_for("supervisord.log", "critical_exit: event was processed", 2);
    assert_eq!(supervisord.status("jobs:mailer"), "EXITED");
    assert!(!supervisord.file("said").contains("is lost") && supervisord.file("code").is_empty());

    supervisord.ctl(&["start", "web"]);
    assert_eq!(supervisord.ends().code(), Some(0));
    assert_eq!(supervisord.file("code"), "3\n");
    let said = supervisord.file("said");
    assert!(said.contains("web:web is lost: supervisord ends") && said.contains("CRITICAL_PROCESS_LOST"), "{said}");
}

#[test]
fn what_was_lost_may_come_back_within_its_grace_period() {
    let settings = "PROGRAM --processes web --lost-when FATAL,EXITED --grace 0.5";
    let sections = listener(settings) + &lasting("web", "autorestart = true") + &lasting("last", "");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.wait_for("supervisord.log", "success: web entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "web"]);
    supervisord.wait_for("said", "web:web has 0.5 s to come back", 1);
    supervisord.wait_for("said", "web:web has come back: supervisord continues", 1);
    // A person stopped it, so it is not lost.
    supervisord.ctl(&["signal", "KILL", "web"]);
    supervisord.ctl(&["stop", "web"]);
    supervisord.wait_for("said", "web:web has come back: supervisord continues", 2);
    assert!(!supervisord.file("said").contains("is lost"));
    assert!(supervisord.stop().success());
    // Processes that end with supervisord are not lost.
    assert!(!supervisord.file("said").contains("is lost"));
}

#[test]
fn what_stays_away_ends_supervisord_after_its_grace_period() {
    let settings = "PROGRAM --processes web --lost-when EXITED --grace 0.2";
    let sections = listener(settings) + &lasting("web", "autorestart = false");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    supervisord.wait_for("supervisord.log", "success: web entered RUNNING state", 1);
    supervisord.ctl(&["signal", "KILL", "web"]);
    assert_eq!(supervisord.ends().code(), Some(0));
}

#[test]
fn a_process_that_was_lost_before_the_listener_ran_counts() {
    let sections = listener("PROGRAM --processes web").replace("startsecs = 0", "startsecs = 0\nautostart = false");
    let Some(mut supervisord) = Supervisord::start("s", &(sections + &failing("web"))) else { return };
    supervisord.ctl(&["start", "web"]);
    wait_for("web to be FATAL", || (supervisord.status("web") == "FATAL").then_some(()));
    supervisord.ctl(&["start", "critical_exit"]);
    assert_eq!(supervisord.ends().code(), Some(0));
    assert!(supervisord.file("said").contains("web:web is FATAL already"));
}

/// Behind a shell, the listener's parent is not supervisord.
#[test]
fn supervisord_is_signalled_and_not_the_shell_in_between() {
    for pidfile in ["", " --pidfile %(here)s/supervisord.pid"] {
        let settings = format!("sh -c '\"PROGRAM\" --end-by signal{pidfile}; exit $?'");
        let sections = listener(&settings) + &failing("web");
        let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
        supervisord.ctl(&["start", "web"]);
        assert_eq!(supervisord.ends().code(), Some(0));
        assert!(supervisord.log().contains("received SIGTERM"), "{pidfile}");
    }
}

#[test]
fn an_old_pidfile_never_ends_another_process() {
    let sections = listener("PROGRAM --end-by signal --pidfile %(here)s/old.pid") + &failing("web");
    let Some(mut supervisord) = Supervisord::start("s", &sections) else { return };
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    supervisord.write("old.pid", &format!("{}\n", bystander.id()));
    supervisord.ctl(&["start", "web"]);
    let refused = format!("supervisord does NOT end: process {} is not the supervisord that", bystander.id());
    supervisord.wait_for("said", &refused, 1);
    assert!(bystander.try_wait().unwrap().is_none());
    // It is retried until it succeeds.
    fs::copy(supervisord.directory().join("supervisord.pid"), supervisord.directory().join("old.pid")).unwrap();
    assert_eq!(supervisord.ends().code(), Some(0));
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

// ---- The entry point ----

/// A container, or without namespaces an ordinary process.
struct Container {
    directory: TempDir,
    child: Child,
    is_namespace: bool,
}

impl Container {
    /// `None` if there is no supervisord. `around` is the command that runs the entry point.
    fn start(around: &[&str], sections: &str, files: &[(&str, &str)]) -> Option<Self> {
        let programs = supervisord::programs()?;
        let directory = TempDir::new().unwrap();
        let here = directory.path();
        let configuration = format!(
            "[supervisord]\nsilent = true\nlogfile = %(here)s/supervisord.log\npidfile = %(here)s/supervisord.pid\n\
             [unix_http_server]\nfile = %(here)s/socket\n[supervisorctl]\nserverurl = unix://%(here)s/socket\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n{sections}"
        );
        fs::write(here.join("supervisord.conf"), configuration).unwrap();
        for (name, text) in files {
            fs::write(here.join(name), text).unwrap();
        }
        let entrypoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("container-entrypoint");
        let mut words: Vec<PathBuf> = around.iter().map(Into::into).collect();
        words.extend([entrypoint, "-c".into(), here.join("supervisord.conf")]);
        // A shell cannot trap a signal that was ignored when it started: the tests may run under `nohup`.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP");
        let path =
            env::join_paths([programs.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
        command.args(&words).current_dir(here).env("PATH", path.unwrap()).env("PYTHONUTF8", "1");
        command.env("EXIT_CODE_FILE", here.join("code")).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(fs::File::create(here.join("stderr")).unwrap()).spawn().unwrap();
        Some(Self { directory, child, is_namespace: around.len() > 1 })
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    fn wait_for(&mut self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        wait_for(&format!("{text:?} in {name}"), || {
            fs::read_to_string(&path).unwrap_or_default().contains(text).then_some(())
        });
    }

    fn write(&self, name: &str) {
        fs::write(self.directory.path().join(name), "").unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        wait_for("the end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            // unshare ignores signals, and a namespace ends with its first process.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            if self.is_namespace || within_patience(|| self.child.try_wait().ok().flatten()).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// Exits when told to by the file `go`.
fn told_to_go() -> String {
    "[program:web]\ncommand = sh -c 'until [ -e go ]; do sleep 0.02; done; exit 9'\nstartsecs = 0\n\
     autorestart = false\n"
        .into()
}

const LISTENER: &str = "PROGRAM --lost-when EXITED --exit-code 7";

#[test]
fn the_entry_point_exits_with_the_code_of_the_listener() {
    let Some(mut container) = Container::start(&["sh"], &(listener(LISTENER) + &told_to_go()), &[]) else { return };
    // A file left by an earlier run is ignored.
    container.wait_for("supervisord.log", "success: web entered RUNNING state");
    container.write("go");
    assert_eq!(container.exit_code(), Some(7));
}

#[test]
fn a_stop_is_no_failure_and_other_signals_are_passed_on() {
    let Some(mut container) = Container::start(&["sh"], &(listener(LISTENER) + &told_to_go()), &[]) else { return };
    container.wait_for("supervisord.log", "success: web entered RUNNING state");
    let pid = Pid::from_child(&container.child);
    kill_process(pid, Signal::HUP).unwrap();
    container.wait_for("supervisord.log", "received SIGHUP indicating restart request");
    // A signal during supervisord's reload does not end it.
    wait_for("supervisord to be back", || {
        (container.file("supervisord.log").matches("success: web").count() == 2).then_some(())
    });
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(container.exit_code(), Some(0));
    assert!(container.file("supervisord.log").contains("received SIGTERM"));
}

#[test]
fn a_supervisord_that_cannot_start_is_a_failure() {
    let Some(mut container) = Container::start(&["sh"], "[program:x]\n", &[]) else { return };
    assert_eq!(container.exit_code(), Some(2));
    assert!(container.file("stderr").contains("does not specify a command"));
}

/// A process namespace, as a container has one.
const NAMESPACE: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Whether this user may create one. Many containers, also in CI, do not allow it.
fn has_namespaces() -> bool {
    let output = Command::new(NAMESPACE[0]).args(&NAMESPACE[1..]).arg("true").output();
    let why = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    // Not `eprintln!`, which is hidden if a test passes.
    let _ = writeln!(
        io::stderr(),
        "\nSKIPPED: no process namespaces (run it as root, or in a privileged container): {why}\n"
    );
    false
}

#[test]
fn as_first_process_it_reaps_passes_signals_on_and_exits_with_the_code() {
    if !has_namespaces() {
        return;
    }
    // Its child ends as an orphan, which the first process must reap.
    let script =
        |name: &str| format!("[program:{name}]\ncommand = sh {name}.sh\ndirectory = %(here)s\nstartsecs = 0\n");
    let sections = listener(LISTENER) + &told_to_go() + &script("parent") + &script("looker");
    let scripts = [
        ("parent.sh", "sh orphan.sh &\nuntil [ -s orphan ]; do sleep 0.02; done\nexit 0\n"),
        ("orphan.sh", "echo $$ > orphan\nexec sleep 0.5\n"),
        // A zombie could still be signalled.
        (
            "looker.sh",
            "until [ -s orphan ]; do sleep 0.02; done\nwhile kill -0 $(cat orphan) 2>&-; do sleep 0.02; done\n\
             cat /proc/1/comm > reaped\nexec sleep 1000\n",
        ),
    ];
    let Some(mut container) = Container::start(&NAMESPACE, &sections, &scripts) else { return };
    // As the first process of the namespace, the shell has the name of its script.
    container.wait_for("reaped", "container-entry");
    container.write("go");
    assert_eq!(container.exit_code(), Some(7));

    let Some(mut container) = Container::start(&NAMESPACE, &sections, &scripts) else { return };
    container.wait_for("supervisord.log", "success: web entered RUNNING state");
    // unshare itself ignores signals: its child is the first process.
    let unshare = container.child.id();
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
    let first = Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    kill_process(first, Signal::TERM).unwrap();
    assert_eq!(container.exit_code(), Some(0));
}

#[test]
fn the_entry_point_refuses_a_directory_for_the_exit_code() {
    let entrypoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("container-entrypoint");
    let output = Command::new(entrypoint).env("EXIT_CODE_FILE", "/").env("SUPERVISORD", "true").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "container-entrypoint: EXIT_CODE_FILE is a directory: /; name a file in it\n";
    assert_eq!((output.status.code(), said.as_str()), (Some(2), expected));
}
