//! Python, supervisor, and listeners that other people wrote.
//!
//! If they are not available, the tests that need them are skipped, and say so; with `CI` in the environment they fail.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

/// A virtual environment: its packages, and the modules and the program that have to be in it.
struct Environment {
    name: &'static str,
    packages: &'static [&'static str],
    modules: &'static str,
    program: &'static str,
    /// What each Python in it executes first.
    first: &'static str,
}

const SUPERVISOR: Environment = Environment {
    name: "supervisor-4.3.0-superlance-2.0.0",
    packages: &["supervisor==4.3.0", "superlance==2.0.0"],
    modules: "superlance.memmon, supervisor.childutils",
    program: "supervisord",
    first: "",
};

/// The last version of each earlier series. They need a module that setuptools had until version 81.
const OLDER: [Environment; 3] = [
    // Python 3.8 and later have no `cgi.escape`.
    older(
        "supervisor-4.0.4",
        &["supervisor==4.0.4", "setuptools<81"],
        "import html, sys, types; sys.modules.setdefault('cgi', types.ModuleType('cgi')).escape = html.escape",
    ),
    older("supervisor-4.1.0", &["supervisor==4.1.0", "setuptools<81"], ""),
    older("supervisor-4.2.5", &["supervisor==4.2.5", "setuptools<81"], ""),
];

const fn older(name: &'static str, packages: &'static [&'static str], first: &'static str) -> Environment {
    Environment { name, packages, modules: "supervisor.rpcinterface", program: "supervisord", first }
}

const AIOSMTPD: Environment = Environment {
    name: "aiosmtpd-1.4.6",
    packages: &["aiosmtpd==1.4.6"],
    modules: "aiosmtpd.smtp",
    program: "aiosmtpd",
    first: "",
};

const PROMETHEUS_CLIENT: Environment = Environment {
    name: "prometheus-client-0.26.0",
    packages: &["prometheus-client==0.26.0"],
    modules: "prometheus_client.openmetrics.parser",
    program: "python",
    first: "",
};

/// The Python on the path.
pub fn python() -> Option<PathBuf> {
    let program = PathBuf::from("python3");
    or_skip("a python3", run(Command::new(&program).arg("--version")).map(|()| program))
}

/// The programs of a virtual environment with supervisor and superlance in it.
pub fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PROGRAMS.get_or_init(|| install(&SUPERVISOR)).as_deref().map_err(String::clone);
    or_skip("supervisor and superlance", installed)
}

/// The programs of supervisor in this version: 4.0.4, 4.1.0 or 4.2.5.
pub fn older_programs(version: &str) -> Option<PathBuf> {
    let environment = OLDER.iter().find(|environment| environment.name.ends_with(version)).expect("a version of those");
    or_skip(environment.name, install(environment))
}

/// A Python that has aiosmtpd, an SMTP server.
pub fn with_aiosmtpd() -> Option<PathBuf> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PROGRAMS.get_or_init(|| install(&AIOSMTPD)).as_deref().map_err(String::clone);
    or_skip("aiosmtpd", installed).map(|programs| programs.join("python"))
}

/// A Python that reads OpenMetrics as strictly as the specification demands.
pub fn with_prometheus_client() -> Option<PathBuf> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PROGRAMS.get_or_init(|| install(&PROMETHEUS_CLIENT)).as_deref().map_err(String::clone);
    or_skip("prometheus-client", installed).map(|programs| programs.join("python"))
}

/// What the test needs. If it is missing, the test is skipped, and says so; with `CI` in the environment it fails.
pub fn or_skip<T>(what: &str, there: Result<T, String>) -> Option<T> {
    match there {
        Ok(there) => Some(there),
        Err(error) if env::var_os("CI").is_some() => panic!("no {what}: {error}"),
        Err(error) => {
            say_skipped(what, &error);
            None
        }
    }
}

/// Says that a test is skipped.
pub fn say_skipped(what: &str, why: &str) {
    // Not `eprintln!`, which is not shown for a test that passes.
    let _ = writeln!(io::stderr(), "\nSKIPPED, for want of {what}: {why}\n");
}

/// Makes the environment under cargo's target directory, unless it is there and works.
fn install(Environment { name, packages, modules, program, first }: &Environment) -> Result<PathBuf, String> {
    // target/debug/deps/TEST
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let environment = target.join(name);
    let programs = environment.join("bin");
    // Other tests may be making it. The lock ends with its process; an unfinished environment is made anew.
    let lock = File::create(target.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
    let works = || {
        run(Command::new(programs.join("python")).args(["-c", &format!("import {modules}")]))?;
        run(Command::new(programs.join(program)).arg("--version"))
    };
    if works().is_err() {
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let mut pip = Command::new(programs.join("python"));
        run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(*packages))?;
        if !first.is_empty() {
            let write =
                format!("import sysconfig; open(sysconfig.get_path('purelib') + '/first.pth', 'w').write({first:?})");
            run(Command::new(programs.join("python")).args(["-c", &write]))?;
        }
        works()?;
    }
    Ok(programs)
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
