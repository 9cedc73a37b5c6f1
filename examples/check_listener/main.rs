//! Starts an event listener, written in any language, and tests it as supervisord would use it, and harder.
//!
//! Every check starts the listener anew. A mistake is shown with the bytes that prove it, and how to fix it. With
//! `--judge`, it reads the recorded output of a listener instead. `--help` shows the options and exit codes.
//!
//! The listener really handles the events: give it a configuration in which that does no harm. If it calls supervisord
//! back, only the one in SUPERVISOR_SERVER_URL answers, if that is set.

mod bench;
mod causes;
mod checks;
mod events;
mod findings;
mod judge;
mod parent;
mod report;
mod streams;
mod subject;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::iter;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bench::Bench;
use checks::{CHECKS, Check};
use events::Subscription;
use lexopt::ValueExt;
use report::{Outcome, Results, Skipped, say};

const USAGE: &str = "\
usage: check_listener [OPTION]... -- COMMAND [ARGUMENT]...
       check_listener [--json] [--result-handler] --judge FILE
       check_listener --list";

const HELP: &str = "
Starts an event listener, written in any language, and tests it as supervisord would use it, and harder. Shows each
mistake, the bytes that prove it, and how to fix it. The listener really handles the events: start it in a way that does
no harm.

  --events NAME[,NAME]...  what the listener subscribes to, as in its section of supervisord.conf; it gets no other
                           events, and checks that need others are skipped (default: EVENT, which is everything)
  --result-handler         the pool has a result_handler of its own: answers other than OK are correct
  --timeout SECONDS        how long to wait for READY, an answer, or the end of the listener (default: 5)
  --jobs N                 how many instances of the listener may run at the same time (default: 4); if a second one
                           does not start while another is running, only one runs at a time, and the report says so
  --only CHECK             run only this check; may be repeated
  --list                   list all checks
  --judge FILE             start nothing; judge what a listener wrote to its standard output, in a line for each step,
                           with its offset; `-` is standard input
  --json                   write JSON: one object, or with --judge one for each step
  -h, --help               print this help
  -V, --version            print the version

exit codes:
  0  nothing failed; there may be warnings
  1  something failed, or supervisord would not have accepted all of FILE
  2  nothing could be tested: wrong usage, the command cannot be started, FILE cannot be read
";

/// How many checks run at the same time by default. They wait more than they work.
const AT_A_TIME: usize = 4;

/// Long enough for any listener, and for all sums of it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the first check may wait after the timeout, to tell a slow listener from a silent one.
const LONGEST_GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let result = match arguments.next() {
        Some(first) if first == parent::ROLE => {
            parent::run(&arguments.collect::<Vec<_>>()).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        _ => run(),
    };
    result.unwrap_or_else(|error| {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "error: {error}");
        ExitCode::from(2)
    })
}

/// The command line.
struct Options {
    as_json: bool,
    list: bool,
    /// Printed instead of running anything.
    text: Option<String>,
    only: Vec<String>,
    judge: Option<OsString>,
    jobs: usize,
    bench: Bench,
}

impl Options {
    fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let patience = Duration::from_secs(5);
        let bench = Bench {
            command: Vec::new(),
            events: Subscription::to_everything(),
            patience,
            grace: patience,
            result_handler: false,
            known: Vec::new(),
            watch_writers: false,
        };
        let (only, jobs) = (Vec::new(), AT_A_TIME);
        let mut options = Self { as_json: false, list: false, text: None, only, judge: None, jobs, bench };
        let mut events: Option<Subscription> = None;
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("json") => options.as_json = true,
                lexopt::Arg::Long("list") => options.list = true,
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => options.text = Some(format!("{USAGE}\n{HELP}")),
                lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => {
                    options.text = Some(format!("check_listener {}\n", env!("CARGO_PKG_VERSION")));
                }
                lexopt::Arg::Long("result-handler") => options.bench.result_handler = true,
                lexopt::Arg::Long("only") => options.only.push(check_name(arguments.value()?)?),
                lexopt::Arg::Long("judge") => options.judge = Some(arguments.value()?),
                lexopt::Arg::Long("timeout") => options.bench.patience = timeout(arguments.value()?)?,
                lexopt::Arg::Long("jobs") => options.jobs = jobs_at_once(arguments.value()?)?,
                lexopt::Arg::Long("events") => {
                    let new = Subscription::parse(&arguments.value()?.string()?)?;
                    match &mut events {
                        Some(events) => events.join(new),
                        None => events = Some(new),
                    }
                }
                lexopt::Arg::Value(program) => {
                    options.bench.command.push(program);
                    options.bench.command.extend(arguments.raw_args()?);
                }
                other => return Err(format!("{}\n{USAGE}", other.unexpected()).into()),
            }
        }
        options.bench.events = events.unwrap_or(options.bench.events);
        Ok(options)
    }
}

