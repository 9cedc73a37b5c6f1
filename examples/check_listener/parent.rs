//! The process between the checker and the listener: the listener's parent, in the place of supervisord.
//!
//! Some listeners signal their parent, to end or to reload supervisord. Here such a signal hits this process, which
//! runs in a session of its own and reports the signal. It is this same program, started with [`ROLE`] as its first
//! argument. Its standard input is a socket, over which it receives the listener's three streams. After that, each byte
//! is a question, answered with a line of two numbers: the signal that was received, or 0, and the listener's wait
//! status, or -1.

use std::env;
use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use rustix::process::{Pid, Signal, WaitOptions};
use signal_hook::consts::{FORBIDDEN, SIGCHLD, SIGCONT, SIGPIPE, SIGSEGV, SIGSTOP, SIGURG, SIGWINCH};
use signal_hook::iterator::Signals;

/// The first argument that makes this program the parent. Not for users.
pub const ROLE: &str = "--be-the-parent-of";

/// Standard input, output and error.
pub type Streams = [OwnedFd; 3];

// ---- In the checker. ----

/// A parent with its listener.
pub struct Parent {
    process: Child,
    control: UnixStream,
    listener: Pid,
    signal: Option<i32>,
    status: Option<ExitStatus>,
}

/// This program, even if its file has been replaced or removed since it was started, as a build does.
fn this_program() -> io::Result<PathBuf> {
    // Linux has it.
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.into()) } else { env::current_exe() }
}

impl Parent {
    /// Starts the listener under a parent of its own.
    pub fn start(
        listener: &[OsString],
        environment: impl IntoIterator<Item = (&'static str, &'static str)>,
        streams: &Streams,
    ) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let mut command = Command::new(this_program()?);
        command.arg(ROLE).args(listener).envs(environment);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        let mut process = command.spawn()?;
        // The command holds a copy of the socket's other end.
        drop(command);
        let streams = streams.each_ref().map(AsFd::as_fd);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&streams));
        rustix::net::sendmsg(&control, &[IoSlice::new(b"s")], &mut ancillary, SendFlags::empty())?;
        match read_numbers(&control)? {
            Some([pid, 0]) => {
                control.set_read_timeout(Some(Duration::from_millis(100)))?;
                let listener = Pid::from_raw(pid).ok_or_else(|| io::Error::other("the listener has no pid"))?;
                Ok(Self { process, control, listener, signal: None, status: None })
            }
            failed => {
                process.wait()?;
                Err(failed.map_or(io::ErrorKind::UnexpectedEof.into(), |[_, code]| io::Error::from_raw_os_error(code)))
            }
        }
    }

    /// The listener's process.
    pub fn listener(&self) -> Pid {
        self.listener
    }

    /// The signal that the listener has sent to its parent. Every signal that was sent before this call counts.
    pub fn signal(&mut self) -> Option<i32> {
        self.ask();
        self.signal
    }

    /// How the listener has ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.ask();
        }
        self.status
    }

    fn ask(&mut self) {
        if self.signal.is_some_and(|signal| FORBIDDEN.contains(&signal)) {
            // The parent has ended or is stopped.
            return;
        }
        let asked = self.control.write_all(b"?");
        loop {
            match asked.as_ref().map_or(Ok(None), |()| read_numbers(&self.control)) {
                Ok(Some([signal, status])) => {
                    self.signal = self.signal.or((signal != 0).then_some(signal));
                    self.status = self.status.or((status >= 0).then(|| ExitStatus::from_raw(status)));
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // It is late, or stopped.
                    self.signal = self.signal.or_else(|| self.fate(WaitOptions::NOHANG));
                }
                _ => {
                    self.signal = self.signal.or_else(|| self.fate(WaitOptions::empty()));
                    return;
                }
            }
            if self.signal.is_some() {
                return;
            }
        }
    }

    /// The signal that has ended or stopped the parent. Only one that cannot be handled can do that.
    fn fate(&self, options: WaitOptions) -> Option<i32> {
        let pid = Pid::from_child(&self.process);
        let (_, status) = rustix::process::waitpid(Some(pid), options | WaitOptions::UNTRACED).ok()??;
        status.terminating_signal().or(status.stopping_signal())
    }

    /// Ends the listener and all that it started, unless it has ended and left nothing behind.
    pub fn end(&mut self, leaves_something: bool) {
        if self.status().is_none() || leaves_something {
            let _ = rustix::process::kill_process_group(self.listener, Signal::KILL);
        }
        if self.signal == Some(SIGSTOP) {
            let _ = rustix::process::kill_process(Pid::from_child(&self.process), Signal::CONT);
        }
        // The parent sees the end of its input, reaps the listener and ends.
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let _ = self.process.wait();
    }
}

