//! Takes standard input and output for the protocol. If they are visibly not supervisord's, or were used before, that
//! is an error: the listener would become UNKNOWN, while supervisord still shows it as RUNNING.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::ServeError;

/// Takes standard input and output for the protocol, and returns them on descriptors that child processes do not
/// inherit. Descriptor 0 then reads from `/dev/null`, and descriptor 1 writes to standard error.
///
/// Stray output between two answers puts the listener into UNKNOWN, and a child process that reads from an inherited
/// standard input takes events away; after this call neither can happen. Call it before anything is read or printed.
/// Text that was printed without a newline, and is still in the buffer, goes to standard error.
///
/// # Errors
///
/// [`ServeError::Streams`], with the reason and what to do about it:
///
/// * Standard input is a terminal: supervisord starts listeners, not people.
/// * Standard output and standard error are the same pipe or file (`2>&1`): every line of the log would go to
///   supervisord as an answer.
/// * Standard input or standard output is closed, or `/dev/null`.
/// * They were taken before.
/// * Something was printed before, and supervisord has not read it yet; or something was read from standard input.
///
/// Also if `/dev/null` cannot be opened or the descriptors cannot be duplicated, for example with too many open files.
pub fn take_stdio() -> Result<(File, File), ServeError> {
    take().map_err(ServeError::Streams)
}

fn take() -> io::Result<(File, File)> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.load(Ordering::Relaxed) {
        return Err(refusal("standard input and output have been taken before: this can be done once in a process"));
    }
    if io::stdin().is_terminal() {
        return Err(refusal(
            "this is an event listener, and its standard input is a terminal: supervisord has to start it, as the \
             'command' of an [eventlistener:NAME] section",
        ));
    }
    if is_same_pipe_or_file(io::stdout().as_fd(), io::stderr().as_fd())? {
        return Err(refusal(
            "standard output and standard error are the same pipe or file: supervisord would take the log for answers; \
             remove '2>&1' from the listener's command, and 'redirect_stderr' from its section",
        ));
    }
    let null = File::open("/dev/null")?;
    if is_same(io::stdin().as_fd(), null.as_fd())? {
        return Err(refusal(
            "standard input is closed, or '/dev/null': no event would come; supervisord has to start the listener, and \
             nothing in its command may redirect standard input",
        ));
    }
    if is_same(io::stdout().as_fd(), null.as_fd())? {
        return Err(refusal(
            "standard output is closed, or '/dev/null': nobody would see READY, and no event would come; supervisord has \
             to start the listener",
        ));
    }
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let printed = unread(output.as_fd())?;
    if printed > 0 {
        return Err(refusal(&std::format!(
            "{printed} bytes were printed to standard output before the listener started: supervisord takes them for \
             an answer; print to standard error, or after the listener has taken standard output"
        )));
    }
    rustix::stdio::dup2_stdin(null)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    TAKEN.store(true, Ordering::Relaxed);
    // Descriptor 1 is standard error now, so this goes there.
    let _ = io::stdout().flush();
    // Bytes in the buffer were read before this call. If it is empty, it is filled from `/dev/null`: with nothing.
    let read = io::stdin().lock().fill_buf()?.len();
    if read > 0 {
        return Err(refusal(&std::format!(
            "{read} bytes of standard input were read into a buffer before the listener started: they are the first \
             event; read nothing from standard input"
        )));
    }
    Ok((input.into(), output.into()))
}

fn refusal(reason: &str) -> io::Error {
    io::Error::other(reason)
}

/// Whether what is written to one also goes to the other. A device such as `/dev/null` or a terminal does no harm.
fn is_same_pipe_or_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(!metadata(one)?.file_type().is_char_device() && is_same(one, other)?)
}

fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> io::Result<bool> {
    let [one, other] = [metadata(one)?, metadata(other)?];
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn metadata(stream: BorrowedFd<'_>) -> io::Result<Metadata> {
    File::from(stream.try_clone_to_owned()?).metadata()
}

/// How many bytes in a pipe nobody has read yet; 0 for anything else.
fn unread(output: BorrowedFd<'_>) -> io::Result<u64> {
    let is_pipe = metadata(output)?.file_type().is_fifo();
    Ok(if is_pipe { rustix::io::ioctl_fionread(output)? } else { 0 })
}
