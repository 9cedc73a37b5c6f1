//! Starts an event listener, in whatever language, and tries it as supervisord would, and harder.
//!
//! ```text
//! check_listener [--json] [--only NAME]… [--timeout SECONDS] [--list] -- COMMAND [ARGUMENT]…
//! ```
//!
//! Every check starts the listener anew. What is wrong is shown with the bytes that tell so, and how to mend it. Ends
//! with exit code 0 if nothing failed (there may be warnings), 1 if something did, 2 if it could not be tried at all.
//!
//! The listener really handles the events: give it a configuration in which that does no harm. No supervisord answers it
//! but the one that SUPERVISOR_SERVER_URL names, if that is set.

mod checks;
mod findings;
mod subject;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use checks::{CHECKS, Check};
use findings::{Finding, Severity};
use lexopt::ValueExt;
use serde_json::json;
use subject::Bench;

const USAGE: &str =
    "usage: check_listener [--json] [--only NAME]... [--timeout SECONDS] [--list] -- COMMAND [ARGUMENT]...";

/// Checks that go on at the same time. They wait more than they work.
const AT_A_TIME: usize = 4;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (mut as_json, mut list) = (false, false);
    let mut only = Vec::new();
    let mut patience = Duration::from_secs(5);
    let mut command = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("json") => as_json = true,
            lexopt::Arg::Long("list") => list = true,
            lexopt::Arg::Long("only") => only.push(arguments.value()?.string()?),
            lexopt::Arg::Long("timeout") => {
                let seconds: f64 = arguments.value()?.parse()?;
                patience = Duration::try_from_secs_f64(seconds).map_err(|error| format!("--timeout: {error}"))?;
                if patience.is_zero() {
                    return Err("--timeout must be more than 0".into());
                }
            }
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            lexopt::Arg::Value(program) => {
                command.push(program);
                command.extend(arguments.raw_args()?);
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected()).into()),
        }
    }
    if let Some(name) = only.iter().find(|name| CHECKS.iter().all(|check| check.name != name.as_str())) {
        return Err(format!("there is no check {name:?}; --list shows all").into());
    }
    let checks: Vec<&Check> =
        CHECKS.iter().filter(|check| only.is_empty() || only.iter().any(|name| name == check.name)).collect();
    if list {
        for check in checks {
            say(&format!("{:<22}{}\n", check.name, check.about))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if command.is_empty() {
        return Err(format!("no command\n{USAGE}").into());
    }
    let bench = Bench::new(command, patience);
    bench.can_start()?;

    let results = run_all(&bench, &checks);
    let text = if as_json { format!("{}\n", as_object(&bench, &results)) } else { as_text(&results) };
    say(&text)?;
    let failed = results.iter().any(|result| result.verdict() == "failed");
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A check that was made, or was not.
struct Outcome {
    check: &'static str,
    /// `None` if it was skipped.
    findings: Option<Vec<Finding>>,
}

impl Outcome {
    fn verdict(&self) -> &'static str {
        match &self.findings {
            None => "skipped",
            Some(findings) if findings.iter().any(|finding| finding.cause.severity == Severity::Failed) => "failed",
            Some(findings) if !findings.is_empty() => "warned",
            Some(_) => "passed",
        }
    }
}

fn run_all(bench: &Bench, checks: &[&'static Check]) -> Vec<Outcome> {
    let make = |check: &'static Check| Outcome { check: check.name, findings: Some(checks::run(check, bench)) };
    // Whoever does not get through the first check would only use up the patience of all others.
    let (first, others) = match checks.split_first() {
        Some((first, others)) if first.name == CHECKS[0].name => (Some(make(first)), others),
        _ => (None, checks),
    };
    let hopeless = first.iter().flat_map(|first| first.findings.iter().flatten()).any(|finding| finding.hopeless);
    if hopeless {
        let skipped = others.iter().map(|check| Outcome { check: check.name, findings: None });
        return first.into_iter().chain(skipped).collect();
    }
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(others.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(check) = others.get(at) else { return };
                    let outcome = make(check);
                    made.lock().unwrap().push((at, outcome));
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap();
    made.sort_by_key(|(at, _)| *at);
    first.into_iter().chain(made.into_iter().map(|(_, outcome)| outcome)).collect()
}

fn count(results: &[Outcome], verdict: &str) -> usize {
    results.iter().filter(|result| result.verdict() == verdict).count()
}

const VERDICTS: [&str; 4] = ["passed", "warned", "failed", "skipped"];

fn as_object(bench: &Bench, results: &[Outcome]) -> serde_json::Value {
    let checks: Vec<_> = results
        .iter()
        .map(|result| {
            let findings: Vec<_> = result.findings.iter().flatten().map(Finding::to_json).collect();
            json!({"name": result.check, "verdict": result.verdict(), "findings": findings})
        })
        .collect();
    let summary: serde_json::Map<_, _> =
        VERDICTS.into_iter().map(|verdict| (verdict.to_owned(), count(results, verdict).into())).collect();
    let command: Vec<_> = bench.command().iter().map(|part| part.to_string_lossy()).collect();
    json!({"command": command, "checks": checks, "summary": summary})
}

/// A line for each check, and below them every finding once.
fn as_text(results: &[Outcome]) -> String {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = |verdict: &str| {
        let code = match verdict {
            "passed" => 32,
            "failed" => 31,
            _ => 33,
        };
        let padded = format!("{verdict:<8}");
        if colour { format!("\x1b[{code}m{padded}\x1b[0m") } else { padded }
    };
    let mut text = String::new();
    for result in results {
        let mut ids: Vec<_> = result.findings.iter().flatten().map(|finding| finding.cause.id).collect();
        ids.dedup();
        let line = format!("{}{:<22}{}", paint(result.verdict()), result.check, ids.join(", "));
        text += line.trim_end();
        text.push('\n');
    }
    let mut told: Vec<&str> = Vec::new();
    for (check, finding) in
        results.iter().flat_map(|result| result.findings.iter().flatten().map(|finding| (result.check, finding)))
    {
        if !told.contains(&finding.cause.id) {
            told.push(finding.cause.id);
            text += &format!("\n{}{}, in {check}\n{finding}", paint(finding.cause.severity.name()), finding.cause.id);
        }
    }
    let counts: Vec<_> = VERDICTS
        .into_iter()
        .map(|verdict| (count(results, verdict), verdict))
        .filter(|(count, verdict)| *count != 0 || *verdict == "failed")
        .map(|(count, verdict)| format!("{count} {verdict}"))
        .collect();
    text += &format!("\nchecks: {}\n", counts.join(", "));
    if results.iter().any(|result| result.findings.is_none()) {
        text += "The listener did not get through the first check, so the others were not tried.\n";
    }
    text
}

fn say(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
