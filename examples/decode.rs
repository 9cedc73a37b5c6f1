//! Prints captured streams of notifications as JSON, one event per line. `decode --help` lists the options.
//!
//! Each event is printed as soon as it is complete, so `decode` also follows a stream that is still being written.
//! Memory is bounded: a payload is kept up to `--max-payload`, and the rest of it is counted.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::process::ExitCode;

use lexopt::{Arg, ValueExt};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};
use supervisor_events::{Data, Decoder, Event, EventType, LengthUnit, Step};

const HELP: &str = "\
Prints captured streams of supervisord's event notifications as JSON, one event per line. Such a stream is what a
listener reads from its standard input.

Usage: decode [OPTIONS] [FILE]...

Without FILE, or if FILE is -, decode reads standard input.

Options:
      --length-unit UNIT   what 'len' counts: code-points (supervisor 4) or bytes (supervisor 3, and servers that are
                           not written in Python) [default: code-points]
      --max-payload BYTES  print at most BYTES of a payload [default: 16777216]
  -h, --help               print this help
  -V, --version            print the version

Output:
  file         the name of the file, if more than one was given
  offset       the offset of the event in its stream, in bytes
  header       the header's tokens
  event        the typed payload; null if there is none, and event_error says why
  payload      the payload unchanged: text, or an array of bytes if it is not UTF-8
  omitted      how many bytes --max-payload cut off, if any; standard error says so, too

  Control characters and marks that change the direction of text are escaped: the output is safe to print on a
  terminal.

Exit codes:
  0  every stream ended between two events, or the reader of the output is gone
  1  a stream is malformed, ends inside an event or cannot be read (the other files are still read), or the output
     cannot be written
  2  the command line is wrong

Example:
  decode captured.bin | jq -r .header.eventname
";

/// Room for headers far larger than those supervisord sends with ordinary names.
const MAX_HEADER: usize = 65_536;

fn main() -> ExitCode {
    let settings = match Settings::from_arguments(lexopt::Parser::from_env()) {
        Ok(Parsed::Run(settings)) => settings,
        Ok(Parsed::Print(text)) => return finish(io::stdout().write_all(text.as_bytes()), true),
        Err(error) => {
            complain("error", format_args!("{error} (decode --help lists the options)"));
            return ExitCode::from(2);
        }
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let mut clean = true;
    for file in &settings.files {
        match settings.decode_file(file, &mut output) {
            Ok(()) => {}
            Err(Failure::Input(error)) => {
                // Events before the error are printed before it.
                if let Err(error) = output.flush() {
                    return finish(Err(error), false);
                }
                complain("error", format_args!("{}: {error}", name(file)));
                clean = false;
            }
            Err(Failure::Output(error)) => return finish(Err(error), clean),
        }
    }
    finish(output.flush(), clean)
}

fn finish(written: io::Result<()>, clean: bool) -> ExitCode {
    match written {
        // A broken pipe means that the reader of the output has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain("error", format_args!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ if clean => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

struct Settings {
    unit: LengthUnit,
    max_payload: usize,
    files: Vec<OsString>,
}

enum Parsed {
    Run(Settings),
    Print(String),
}

impl Settings {
    fn from_arguments(mut arguments: lexopt::Parser) -> Result<Parsed, lexopt::Error> {
        let mut this = Self { unit: LengthUnit::default(), max_payload: 16 << 20, files: Vec::new() };
        let mut text = None;
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("length-unit") => {
                    let unit = arguments.value()?.string()?;
                    let wrong = |_| format!("--length-unit is code-points or bytes, not {unit:?}");
                    this.unit = unit.parse().map_err(wrong)?;
                }
                Arg::Long("max-payload") => {
                    let bytes = arguments.value()?.string()?;
                    let wrong = |_| format!("--max-payload is a number of bytes, not {bytes:?}");
                    this.max_payload = bytes.parse().map_err(wrong)?;
                }
                Arg::Long("help") | Arg::Short('h') => text = Some(HELP.into()),
                Arg::Long("version") | Arg::Short('V') => {
                    text = Some(format!("decode {}\n", env!("CARGO_PKG_VERSION")));
                }
                Arg::Value(file) => this.files.push(file),
                other => return Err(other.unexpected()),
            }
        }
        if this.files.is_empty() {
            this.files.push("-".into());
        }
        Ok(text.map_or(Parsed::Run(this), Parsed::Print))
    }

    fn decode_file(&self, file: &OsStr, output: impl Write) -> Result<(), Failure> {
        if file == "-" {
            self.decode(file, io::stdin().lock(), output)
        } else {
            self.decode(file, File::open(file).map_err(Failure::input)?, output)
        }
    }

    fn decode(&self, file: &OsStr, mut input: impl Read, mut output: impl Write) -> Result<(), Failure> {
        let name = name(file);
        let mut decoder = Decoder::<MAX_HEADER>::with_header_limit(self.unit);
        let mut buffer = vec![0; 65_536];
        let mut offset = 0;
        let mut header = Value::Null;
        let mut payload = Payload { bytes: Vec::new(), limit: self.max_payload, omitted: 0 };
        loop {
            // The next read may wait, so complete events are printed first.
            output.flush().map_err(Failure::Output)?;
            let read = match input.read(&mut buffer) {
                Ok(0) => return decoder.end().map_err(Failure::input),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Input(format!("byte {}: {error}", decoder.offset()))),
            };
            let mut input = buffer.get(..read).unwrap_or_default();
            while let Some(step) = decoder.advance(&mut input).map_err(Failure::input)? {
                match step {
                    Step::Header(read) => header = json!(read),
                    Step::Payload(piece) => payload.add(piece),
                    Step::Complete => {
                        payload.complete();
                        let file = (self.files.len() > 1).then_some(&*name);
                        payload.print(file, offset, &header, &mut output).map_err(Failure::Output)?;
                        if payload.omitted != 0 {
                            let (omitted, limit) = (payload.omitted, self.max_payload);
                            complain(
                                "warning",
                                format_args!(
                                    "{name}: byte {offset}: {omitted} bytes of this event's payload are omitted \
                                     (--max-payload {limit})"
                                ),
                            );
                        }
                        payload.clear();
                        offset = decoder.offset();
                    }
                }
            }
        }
    }
}

