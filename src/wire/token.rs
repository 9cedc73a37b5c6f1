//! `key:value` tokens: what the header line and the payloads' token lines have in common.
//!
//! A token's value ends at the next space, except where the protocol lets a name hold spaces; those exceptions
//! live with the line that makes them (`header`, `event`).

use nom::{IResult, Parser};

use super::scan::{find, rfind};
use crate::error::{Problem, TokenError};

/// The tokens of a piece of a line, in the order in which they stand: `(key, value)`.
///
/// Made by [`Header::tokens`](crate::Header::tokens) and by the `extra` fields of the events, which hold the tokens
/// that this version of the crate has no field for.
#[derive(Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tokens<'a> {
    rest: &'a str,
    known: &'static [&'static str],
}

impl<'a> Tokens<'a> {
    /// The tokens of `line`, separated by spaces: to be sent with an event.
    pub const fn new(line: &'a str) -> Self {
        Self { rest: line, known: &[] }
    }

    /// Iterates over the tokens of `line` whose key is not among `known`.
    pub(crate) const fn unknown(line: &'a str, known: &'static [&'static str]) -> Self {
        Self { rest: line, known }
    }

    /// The value of the first token with this key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        { *self }.find(|token| token.0 == key).map(|token| token.1)
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        { *self }.next().is_none()
    }
}

impl PartialEq for Tokens<'_> {
    fn eq(&self, other: &Self) -> bool {
        { *self }.eq(*other)
    }
}

impl Eq for Tokens<'_> {}

impl core::fmt::Debug for Tokens<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(*self).finish()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (word, rest) = split_once(self.rest, b' ').unwrap_or((self.rest, ""));
            self.rest = rest;
            if let Some((key, value)) = split_once(word, b':')
                && !self.known.contains(&key)
            {
                return Some((key, value));
            }
        }
        None
    }
}

/// Splits at the first `byte`, an ASCII one. (`str::split_once` carries code for a panic that never comes.)
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at.wrapping_add(1)..)?))
}

/// The last word of `text`: where it begins, and the place in `keys` of its key.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn last_word(keys: &[&str], text: &[u8]) -> (usize, Option<usize>) {
    let start = rfind(b' ', text).map_or(0, |space| space.wrapping_add(1));
    (start, text.get(start..).and_then(|word| index_in(keys, word)))
}

/// What stands in `text` before the space in front of the word that begins at `start`.
pub(crate) fn before_word(text: &[u8], start: usize) -> Option<&[u8]> {
    text.get(..start.checked_sub(1)?)
}

/// How long the key of a word is, which stands before its colon. `None` if it is not a token.
pub(crate) fn key_len(word: &[u8]) -> Option<usize> {
    find(b':', word).filter(|at| *at != 0)
}

/// The place in `keys` of the key that a word begins with.
pub(crate) fn index_in(keys: &[&str], word: &[u8]) -> Option<usize> {
    let key = word.get(..key_len(word)?)?;
    keys.iter().position(|known| known.as_bytes() == key)
}

/// The error for a line that is not UTF-8 from byte `offset` on: the key to blame is the last one before it.
#[cold]
pub(crate) fn not_utf8(keys: &[&'static str], line: &[u8], offset: usize) -> TokenError {
    let mut before = line.get(..offset).unwrap_or_default();
    let index = loop {
        let (start, index) = last_word(keys, before);
        match (index, before_word(before, start)) {
            (Some(index), _) => break index,
            (None, Some(rest)) => before = rest,
            (None, None) => break 0,
        }
    };
    TokenError { key: keys.get(index).copied().unwrap_or_default(), problem: Problem::NotUtf8, offset }
}

/// Reads an unsigned decimal number; `offset` is where it stands, for the error.
pub(crate) fn number(key: &'static str, digits: &[u8], offset: usize) -> Result<u64, TokenError> {
    if digits.is_empty() {
        return Err(TokenError { key, problem: Problem::NotANumber, offset });
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(TokenError { key, problem: Problem::NotANumber, offset });
        }
        value = match value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit))) {
            Some(value) => value,
            None => return Err(TokenError { key, problem: Problem::TooLarge, offset }),
        };
    }
    Ok(value)
}

