//! Both programs answer events, and end at a signal while no event is under way.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const TICK: &[u8] = b"ver:3.0 server:s serial:0 pool:p poolserial:0 eventname:TICK_5 len:6\nwhen:5";

#[test]
fn events_are_answered_and_a_signal_ends_the_program() {
    for program in [env!("CARGO_BIN_EXE_tokio-listener"), env!("CARGO_BIN_EXE_minimal")] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut command = Command::new(program);
            let mut listener = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut output = listener.stdout.take().unwrap();
            let mut expect = |bytes: &[u8]| {
                let mut said = vec![0; bytes.len()];
                output.read_exact(&mut said).unwrap();
                assert_eq!(said, bytes);
            };
            expect(b"READY\n");
            let mut input = listener.stdin.as_ref().unwrap();
            input.write_all(TICK).unwrap();
            expect(b"RESULT 2\nOKREADY\n");
            kill_process(Pid::from_child(&listener), signal).unwrap();
            // Its input stays open: only the signal can end it. (`wait` would close it.)
            let input = listener.stdin.take();
            assert!(listener.wait().unwrap().success(), "{program} {signal:?}");
            drop(input);
            let mut rest = Vec::new();
            output.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"", "nothing is written after the last answer");
        }
    }
}
