//! Standard input and output: what is refused, where the streams lead once they are taken, and the loop over them.
//!
//! Each test runs itself again, as a process with streams of its own.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio, exit};
use std::str;

use crate::support::events;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use supervisor_events::Reply;
use supervisor_events::host::std_io::{Serve, ServeError, serve_stdio, take_stdio};
use tempfile::TempDir;

/// What the other process is told: where to write how it ended, as its standard error may be anything.
const ENDED: &str = "THE_OTHER_PROCESS_HAS_ENDED";

/// What it is told as well: which of a test's cases it runs.
const CASE: &str = "THE_CASE_OF_THE_OTHER_PROCESS";

/// How the other process ended: `taken`, or the error.
struct Ended {
    how: String,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs `program` in a process of its own, with these bytes as its input: the same test again, by its name. In that
/// process it does not return for its own case, and returns `None` for those before. `redirections` are the shell's;
/// `set` sets anything else.
///
/// Its output is a file: the test harness prints first.
fn in_another_process(
    (name, case): (&str, usize),
    input: &[u8],
    redirections: &str,
    set: impl FnOnce(&mut Command),
    program: impl FnOnce() -> Result<(), ServeError>,
) -> Option<Ended> {
    if let Some(path) = env::var_os(ENDED) {
        if env::var(CASE).unwrap() != case.to_string() {
            return None;
        }
        let ended = program();
        fs::write(path, ended.map_or_else(|error| error.to_string(), |()| "taken".into())).unwrap();
        exit(0);
    }
    let directory = TempDir::new().unwrap();
    let path = |name| directory.path().join(name);
    fs::write(path("input"), input).unwrap();
    let mut again = Command::new("sh");
    again.args(["-c", &format!("exec \"$0\" \"$@\" {redirections}")]).arg(env::current_exe().unwrap());
    again.args(["--exact", &format!("stdio::{name}"), "--nocapture"]).env(ENDED, path("ended"));
    again.env(CASE, case.to_string());
    again.env_remove("SUPERVISOR_PROCESS_NAME").env_remove("SUPERVISOR_GROUP_NAME");
    again.stdin(File::open(path("input")).unwrap());
    again.stdout(File::create(path("stdout")).unwrap()).stderr(File::create(path("stderr")).unwrap());
    set(&mut again);
    assert!(again.status().unwrap().success());
    // Where it was told to write elsewhere, nothing is in the file.
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| fs::read(path(name)).unwrap());
    Some(Ended { how: fs::read_to_string(path("ended")).unwrap(), stdout, stderr })
}

/// Takes the streams, with these redirections, and asserts how that ends.
fn assert_ends(test: (&str, usize), redirections: &str, set: impl FnOnce(&mut Command), expected: &str) {
    let ended = in_another_process(test, b"one\n", redirections, set, || take_stdio().map(drop));
    let Some(Ended { how, .. }) = ended else { return };
    assert!(how.starts_with(expected), "{redirections}: {how}");
}

/// A terminal of its own, and its other end. It does not become the terminal of this process, which its end would end.
fn terminal() -> (OwnedFd, File) {
    let leader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&leader).unwrap();
    unlockpt(&leader).unwrap();
    let name = ptsname(&leader, Vec::new()).unwrap();
    let terminal = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (leader, terminal.into())
}

// ---- What is refused. ----

#[test]
fn a_terminal_as_input_is_refused() {
    let (_leader, terminal) = terminal();
    let set = |again: &mut Command| {
        again.stdin(terminal);
    };
    let expected = "this is an event listener, and its standard input is a terminal: supervisord has to start it";
    assert_ends(("a_terminal_as_input_is_refused", 0), "", set, expected);
}

#[test]
fn one_file_for_output_and_errors_is_refused_but_a_terminal_is_not() {
    let name = "one_file_for_output_and_errors_is_refused_but_a_terminal_is_not";
    assert_ends((name, 0), "2>&1", |_| {}, "standard output and standard error are the same pipe or file: ");
    let (_leader, terminal) = terminal();
    let set = |again: &mut Command| {
        again.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    };
    assert_ends((name, 1), "", set, "taken");
}

#[test]
fn an_input_that_never_comes_is_refused() {
    for redirection in ["</dev/null", "<&-"] {
        let expected = "standard input is closed, or '/dev/null': no event would come; ";
        assert_ends(("an_input_that_never_comes_is_refused", 0), redirection, |_| {}, expected);
    }
}

#[test]
fn an_output_that_nobody_reads_is_refused() {
    for redirection in [">/dev/null", ">&-", ">/dev/null 2>&1"] {
        let expected = "standard output is closed, or '/dev/null': nobody would see READY, ";
        assert_ends(("an_output_that_nobody_reads_is_refused", 0), redirection, |_| {}, expected);
    }
}

#[test]
fn output_that_came_before_is_refused() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let set = |again: &mut Command| {
        again.stdout(writer);
    };
    // The test harness has printed something, and nobody has read it yet.
    let program = || take_stdio().map(drop);
    let Some(ended) = in_another_process(("output_that_came_before_is_refused", 0), b"", "", set, program) else {
        return;
    };
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed).unwrap();
    assert!(!printed.is_empty());
    let expected = format!("{} bytes were printed to standard output before the listener started: ", printed.len());
    assert!(ended.how.starts_with(&expected), "{}", ended.how);
}

