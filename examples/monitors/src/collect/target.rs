//! Where lines go, as written in the setting.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A file or a daemon.
#[derive(Clone, Debug)]
pub enum Target {
    File(FileTarget),
    Daemon(DaemonTarget),
}

/// Files in one format. The path may contain the process's name.
#[derive(Clone, Debug)]
pub struct FileTarget {
    pub is_json: bool,
    pub path: String,
}

/// A daemon that accepts lines as messages.
#[derive(Clone, Debug)]
pub enum DaemonTarget {
    Syslog(Address),
    Journald(PathBuf),
}

/// Where a syslog server is.
#[derive(Clone, Debug)]
pub enum Address {
    Unix(PathBuf),
    Udp(String),
    Tcp(String),
}

const WAYS: &str = "json:PATH, text:PATH, syslog, syslog:SOCKET, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, \
    journald or journald:SOCKET";

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("is a list of {WAYS}, separated by commas, but has {text:?}");
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let socket = |default: &str| PathBuf::from(if rest.is_empty() { default } else { rest });
        let server = || {
            let address = rest.strip_prefix("//").filter(|address| {
                let (host, port) = address.rsplit_once(':').unwrap_or_default();
                !host.is_empty() && port.parse::<u16>().is_ok()
            });
            address.map(Into::into).ok_or_else(wrong)
        };
        match kind {
            "json" | "text" if !rest.is_empty() => {
                Ok(Self::File(FileTarget { is_json: kind == "json", path: rest.into() }))
            }
            "syslog" => Ok(Self::Daemon(DaemonTarget::Syslog(Address::Unix(socket("/dev/log"))))),
            "syslog+udp" => Ok(Self::Daemon(DaemonTarget::Syslog(Address::Udp(server()?)))),
            "syslog+tcp" => Ok(Self::Daemon(DaemonTarget::Syslog(Address::Tcp(server()?)))),
            "journald" => Ok(Self::Daemon(DaemonTarget::Journald(socket("/run/systemd/journal/socket")))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Daemon(daemon) => daemon.fmt(f),
        }
    }
}

impl fmt::Display for FileTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", if self.is_json { "json" } else { "text" }, self.path)
    }
}

impl fmt::Display for DaemonTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syslog(Address::Unix(path)) => write!(f, "syslog:{}", path.display()),
            Self::Syslog(Address::Udp(address)) => write!(f, "syslog+udp://{address}"),
            Self::Syslog(Address::Tcp(address)) => write!(f, "syslog+tcp://{address}"),
            Self::Journald(path) => write!(f, "journald:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        for (text, shown) in [
            ("json:/var/log/all.jsonl", "json:/var/log/all.jsonl"),
            ("text:/var/log/{group}/{process}.log", "text:/var/log/{group}/{process}.log"),
            ("syslog", "syslog:/dev/log"),
            ("syslog:/run/log", "syslog:/run/log"),
            ("syslog+udp://[::1]:514", "syslog+udp://[::1]:514"),
            ("syslog+tcp://logs:601", "syslog+tcp://logs:601"),
            ("journald", "journald:/run/systemd/journal/socket"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        for text in ["", "json", "json:", "file:/x", "syslog+udp://host", "syslog+tcp:host:1", "syslog+tcp://:1"] {
            assert!(text.parse::<Target>().unwrap_err().contains(WAYS), "{text}");
        }
    }
}
