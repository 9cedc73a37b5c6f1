//! Lines of `key:value` tokens, read from their right end: the header, and the line that a payload begins with.
//!
//! One value in each line is free text that may look like tokens: supervisord's identifier, a process's name. It stands
//! first or nearly so. So a line is read from its right end, where no free text stands, and the free value is what is left.

use super::key::{Key, Keys};
use super::scan::{find, rfind};
use super::text::{Span, Text, not_utf8};
use super::token::number;
use crate::error::{Problem, TokenError};

/// Keys that a line may lack.
const OPTIONAL: Keys = Keys::of(&[Key::Tries, Key::Expected, Key::Pid, Key::Channel]);
/// Values that are all that stands before what was read.
const FREE: Keys = Keys::of(&[Key::Server, Key::Processname, Key::Groupname, Key::Type]);
/// Values that may be neither empty nor hold a newline.
const PLAIN: Keys = Keys::of(&[Key::Ver, Key::Eventname, Key::FromState]);
const NUMBERS: Keys = Keys::of(&[Key::Serial, Key::Poolserial, Key::Len, Key::Tries, Key::Pid, Key::When]);
/// Numbers of at most 32 bits.
const SMALL: Keys = Keys::of(&[Key::Tries, Key::Pid]);

/// A line that has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) text: Text<'a>,
    /// What is known of a key's value, by the key's place: a number, or where the text stands.
    pub(crate) slots: [u64; 8],
    pub(crate) seen: Keys,
}

impl<'a> Line<'a> {
    /// The line that consists of `bytes`, before it is [read](Self::read).
    #[inline]
    pub(crate) fn unread(bytes: &'a [u8]) -> Self {
        Self { text: Text::unchecked(bytes), slots: [0; 8], seen: Keys::NONE }
    }

    /// Reads the line word by word from its right end. `known` are the keys that mean something in it; the first of them
    /// has to be the line's first.
    ///
    /// A word that begins with one of the keys for the first time settles the text between it and the last settled place:
    /// for free text, all of it is the value. For the others the value ends where a word begins that looks like a token,
    /// and what follows has to be tokens with keys of their own. A key that was there already is left unsettled, so that
    /// it ends up in the free text where it stands inside it, and as a duplicate everywhere else.
    ///
    /// In place, for a line is large, and a result that is returned may be moved more than once.
    #[inline(never)]
    pub(crate) fn read(&mut self, bytes: &'a [u8], known: Keys) -> Result<(), TokenError> {
        let first = known.first();
        if let Some(key) = first
            && Key::of_word(bytes, known).is_none_or(|(found, _)| found != key)
        {
            return Err(TokenError { key, problem: Problem::Missing, offset: 0 });
        }
        // Places are kept in 32 bits.
        if let (Some(key), Err(_)) = (first, u32::try_from(bytes.len())) {
            return Err(TokenError { key, problem: Problem::TooLarge, offset: 0 });
        }
        let mut open = known;
        let mut settled = bytes.len();
        let mut rest = Some(bytes);
        while let Some(text) = rest {
            let start = last_word(text);
            rest = text.get(..start.wrapping_sub(1));
            let Some((key, len)) = Key::of_word(text.get(start..).unwrap_or_default(), known) else { continue };
            if !open.has(key) || (start == 0) != (Some(key) == first) {
                continue;
            }
            let from = start.wrapping_add(len);
            let mut slot = slot(key, bytes.get(from..settled).unwrap_or_default(), from, known)?;
            // What looked like the identifier is a part of it if it goes on to the left.
            if key == Key::Server && self.seen.has(key) {
                slot = Span { from: from as u32, to: self.span(key).to }.slot();
            }
            if let Some(place) = self.slots.get_mut(key.place()) {
                *place = slot;
            }
            self.seen = self.seen.with(key);
            settled = start.wrapping_sub(1);
            // On the left of these are only names.
            if let Key::FromState | Key::Groupname = key {
                open = open.before(key);
            }
            if key != Key::Server {
                open = open.without(self.seen);
            }
        }
        self.text.check(bytes);
        match known.without(OPTIONAL).without(self.seen).first() {
            None => Ok(()),
            Some(key) => Err(TokenError { key, problem: Problem::Missing, offset: bytes.len() }),
        }
    }

