//! The short cut: usual lines, read from the left in one pass. Only for speed.
//!
//! Contract: every result that it gives is exactly the grammar's. If it gives none, the grammar decides. It reads lines
//! in supervisord's own order, of ASCII without control characters (DEL is accepted), in which no value holds a space;
//! such a line has only one reading. Without it, only the speed changes; the feature `optimize-for-size` leaves it out. The
//! tests of `agreement` and the fuzz target `readers` check it against the grammar.

use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::bytes::SMALL;
use super::data::Data;
use super::fields::Fields;
use super::grammar::payload::first_line;
use super::key::{Key, Keys};
use super::text::{Span, Text};
use super::value::{Value, Values};

type Parsed<'a, O> = IResult<&'a [u8], O, ()>;

/// The usual header at the start of `input`, and its length without its newline. The caller checks what follows it.
#[inline(always)]
pub(crate) fn header(input: &[u8]) -> Option<(Fields, usize)> {
    if SMALL {
        return None;
    }
    let at = |rest: &[u8]| input.len() - rest.len();
    let span = |rest: &[u8], word: &[u8]| Span { from: (at(rest) - word.len()) as u32, to: at(rest) as u32 };
    let (rest, server) = preceded(tag("ver:3.0 server:"), word).parse(input).ok()?;
    let server = span(rest, server);
    let (rest, serial) = preceded(tag(" serial:"), decimal).parse(rest).ok()?;
    let (rest, pool) = preceded(tag(" pool:"), word).parse(rest).ok()?;
    let pool = span(rest, pool);
    let (rest, poolserial) = preceded(tag(" poolserial:"), decimal).parse(rest).ok()?;
    let (rest, eventname) = preceded(tag(" eventname:"), word).parse(rest).ok()?;
    let eventname = span(rest, eventname);
    let (rest, len) = preceded(tag(" len:"), decimal).parse(rest).ok()?;
    let end = at(rest);
    if end > Span::MAX || eventname.from == eventname.to {
        return None;
    }
    let ver = Span { from: 4, to: 7 };
    Some((Fields { ver, server, serial, pool, poolserial, eventname, len }, end))
}

/// The line of a payload, read from the left.
pub(crate) struct UsualLine<'a> {
    rest: &'a [u8],
    /// The separator before the next token.
    separator: &'static [u8],
    /// Whether all values have been as usual.
    usual: bool,
}

/// The line is not usual. It may still be valid.
pub(crate) struct NotUsual;

impl<'a> Values<'a> for UsualLine<'a> {
    type Error = NotUsual;

    #[inline]
    fn split(payload: &'a [u8]) -> (&'a [u8], Data<'a>) {
        // In a usual line the group's name comes before the first newline, so the data begins there.
        first_line(payload)
    }

    #[inline]
    fn tokens(line: &'a [u8], _: Keys) -> Self {
        Self { rest: line, separator: b"", usual: true }
    }

    /// The value of the token at the start of the rest. If that token has another key, this one is absent; then the
    /// token is left over at the end, and `finish` fails, unless a later call takes it.
    #[inline(always)]
    fn take<T: Value<'a>>(&mut self, key: Key) -> T {
        let token = self.rest.strip_prefix(self.separator).and_then(|token| token.strip_prefix(key.tag()));
        self.separator = b" ";
        let Some(value) = token else {
            self.usual &= T::OPTIONAL;
            return T::EMPTY;
        };
        if let Ok((rest, value)) = word(value)
            && let Ok(value) = T::read(key, value)
        {
            self.rest = rest;
            return value;
        }
        self.usual = false;
        T::EMPTY
    }

    #[inline]
    fn rest(&self) -> Text<'a> {
        Text::default()
    }

    #[inline]
    fn finish(&self) -> Result<(), NotUsual> {
        if self.usual && self.rest.is_empty() { Ok(()) } else { Err(NotUsual) }
    }
}

/// ASCII from `!` to DEL, up to the first other byte or the end.
#[inline]
fn word(input: &[u8]) -> Parsed<'_, &[u8]> {
    let mut rest = input;
    // Eight bytes at a time: words are too short for a vectorised search, and too long for a loop over bytes.
    while let Some((block, after)) = rest.split_first_chunk::<8>() {
        let found = not_in_word(u64::from_le_bytes(*block));
        if found != 0 {
            let end = input.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
            return split_at(input, end);
        }
        rest = after;
    }
    while let Some((b'!'..=b'\x7f', after)) = rest.split_first() {
        rest = after;
    }
    split_at(input, input.len() - rest.len())
}

/// Sets the highest bit of the first byte of `block` that is a space or less, or not ASCII. Says nothing about the
/// bytes after it.
#[inline]
fn not_in_word(block: u64) -> u64 {
    const LOW: u64 = u64::MAX / 255;
    const HIGH: u64 = LOW << 7;
    const ABOVE_SPACE: u64 = LOW * 0x21;
    (block.wrapping_sub(ABOVE_SPACE) | block) & HIGH
}

/// An unsigned decimal number of at most 19 digits, which cannot overflow.
#[inline]
fn decimal(input: &[u8]) -> Parsed<'_, u64> {
    let mut value = 0u64;
    let mut rest = input;
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        // More than 19 digits may overflow; they are rejected below.
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    match input.len() - rest.len() {
        1..=19 => Ok((rest, value)),
        _ => Err(nom::Err::Error(())),
    }
}

/// The text `tag`. Like `nom::bytes::complete::tag`, but compares machine words, not bytes.
#[inline]
fn tag<'a>(tag: &'static str) -> impl Parser<&'a [u8], Output = (), Error = ()> {
    move |input: &'a [u8]| match input.strip_prefix(tag.as_bytes()) {
        Some(rest) => Ok((rest, ())),
        None => Err(nom::Err::Error(())),
    }
}

#[inline]
fn split_at(input: &[u8], at: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(at) {
        Some((before, rest)) => Ok((rest, before)),
        None => Err(nom::Err::Error(())),
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn word_ends_at_the_first_other_byte(text: &[u8]) {
        let end = text.iter().position(|byte| !(b'!'..=b'\x7f').contains(byte)).unwrap_or(text.len());
        assert_eq!(word(text), Ok((&text[end..], &text[..end])), "{}", text.escape_ascii());
    }

    /// Every byte at every place of the eight-byte blocks, with every byte after it.
    #[test]
    fn every_byte_in_a_word() {
        // Miri is too slow for all of them: a sample is enough there.
        let step = if cfg!(miri) { 51 } else { 1 };
        for place in 0..17 {
            for byte in (0..=0xff).step_by(step) {
                let mut text = [b'a'; 17];
                text[place] = byte;
                word_ends_at_the_first_other_byte(&text);
                for next in (0..=0xff).step_by(step) {
                    text[(place + 1) % 17] = next;
                    word_ends_at_the_first_other_byte(&text);
                }
            }
        }
    }

    #[test]
    fn decimals_have_19_digits_at_most() {
        assert_eq!(decimal(b"0 len:1"), Ok((&b" len:1"[..], 0)));
        assert_eq!(decimal(b"9999999999999999999"), Ok((&b""[..], 9_999_999_999_999_999_999)));
        for text in ["", " 1", "-1", "x", "10000000000000000000", "18446744073709551616", "000000000000000000000000007"]
        {
            assert!(decimal(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_word(any: alloc::vec::Vec<u8>, word_of in "[ab \n\u{80}\u{7f}]{0,30}") {
            word_ends_at_the_first_other_byte(&any);
            word_ends_at_the_first_other_byte(word_of.as_bytes());
        }
    }
}
