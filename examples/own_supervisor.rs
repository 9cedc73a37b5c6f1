//! A small supervisor: starts a listener, sends it three events, and prints its replies.
//!
//! ```sh
//! cargo run --example own_supervisor -- python3 my_listener.py
//! ```

use std::env;
use std::error::Error;
use std::io::{Read, Write, stdout};
use std::process::{Command, Stdio};

use supervisor_events::{Envelope, LengthUnit, ListenerOutput, ListenerState, Supervisor};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut command = Command::new(arguments.next().ok_or("usage: own_supervisor LISTENER [ARGUMENT]...")?);
    let mut listener = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = listener.stdin.take().ok_or("no standard input")?;
    let mut output = listener.stdout.take().ok_or("no standard output")?;

    let mut supervisor = Supervisor::new(LengthUnit::CodePoints);
    let mut buffer = [0; 4096];
    for serial in 0..3 {
        read_until_ready(&mut supervisor, &mut output)?;
        let envelope =
            Envelope { server: "own", serial, pool: "p", poolserial: serial, eventname: "TICK_5", payload: b"when:5" };
        input.write_all(supervisor.notify(&envelope, &mut buffer)?)?;
    }
    read_until_ready(&mut supervisor, &mut output)
}

fn read_until_ready(supervisor: &mut Supervisor, output: &mut impl Read) -> Result<(), Box<dyn Error>> {
    while supervisor.state() != ListenerState::Ready {
        let mut buffer = [0; 4096];
        let read = output.read(&mut buffer)?;
        let mut said = buffer.get(..read).filter(|said| !said.is_empty()).ok_or("the listener has ended")?;
        while let Some(step) = supervisor.advance(&mut said) {
            match step {
                ListenerOutput::ResultData(data) => writeln!(stdout(), "replied {}", data.escape_ascii())?,
                ListenerOutput::Violation(violation) => return Err(violation.to_string().into()),
                _ => {}
            }
        }
    }
    Ok(())
}