enum Failure {
    Input(String),
    Output(io::Error),
}

impl Failure {
    fn input(error: impl Display) -> Self {
        Self::Input(error.to_string())
    }
}

/// A payload, or the start of one that is too large.
struct Payload {
    bytes: Vec<u8>,
    limit: usize,
    omitted: u64,
}

impl Payload {
    fn add(&mut self, piece: &[u8]) {
        let kept = piece.get(..self.limit.saturating_sub(self.bytes.len())).unwrap_or(piece);
        self.bytes.extend_from_slice(kept);
        self.omitted += (piece.len() - kept.len()) as u64;
    }

    /// Drops a character that the limit cut in two, so that the rest of a text is still text.
    fn complete(&mut self) {
        if self.omitted != 0
            && let Err(error) = str::from_utf8(&self.bytes)
            && error.error_len().is_none()
        {
            self.omitted += (self.bytes.len() - error.valid_up_to()) as u64;
            self.bytes.truncate(error.valid_up_to());
        }
    }

    fn print(&self, file: Option<&str>, offset: u64, header: &Value, mut output: impl Write) -> io::Result<()> {
        let event_type = EventType::from_name(header["eventname"].as_str().unwrap_or_default());
        // A truncated value can look like a whole one. All fields but the data are in the first line.
        let event = if self.omitted != 0 && !self.bytes.contains(&b'\n') {
            Err("payload: its first line is cut off".into())
        } else {
            Event::parse(event_type, &self.bytes).map_err(|error| error.to_string())
        };
        let (event, event_error) = match event {
            Ok(event) => (Some(event), None),
            Err(error) => (None, Some(error)),
        };
        let omitted = (self.omitted != 0).then_some(self.omitted);
        let line = Line { file, offset, header, event, event_error, payload: Data::new(&self.bytes), omitted };
        line.serialize(&mut Serializer::with_formatter(&mut output, TerminalSafe))?;
        output.write_all(b"\n")
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.omitted = 0;
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    offset: u64,
    header: &'a Value,
    event: Option<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_error: Option<String>,
    payload: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted: Option<u64>,
}

/// JSON that is safe to print on a terminal: JSON itself escapes only the control characters below U+0020.
struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // The usual case, which is faster than examining each character.
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        for part in fragment.split_inclusive(is_unsafe) {
            match part.chars().next_back().filter(|last| is_unsafe(*last)) {
                // All of them have four digits.
                Some(last) => write!(writer, "{}\\u{:04x}", part.trim_end_matches(last), u32::from(last))?,
                None => writer.write_all(part.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// Control characters, separators of lines, and marks that change the direction of text.
fn is_unsafe(character: char) -> bool {
    let marks = ['\u{61c}', '\u{200e}', '\u{200f}'];
    character.is_control()
        || marks.contains(&character)
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn name(file: &OsStr) -> String {
    if file == "-" { "standard input".into() } else { file.to_string_lossy().into_owned() }
}

/// Writes a line to standard error, with everything escaped that a terminal would obey. If that fails, there is nobody
/// to tell.
fn complain(level: &str, message: impl Display) {
    let mut line = format!("{level}: ");
    for character in message.to_string().chars() {
        if is_unsafe(character) { line.extend(character.escape_unicode()) } else { line.push(character) }
    }
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}
