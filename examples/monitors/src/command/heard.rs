//! Splits a command's output into lines, and separates alerts from other lines.

use std::mem;

use super::child::Stream;
use super::memory::Said;
use super::output::Lines;
use crate::message::Message;

/// How many lines of a run are used.
const MOST_LINES: usize = 200;
/// How many of the last lines are kept for an alert about a failure.
const LAST_LINES: usize = 10;

/// The output of a command so far.
#[derive(Default)]
pub struct Heard {
    stdout: Lines,
    stderr: Lines,
    count: usize,
    /// The last lines.
    pub last: Vec<String>,
    /// Lines of standard output that are alerts.
    pub said: Vec<Said>,
}

impl Heard {
    /// Adds a piece of output; passes lines that are not alerts to `tell`.
    pub fn hear(&mut self, stream: Stream, bytes: &[u8], mut tell: impl FnMut(Stream, &str)) {
        let mut lines = mem::take(self.lines(stream));
        lines.add(bytes, |line| self.take(stream, line, &mut tell));
        *self.lines(stream) = lines;
    }

    /// Adds incomplete last lines.
    pub fn end(&mut self, mut tell: impl FnMut(Stream, &str)) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut lines = mem::take(self.lines(stream));
            lines.end(|line| self.take(stream, line, &mut tell));
        }
    }

    /// How many lines were ignored.
    pub fn lost(&self) -> usize {
        self.count.saturating_sub(MOST_LINES)
    }

    fn lines(&mut self, stream: Stream) -> &mut Lines {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn take(&mut self, stream: Stream, line: &str, tell: &mut impl FnMut(Stream, &str)) {
        if line.trim().is_empty() {
            return;
        }
        self.count += 1;
        if self.count > MOST_LINES {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line.to_owned());
        match said(line).filter(|_| stream == Stream::Stdout) {
            Some(said) => self.said.push(said),
            None => tell(stream, line),
        }
    }
}

/// A line that is an alert.
fn said(line: &str) -> Option<Said> {
    let message = Message::parse(line.trim());
    let kind = match message {
        Message::Alert { kind, .. } => kind.to_owned(),
        Message::AlertAbout { kind, strategy, .. } => format!("{kind}:{strategy}"),
        Message::Signal { .. } | Message::Malformed { .. } => return None,
    };
    let (severity, _) = message.alert()?;
    Some(Said { kind, severity, line: line.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;

    #[test]
    fn lines_of_standard_output_may_be_alerts_and_all_others_are_told() {
        let (mut heard, mut told) = (Heard::default(), Vec::new());
        let mut tell = |stream: Stream, line: &str| told.push(format!("{}: {line}", stream.name()));
        heard.hear(Stream::Stdout, b"ALERT:HIGH:LATENCY:340 ms\nhel", &mut tell);
        heard.hear(Stream::Stderr, b"ALERT:HIGH:X:y\n\n", &mut tell);
        heard.hear(Stream::Stdout, b"lo\nALERT:DRAWDOWN:m:5%\nSIGNAL:ENTRY:a:b\nALERT:HIGH", &mut tell);
        heard.end(&mut tell);
        assert_eq!(told, ["stderr: ALERT:HIGH:X:y", "stdout: hello", "stdout: SIGNAL:ENTRY:a:b", "stdout: ALERT:HIGH"]);
        let said: Vec<_> = heard.said.iter().map(|said| (said.kind.as_str(), said.severity)).collect();
        assert_eq!(said, [("LATENCY", Severity::High), ("DRAWDOWN:m", Severity::Warning)]);
        assert_eq!((heard.lost(), heard.last.len()), (0, 6));
    }

    #[test]
    fn no_more_is_heard_than_may_be() {
        let (mut heard, mut told) = (Heard::default(), 0);
        heard.hear(Stream::Stdout, &b"x\n".repeat(MOST_LINES + 5), |_, _| told += 1);
        assert_eq!((told, heard.lost(), heard.last.len()), (MOST_LINES, 5, LAST_LINES));
    }
}
