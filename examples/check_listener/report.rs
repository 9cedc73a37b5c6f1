//! The results, for people and for programs.

use std::io::{self, IsTerminal, Write};

use serde_json::json;

use crate::bench::Bench;
use crate::findings::Finding;

/// A check that was made or skipped.
pub struct Outcome {
    pub check: &'static str,
    pub result: Result<Vec<Finding>, Skipped>,
}

/// All checks, and notes on how they were made.
pub struct Results {
    pub outcomes: Vec<Outcome>,
    pub notes: Vec<&'static str>,
}

/// Why a check was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Another check has shown that this one would show nothing.
    Pointless,
    /// The listener does not subscribe to the events that it needs.
    NoEvent(&'static str),
}

impl Skipped {
    fn reason(self) -> &'static str {
        match self {
            Self::Pointless => "the first check failed",
            Self::NoEvent(reason) => reason,
        }
    }
}

impl Outcome {
    pub fn verdict(&self) -> &'static str {
        match &self.result {
            Err(_) => "skipped",
            Ok(findings) if findings.iter().any(Finding::failed) => "failed",
            Ok(findings) if !findings.is_empty() => "warned",
            Ok(_) => "passed",
        }
    }

    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.result.iter().flatten()
    }

    /// The text after the name: the causes, or why the check was skipped.
    fn remark(&self) -> String {
        match self.result {
            Err(skipped) => skipped.reason().into(),
            Ok(ref findings) => {
                let mut ids: Vec<_> = findings.iter().map(|finding| finding.cause.id).collect();
                ids.dedup();
                ids.join(", ")
            }
        }
    }
}

const VERDICTS: [&str; 4] = ["passed", "warned", "failed", "skipped"];

fn count(outcomes: &[Outcome], verdict: &str) -> usize {
    outcomes.iter().filter(|outcome| outcome.verdict() == verdict).count()
}

pub fn as_object(bench: &Bench, Results { outcomes, notes }: &Results) -> serde_json::Value {
    let checks: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let findings: Vec<_> = outcome.findings().map(Finding::to_json).collect();
            let skipped = outcome.result.as_ref().err().map(|skipped| skipped.reason());
            json!({"name": outcome.check, "verdict": outcome.verdict(), "findings": findings, "skipped": skipped})
        })
        .collect();
    let summary: serde_json::Map<_, _> =
        VERDICTS.into_iter().map(|verdict| (verdict.to_owned(), count(outcomes, verdict).into())).collect();
    let command: Vec<_> = bench.command.iter().map(|part| part.to_string_lossy()).collect();
    json!({"command": command, "checks": checks, "summary": summary, "notes": notes})
}

/// A line for each check, and below them every cause once.
pub fn as_text(Results { outcomes, notes }: &Results) -> String {
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
    for outcome in outcomes {
        let line = format!("{}{:<22}{}", paint(outcome.verdict()), outcome.check, outcome.remark());
        text += line.trim_end();
        text.push('\n');
    }
    let mut told: Vec<&str> = Vec::new();
    for (check, finding) in
        outcomes.iter().flat_map(|outcome| outcome.findings().map(move |finding| (outcome.check, finding)))
    {
        if !told.contains(&finding.cause.id) {
            told.push(finding.cause.id);
            text += &format!("\n{}{}, in {check}\n{finding}", paint(finding.cause.severity.name()), finding.cause.id);
        }
    }
    let counts: Vec<_> = VERDICTS
        .into_iter()
        .map(|verdict| (count(outcomes, verdict), verdict))
        .filter(|(count, verdict)| *count != 0 || *verdict == "failed")
        .map(|(count, verdict)| format!("{count} {verdict}"))
        .collect();
    text += &format!("\nchecks: {}\n", counts.join(", "));
    if outcomes.iter().any(|outcome| outcome.result.as_ref().is_err_and(|skipped| *skipped == Skipped::Pointless)) {
        text += "The listener did not pass the first check, so the others were skipped.\n";
    }
    for note in notes {
        text += &format!("{note}\n");
    }
    text
}

/// Writes to standard output. Returns `false` if its reader has seen enough.
pub fn say(text: &str) -> io::Result<bool> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}
