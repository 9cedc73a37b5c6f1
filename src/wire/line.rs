//! Lines of `key:value` tokens, read from their right end: the header, and the line that a payload begins with.
//!
//! One value in each line is free text that may look like tokens: supervisord's identifier, a process's name. It stands
//! first or nearly so. So a line is read from its right end, where no free text stands, and the free value is what is left.

use super::key::{Key, Keys};
use super::scan::{find, part, place_in, rfind};
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
/// Values that are one of two words.
const CHOICES: Keys = Keys::of(&[Key::Channel, Key::Expected]);

/// What is known of a line's values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Values {
    /// By the key's place a number, which of two words it is, or where the text stands.
    pub(crate) slots: [u64; 8],
    /// The keys that the line has.
    pub(crate) seen: Keys,
    /// Those of its last two words.
    pub(crate) last: Keys,
}

impl Values {
    pub(crate) const NONE: Self = Self { slots: [0; 8], seen: Keys::NONE, last: Keys::NONE };

    /// Reads `line` word by word from its right end. `known` are the keys that mean something in it; the first of them
    /// has to be the line's first.
    ///
    /// A word that begins with one of the keys for the first time settles the text between it and the last settled place:
    /// for free text, all of it is the value. For the others the value ends with the word, or, for a pool's name, which
    /// may hold spaces, where a word begins that looks like a token (supervisord refuses a colon in it); and what follows
    /// has to be tokens with keys of their own. A key that was there already is left unsettled, so that it ends up in the
    /// free text where it stands inside it, and as a duplicate everywhere else.
    ///
    /// Which keys there are is known even where it fails. In place, for what is known is large, and a result that is
    /// returned may be moved more than once.
    ///
    /// # Errors
    ///
    /// A key that is missing; else, the leftmost token that cannot be read.
    #[inline(never)]
    pub(crate) fn read(&mut self, line: &[u8], known: Keys) -> Result<(), TokenError> {
        *self = Self::NONE;
        // Places are kept in 32 bits.
        if let (Err(_), Some(key)) = (u32::try_from(line.len()), known.first()) {
            return Err(TokenError { key, problem: Problem::TooLarge, offset: 0 });
        }
        // In a program that reads headers alone, the compiler leaves out what is for payloads.
        let payload = !known.has(Key::Ver);
        let mut open = known;
        let mut result = Ok(());
        let mut words = 0u32;
        // Where the last settled word begins.
        let mut settled = line.len();
        // Of the words between `text` and that place: where the first one begins that looks like a token, what is wrong
        // with it or behind it, and the first one before it that does not look like one.
        let mut plain = settled;
        let mut fault: Option<TokenError> = None;
        let mut stray: Option<usize> = None;
        let mut rest = Some(line);
        while let Some(text) = rest {
            if words == 2 {
                self.last = self.seen;
            }
            words = words.wrapping_add(1);
            let start = last_word(text);
            let before = start.wrapping_sub(1);
            rest = text.get(..before);
            let word = part(line, start, text.len());
            let colon = find(b':', word);
            // An empty word is a doubled or trailing space.
            if matches!(colon, None | Some(0)) && !word.is_empty() {
                stray = Some(start);
            }
            let Some(colon) = colon else { continue };
            let key = match Key::from_name(part(word, 0, colon), known) {
                Some(key) if open.has(key) && (start == 0) == known.is_first(key) => key,
                found => {
                    if let Some(key) = found {
                        fault = Some(TokenError { key, problem: Problem::Duplicate, offset: start });
                    } else if let Some(offset) = stray {
                        // Behind which key, the words on the left will tell.
                        fault = Some(TokenError { key: Key::Pool, problem: Problem::NotAToken, offset });
                    }
                    (plain, stray) = (before, None);
                    continue;
                }
            };
            let from = start.wrapping_add(colon).wrapping_add(1);
            let mut to = text.len();
            if key == Key::Pool {
                (to, stray) = (plain, None);
            }
            if FREE.has(key) {
                (to, stray, fault) = (settled, None, None);
            }
            // What looked like the identifier is a part of it if it goes on to the left.
            if key == Key::Server && self.seen.has(key) {
                to = self.span(key).to as usize;
            }
            if let Some(offset) = stray {
                fault = Some(TokenError { key, problem: Problem::NotAToken, offset });
            }
            if let Some(TokenError { key: of, problem: Problem::NotAToken, .. }) = &mut fault {
                *of = key;
            }
            let error = |problem, offset| Some(TokenError { key, problem, offset });
            let value = part(line, from, to);
            let mut slot = Span { from: from as u32, to: to as u32 }.slot();
            if fault.is_some() {
                // The value is read all the same, to know the keys.
            } else if let Some(at) = not_utf8(part(line, from, settled)) {
                fault = error(Problem::NotUtf8, from.wrapping_add(at));
            } else if NUMBERS.has(key) {
                match number(value) {
                    Ok(number) if number > u32::MAX.into() && SMALL.has(key) => fault = error(Problem::TooLarge, from),
                    Ok(number) => slot = number,
                    Err(problem) => fault = error(problem, from),
                }
            } else if payload && CHOICES.has(key) {
                match place_in(if key == Key::Channel { "stdout stderr " } else { "0 1 " }, value) {
                    Some(place) => slot = place as u64,
                    None => fault = error(Problem::Invalid, from),
                }
            } else if PLAIN.has(key) && (value.is_empty() || find(b'\n', value).is_some()) {
                fault = error(Problem::Invalid, from);
            }
            if let Some(error) = fault {
                result = Err(error);
            }
            if let Some(place) = self.slots.get_mut(key.place()) {
                *place = slot;
            }
            self.seen = self.seen.with(key);
            (settled, plain, fault, stray) = (before, before, None, None);
            // On the left of these are only names.
            if payload && matches!(key, Key::FromState | Key::Groupname) {
                open = open.before(key);
            }
            if key != Key::Server {
                open = open.without(self.seen);
            }
        }
        match known.without(OPTIONAL).without(self.seen).first() {
            Some(key) => Err(TokenError { key, problem: Problem::Missing, offset: line.len() }),
            None => result,
        }
    }

    /// The number, which of two words it is, or where the text stands, of a key that the line has.
    #[inline]
    pub(crate) fn slot(&self, key: Key) -> u64 {
        self.slots.get(key.place()).copied().unwrap_or_default()
    }

    /// Where the value stands. For keys that the line has, and others whose slot no number may have.
    pub(crate) fn span(&self, key: Key) -> Span {
        Span::of_slot(self.slot(key))
    }
}

/// A line that has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) text: Text<'a>,
    pub(crate) values: Values,
}

impl<'a> Line<'a> {
    /// The value as text; empty if there is none.
    pub(crate) fn str(&self, key: Key) -> Text<'a> {
        self.text.get(self.values.span(key))
    }

    /// The number, or which of two words it is, of a key that may be missing.
    pub(crate) fn small(&self, key: Key) -> Option<u32> {
        self.values.seen.has(key).then(|| self.values.slot(key) as u32)
    }

    /// What follows the value; the whole line if there is none.
    pub(crate) fn after(&self, key: Key) -> Text<'a> {
        self.text.get(Span { from: self.values.span(key).to, to: self.text.end() })
    }
}

/// Where the last word of `text` begins.
pub(crate) fn last_word(text: &[u8]) -> usize {
    rfind(b' ', text).map_or(0, |space| space.wrapping_add(1))
}
