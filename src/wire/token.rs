//! `key:value` tokens: shared by the header line and the payloads' token lines.

use super::bytes::{SMALL, find, rfind, split_once, subslice};
use super::error::TokenErrorKind;
use super::key::{Key, Keys};
use super::text::Text;

/// The tokens of a part of a line, in the order of the line.
///
/// The `extra` fields of the events hold the tokens that this version of the crate has no field for.
///
/// ```
/// use supervisor_events::Tokens;
///
/// let tokens = Tokens::new("exitstatus:3 signal:SIGKILL:9");
/// assert_eq!(tokens.get("exitstatus"), Some("3"));
/// assert_eq!(tokens.iter().last(), Some(("signal", "SIGKILL:9")));
/// ```
#[derive(Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tokens<'a> {
    text: Text<'a>,
    /// Keys to skip: they have fields of their own.
    known: Keys,
}

impl<'a> Tokens<'a> {
    /// The tokens of `line`, separated by spaces, to send with an event.
    pub const fn new(line: &'a str) -> Self {
        Self { text: Text::new(line), known: Keys::NONE }
    }

    /// The tokens of `text` whose key is not among `known`.
    pub(crate) const fn unknown(text: Text<'a>, known: Keys) -> Self {
        Self { text, known }
    }

    /// Iterates over the tokens: `(key, value)`.
    pub const fn iter(&self) -> TokensIter<'a> {
        TokensIter { rest: self.text.as_bytes(), known: self.known }
    }

    /// The value of the first token with this key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let mut tokens = self.iter();
        let value = core::iter::from_fn(|| tokens.next_bytes()).find(|token| token.0 == key.as_bytes())?.1;
        Some(Text::checked(value).as_str())
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.iter().next_bytes().is_none()
    }
}

impl<'a> IntoIterator for Tokens<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = TokensIter<'a>;

    fn into_iter(self) -> TokensIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Tokens<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = TokensIter<'a>;

    fn into_iter(self) -> TokensIter<'a> {
        self.iter()
    }
}

impl PartialEq for Tokens<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Tokens<'_> {}

impl core::fmt::Debug for Tokens<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Iterates over [`Tokens`]: `(key, value)`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TokensIter<'a> {
    rest: &'a [u8],
    known: Keys,
}

impl<'a> TokensIter<'a> {
    /// The next token, not yet as text.
    fn next_bytes(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        while !self.rest.is_empty() {
            let (word, rest) = split_once(b' ', self.rest).unwrap_or((self.rest, b""));
            self.rest = rest;
            if let Some(token) = split_once(b':', word)
                && self.known.find(token.0).is_none()
            {
                return Some(token);
            }
        }
        None
    }
}

impl<'a> Iterator for TokensIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_bytes().map(|(key, value)| (Text::checked(key).as_str(), Text::checked(value).as_str()))
    }
}

/// Splits a word into its key and value; `None` if the word is not a token. A key is not empty.
pub(crate) fn split_token(word: &[u8]) -> Option<(&[u8], &[u8])> {
    split_once(b':', word).filter(|token| !token.0.is_empty())
}

/// The key of a token whose key is among `keys`, and the offset of its value.
pub(crate) fn known_token(word: &[u8], keys: Keys) -> Option<(Key, usize)> {
    let colon = find(b':', word)?;
    Some((keys.find(subslice(word, 0, colon))?, colon + 1))
}

/// Whether a word is a token, with any key. A key is not empty.
pub(crate) fn is_token(word: &[u8]) -> bool {
    find(b':', word).is_some_and(|colon| colon != 0)
}

/// Splits a line around its last space. `None` if it has no space.
pub(crate) fn split_last_word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, word) = line.split_at_checked(rfind(b' ', line)?)?;
    Some((before, word.get(1..)?))
}

/// The end of the word that begins at `from`.
pub(crate) fn word_end(line: &[u8], from: usize) -> usize {
    let rest = line.get(from..).unwrap_or_default();
    from + find(b' ', rest).unwrap_or(rest.len())
}

/// Whether a word may be a name of the protocol: it is not empty and holds no newline.
pub(crate) fn is_plain(word: &[u8]) -> bool {
    !word.is_empty() && find(b'\n', word).is_none()
}

/// Reads an unsigned decimal number.
pub(crate) fn number(digits: &[u8]) -> Result<u64, TokenErrorKind> {
    if digits.is_empty() {
        return Err(TokenErrorKind::NotANumber);
    }
    let mut value = 0u64;
    for (index, &byte) in digits.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return Err(TokenErrorKind::NotANumber);
        }
        let digit = u64::from(byte - b'0');
        // The first 19 digits cannot overflow, so they need no check.
        value = if !SMALL && index < 19 {
            value * 10 + digit
        } else {
            value.checked_mul(10).and_then(|tens| tens.checked_add(digit)).ok_or(TokenErrorKind::TooLarge)?
        };
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_fit() {
        assert_eq!(number(b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(number(b"000000000000000000000000007"), Ok(7));
        assert_eq!(number(b"18446744073709551616"), Err(TokenErrorKind::TooLarge));
        for text in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"1:", b"x", b"\xff", b"/", b":"] {
            assert_eq!(number(text), Err(TokenErrorKind::NotANumber), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn tokens_are_equal_by_what_they_hold() {
        let known = Keys::of(&[super::super::key::Key::Pid]);
        let some = Tokens::unknown(Text::new(" a:1  pid:7 word b: "), known);
        assert_eq!(some, Tokens::new("a:1 b:"));
        assert_ne!(some, Tokens::new("a:1"));
        assert_ne!(some, Tokens::new("b: a:1"));
        assert!(!some.is_empty() && Tokens::unknown(Text::new("pid:7"), known).is_empty());
        assert_eq!((some.get("b"), some.get("pid"), some.get("word")), (Some(""), None, None));
    }
}
