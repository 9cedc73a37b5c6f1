//! A real supervisord, of the version that the crate is tested against.
//!
//! If the one on the path is that version, it is used; otherwise one is installed under cargo's target directory, once.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{python, wait_for, within_patience};

const VERSION: &str = "4.3.0";

/// What its log says at each start.
const STARTED: &str = "supervisord started with pid";

/// A running supervisord. It and all its processes end with this value.
pub struct Supervisord {
    child: Child,
    ended: Option<ExitStatus>,
    setup: Setup,
}

/// How its programs are run.
struct Setup {
    /// The directory of supervisord and supervisorctl.
    programs: PathBuf,
    directory: TempDir,
    configuration: PathBuf,
    environment: Vec<(String, OsString)>,
}

impl Supervisord {
    /// Starts one with these sections in its configuration, in which `%(here)s` is a directory of its own. `None` if no
    /// supervisord is available. Its log is a debug log, which shows every state of a listener.
    ///
    /// Programs should end at the end of their input, like `cat`, so that none of them outlives a supervisord that had
    /// to be killed.
    pub fn start(identifier: &str, sections: &str) -> Option<Self> {
        programs().map(|programs| Self::start_from(programs, identifier, sections))
    }

    /// The same, with the programs in this directory.
    pub fn start_from(programs: &Path, identifier: &str, sections: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let configuration = directory.path().join("supervisord.conf");
        fs::write(&configuration, Self::configuration(identifier, sections)).unwrap();
        Self::run(Setup { programs: programs.into(), directory, configuration, environment: Vec::new() })
    }

    /// The configuration of one whose files, `supervisord.log` and `socket` among them, are beside it.
    pub fn configuration(identifier: &str, sections: &str) -> String {
        format!(
            "[supervisord]\nidentifier = {identifier}\nnodaemon = true\nsilent = true\n\
             logfile = %(here)s/supervisord.log\nlogfile_maxbytes = 0\npidfile = %(here)s/supervisord.pid\n\
             childlogdir = %(here)s\n\
             [unix_http_server]\nfile = %(here)s/socket\n\
             [supervisorctl]\nserverurl = unix://%(here)s/socket\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
             {sections}"
        )
    }

    /// Starts one with this configuration. The configuration keeps its files, among them `supervisord.log` and
    /// `socket`, in the directory, which it finds in the environment variable. `None` if no supervisord is available.
    pub fn configured(
        configuration: &Path,
        (variable, directory): (&str, TempDir),
        environment: &[(&str, &OsStr)],
    ) -> Option<Self> {
        let mut environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.push((variable.into(), directory.path().into()));
        Some(Self::run(Setup {
            programs: programs()?.into(),
            directory,
            configuration: configuration.into(),
            environment,
        }))
    }

    /// The same, with the programs that are in that directory.
    pub fn configured_from_its_directory(configuration: &Path, (variable, directory): (&str, TempDir)) -> Self {
        Self::run(Setup {
            programs: directory.path().into(),
            configuration: configuration.into(),
            environment: vec![(variable.into(), directory.path().into())],
            directory,
        })
    }

    fn run(setup: Setup) -> Self {
        let mut this = Self { child: setup.supervisord(), ended: None, setup };
        this.wait_until_started(1);
        this
    }

    /// Starts it once more, in the same directory, after its end.
    pub fn start_again(&mut self) {
        assert!(self.ended.is_some(), "it still runs");
        let times = self.log().matches(STARTED).count();
        self.child = self.setup.supervisord();
        self.ended = None;
        self.wait_until_started(times + 1);
    }

    fn wait_until_started(&mut self, times: usize) {
        wait_for("supervisord", || {
            assert_eq!(self.child.try_wait().unwrap(), None, "supervisord did not start");
            (self.log().matches(STARTED).count() == times).then_some(())
        });
    }

    /// The process that was started, which is supervisord itself unless its program is a script.
    pub fn child(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        self.setup.directory.path()
    }