fn read_numbers(mut control: &UnixStream) -> io::Result<Option<[i32; 2]>> {
    let mut line = [0; 64];
    // A line is written at once, and is the only one on its way.
    let read = control.read(&mut line)?;
    let text = str::from_utf8(line.get(..read).unwrap_or_default()).unwrap_or_default();
    Ok(text.trim_end().split_once(' ').and_then(|(first, second)| Some([first.parse().ok()?, second.parse().ok()?])))
}

// ---- In the parent. ----

/// Starts the listener, and answers questions about it until the checker has no more of them.
pub fn run(listener: &[OsString]) -> io::Result<()> {
    rustix::process::setsid()?;
    let_sigsegv_end_us()?;
    let harmless = [SIGCHLD, SIGCONT, SIGPIPE, SIGSTOP, SIGURG, SIGWINCH];
    let mut signals = Signals::new((1..32).filter(|signal| ![FORBIDDEN, &harmless].concat().contains(signal)))?;
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut listener = match receive(&control).and_then(|streams| start(listener, streams)) {
        Ok(listener) => listener,
        // In one write: the checker reads the answer at once.
        Err(error) => return control.write_all(format!("0 {}\n", error.raw_os_error().unwrap_or(1)).as_bytes()),
    };
    let pid = Pid::from_child(&listener);
    control.write_all(format!("{} 0\n", pid.as_raw_nonzero()).as_bytes())?;
    let mut received = 0;
    while control.read_exact(&mut [0]).is_ok() {
        // The handler of a signal that was sent before the question has run by now.
        received = signals.pending().next().filter(|_| received == 0).unwrap_or(received);
        let status = listener.try_wait()?.map_or(-1, ExitStatus::into_raw);
        if control.write_all(format!("{received} {status}\n").as_bytes()).is_err() {
            break;
        }
    }
    // The checker is done, or gone.
    if listener.try_wait()?.is_none() {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    listener.wait().map(drop)
}

/// Rust's own handler survives one SIGSEGV that is not a real fault, and leaves the next one to the system, which ends
/// this process. So this spends the first one.
fn let_sigsegv_end_us() -> io::Result<()> {
    // Other systems may have no such handler.
    if cfg!(any(target_os = "linux", target_os = "macos", target_os = "freebsd")) {
        signal_hook::low_level::raise(SIGSEGV)?;
    }
    Ok(())
}

/// supervisord's children are leaders of process groups, too.
fn start(listener: &[OsString], [stdin, stdout, stderr]: Streams) -> io::Result<Child> {
    let (program, arguments) = listener.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(arguments).stdin(stdin).stdout(stdout).stderr(stderr).process_group(0).spawn()
}

fn receive(control: &UnixStream) -> io::Result<Streams> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(control, &mut [IoSliceMut::new(&mut [0])], &mut ancillary, RecvFlags::empty())?;
    let received = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(streams) => Some(streams.collect::<Vec<_>>()),
        _ => None,
    });
    let streams: Streams =
        received.and_then(|streams| streams.try_into().ok()).ok_or_else(|| io::Error::other("no streams"))?;
    for stream in &streams {
        rustix::io::fcntl_setfd(stream, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(streams)
}
