//! A supervisor of its own: starts a listener, sends it three events, and prints what it replies.
//!
//! ```sh
//! cargo run --example own_supervisor -- python3 my_listener.py
//! ```

use std::env;
use std::error::Error;
use std::io::{Read, Write};
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
    for serial in 0..=3 {
        while supervisor.state() != ListenerState::Ready {
            let read = output.read(&mut buffer)?;
            let mut said = &buffer[..read];
            while let Some(step) = supervisor.advance(&mut said) {
                match step {
                    ListenerOutput::ResultData(data) => println!("replied {}", data.escape_ascii()),
                    ListenerOutput::Violation(violation) => return Err(format!("{violation:?}").into()),
                    _ => {}
                }
            }
            if read == 0 {
                return Err("the listener has ended".into());
            }
        }
        if serial < 3 {
            let envelope = Envelope {
                server: "own",
                serial,
                pool: "p",
                poolserial: serial,
                eventname: "TICK_5",
                payload: b"when:5",
            };
            input.write_all(supervisor.notify(&envelope, &mut buffer)?)?;
        }
    }
    // The end of its input ends the listener.
    drop(input);
    println!("{}", listener.wait()?);
    Ok(())
}