fn check_name(value: OsString) -> Result<String, Box<dyn std::error::Error>> {
    let name = value.string()?;
    match CHECKS.iter().any(|check| check.name == name) {
        true => Ok(name),
        false => Err(format!("--only: there is no check {name:?}; --list shows all").into()),
    }
}

fn jobs_at_once(value: OsString) -> Result<usize, Box<dyn std::error::Error>> {
    Ok(value.parse::<NonZero<usize>>().map_err(|error| format!("--jobs: {error}"))?.get())
}

fn timeout(value: OsString) -> Result<Duration, Box<dyn std::error::Error>> {
    let seconds: f64 = value.parse().map_err(|error| format!("--timeout: {error}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && time <= LONGEST_TIMEOUT => Ok(time),
        Ok(_) => Err(format!("--timeout: it has to be more than 0, and at most {}", LONGEST_TIMEOUT.as_secs()).into()),
        Err(error) => Err(format!("--timeout: {error}").into()),
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Options { as_json, list, text, only, judge, jobs, bench } = Options::read()?;
    if let Some(text) = text {
        say(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let checks: Vec<&Check> =
        CHECKS.iter().filter(|check| only.is_empty() || only.iter().any(|name| name == check.name)).collect();
    if list {
        let lines: String = checks.iter().map(|check| format!("{:<22}{}\n", check.name, check.about)).collect();
        say(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    match (judge, bench.command.is_empty()) {
        (Some(path), true) => return Ok(judge::run(&path, as_json, bench.result_handler)?),
        (Some(_), false) => return Err(format!("--judge starts no command\n{USAGE}").into()),
        (None, true) => return Err(format!("no command\n{USAGE}").into()),
        (None, false) => bench.can_start()?,
    }
    let results = run_all(&bench, &checks, jobs);
    let text = if as_json { format!("{}\n", report::as_object(&bench, &results)) } else { report::as_text(&results) };
    say(&text)?;
    let failed = results.outcomes.iter().any(|outcome| outcome.verdict() == "failed");
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn make(check: &Check, bench: &Bench) -> Outcome {
    let result = match check.unmet(&bench.events) {
        Some(reason) => Err(Skipped::NoEvent(reason)),
        None => Ok(check.run(bench)),
    };
    Outcome { check: check.name, result }
}

fn run_all(bench: &Bench, checks: &[&'static Check], jobs: usize) -> Results {
    // A listener that fails the first check would only time out in all the others.
    let Some((first, others)) = checks.split_first() else {
        return Results { outcomes: Vec::new(), notes: Vec::new() };
    };
    let is_basic = first.name == CHECKS[0].name;
    let grace = (3 * bench.patience).min(LONGEST_GRACE);
    let first = make(first, &Bench { grace, ..bench.clone() });
    let went_on = |finding: &&findings::Finding| finding.can_go_on();
    let known: Vec<_> = first.findings().filter(went_on).map(|finding| finding.cause).collect();
    let (others, notes) =
        if first.findings().any(|finding| !finding.can_go_on() && (is_basic || !finding.trouble.was_ready)) {
            let skip = |check: &&Check| Outcome { check: check.name, result: Err(Skipped::Pointless) };
            (others.iter().map(skip).collect(), Vec::new())
        } else {
            // The first check has shown how fast the listener is.
            let grace = bench.patience.min(Duration::from_secs(5));
            let known = if is_basic { known } else { Vec::new() };
            run_others(&Bench { grace, known, ..bench.clone() }, others, jobs)
        };
    Results { outcomes: iter::once(first).chain(others).collect(), notes }
}

const RUNS_ONCE: &str = "Only one instance of the listener can run at a time: a second one does not start while the \
                         first is running. So the checks ran one by one.";
const DIES_BESIDE_OTHERS: &str = "The listener died at its start while other instances of it were running, but not when \
                                  it was alone. So these checks ran again, one by one.";

fn run_others(bench: &Bench, checks: &[&Check], jobs: usize) -> (Vec<Outcome>, Vec<&'static str>) {
    let jobs = jobs.min(checks.len());
    if jobs > 1 && !bench.starts_twice() {
        return (run_at_once(bench, checks, 1), vec![RUNS_ONCE]);
    }
    let mut outcomes = run_at_once(bench, checks, jobs);
    let mut notes = Vec::new();
    let died = |outcome: &Outcome| outcome.findings().any(|finding| finding.cause == causes::DIED_AT_START);
    for (outcome, check) in outcomes.iter_mut().zip(checks).filter(|(outcome, _)| jobs > 1 && died(outcome)) {
        let alone = make(check, bench);
        if !died(&alone) {
            *outcome = alone;
            notes = vec![DIES_BESIDE_OTHERS];
        }
    }
    (outcomes, notes)
}

/// Runs the checks, `jobs` of them at a time.
fn run_at_once(bench: &Bench, checks: &[&Check], jobs: usize) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((at, check)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| checks.get(at).map(|check| (at, check)))
                {
                    let outcome = make(check, bench);
                    made.lock().unwrap().push((at, outcome));
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap();
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, outcome)| outcome).collect()
}