#[test]
fn input_that_was_read_before_is_refused() {
    let program = || {
        stdin().read_line(&mut String::new()).unwrap();
        take_stdio().map(drop)
    };
    let input = b"one\ntwo\n";
    let ended = in_another_process(("input_that_was_read_before_is_refused", 0), input, "", |_| {}, program);
    let Some(Ended { how, .. }) = ended else { return };
    assert!(
        how.starts_with("4 bytes of standard input were read into a buffer before the listener started: "),
        "{how}"
    );
}

#[test]
fn streams_that_were_taken_are_refused() {
    let again: [fn() -> Result<(), ServeError>; 3] =
        [|| take_stdio().map(drop), || serve_stdio(|_| Ok(Reply::OK)), || Serve::new().open().map(drop)];
    for (case, again) in again.into_iter().enumerate() {
        let program = || take_stdio().and_then(|_| again());
        let ended = in_another_process(("streams_that_were_taken_are_refused", case), b"x", "", |_| {}, program);
        let Some(Ended { how, .. }) = ended else { continue };
        assert!(how.starts_with("standard input and output have been taken before: "), "{how}");
    }
}

// ---- Where they lead once they are taken. ----

#[test]
fn what_is_printed_goes_to_standard_error_and_input_to_its_owner() {
    let program = || {
        print!("no newline, ");
        let (mut input, mut output) = take_stdio()?;
        println!("stray");
        // A child process could take events away.
        assert!(Command::new("cat").stdin(Stdio::inherit()).status()?.success());
        assert_eq!(stdin().read_line(&mut String::new())?, 0);
        let mut read = String::new();
        input.read_to_string(&mut read)?;
        assert_eq!(read, "one\n");
        for descriptor in [input.as_fd(), output.as_fd()] {
            assert!(fcntl_getfd(descriptor).unwrap().contains(FdFlags::CLOEXEC));
        }
        Ok(output.write_all(b"READY\n")?)
    };
    let name = "what_is_printed_goes_to_standard_error_and_input_to_its_owner";
    let Some(Ended { how, stdout, stderr }) = in_another_process((name, 0), b"one\n", "", |_| {}, program) else {
        return;
    };
    let [stdout, stderr] = [&stdout, &stderr].map(|bytes| str::from_utf8(bytes).unwrap());
    assert_eq!(how, "taken", "{stderr}");
    assert_eq!(stderr, "no newline, stray\n");
    assert!(stdout.ends_with("READY\n") && !stdout.contains("stray") && !stdout.contains("no newline"), "{stdout}");
}

#[test]
fn events_are_answered_on_standard_output() {
    let event = events::event(7, "TICK_5", "when:5");
    let program = || {
        serve_stdio(|event| {
            println!("{}", event.header.serial());
            Ok(Reply::new(b"mine"))
        })
    };
    let ended = in_another_process(("events_are_answered_on_standard_output", 0), &event, "", |_| {}, program);
    let Some(Ended { how, stdout, stderr }) = ended else { return };
    assert_eq!((how.as_str(), str::from_utf8(&stderr).unwrap()), ("taken", "7\n"));
    assert!(stdout.ends_with(b"READY\nRESULT 4\nmineREADY\n"));
}

#[test]
fn a_report_is_one_line_on_standard_error() {
    let program = || {
        let settings = Serve::new().max_rejections(0);
        settings.stdio(|_| Err("no room\n  left on device\n".into()))
    };
    let event = events::event(7, "X", "");
    let ended = in_another_process(("a_report_is_one_line_on_standard_error", 0), &event, "", |_| {}, program);
    let Some(Ended { how, stdout, stderr }) = ended else { return };
    let said: Vec<_> = str::from_utf8(&stderr).unwrap().lines().collect();
    assert_eq!((how.as_str(), said.len()), ("taken", 2), "{said:?}");
    assert_eq!(said[0], "event 7 (X) could not be handled: no room;   left on device");
    assert!(said[1].starts_with("event 7 (X) may not be rejected, and is accepted now: "), "{said:?}");
    assert!(stdout.ends_with(b"READY\nRESULT 2\nOKREADY\n"));
}

#[test]
fn lost_events_are_reported_if_the_process_is_alone_in_its_pool() {
    // One is missing, and is given up after 16 others.
    let serials = (1..20).filter(|serial| *serial != 2);
    let recording: Vec<u8> = serials.flat_map(|serial| events::event(serial, "X", "")).collect();
    for (case, (names, settings, is_reported)) in [
        (Some(["a", "a"]), Serve::new(), true),
        (Some(["a_00", "a"]), Serve::new(), false),
        (None, Serve::new(), false),
        (None, Serve::new().audit(true), true),
        (Some(["a", "a"]), Serve::new().audit(false), false),
    ]
    .into_iter()
    .enumerate()
    {
        let set = |again: &mut Command| {
            let names = names.into_iter().flatten();
            again.envs(["SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME"].into_iter().zip(names));
        };
        let program = || settings.replay(true).stdio(|_| Ok(Reply::OK));
        let test = ("lost_events_are_reported_if_the_process_is_alone_in_its_pool", case);
        let Some(Ended { how, stderr, .. }) = in_another_process(test, &recording, "", set, program) else { continue };
        let said = str::from_utf8(&stderr).unwrap();
        assert_eq!((how.as_str(), said.lines().count()), ("taken", usize::from(is_reported)), "{case}: {said}");
        assert!(!is_reported || said.starts_with("1 event was lost: poolserial 2; "), "{said}");
    }
}
