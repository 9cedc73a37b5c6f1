//! The logs that supervisord keeps: its processes' output, and its own log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::str::FromStr;

use dxr::{TryFromValue, TryToValue, Value};

use super::call::field;
use super::{Misconfigured, Process, ProcessOutcome, Refused, Supervisord, Unknown};
use crate::Failure;

/// How much of a log is read at a time, in bytes.
const PIECE: u64 = 64 * 1024;

/// How much is read by a caller without an offset, in bytes.
const END: u64 = 16 * 1024;

/// One of a process's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output; with `redirect_stderr`, everything.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn method_to_tail(self) -> &'static str {
        match self {
            Self::Stdout => "tailProcessStdoutLog",
            Self::Stderr => "tailProcessStderrLog",
        }
    }

    fn method_to_read(self) -> &'static str {
        match self {
            Self::Stdout => "readProcessStdoutLog",
            Self::Stderr => "readProcessStderrLog",
        }
    }
}

impl FromStr for Stream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            _ => Err(format!("a log is stdout or stderr, not {text:?}")),
        }
    }
}

/// The last part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The text.
    pub text: String,
    /// The end of the log, where later output will begin. Lower than before if the log was cleared or rotated.
    pub offset: u64,
    /// Whether more was written than is returned.
    pub overflow: bool,
}

impl Supervisord {
    /// What a process has written after an offset in its log, or its last lines. If supervisord cannot return text that
    /// is not UTF-8, it is read from the log's file, if this process may do that.
    pub fn tail(&self, full_name: &str, stream: Stream, since: Option<u64>) -> Result<Tail, Failure> {
        let size = match self.log_size(full_name, stream) {
            Ok(size) => size,
            // The size does not fit into a number in supervisord's answer.
            Err(error) => self.log_file(full_name, stream, error)?.metadata()?.len(),
        };
        let (from, overflow) = match since {
            Some(since) if since > size => (size.saturating_sub(END), size > END),
            Some(since) if size - since > PIECE => (size - END, true),
            Some(since) => (since, false),
            None => (size.saturating_sub(END), size > END),
        };
        if from == size {
            return Ok(Tail { text: String::new(), offset: size, overflow });
        }
        let (text, read) = self.read_part(full_name, stream, from, size - from)?;
        // Drops a partial first line.
        let skipped = if overflow { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
        Ok(Tail { text: text[skipped..].to_owned(), offset: from + read, overflow })
    }

    /// The last bytes of a process's log, as far as supervisord keeps them.
    pub fn log_end(&self, full_name: &str, stream: Stream, bytes: usize) -> Result<String, Failure> {
        let name = full_name.try_to_value()?;
        let end = |bytes: usize| -> Result<String, Failure> {
            let params = vec![name.clone(), Value::Integer(0), Value::Integer(bytes.try_into()?)];
            let tail = Vec::<Value>::try_from_value(&self.call(stream.method_to_tail(), params)?)?;
            Ok(String::try_from_value(tail.first().ok_or("the answer is empty")?)?)
        };
        whole_characters(bytes, end)
    }

    /// Up to `length` bytes of a process's log from this offset; to its end if `length` is 0.
    ///
    /// Fails if the text is not UTF-8, or begins or ends inside a character: [`Supervisord::tail`] handles both.
    pub fn read_log(&self, full_name: &str, stream: Stream, offset: u64, length: u64) -> Result<String, Failure> {
        let range = [i32::try_from(offset)?, i32::try_from(length)?].map(Value::Integer);
        let params = [full_name.try_to_value()?].into_iter().chain(range).collect();
        Ok(String::try_from_value(&self.call(stream.method_to_read(), params)?)?)
    }

    /// Empties a process's logs.
    pub fn clear_logs(&self, full_name: &str) -> Result<(), Failure> {
        self.call("clearProcessLogs", vec![full_name.try_to_value()?]).map(drop)
    }

    /// Empties the logs of all processes, one call after the other. Returns the outcome for each of them.
    ///
    /// supervisord's own call for this, `clearAllProcessLogs`, clears one log per turn of its loop, which takes a
    /// second if nothing else happens: no deadline suits that.
    pub fn clear_all_logs(&self) -> Result<Vec<ProcessOutcome>, Failure> {
        let clear = |process: Process| {
            let cleared = self.clear_logs(&process.full_name());
            ProcessOutcome::of(process, cleared)
        };
        self.processes()?.into_iter().map(clear).collect()
    }

    /// The end of supervisord's own log.
    pub fn own_log_end(&self, bytes: usize) -> Result<String, Failure> {
        whole_characters(bytes, |bytes| self.call_for_own_log(-i32::try_from(bytes)?, 0))
    }

    /// Up to `length` bytes of supervisord's own log from this offset; to its end if `length` is 0.
    pub fn read_own_log(&self, offset: u64, length: u64) -> Result<String, Failure> {
        self.call_for_own_log(offset.try_into()?, length.try_into()?)
    }

    /// Empties supervisord's own log.
    pub fn clear_own_log(&self) -> Result<(), Failure> {
        self.call("clearLog", vec![]).map(drop)
    }

    fn call_for_own_log(&self, offset: i32, length: i32) -> Result<String, Failure> {
        Ok(String::try_from_value(&self.call("readLog", [offset, length].map(Value::Integer).into())?)?)
    }

    fn log_size(&self, full_name: &str, stream: Stream) -> Result<u64, Failure> {
        let params = vec![full_name.try_to_value()?, Value::Integer(0), Value::Integer(0)];
        let answer = Vec::<Value>::try_from_value(&self.call(stream.method_to_tail(), params)?)?;
        let size = answer.get(1).ok_or("the answer has no offset")?;
        Ok(i32::try_from_value(size)?.try_into()?)
    }

    /// Reads a part of a log, from its file if necessary. Also returns the number of bytes read.
    fn read_part(&self, full_name: &str, stream: Stream, from: u64, length: u64) -> Result<(String, u64), Failure> {
        match self.read_log(full_name, stream, from, length) {
            Ok(text) => Ok((text, length)),
            Err(error) => {
                let mut bytes = Vec::new();
                let mut file = self.log_file(full_name, stream, error)?;
                file.seek(SeekFrom::Start(from))?;
                file.take(length).read_to_end(&mut bytes)?;
                Ok(lossy(&bytes))
            }
        }
    }

    /// The file of a log that supervisord cannot return because of `error`.
    fn log_file(&self, full_name: &str, stream: Stream, error: Failure) -> Result<File, Failure> {
        if error.is::<Unknown>() || error.is::<Refused>() || error.is::<Misconfigured>() {
            return Err(error);
        }
        let info = self.process_info(full_name)?;
        let path: String = field(&info, if stream == Stream::Stdout { "stdout_logfile" } else { "stderr_logfile" })?;
        // Without blocking if it is not a regular file.
        let file = File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(&path);
        let file = file.map_err(|why| format!("supervisord cannot read this log ({error}), and {path}: {why}"))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(format!("{path} is not a file").into()) }
    }
}

