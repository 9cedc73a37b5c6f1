//! Tokens from left to right: where the values of the known keys are, and the error to report.

use crate::wire::bytes::{find, utf8_error};
use crate::wire::error::{TokenError, TokenErrorKind};
use crate::wire::key::{Key, Keys};
use crate::wire::text::Span;
use crate::wire::token::{is_plain, is_token, known_token, word_end};
use crate::wire::value::Value;

/// A line of tokens while it is read. Errors are kept until [`finish`](Self::finish).
pub(super) struct Line<'a> {
    /// Empty once the line is [refused](Self::refuse).
    pub(super) text: &'a [u8],
    /// The keys that have a meaning in the line.
    known: Keys,
    /// The first of the known keys, in the table's order; the line begins with it.
    pub(super) first: Key,
    seen: Keys,
    /// The span of each value, indexed by key.
    values: [Span; Key::ALL.len()],
    /// Offset of the first invalid UTF-8 sequence.
    not_utf8: Option<usize>,
    /// The key of the last value that begins at or before that offset.
    last_valid: Key,
    /// The leftmost error, unless one [outranks](Self::fail_for_good) it.
    error: Option<TokenError>,
    /// Whether the error is final: no other one outranks it.
    settled: bool,
}

/// The token before a word. A word that is not itself a known token may continue that token's value.
#[derive(Clone, Copy)]
enum Before {
    /// A token with this known key. The flag tells whether its value holds a colon.
    Known(Key, bool),
    /// An unknown token, or none. The key is the last known one before it.
    Unknown(Key),
}

impl<'a> Line<'a> {
    /// A line of which no token has been read. Refused if it does not begin with the first of the `known` keys, or is
    /// too long for a [`Span`].
    pub(super) fn new(text: &'a [u8], known: Keys) -> Self {
        let first = known.first().unwrap_or(Key::Ver);
        let (values, not_utf8) = (const { [Span::NONE; Key::ALL.len()] }, utf8_error(text));
        let mut line = Self {
            text,
            known,
            first,
            seen: Keys::NONE,
            values,
            not_utf8,
            last_valid: first,
            error: None,
            settled: false,
        };
        if text.len() > Span::MAX {
            line.refuse(first, TokenErrorKind::TooLarge, Span::MAX);
        } else if known_token(text, known).is_none_or(|(key, _)| key != first) {
            line.refuse(first, TokenErrorKind::Missing, text.len());
        }
        line
    }

    /// Reads the tokens from `from` up to `to`.
    pub(super) fn tokens(&mut self, from: usize, to: usize) {
        let text = self.text.get(..to).unwrap_or_default();
        let mut before = Before::Unknown(self.first);
        let mut at = from;
        while at <= to {
            let end = word_end(text, at);
            before = self.word(at, end, before);
            at = end + 1;
        }
    }

    /// Reads the word from `from` up to `to`. Returns the context for the next word.
    fn word(&mut self, from: usize, to: usize, before: Before) -> Before {
        let word = Span::new(from, to).of(self.text);
        if let Some((key, value)) = known_token(word, self.known) {
            let value = Span::new(from + value, to);
            self.put(key, from, value);
            return Before::Known(key, has_colon(value.of(self.text)));
        }
        if let Before::Known(key, name_has_colon) = before
            && name_goes_on(key, name_has_colon, word)
        {
            self.extend(key, to);
            return before;
        }
        let (Before::Known(last, _) | Before::Unknown(last)) = before;
        if is_token(word) {
            return Before::Unknown(last);
        }
        // An empty word comes from a doubled or trailing space.
        if !word.is_empty() {
            self.fail(last, TokenErrorKind::NotAToken, from);
        }
        before
    }

    /// Records the span of a value whose token begins at `token`. Called in the order of the line.
    pub(super) fn put(&mut self, key: Key, token: usize, value: Span) {
        debug_assert!(
            self.values.iter().all(|before| before.to as usize <= token),
            "{key:?} at {token} is out of order"
        );
        if self.seen.has(key) {
            self.fail(key, TokenErrorKind::Duplicate, token);
        } else if let Some(slot) = self.values.get_mut(key as usize) {
            *slot = value;
            self.seen = self.seen.with(key);
            if self.not_utf8.is_none_or(|offset| value.from as usize <= offset) {
                self.last_valid = key;
            }
        }
    }

