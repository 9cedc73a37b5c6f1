//! The lines that payloads begin with.

use super::line::{Line, check_length};
use crate::wire::bytes::{find, find_subslice, subslice};
use crate::wire::data::Data;
use crate::wire::error::TokenError;
use crate::wire::key::{Key, Keys};
use crate::wire::text::{Span, Text};
use crate::wire::token::split_last_word;
use crate::wire::value::{Value, Values};

/// The line of an event without data, from its payload. Some servers and plugins write spaces and newlines at its end.
pub(crate) fn only_line(payload: &[u8]) -> &[u8] {
    let mut line = payload;
    while let Some((b' ' | b'\n' | b'\r', rest)) = line.split_last() {
        line = rest;
    }
    line
}

/// Splits a payload into its first line and its data.
pub(crate) fn first_line(payload: &[u8]) -> (&[u8], Data<'_>) {
    split_line(payload, 0)
}

/// Splits a payload at the first newline from byte `from` on.
fn split_line(payload: &[u8], from: usize) -> (&[u8], Data<'_>) {
    let len = payload.len();
    match find(b'\n', subslice(payload, from, len)) {
        Some(newline) => {
            let end = from + newline;
            (subslice(payload, 0, end), Data::new(subslice(payload, end + 1, len)))
        }
        None => (payload, Data::default()),
    }
}

/// A line of tokens, read.
pub(crate) struct TokenLine<'a> {
    line: Line<'a>,
    /// Where unknown tokens may begin: after the names.
    unknown: usize,
}

impl<'a> Values<'a> for TokenLine<'a> {
    type Error = TokenError;

    fn split(payload: &'a [u8]) -> (&'a [u8], Data<'a>) {
        // The process's name may hold a newline.
        let (line, data) = split_line(payload, find_subslice(b" groupname:", payload).unwrap_or(0));
        (only_line(line), data)
    }

    fn tokens(text: &'a [u8], known: Keys) -> Result<Self, TokenError> {
        check_length(text, known)?;
        let mut line = Line::new(text, known);
        let first = line.first_known();
        if !text.starts_with(first.tag()) {
            return Err(line.missing(first));
        }
        let from = match first {
            Key::Processname => processname(&mut line)?,
            Key::Type => remote_type(&mut line),
            _ => 0,
        };
        line.tokens(from, text.len());
        line.check_utf8()?;
        let unknown = line.span(Key::Groupname).map_or(0, |group| group.to as usize);
        Ok(Self { line, unknown })
    }

    fn take<T: Value<'a>>(&mut self, key: Key) -> T {
        self.line.value(key)
    }

    fn rest(&self) -> Text<'a> {
        Text::checked(subslice(self.line.text, self.unknown, self.line.text.len()))
    }

    fn finish(&self) -> Result<(), TokenError> {
        self.line.finish()
    }
}

/// The name extends to the last ` groupname:`: what follows that is no free text. Returns where the tokens begin.
fn processname(line: &mut Line<'_>) -> Result<usize, TokenError> {
    let mut rest = line.text;
    loop {
        let (before, word) = split_last_word(rest).ok_or(line.missing(Key::Groupname))?;
        if word.starts_with(Key::Groupname.tag()) {
            line.put(Key::Processname, 0, Span::new(Key::Processname.tag().len(), before.len()));
            return Ok(before.len() + 1);
        }
        rest = before;
    }
}

/// The type of a remote communication extends to the end of the line. Returns where that is.
fn remote_type(line: &mut Line<'_>) -> usize {
    let end = line.text.len();
    line.put(Key::Type, 0, Span::new(Key::Type.tag().len(), end));
    end
}
