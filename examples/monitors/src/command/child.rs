//! Runs one command, from its start to the end of everything it started.
//!
//! The command gets a process group of its own, which is what is signalled. Its input and output are pipes, and never
//! waited for alone: it may read late or never, write without end, or leave behind a process that holds its output.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long to wait for activity on the pipes before checking whether the command has ended.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// How long to read remaining output after the command has ended: a process that it left behind may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long a command may take, and what happens then.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When its process group gets SIGTERM.
    pub timeout: Duration,
    /// How long after that it gets SIGKILL.
    pub grace: Duration,
    /// Whether to kill what is left of its group even if it ends in time.
    pub kills_rest: bool,
}

/// When all commands must end, whatever their timeout: set once this program is ending.
pub type End = Arc<OnceLock<Instant>>;

/// How a command ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended {
    /// By itself, or by somebody else's signal.
    ByItself(ExitStatus),
    /// It took too long, and was stopped.
    TimedOut,
    /// It was stopped because this program is ending.
    Interrupted,
}

/// Where a command's output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Runs a command until it ends, passes it `input`, and passes its output to `hear` in pieces of any size. Fails if the
/// command cannot be started.
pub fn run(
    mut command: Command,
    input: &[u8],
    limits: &Limits,
    end: &End,
    hear: &mut dyn FnMut(Stream, &[u8]),
) -> io::Result<Ended> {
    let deadline = Instant::now() + limits.timeout;
    // Our own standard input and output belong to the protocol.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut group = Group(command.spawn()?);
    let mut pipes = Pipes::of(&mut group.0, input)?;
    let mut ending: Option<(Ended, Instant)> = None;
    while !group.has_ended()? {
        pipes.turn(hear)?;
        let now = Instant::now();
        match ending {
            Some((_, kill)) if now >= kill => group.signal(Signal::KILL),
            Some(_) => {}
            None => {
                let is_over = end.get().is_some_and(|end| now >= *end);
                let why = if is_over { Some(Ended::Interrupted) } else { (now >= deadline).then_some(Ended::TimedOut) };
                if let Some(why) = why {
                    group.signal(Signal::TERM);
                    ending = Some((why, now + limits.grace));
                }
            }
        }
    }
    if limits.kills_rest || ending.is_some() {
        group.signal(Signal::KILL);
    }
    pipes.last_words(hear)?;
    let status = group.0.wait()?;
    Ok(ending.map_or(Ended::ByItself(status), |(why, _)| why))
}

/// A command and everything it started. The command is reaped last, so that its group's number stays valid.
struct Group(Child);

impl Group {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone, or may belong to another user by now.
        self.pid().map(|group| kill_process_group(group, signal));
    }

    /// Whether the command itself has ended. It is not reaped yet.
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match self.pid().map(|pid| waitid(WaitId::Pid(pid), options)) {
            Some(Ok(status)) => Ok(status.is_some()),
            Some(Err(rustix::io::Errno::INTR)) => Ok(false),
            Some(Err(error)) => Err(error.into()),
            None => Ok(true),
        }
    }
}