    /// The number, or where the text stands, of a key that the line has.
    #[inline]
    pub(crate) fn slot(&self, key: Key) -> u64 {
        self.slots.get(key.place()).copied().unwrap_or_default()
    }

    /// Where the value stands. For keys that the line has, and others whose slot no number may have.
    pub(crate) fn span(&self, key: Key) -> Span {
        Span::of_slot(self.slot(key))
    }

    /// The value as text; empty if there is none.
    pub(crate) fn str(&self, key: Key) -> &'a str {
        self.text.get(self.span(key))
    }

    /// The value of a key that may be missing, as it stands there.
    pub(crate) fn bytes(&self, key: Key) -> Option<&'a [u8]> {
        self.seen.has(key).then(|| self.text.bytes(self.span(key)))
    }

    /// The number of a key that may be missing.
    pub(crate) fn optional(&self, key: Key) -> Option<u64> {
        self.seen.has(key).then(|| self.slot(key))
    }

    /// What follows the value; the whole line if there is none.
    pub(crate) fn after(&self, key: Key) -> &'a str {
        self.text.get(Span { from: self.span(key).to, to: self.text.len() })
    }

    pub(crate) fn error(&self, key: Key, problem: Problem) -> TokenError {
        TokenError { key, problem, offset: self.span(key).from as usize }
    }
}

/// Where the last word of `text` begins.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn last_word(text: &[u8]) -> usize {
    rfind(b' ', text).map_or(0, |space| space.wrapping_add(1))
}

/// What is kept of the value of `key` that `text` begins with, at byte `from` of the line: all of it for free text.
fn slot(key: Key, text: &[u8], from: usize, known: Keys) -> Result<u64, TokenError> {
    let error = |problem, at: usize| TokenError { key, problem, offset: from.wrapping_add(at) };
    if let Some(at) = not_utf8(text) {
        return Err(error(Problem::NotUtf8, at));
    }
    let end = if FREE.has(key) { text.len() } else { value_end(key, text, from, known)? };
    let value = text.get(..end).unwrap_or_default();
    if NUMBERS.has(key) {
        return match number(value) {
            Ok(number) if number > u32::MAX.into() && SMALL.has(key) => Err(error(Problem::TooLarge, 0)),
            Ok(number) => Ok(number),
            Err(problem) => Err(error(problem, 0)),
        };
    }
    if PLAIN.has(key) && (value.is_empty() || find(b'\n', value).is_some()) {
        return Err(error(Problem::Invalid, 0));
    }
    Ok(Span { from: from as u32, to: from.wrapping_add(end) as u32 }.slot())
}

/// Where the value of `key` ends that `text` begins with, at byte `from` of the line.
///
/// Only the name of a pool may hold spaces: it ends before the first word that looks like a token, for supervisord
/// refuses a colon in it.
fn value_end(key: Key, text: &[u8], from: usize, known: Keys) -> Result<usize, TokenError> {
    let mut end = end_of_word(text);
    if key == Key::Pool {
        let colon = text.get(end..).and_then(|rest| find(b':', rest));
        end = colon.map_or(text.len(), |colon| {
            last_word(text.get(..end.wrapping_add(colon)).unwrap_or_default()).wrapping_sub(1)
        });
    }
    let mut start = end.wrapping_add(1);
    while let Some(rest) = text.get(start..) {
        let word = rest.get(..end_of_word(rest)).unwrap_or_default();
        let error = |key, problem| TokenError { key, problem, offset: from.wrapping_add(start) };
        if let Some((key, _)) = Key::of_word(word, known) {
            return Err(error(key, Problem::Duplicate));
        }
        // An empty one is a doubled or trailing space.
        if let None | Some(0) = find(b':', word)
            && !word.is_empty()
        {
            return Err(error(key, Problem::NotAToken));
        }
        start = start.wrapping_add(word.len()).wrapping_add(1);
    }
    Ok(end)
}

/// Where the first word of `text` ends.
fn end_of_word(text: &[u8]) -> usize {
    find(b' ', text).unwrap_or(text.len())
}
