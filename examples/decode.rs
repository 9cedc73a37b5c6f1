//! Prints a captured stream of notifications, one JSON object a line.
//!
//! ```text
//! decode [--length code-points|bytes] [FILE]
//! ```
//!
//! Reads FILE or standard input, and prints each event as soon as it is complete. Ends with exit code 0 at a clean
//! end; otherwise with what is wrong, and where, on standard error and exit code 1.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

use lexopt::ValueExt;
use serde_json::{Map, Value, json};
use supervisor_events::{Data, Decoder, Event, EventType, LengthUnit, Step};

const USAGE: &str = "usage: decode [--length code-points|bytes] [FILE]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut unit = LengthUnit::CodePoints;
    let mut file = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("length") => {
                unit = match arguments.value()?.string()?.as_str() {
                    "code-points" => LengthUnit::CodePoints,
                    "bytes" => LengthUnit::Bytes,
                    other => return Err(format!("--length is code-points or bytes, not {other:?}\n{USAGE}").into()),
                }
            }
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                println!("{USAGE}");
                return Ok(());
            }
            lexopt::Arg::Value(path) if file.is_none() => file = Some(path),
            other => return Err(format!("{}\n{USAGE}", other.unexpected()).into()),
        }
    }
    let input: Box<dyn Read> = match &file {
        Some(path) => Box::new(File::open(path).map_err(|error| format!("{}: {error}", path.to_string_lossy()))?),
        None => Box::new(io::stdin()),
    };
    match decode(input, unit, io::stdout().lock()) {
        // Whoever reads the output has seen enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Failure::Output(error)) => Err(format!("cannot print: {error}").into()),
        Err(Failure::Input(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}

enum Failure {
    Input(Box<dyn std::error::Error>),
    Output(io::Error),
}

fn decode(mut input: impl Read, unit: LengthUnit, mut output: impl Write) -> Result<(), Failure> {
    // Captured streams are not in a hurry: room for headers far beyond what supervisord sends with sane names.
    let mut decoder: Decoder<65_536> = Decoder::new(unit);
    let mut buffer = [0; 65_536];
    let mut offset = 0;
    let mut name = String::new();
    let mut line = Map::new();
    let mut payload = Vec::new();
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return decoder.end().map_err(|error| Failure::Input(error.into())),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Input(format!("{error} at byte {}", decoder.offset()).into())),
        };
        let mut input = buffer.get(..read).unwrap_or_default();
        while let Some(step) = decoder.advance(&mut input).map_err(|error| Failure::Input(error.into()))? {
            match step {
                Step::Header(header) => {
                    name = header.eventname().to_owned();
                    line.insert("offset".into(), offset.into());
                    line.insert("header".into(), json!(header));
                }
                Step::Payload(piece) => payload.extend_from_slice(piece),
                Step::Complete => {
                    match Event::parse(EventType::from_name(&name), &payload) {
                        Ok(event) => line.insert("event".into(), json!(event)),
                        Err(error) => {
                            line.insert("event".into(), Value::Null);
                            line.insert("event_error".into(), error.to_string().into())
                        }
                    };
                    line.insert("payload".into(), json!(Data::new(&payload)));
                    writeln!(output, "{}", Value::Object(std::mem::take(&mut line))).map_err(Failure::Output)?;
                    output.flush().map_err(Failure::Output)?;
                    payload.clear();
                    offset = decoder.offset();
                }
            }
        }
    }
}
