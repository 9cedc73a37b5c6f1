//! The first lines of payloads.

use super::line::Line;
use crate::wire::bytes::{find, find_subslice, subslice};
use crate::wire::data::Data;
use crate::wire::error::EventError;
use crate::wire::key::{Key, Keys};
use crate::wire::text::{Span, Text};
use crate::wire::token::split_last_word;
use crate::wire::value::{Value, Values};

/// The line of a payload without data. Some servers and plugins end it with spaces and newlines.
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

/// A line of tokens, read by the grammar.
pub(crate) struct TokenLine<'a>(Line<'a>);

impl<'a> Values<'a> for TokenLine<'a> {
    type Error = EventError;

    fn split(payload: &'a [u8]) -> (&'a [u8], Data<'a>) {
        // The process's name may hold a newline.
        let (line, data) = split_line(payload, find_subslice(b" groupname:", payload).unwrap_or(0));
        (only_line(line), data)
    }

    fn tokens(text: &'a [u8], known: Keys) -> Self {
        let mut line = Line::new(text, known);
        let from = match line.first {
            Key::Processname => processname(&mut line),
            Key::Type => remote_type(&mut line),
            _ => 0,
        };
        line.tokens(from, line.text.len());
        line.check_utf8();
        Self(line)
    }

    fn take<T: Value<'a>>(&mut self, key: Key) -> T {
        self.0.value(key)
    }

    fn rest(&self) -> Text<'a> {
        // Unknown tokens come after the names, which may themselves look like tokens.
        let from = self.0.span(Key::Groupname).map_or(0, |group| group.to as usize);
        Text::checked(subslice(self.0.text, from, self.0.text.len()))
    }

    fn finish(&self) -> Result<(), EventError> {
        self.0.finish().map_err(EventError::Payload)
    }
}

/// The name extends to the last ` groupname:`, since no free text follows it. Returns the offset of that token; 0 if the
/// line lacks it, which is an error of its own.
fn processname(line: &mut Line<'_>) -> usize {
    let mut rest = line.text;
    while let Some((before, word)) = split_last_word(rest) {
        if word.starts_with(Key::Groupname.tag()) {
            line.put(Key::Processname, 0, Span::new(Key::Processname.tag().len(), before.len()));
            return before.len() + 1;
        }
        rest = before;
    }
    0
}

/// The type of a remote communication extends to the end of the line. Returns that offset.
fn remote_type(line: &mut Line<'_>) -> usize {
    let (from, to) = (Key::Type.tag().len(), line.text.len());
    if from <= to {
        line.put(Key::Type, 0, Span::new(from, to));
    }
    to
}
