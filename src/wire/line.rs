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
    /// Reads the line word by word from its right end. `known` are the keys that mean something in it; the first of them
    /// has to be the line's first.
    ///
    /// A word that is one of the keys for the first time settles the text between it and the last settled place: for
    /// free text, all of it is the value. For the others the value ends where a word begins that looks like a token, and
    /// what follows has to be tokens with keys of their own. A key that was there already is left unsettled, so that it
    /// ends up in the free text where it stands inside it, and as a duplicate everywhere else.
    #[inline(never)]
    pub(crate) fn read(bytes: &'a [u8], known: Keys) -> Result<Self, TokenError> {
        let first = known.first();
        let key = find(b':', bytes).and_then(|colon| Key::find(bytes.get(..colon)?, known));
        if let Some(first) = first
            && key != Some(first)
        {
            return Err(TokenError { key: first, problem: Problem::Missing, offset: 0 });
        }
        // Places are kept in 32 bits.
        if let (Some(key), Err(_)) = (first, u32::try_from(bytes.len())) {
            return Err(TokenError { key, problem: Problem::TooLarge, offset: 0 });
        }
        let (mut slots, mut seen) = ([0; 8], Keys::NONE);
        let mut open = known;
        let mut settled = bytes.len();
        let mut passed = Passed::none(settled.wrapping_add(1));
        let mut end = settled;
        loop {
            let word = last_word(bytes.get(..end).unwrap_or_default(), known);
            match word.key {
                Some(key) if open.has(key) && (Some(key) == first) == (word.start == 0) => {
                    let from = word.start.wrapping_add(word.colon.unwrap_or(0)).wrapping_add(1);
                    let to = if FREE.has(key) { settled } else { passed.value_end(key)? };
                    if let Some(at) = not_utf8(bytes.get(from..settled).unwrap_or_default()) {
                        return Err(TokenError { key, problem: Problem::NotUtf8, offset: from.wrapping_add(at) });
                    }
                    let slot = slot(key, bytes.get(from..to).unwrap_or_default(), from)
                        .map_err(|problem| TokenError { key, problem, offset: from })?;
                    if let Some(place) = slots.get_mut(key.place()) {
                        *place = slot;
                    }
                    seen = seen.with(key);
                    // On the left of these are only names.
                    if let Key::FromState | Key::Groupname = key {
                        open = open.before(key);
                    }
                    // The identifier goes on to the left if what looks like one is a part of it.
                    if key != Key::Server {
                        settled = word.start.wrapping_sub(1);
                        open = open.without(seen);
                    }
                    passed = Passed::none(word.start);
                }
                _ => passed.pass(&word, word.start == end),
            }
            match word.start.checked_sub(1) {
                Some(before) => end = before,
                None => break,
            }
        }
        match known.without(OPTIONAL).without(seen).first() {
            None => Ok(Self { text: Text::checked(bytes), slots, seen }),
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

    /// The value of a key that may be missing.
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

/// What is kept of a value that begins at byte `from`.
fn slot(key: Key, value: &[u8], from: usize) -> Result<u64, Problem> {
    if NUMBERS.has(key) {
        return match number(value)? {
            number if number > u32::MAX.into() && SMALL.has(key) => Err(Problem::TooLarge),
            number => Ok(number),
        };
    }
    if PLAIN.has(key) && (value.is_empty() || find(b'\n', value).is_some()) {
        return Err(Problem::Invalid);
    }
    Ok(Span { from: from as u32, to: from.wrapping_add(value.len()) as u32 }.slot())
}

/// The words between one that settles something and those that did so before, on its right.
#[derive(Clone, Copy)]
struct Passed {
    /// Where the last one that was passed begins, or what was settled before.
    word: usize,
    /// Where the last one begins that looks like a token, or what was settled before.
    token: usize,
    /// If there are words on the left of that one: the last of them.
    no_token: Option<usize>,
    /// The last one that may not follow a value, and its key if that was there already.
    wrong: Option<(usize, Option<Key>)>,
}

impl Passed {
    fn none(settled: usize) -> Self {
        Self { word: settled, token: settled, no_token: None, wrong: None }
    }

    /// Passes over a word that settles nothing. An empty one is a doubled or trailing space.
    #[inline]
    fn pass(&mut self, word: &Word, is_empty: bool) {
        self.word = word.start;
        if let Some(colon) = word.colon {
            self.token = word.start;
            if let Some(at) = self.no_token.take() {
                self.wrong = Some((at, None));
            }
            if word.key.is_some() || colon == 0 {
                self.wrong = Some((word.start, word.key));
            }
        } else if !is_empty {
            self.no_token = Some(word.start);
        }
    }

    /// Where the value of `key` ends that these words follow.
    ///
    /// Only the name of a pool may hold spaces: it ends before the first word that looks like a token, for supervisord
    /// refuses a colon in it.
    #[inline]
    fn value_end(&self, key: Key) -> Result<usize, TokenError> {
        let (end, wrong) = match (key, self.no_token) {
            (Key::Pool, _) => (self.token, self.wrong),
            (_, None) => (self.word, self.wrong),
            (_, Some(at)) => (self.word, Some((at, None))),
        };
        match wrong {
            None => Ok(end.wrapping_sub(1)),
            Some((offset, None)) => Err(TokenError { key, problem: Problem::NotAToken, offset }),
            Some((offset, Some(again))) => Err(TokenError { key: again, problem: Problem::Duplicate, offset }),
        }
    }
}

/// A word of a line.
pub(crate) struct Word {
    /// Where it begins.
    pub(crate) start: usize,
    /// How many of its bytes stand in front of its first colon.
    pub(crate) colon: Option<usize>,
    pub(crate) key: Option<Key>,
}

/// The last word of `text`, in a line where the keys `known` mean something.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn last_word(text: &[u8], known: Keys) -> Word {
    let start = rfind(b' ', text).map_or(0, |space| space.wrapping_add(1));
    let word = text.get(start..).unwrap_or_default();
    let colon = find(b':', word);
    Word { start, colon, key: Key::find(word.get(..colon.unwrap_or(0)).unwrap_or_default(), known) }
}
