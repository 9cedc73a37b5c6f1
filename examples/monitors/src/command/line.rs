//! A command in a setting: split into words as a shell would, but run without one.

use std::fmt;
use std::ops::Deref;
use std::process::Command;
use std::str::FromStr;

use crate::secrets;

/// A program and its arguments. Quotes and backslashes mean what they mean to a shell; variables, globs and pipes are
/// plain text. For a shell, write `sh -c '…'`.
///
/// `Display` leaves out options and everything after them, which may contain secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

impl FromStr for CommandLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match shlex::split(text) {
            Some(words) if words.first().is_some_and(|program| !program.is_empty()) => Ok(Self(words)),
            Some(_) => Err("is a command: a program and its arguments".into()),
            None => Err("has a quote that is not closed, or a backslash at its end".into()),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.iter();
        f.write_str(words.next().map_or("", String::as_str))?;
        // The script of an interpreter.
        match words.next() {
            Some(word) if !word.starts_with('-') && word.contains(['/', '.']) => write!(f, " {word}"),
            _ => Ok(()),
        }
    }
}

impl CommandLine {
    /// The command, without the secrets in its environment.
    pub fn command(&self) -> Command {
        let (program, arguments) = self.0.split_first().map_or(("", [].as_slice()), |(first, rest)| (first, rest));
        let mut command = Command::new(program);
        secrets::withhold(&mut command);
        command.args(arguments);
        command
    }
}

/// Any number of commands, one per line.
#[derive(Clone, Debug, Default)]
pub struct CommandLines(Vec<CommandLine>);

impl FromStr for CommandLines {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Deref for CommandLines {
    type Target = [CommandLine];

    fn deref(&self) -> &[CommandLine] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_and_nothing_else_is_done_to_them() {
        let command: CommandLine = r#"python3 'a b.py' --to "$HOME" *.log \; | x"#.parse().unwrap();
        assert_eq!(command.0, ["python3", "a b.py", "--to", "$HOME", "*.log", ";", "|", "x"]);
        assert_eq!(command.to_string(), "python3 a b.py");
        assert_eq!("curl -H secret".parse::<CommandLine>().unwrap().to_string(), "curl");
        assert_eq!("sh -c 'echo secret'".parse::<CommandLine>().unwrap().to_string(), "sh");
        for wrong in ["", " ", "''", "sh -c 'x", "x \\"] {
            assert!(wrong.parse::<CommandLine>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_line_is_a_command() {
        assert!("".parse::<CommandLines>().unwrap().is_empty());
        let lines: CommandLines = "one 1\n   two 2\n\n".parse().unwrap();
        assert_eq!(lines.iter().map(|line| line.0.len()).collect::<Vec<_>>(), [2, 2]);
        assert!("one\n'".parse::<CommandLines>().is_err());
    }
}
