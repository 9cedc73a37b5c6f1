//! The header as all known servers write it, read by one function per production.
//!
//! The parsers have nom's signature. Those for tokens after the identifier take their token from the *end* of the input
//! and return the text before it, so they are called in reverse order of the line.

use nom::IResult;
use nom::bytes::complete::tag;

use super::other_order;
use crate::wire::bytes::{SMALL, find, subslice, utf8_error};
use crate::wire::error::TokenError;
use crate::wire::fields::{Fields, KEYS};
use crate::wire::key::Key;
use crate::wire::text::Span;
use crate::wire::token::{is_plain, number, split_last_word, split_token};

/// `Err` means that the line has another order or is not a header; `other_order` tells which.
type Parsed<'a, O> = IResult<&'a [u8], O, ()>;

const NO_MATCH: nom::Err<()> = nom::Err::Error(());

/// Reads a header line, without its newline, into `fields`; if it fails, their contents are unspecified. With
/// `optimize-for-size`, `other_order` reads all lines: it accepts the usual order too.
pub(crate) fn read(line: &[u8], fields: &mut Fields) -> Result<(), TokenError> {
    if !SMALL && let Some(ordered) = ordered(line) {
        *fields = ordered;
        return Ok(());
    }
    other_order::read(line, fields)
}

/// Reads a header line in the usual order. `None` means that the line has another order or is not a header.
pub(crate) fn ordered(line: &[u8]) -> Option<Fields> {
    if line.len() > Span::MAX {
        return None;
    }
    let (_, fields) = header(line).ok()?;
    utf8_error(line).is_none().then_some(fields)
}

fn header(line: &[u8]) -> Parsed<'_, Fields> {
    let (rest, len) = last_number(Key::Len, line)?;
    let (rest, eventname) = last_word(Key::Eventname, rest)?;
    let (rest, poolserial) = last_number(Key::Poolserial, rest)?;
    let (rest, pool) = pool(rest)?;
    let (rest, serial) = last_number(Key::Serial, rest)?;
    let (server, ver) = ver(rest)?;
    let server = Span::new(rest.len() - server.len(), rest.len());
    Ok((b"", Fields { ver, server, serial, pool, poolserial, eventname, len }))
}

/// `ver:3.0 server:`, from the left; the identifier is everything after it.
fn ver(input: &[u8]) -> Parsed<'_, Span> {
    let (value, _) = tag(Key::Ver.tag())(input)?;
    let from = input.len() - value.len();
    // Not `memchr`: the word is too short for that to pay off.
    let to = from + value.iter().position(|byte| *byte == b' ').ok_or(NO_MATCH)?;
    let (server, _) = tag(&b" server:"[..])(subslice(input, to, input.len()))?;
    Ok((server, plain(input, from, to)?))
}

/// The pool's name, which may hold spaces. supervisord rejects a colon in it, so a word with a colon is an unknown
/// token after the name.
fn pool(input: &[u8]) -> Parsed<'_, Span> {
    let (mut rest, mut end) = (input, input.len());
    loop {
        let (before, word) = split_last_word(rest).ok_or(NO_MATCH)?;
        if let Some(name) = word.strip_prefix(Key::Pool.tag()) {
            return Ok((before, Span::new(rest.len() - name.len(), end)));
        }
        if find(b':', word).is_some() {
            if rest.len() < end || !is_unknown(word) {
                return Err(NO_MATCH);
            }
            end = before.len();
        }
        rest = before;
    }
}

// Inlined so that the tag is a constant, and is compared as one or two integers.

/// A token whose value is a decimal number.
#[cfg_attr(not(feature = "optimize-for-size"), inline(always))]
fn last_number(key: Key, input: &[u8]) -> Parsed<'_, u64> {
    let (before, span) = last_token(key, input)?;
    Ok((before, number(span.of(input)).map_err(|_| NO_MATCH)?))
}

/// A token whose value is a plain word.
#[cfg_attr(not(feature = "optimize-for-size"), inline(always))]
fn last_word(key: Key, input: &[u8]) -> Parsed<'_, Span> {
    let (before, span) = last_token(key, input)?;
    Ok((before, plain(input, span.from as usize, span.to as usize)?))
}

/// The token with this key. Skips unknown tokens after it.
#[cfg_attr(not(feature = "optimize-for-size"), inline(always))]
fn last_token(key: Key, input: &[u8]) -> Parsed<'_, Span> {
    let mut rest = input;
    loop {
        let (before, word) = split_last_word(rest).ok_or(NO_MATCH)?;
        if let Some(value) = word.strip_prefix(key.tag()) {
            return Ok((before, Span::new(rest.len() - value.len(), rest.len())));
        }
        // An empty word comes from a doubled or trailing space.
        if !word.is_empty() && !is_unknown(word) {
            return Err(NO_MATCH);
        }
        rest = before;
    }
}

fn is_unknown(word: &[u8]) -> bool {
    split_token(word).is_some_and(|token| KEYS.find(token.0).is_none())
}

fn plain(input: &[u8], from: usize, to: usize) -> Result<Span, nom::Err<()>> {
    let word = subslice(input, from, to);
    if is_plain(word) { Ok(Span::new(from, to)) } else { Err(NO_MATCH) }
}
