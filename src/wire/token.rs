//! `key:value` tokens: what the header line and the payloads' token lines have in common.
//!
//! A token's value ends at the next space, except where the protocol lets a name hold spaces; those exceptions
//! live with the reader of lines (`line`).

use nom::{IResult, Parser};

use super::key::{Key, Keys};
use super::scan::find;
use super::text::Text;
use crate::error::Problem;

/// The tokens of a piece of a line, in the order in which they stand: `(key, value)`.
///
/// Made by [`Header::tokens`](crate::Header::tokens) and by the `extra` fields of the events, which hold the tokens
/// that this version of the crate has no field for.
#[derive(Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tokens<'a> {
    rest: Text<'a>,
    known: Keys,
}

impl<'a> Tokens<'a> {
    /// The tokens of `line`, separated by spaces: to be sent with an event.
    pub const fn new(line: &'a str) -> Self {
        Self { rest: Text::new(line), known: Keys::NONE }
    }

    /// Iterates over the tokens of `line` whose key is not among `known`.
    pub(crate) const fn unknown(line: Text<'a>, known: Keys) -> Self {
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
        let mut text = self.rest.as_str();
        while !text.is_empty() {
            let (word, rest) = split_once(text, b' ').unwrap_or((text, ""));
            (text, self.rest) = (rest, Text::new(rest));
            if let Some(token) = split_once(word, b':')
                && Key::from_name(token.0.as_bytes(), self.known).is_none()
            {
                return Some(token);
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

/// Reads an unsigned decimal number.
pub(crate) fn number(digits: &[u8]) -> Result<u64, Problem> {
    if digits.is_empty() {
        return Err(Problem::NotANumber);
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Problem::NotANumber);
        }
        value = value.checked_mul(10).and_then(|tens| tens.checked_add(digit.into())).ok_or(Problem::TooLarge)?;
    }
    Ok(value)
}

// ---- The leaves of lines as supervisord usually writes them: from the left, each with a parser's signature. ----

/// What is read: bytes, or text, which its parts then are without a further check.
pub(crate) trait Input: Copy {
    fn bytes(&self) -> &[u8];
    fn split_at(self, at: usize) -> Option<(Self, Self)>;
}

impl Input for &[u8] {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline]
    fn split_at(self, at: usize) -> Option<(Self, Self)> {
        self.split_at_checked(at)
    }
}

impl Input for &str {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    #[inline]
    fn split_at(self, at: usize) -> Option<(Self, Self)> {
        self.split_at_checked(at)
    }
}

/// Any bytes up to the next space or control character, or the end.
#[inline]
pub(crate) fn word<I: Input>(input: I) -> IResult<I, I, ()> {
    let bytes = input.bytes();
    let mut rest = bytes;
    // Eight bytes at a time: words are too short for `memchr` to pay, and too long to be looked at one by one.
    while let Some((block, after)) = rest.split_first_chunk::<8>() {
        let found = up_to_space(u64::from_le_bytes(*block));
        if found != 0 {
            let before = bytes.len().wrapping_sub(rest.len());
            return split_at(input, before.wrapping_add((found.trailing_zeros() >> 3) as usize));
        }
        rest = after;
    }
    while let Some((b'!'.., after)) = rest.split_first() {
        rest = after;
    }
    split_at(input, bytes.len().wrapping_sub(rest.len()))
}

#[inline]
fn split_at<I: Input>(input: I, at: usize) -> IResult<I, I, ()> {
    match input.split_at(at) {
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
pub(crate) fn decimal<I: Input>(input: I) -> IResult<I, u64, ()> {
    let mut value = 0u64;
    let mut rest = input.bytes();
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
        rest = after;
    }
    match input.bytes().len().wrapping_sub(rest.len()) {
        digits @ 1..=19 => split_at(input, digits).map(|(rest, _)| (rest, value)),
        _ => Err(nom::Err::Error(())),
    }
}

/// The text `mark`.
pub(crate) fn mark<I: Input>(mark: &'static str) -> impl Parser<I, Output = (), Error = ()> {
    #[inline]
    move |input: I| match input.bytes().starts_with(mark.as_bytes()) {
        true => split_at(input, mark.len()).map(|(rest, _)| (rest, ())),
        false => Err(nom::Err::Error(())),
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
                let (before, after) = text.split_at(text.find(|letter| letter <= ' ').unwrap_or(text.len()));
                prop_assert_eq!(word(text), Ok((after, before)));
                prop_assert_eq!(word(text.as_bytes()), Ok((after.as_bytes(), before.as_bytes())));
            }
        }
    }
}