/// Splits `text` at the last place where `mark` stands: what is before it, and what follows it.
///
/// `mark` is a key with the space before it and the colon after it: ` groupname:`.
pub(crate) fn rsplit_at_key<'a>(text: &'a [u8], mark: &str) -> Option<(&'a [u8], &'a [u8])> {
    let mut end = text.len();
    loop {
        let at = rfind(b' ', text.get(..end)?)?;
        let (before, from) = text.split_at_checked(at)?;
        if let Some(value) = from.strip_prefix(mark.as_bytes()) {
            return Some((before, value));
        }
        end = at;
    }
}

// ---- The leaves of lines as supervisord usually writes them: from the left, each with a parser's signature. ----

pub(crate) type Rest<'a, T> = IResult<&'a str, T, ()>;

/// Any characters up to the next space or control character, or the end.
#[inline]
pub(crate) fn word(input: &str) -> Rest<'_, &str> {
    let mut rest = input.as_bytes();
    // Eight bytes at a time: words are too short for `memchr` to pay, and too long to be looked at one by one.
    while let Some((block, after)) = rest.split_first_chunk::<8>() {
        let found = up_to_space(u64::from_le_bytes(*block));
        if found != 0 {
            let before = input.len().wrapping_sub(rest.len());
            return split_at(input, before.wrapping_add((found.trailing_zeros() >> 3) as usize));
        }
        rest = after;
    }
    while let Some((b'!'.., after)) = rest.split_first() {
        rest = after;
    }
    split_at(input, input.len().wrapping_sub(rest.len()))
}

#[inline]
fn split_at(input: &str, at: usize) -> Rest<'_, &str> {
    match input.split_at_checked(at) {
        Some((before, rest)) => Ok((rest, before)),
        None => Err(nom::Err::Error(())),
    }
}

/// The highest bit of the first byte of `block` that is a space or less. Of the bytes behind it nothing is known.
#[inline]
fn up_to_space(block: u64) -> u64 {
    const LOW: u64 = u64::MAX / 255;
    const HIGH: u64 = LOW << 7;
    const ABOVE_SPACE: u64 = LOW * 0x21;
    block.wrapping_sub(ABOVE_SPACE) & !block & HIGH
}

/// An unsigned decimal number of at most 19 digits: none of those overflows.
#[inline]
pub(crate) fn decimal(input: &str) -> Rest<'_, u64> {
    match leading_digits(input.as_bytes()) {
        (digits @ 1..=19, value) => split_at(input, digits).map(|(rest, _)| (rest, value)),
        _ => Err(nom::Err::Error(())),
    }
}

/// How many digits `text` begins with, and the number that they make. It is right for up to 19 of them.
#[inline]
pub(crate) fn leading_digits(text: &[u8]) -> (usize, u64) {
    let mut value = 0u64;
    let mut rest = text;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
        rest = after;
    }
    (text.len().wrapping_sub(rest.len()), value)
}

/// The text `mark`.
pub(crate) fn mark<'a>(mark: &'static str) -> impl Parser<&'a str, Output = (), Error = ()> {
    #[inline]
    move |input: &'a str| match input.strip_prefix(mark) {
        Some(rest) => Ok((rest, ())),
        None => Err(nom::Err::Error(())),
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_ends_at_the_first_space_or_control_character(any: alloc::string::String, word_of in "[ab \n\u{80}]{0,30}") {
            for text in [&any[..], &word_of] {
                let len = text.find(|letter| letter <= ' ').unwrap_or(text.len());
                prop_assert_eq!(word(text), Ok((&text[len..], &text[..len])));
            }
        }
    }
}