    /// Runs supervisorctl to its end.
    pub fn ctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.setup.command("supervisorctl").args(arguments).output().unwrap()
    }

    /// The state of a process, by supervisorctl.
    pub fn status(&self, process: &str) -> String {
        let output = self.ctl(&["status", process]);
        let line = String::from_utf8(output.stdout).unwrap();
        line.split_whitespace().nth(1).unwrap_or(&line).to_owned()
    }

    /// The current contents of a file in its directory; empty if there is no such file.
    pub fn file(&self, name: &str) -> String {
        fs::read(self.directory().join(name)).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default()
    }

    /// Writes a file in its directory.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.directory().join(name), text).unwrap();
    }

    /// supervisord's own log.
    pub fn log(&self) -> String {
        self.file("supervisord.log")
    }

    /// Waits until a file in its directory contains `text` at least `times` times.
    pub fn wait_for(&self, name: &str, text: &str, times: usize) {
        wait_for(&format!("{text:?} in {name}"), || (self.file(name).matches(text).count() >= times).then_some(()));
    }

    /// The process id that a process was last started with.
    pub fn pid(&self, process: &str) -> u32 {
        let log = self.log();
        let (_, pid) = log.rsplit_once(&format!("spawned: '{process}' with pid ")).expect("it was started");
        pid.lines().next().unwrap().parse().unwrap()
    }

    /// Waits until supervisord ends for a reason other than this value.
    pub fn ends(&mut self) -> ExitStatus {
        let socket = self.directory().join("socket");
        let ended = wait_for("supervisord's end", || {
            // It stops one group in each turn of its loop, which takes a second unless something happens: so connect.
            let _ = UnixStream::connect(&socket);
            self.child.try_wait().unwrap()
        });
        self.ended = Some(ended);
        ended
    }

    /// Ends supervisord and all its processes by SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        if self.ended.is_none() {
            // Nobody else can have its id until it is waited for.
            kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
            self.ends();
        }
        self.ended.unwrap()
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}\n{}", self.log(), self.file("supervisord.err"));
        }
        if self.ended.is_none() {
            let asked = kill_process(Pid::from_child(&self.child), Signal::TERM);
            if asked.is_err() || within_patience(|| self.child.try_wait().ok().flatten()).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

impl Setup {
    fn supervisord(&self) -> Child {
        let mut command = self.command("supervisord");
        command
            .args(["--loglevel", "debug"])
            .stderr(File::create(self.directory.path().join("supervisord.err")).unwrap());
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// A program of this supervisor, with its directory first on the path, also for supervisord's children.
    fn command(&self, program: &str) -> Command {
        let paths = env::var_os("PATH").unwrap_or_default();
        let paths = [self.programs.clone()].into_iter().chain(env::split_paths(&paths));
        let mut command = Command::new(self.programs.join(program));
        command.arg("-c").arg(&self.configuration).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("PATH", env::join_paths(paths).unwrap()).env("PYTHONUTF8", "1").current_dir(self.directory.path());
        // All servers of the tests are local: no proxy may come between.
        for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command
    }
}

/// The directory of supervisord and supervisorctl: the first on the path that has the right version, or that of the
/// tests' own environment.
pub fn programs() -> Option<&'static Path> {
    static ON_PATH: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        env::split_paths(&env::var_os("PATH")?).filter(|path| path.is_absolute()).find(|path| {
            let output = Command::new(path.join("supervisord")).arg("--version").stderr(Stdio::null()).output();
            output.is_ok_and(|output| output.stdout.trim_ascii() == VERSION.as_bytes())
        })
    });
    ON_PATH.as_deref().or_else(python::programs)
}

/// Asserts that supervisord's log reports no fault of a listener.
pub fn assert_clean(log: &str) {
    let faults = ["-> UNKNOWN", "bad result line", "event was rejected", "caused an error", "overflowed", "Traceback"];
    for fault in faults {
        assert!(!log.contains(fault), "{fault}");
    }
}
