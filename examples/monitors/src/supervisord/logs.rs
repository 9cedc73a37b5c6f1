//! The logs that supervisord keeps of its processes' output.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::str::FromStr;

use dxr::{TryFromValue, TryToValue, Value};

use super::{Misconfigured, Refused, Supervisord, Unknown, field};
use crate::Failure;

/// How much of a log is read at a time, in bytes.
const PIECE: u64 = 64 * 1024;

/// How much of the end is read by whoever has not read before, in bytes.
const END: u64 = 16 * 1024;

/// Which of a process's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
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

/// A piece of a log, up to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    pub text: String,
    /// Where the log ends: what comes later begins there. Less than before if the log was cleared or rotated.
    pub offset: u64,
    /// Whether more was written than is read here.
    pub overflow: bool,
}

impl Supervisord {
    /// What a process has written since a log had this length, or its last lines. Text that is not UTF-8 is read from the
    /// log's file, where this process may do that.
    pub fn tail(&self, full_name: &str, stream: Stream, since: Option<u64>) -> Result<Tail, Failure> {
        let size = match self.log_size(full_name, stream) {
            Ok(size) => size,
            // supervisord has no numbers of that size in its answers.
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
        let (text, read) = self.read_log(full_name, stream, from, size - from)?;
        // Not with the end of a line whose start is missing.
        let skipped = if overflow { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
        Ok(Tail { text: text[skipped..].to_owned(), offset: from + read, overflow })
    }

    /// Makes a process's logs empty.
    pub fn clear_logs(&self, full_name: &str) -> Result<(), Failure> {
        self.call("clearProcessLogs", vec![full_name.try_to_value()?]).map(drop)
    }

    fn log_size(&self, full_name: &str, stream: Stream) -> Result<u64, Failure> {
        let method = match stream {
            Stream::Stdout => "tailProcessStdoutLog",
            Stream::Stderr => "tailProcessStderrLog",
        };
        let params = vec![full_name.try_to_value()?, Value::Integer(0), Value::Integer(0)];
        let answer = Vec::<Value>::try_from_value(&self.call(method, params)?)?;
        let size = answer.get(1).ok_or("the answer has no offset")?;
        Ok(i32::try_from_value(size)?.try_into()?)
    }

    /// Reads a part of a log. How many bytes it has.
    fn read_log(&self, full_name: &str, stream: Stream, from: u64, length: u64) -> Result<(String, u64), Failure> {
        let method = match stream {
            Stream::Stdout => "readProcessStdoutLog",
            Stream::Stderr => "readProcessStderrLog",
        };
        let read = |from: u64| -> Result<String, Failure> {
            let range = [i32::try_from(from)?, i32::try_from(length)?].map(Value::Integer);
            let params = [full_name.try_to_value()?].into_iter().chain(range).collect();
            Ok(String::try_from_value(&self.call(method, params)?)?)
        };
        match read(from) {
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

    /// The file of a log that supervisord cannot read to us, for this reason.
    fn log_file(&self, full_name: &str, stream: Stream, error: Failure) -> Result<File, Failure> {
        if error.is::<Unknown>() || error.is::<Refused>() || error.is::<Misconfigured>() {
            return Err(error);
        }
        let info = self.call("getProcessInfo", vec![full_name.try_to_value()?])?;
        let info = HashMap::<String, Value>::try_from_value(&info)?;
        let path: String = field(&info, if stream == Stream::Stdout { "stdout_logfile" } else { "stderr_logfile" })?;
        // Not for ever, where it is no file.
        let file = File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(&path);
        let file = file.map_err(|why| format!("supervisord cannot read this log ({error}), and {path}: {why}"))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(format!("{path} is not a file").into()) }
    }
}

/// Text of bytes that need not be text, but for a character at the end that has only begun. How many bytes that is.
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