/// The last bytes of a text. supervisord fails if the first of them is inside a character, which has up to 4.
fn whole_characters(bytes: usize, tail: impl Fn(usize) -> Result<String, Failure>) -> Result<String, Failure> {
    if bytes == 0 {
        // To supervisord, 0 means everything.
        return Ok(String::new());
    }
    let mut found = tail(bytes);
    for shorter in (bytes.saturating_sub(3).max(1)..bytes).rev() {
        match found {
            Err(error) if !error.is::<Unknown>() => found = tail(shorter),
            _ => break,
        }
    }
    found
}

/// Converts bytes to text, without an incomplete character at the end. Returns the number of bytes converted.
fn lossy(bytes: &[u8]) -> (String, u64) {
    let chunks = bytes.utf8_chunks().collect::<Vec<_>>();
    let begun = chunks.last().map_or(&[][..], |last| last.invalid());
    let has_only_begun = std::str::from_utf8(begun).is_err_and(|error| error.error_len().is_none());
    let end = bytes.len() - if has_only_begun { begun.len() } else { 0 };
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_has_only_begun_is_left_for_later() {
        for (bytes, text, length) in [
            (&b"plain\n"[..], "plain\n", 6),
            (b"", "", 0),
            ("é€".as_bytes(), "é€", 5),
            (&"é€".as_bytes()[..4], "é", 2),
            (b"\xff\xfe", "\u{fffd}\u{fffd}", 2),
            (b"a\xffb\xe2\x82", "a\u{fffd}b", 3),
        ] {
            assert_eq!(lossy(bytes), (text.to_owned(), length), "{bytes:?}");
        }
    }
}