    fn extend(&mut self, key: Key, to: usize) {
        if let Some(slot) = self.values.get_mut(key as usize) {
            *slot = Span::new(slot.from as usize, to);
        }
    }

    /// The keys read so far.
    pub(super) fn seen(&self) -> Keys {
        self.seen
    }

    /// The span of the value, if the line has the key.
    pub(super) fn span(&self, key: Key) -> Option<Span> {
        self.values.get(key as usize).copied().filter(|_| self.seen.has(key))
    }

    /// The value, or a placeholder. Called after [`check_utf8`](Self::check_utf8).
    pub(super) fn value<T: Value<'a>>(&mut self, key: Key) -> T {
        if T::OPTIONAL && !self.seen.has(key) {
            return T::EMPTY;
        }
        let span = self.any(key);
        T::read(key, span.of(self.text)).unwrap_or_else(|kind| {
            self.fail(key, kind, span.from as usize);
            T::EMPTY
        })
    }

    /// The span of a value that may be any text. Empty if the line lacks the key.
    #[cfg_attr(feature = "optimize-for-size", inline(never))]
    pub(super) fn any(&mut self, key: Key) -> Span {
        self.span(key).unwrap_or_else(|| {
            self.fail_for_good(key, TokenErrorKind::Missing, self.text.len());
            Span::NONE
        })
    }

    /// The span of a value that has to be a plain word.
    pub(super) fn plain(&mut self, key: Key) -> Span {
        let span = self.any(key);
        if !is_plain(span.of(self.text)) {
            self.fail(key, TokenErrorKind::Invalid, span.from as usize);
        }
        span
    }

    /// Keeps the leftmost error.
    #[cfg_attr(feature = "optimize-for-size", inline(never))]
    fn fail(&mut self, key: Key, kind: TokenErrorKind, offset: usize) {
        if !self.settled && self.error.is_none_or(|kept| offset < kept.offset) {
            self.error = Some(TokenError { key, kind, offset });
        }
    }

    /// Keeps an error that outranks all others: the line is refused, or a key is missing. Of several, the first counts.
    #[cfg_attr(feature = "optimize-for-size", inline(never))]
    fn fail_for_good(&mut self, key: Key, kind: TokenErrorKind, offset: usize) {
        if !self.settled {
            self.error = Some(TokenError { key, kind, offset });
            self.settled = true;
        }
    }

    /// Refuses the line: from now on it has no text and no tokens.
    fn refuse(&mut self, key: Key, kind: TokenErrorKind, offset: usize) {
        self.fail_for_good(key, kind, offset);
        (self.text, self.seen) = (b"", Keys::NONE);
    }

    /// Refuses a line that is not UTF-8. Called once all tokens have been read, before their values are taken.
    pub(super) fn check_utf8(&mut self) {
        if let Some(offset) = self.not_utf8 {
            self.refuse(self.last_valid, TokenErrorKind::NotUtf8, offset);
        }
    }

    /// Called once all values have been taken.
    ///
    /// # Errors
    ///
    /// The reason why the line was refused; otherwise the first missing key; otherwise the leftmost error.
    pub(super) fn finish(&self) -> Result<(), TokenError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Whether `word` continues the name that is the value of `key`. Names of pools and groups may hold spaces but no
/// colon, so a word with a colon is an unknown token. A group's name that [holds a colon](Before::Known) anyway extends
/// to the next known token.
fn name_goes_on(key: Key, name_has_colon: bool, word: &[u8]) -> bool {
    match key {
        Key::Pool => !has_colon(word),
        Key::Groupname => name_has_colon || !has_colon(word),
        _ => false,
    }
}

fn has_colon(text: &[u8]) -> bool {
    find(b':', text).is_some()
}