impl Drop for Group {
    /// Only after an error.
    fn drop(&mut self) {
        if !matches!(self.has_ended(), Err(_) | Ok(true)) {
            self.signal(Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// The command's input and output, each as long as it is open.
struct Pipes<'a> {
    input: &'a [u8],
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let this = Self { input, stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        this.stdin.as_ref().map_or(Ok(()), |pipe| ioctl_fionbio(pipe, true))?;
        this.stdout.as_ref().map_or(Ok(()), |pipe| ioctl_fionbio(pipe, true))?;
        this.stderr.as_ref().map_or(Ok(()), |pipe| ioctl_fionbio(pipe, true))?;
        Ok(this)
    }

    /// Waits briefly for activity, and handles it.
    fn turn(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        self.wait()?;
        if let Some(pipe) = &mut self.stdin {
            let written = if self.input.is_empty() { Ok(0) } else { pipe.write(self.input) };
            match written {
                Ok(written) => self.input = &self.input[written..],
                Err(error) if is_for_now(&error) => {}
                // The command does not read its input.
                Err(_) => self.input = &[],
            }
            if self.input.is_empty() {
                self.stdin = None;
            }
        }
        listen(&mut self.stdout, |bytes| hear(Stream::Stdout, bytes));
        listen(&mut self.stderr, |bytes| hear(Stream::Stderr, bytes));
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let stdin = self.stdin.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT));
        let stdout = self.stdout.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
        let stderr = self.stderr.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
        let mut pipes: Vec<_> = stdin.into_iter().chain(stdout).chain(stderr).collect();
        match poll(&mut pipes, Some(&TURN)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads remaining output after the end.
    fn last_words(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        self.stdin = None;
        let until = Instant::now() + LAST_WORDS;
        while (self.stdout.is_some() || self.stderr.is_some()) && Instant::now() < until {
            self.turn(hear)?;
        }
        Ok(())
    }
}

/// Reads what is available; closes the pipe at its end.
fn listen(pipe: &mut Option<impl Read>, mut hear: impl FnMut(&[u8])) {
    let Some(open) = pipe else { return };
    let mut bytes = [0; 8192];
    match open.read(&mut bytes) {
        Ok(0) => *pipe = None,
        Ok(read) => hear(&bytes[..read]),
        Err(error) if is_for_now(&error) => {}
        Err(_) => *pipe = None,
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LIMITS: Limits =
        Limits { timeout: Duration::from_secs(60), grace: Duration::from_secs(60), kills_rest: true };

    fn run_shell(script: &str, input: &[u8], limits: &Limits, end: &End) -> (Ended, String, String) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut hear = |stream, bytes: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        };
        let ended = run(command, input, limits, end, &mut hear).unwrap();
        (ended, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    fn code(ended: Ended) -> Option<i32> {
        match ended {
            Ended::ByItself(status) => status.code(),
            _ => None,
        }
    }

    #[test]
    fn what_it_reads_and_says_may_be_more_than_a_pipe_holds() {
        let input = vec![b'x'; 1 << 20];
        let (ended, stdout, stderr) = run_shell("cat; seq 100000 >&2; exit 7", &input, &LIMITS, &End::default());
        assert_eq!(code(ended), Some(7));
        assert_eq!((stdout.len(), stderr.lines().count()), (1 << 20, 100_000));
    }

    #[test]
    fn what_it_does_not_read_is_no_matter() {
        let input = vec![b'x'; 1 << 20];
        for script in ["exec <&-; echo ok", "echo ok", "read -r line < /dev/null; echo ok"] {
            let (ended, stdout, _) = run_shell(script, &input, &LIMITS, &End::default());
            assert_eq!((code(ended), stdout.as_str()), (Some(0), "ok\n"), "{script}");
        }
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let limits = Limits { timeout: Duration::from_millis(100), ..LIMITS };
        let (ended, ..) = run_shell("exec sleep 1000", b"", &limits, &End::default());
        assert!(matches!(ended, Ended::TimedOut), "{ended:?}");
    }

    #[test]
    fn what_is_ended_may_end_in_order_and_leaves_nothing_behind() {
        // The first obeys SIGTERM. The second ignores it, and so does its child.
        for (script, grace, last) in [
            ("trap 'echo bye; exit' TERM; sleep 1000 & echo $! >&2; wait", 60, "bye\n"),
            ("trap '' TERM; sleep 1000 & echo $! >&2; while :; do wait; done", 0, ""),
        ] {
            let (limits, end) = (Limits { grace: Duration::from_secs(grace), ..LIMITS }, End::default());
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let ended = run(command, b"", &limits, &end, &mut |stream, bytes| match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => {
                    // The command is ready.
                    stderr.extend_from_slice(bytes);
                    let _ = end.set(Instant::now());
                }
            });
            assert!(matches!(ended, Ok(Ended::Interrupted)), "{ended:?}");
            assert_eq!(String::from_utf8(stdout).unwrap(), last);
            assert_gone(str::from_utf8(&stderr).unwrap());
        }
    }

    #[test]
    fn what_it_leaves_behind_is_killed_or_kept() {
        let script = "sleep 1000 & echo $! >&2";
        let (ended, _, stderr) = run_shell(script, b"", &LIMITS, &End::default());
        assert_eq!(code(ended), Some(0));
        assert_gone(&stderr);
        let (ended, _, stderr) = run_shell(script, b"", &Limits { kills_rest: false, ..LIMITS }, &End::default());
        assert_eq!(code(ended), Some(0));
        let left = Pid::from_raw(stderr.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(left, Signal::KILL).unwrap();
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let command = Command::new("/no/such/program");
        assert!(run(command, b"", &LIMITS, &End::default(), &mut |_, _| {}).is_err());
    }

    /// Waits until this process is gone, or is a zombie.
    fn assert_gone(pid: &str) {
        let pid = pid.trim();
        let is_there = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
        };
        let begin = Instant::now();
        while is_there() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{pid} lives on");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
