//! The header: the line of tokens in front of every payload, and where that line ends.
//!
//! ```text
//! ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 eventname:TICK_5 len:15
//! ```
//!
//! supervisord always sends these seven tokens in this order, but it checks neither its identifier (`server`) nor,
//! thoroughly, the names of pools: an identifier may hold spaces, colons, a newline, and text that looks like
//! tokens. So the line is read from its right end, where no free text stands, and the identifier is what is left.
//! Other orders and further keys, which the documentation reserves the right to send, are read by the same rule.
//!
//! The usual line, without spaces in any value, is read from the left in one go. Whatever is not that
//! goes to the general reader. Both give the same result where both give one.

use nom::{Parser, sequence::preceded};

use super::event_type::EventType;
use super::key::{Key, Keys};
use super::line::{Line, Values};
use super::scan::{self, FAST};
use super::text::{Span, Text};
use super::token::{decimal, mark, split_once, word};
use crate::error::{Problem, ProtocolError, ProtocolErrorKind, TokenError};

/// The keys of supervisor 4.3.0's header, in the order in which it sends them.
const KEYS: Keys =
    Keys::of(&[Key::Ver, Key::Server, Key::Serial, Key::Pool, Key::Poolserial, Key::Eventname, Key::Len]);

/// The last two of them.
const LAST: Keys = Keys::of(&[Key::Eventname, Key::Len]);

/// How many newlines an identifier may hold where buffers may be large, so that a flood of short lines does not keep a
/// program busy.
const LINES: usize = 16;

/// A header, borrowed from the bytes that it was read from.
///
/// ```
/// use supervisor_events::Header;
///
/// let header = Header::parse(
///     b"ver:3.0 server:trading host serial:21 pool:listener poolserial:10 eventname:TICK_5 len:15\n",
/// )?;
/// assert_eq!(header.server(), "trading host");
/// assert_eq!((header.serial(), header.len()), (21, 15));
/// # Ok::<(), supervisor_events::TokenError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    text: Text<'a>,
    kept: Kept,
}

impl<'a> Header<'a> {
    /// Reads a header line, with or without the newline that ends it.
    ///
    /// # Errors
    ///
    /// A missing or duplicate key, a number that is none or does not fit, a value that is empty or not UTF-8, a word
    /// that is not a token. Keys that look doubled inside `server` are part of it, as they are for supervisord.
    pub fn parse(line: &'a [u8]) -> Result<Self, TokenError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(header) = usual_line(line) {
            return Ok(header);
        }
        let mut values = Values::NONE;
        values.read(line, KEYS)?;
        Ok(Self::of(line, values))
    }

    /// The header in `line`, which was read without an error before.
    pub(crate) fn again(line: &'a [u8]) -> Self {
        if let Some(header) = usual_line(line) {
            return header;
        }
        let mut values = Values::NONE;
        if FAST {
            let _ = values.read(line, KEYS);
        }
        Self::of(line, values)
    }

    /// The header in `line`, with what was read of it.
    fn of(line: &'a [u8], values: Values) -> Self {
        Self { text: Text::checked(line), kept: keep(values) }
    }

    fn line(&self) -> Line<'a> {
        Line { text: self.text, values: values(self) }
    }

    /// The protocol's version: `3.0` from every supervisor so far, also where their units of `len` differ.
    pub fn ver(&self) -> &'a str {
        self.line().str(Key::Ver).as_str()
    }

    /// supervisord's `identifier`. May hold anything, even nothing.
    pub fn server(&self) -> &'a str {
        self.line().str(Key::Server).as_str()
    }

    /// Number of the event in this run of supervisord, counted over all pools from 0; wraps after 2⁶³ − 1.
    pub fn serial(&self) -> u64 {
        self.line().values.slot(Key::Serial)
    }

    /// The name of the listener's `[eventlistener:…]` section.
    pub fn pool(&self) -> &'a str {
        self.line().str(Key::Pool).as_str()
    }

    /// Number of the event in this pool, from 0; wraps after 2⁶³ − 1.
    pub fn poolserial(&self) -> u64 {
        self.line().values.slot(Key::Poolserial)
    }

    /// The name of the event's type. See [`event_type`](Self::event_type).
    pub fn eventname(&self) -> &'a str {
        self.line().str(Key::Eventname).as_str()
    }

    /// The payload's length, in the server's [`LengthUnit`](crate::LengthUnit).
    #[expect(clippy::len_without_is_empty, reason = "the protocol's name for the payload's length")]
    pub fn len(&self) -> u64 {
        self.line().values.slot(Key::Len)
    }

    /// The event's type, by the table of supervisor 4.3.0.
    pub fn event_type(&self) -> EventType<'a> {
        EventType::from_text(self.line().str(Key::Eventname))
    }

    /// The line that the header was read from, without its newline.
    pub fn as_str(&self) -> &'a str {
        self.text.as_str()
    }

    /// All tokens in the order in which they stand, those with unknown keys too: `(key, value)`.
    ///
    /// ```
    /// # use supervisor_events::Header;
    /// let header = Header::parse(
    ///     b"ver:4.0 server:a b serial:1 pool:p poolserial:0 eventname:TICK_5 len:6 host:h1",
    /// )?;
    /// assert_eq!(header.tokens().nth(1), Some(("server", "a b")));
    /// assert_eq!(header.tokens().last(), Some(("host", "h1")));
    /// # Ok::<(), supervisor_events::TokenError>(())
    /// ```
    pub fn tokens(&self) -> HeaderTokens<'a> {
        HeaderTokens { header: *self, at: 0 }
    }

    /// The value of the token with this key, as it stands in the line.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.tokens().find(|token| token.0 == key).map(|token| token.1)
    }
}

/// As a map of its tokens.
impl core::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Header ")?;
        f.debug_map().entries(self.tokens()).finish()
    }
}

/// The tokens of a [`Header`], in the order in which they stand. Made by [`Header::tokens`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeaderTokens<'a> {
    header: Header<'a>,
    at: u32,
}

impl<'a> Iterator for HeaderTokens<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.header.line();
        let text = line.text;
        // Between two tokens stands one space; more are passed over.
        let word = text.get(Span { from: self.at, to: text.end() }).as_str().trim_start_matches(' ');
        let (key, rest) = split_once(word, b':')?;
        let from = text.end().wrapping_sub(rest.len() as u32);
        // Only `server` and `pool` may hold spaces; the parser knows where they end.
        let free = [Key::Server, Key::Pool].map(|key| line.values.span(key));
        let value = match free.into_iter().find(|span| span.from == from) {
            Some(span) => text.get(span).as_str(),
            None => split_once(rest, b' ').map_or(rest, |(value, _)| value),
        };
        self.at = from.wrapping_add(value.len() as u32);
        Some((key, value))
    }
}

// ---- What a header keeps of its values: all of them where speed matters, nothing where size does. ----

#[cfg(target_pointer_width = "64")]
type Kept = Values;

#[cfg(target_pointer_width = "64")]
const fn keep(values: Values) -> Kept {
    values
}

#[cfg(target_pointer_width = "64")]
const fn values(header: &Header<'_>) -> Values {
    header.kept
}

#[cfg(not(target_pointer_width = "64"))]
type Kept = ();

#[cfg(not(target_pointer_width = "64"))]
const fn keep(_: Values) -> Kept {}

#[cfg(not(target_pointer_width = "64"))]
fn values(header: &Header<'_>) -> Values {
    let mut values = Values::NONE;
    let _ = values.read(header.text.as_bytes(), KEYS);
    values
}

// ---- The usual line, from the left. ----

/// The seven tokens in supervisord's order, none with a space or control character in its value, and of the only
/// version that there is. What follows them, the caller has to look at.
#[inline(always)]
fn usual(input: &[u8]) -> Option<Header<'_>> {
    if !FAST {
        return None;
    }
    // From where one rest begins to where the next one does.
    let at = |rest: &[u8]| input.len().wrapping_sub(rest.len());
    let span = |from: &[u8], to: &[u8]| Span { from: at(from) as u32, to: at(to) as u32 }.slot();
    let (from, _) = mark("ver:3.0 server:").parse(input).ok()?;
    let (rest, _) = word(from).ok()?;
    let server = span(from, rest);
    let (rest, serial) = preceded(mark(" serial:"), decimal).parse(rest).ok()?;
    let (from, _) = mark(" pool:").parse(rest).ok()?;
    let (rest, _) = word(from).ok()?;
    let pool = span(from, rest);
    let (rest, poolserial) = preceded(mark(" poolserial:"), decimal).parse(rest).ok()?;
    let (from, _) = mark(" eventname:").parse(rest).ok()?;
    let (rest, _) = word(from).ok()?;
    let eventname = span(from, rest);
    if from.len() == rest.len() {
        return None;
    }
    let (rest, len) = preceded(mark(" len:"), decimal).parse(rest).ok()?;
    // Places are kept in 32 bits: if the last one fits, they all do.
    let end = u32::try_from(at(rest)).ok()? as usize;
    let text = Text::new(core::str::from_utf8(input.get(..end)?).ok()?);
    let slots = [const { Span { from: 4, to: 7 }.slot() }, server, serial, pool, poolserial, eventname, len, 0];
    Some(Header { text, kept: keep(Values { slots, seen: KEYS, last: LAST }) })
}

// ---- Where a header ends. ----

/// The usual header, whole, at the start of `text`, and its length with its newline. `None` says nothing: what is there
/// may be an unusual header, or an incomplete one.
#[inline(always)]
pub(crate) fn usual_header(text: &[u8]) -> Option<(Header<'_>, usize)> {
    let header = usual(text)?;
    let len = header.text.len();
    (text.get(len) == Some(&b'\n')).then_some((header, len.wrapping_add(1)))
}

/// The usual header, if it is all that `line` holds.
#[inline(always)]
fn usual_line(line: &[u8]) -> Option<Header<'_>> {
    usual(line).filter(|header| header.text.len() == line.len())
}

/// Reads the header that `text` begins with, and returns its length with its newline; `None` if it has not arrived whole.
/// What stands before `new` was there in the call before, and a header may be `limit` bytes long.
///
/// A newline alone does not end a header: the identifier may hold one. It ends at the first newline that follows
/// ` eventname:E len:N`, or that follows all keys, in whatever order they came. So what stands before a newline is read
/// each time from its beginning; there is nothing to be remembered between two calls.
///
/// # Errors
///
/// What is there is not a header, is too long or cannot be read; with the offset in `text`.
#[inline(always)]
pub(crate) fn find(text: &[u8], mut new: usize, limit: usize) -> Result<Option<Found<'_>>, ProtocolError> {
    let error = |offset: usize, kind| Err(ProtocolError { offset: offset as u64, kind });
    if !text.iter().zip(b"ver:").all(|(byte, due)| byte == due) {
        return error(0, ProtocolErrorKind::NotAHeader);
    }
    while let Some(newline) = text.get(new..).and_then(|new| scan::find(b'\n', new)) {
        new = new.wrapping_add(newline);
        let line = text.get(..new).unwrap_or_default();
        new = new.wrapping_add(1);
        if let Some(header) = usual_line(line) {
            return Ok(Some(Found { header, len: new, payload: header.len() }));
        }
        if FAST && memchr::memchr_iter(b'\n', line).nth(LINES).is_some() {
            return error(0, ProtocolErrorKind::NotAHeader);
        }
        let mut values = Values::NONE;
        match values.read(line, KEYS) {
            Ok(()) => {
                let header = Header::of(line, values);
                return Ok(Some(Found { header, len: new, payload: values.slot(Key::Len) }));
            }
            Err(token) if token.problem != Problem::Missing || values.last == LAST => {
                return error(token.offset, ProtocolErrorKind::Header(token));
            }
            Err(_) => {}
        }
    }
    if text.len() >= limit {
        return error(limit, ProtocolErrorKind::HeaderTooLong { limit });
    }
    Ok(None)
}

/// A header that has arrived.
pub(crate) struct Found<'a> {
    pub(crate) header: Header<'a>,
    /// Its length with its newline.
    pub(crate) len: usize,
    /// The length of its payload.
    pub(crate) payload: u64,
}

// Elsewhere there is but one reader.
#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    extern crate alloc;
    use super::*;
    use crate::error::Problem;
    use proptest::prelude::*;

    proptest! {
        /// The two readers agree on every line that the first one reads.
        #[test]
        fn one_grammar_two_readers(
            server in "[a-z:é.]{0,12}", pool in "[a-z:é.]{0,12}", name in "[A-Z_é]{1,30}", numbers: (u64, u64, u64),
            more in "( [a-z]{1,3}:[a-z]{0,3}){0,2}",
        ) {
            let (serial, poolserial, len) = numbers;
            let line = alloc::format!(
                "ver:3.0 server:{server} serial:{serial} pool:{pool} poolserial:{poolserial} eventname:{name} len:{len}{more}"
            );
            // A pool's name holds no colon, but a word of the line may.
            let mut values = Values::NONE;
            let general = values.read(line.as_bytes(), KEYS).map(|()| Header::of(line.as_bytes(), values));
            match (usual(line.as_bytes()), general) {
                (Some(header), general) if header.as_str() == line => prop_assert_eq!(Ok(header), general),
                (Some(_), Ok(header)) => prop_assert!(!more.is_empty() && header.len() == len),
                (None, Ok(header)) => prop_assert!(serial.max(poolserial).max(header.len()) > 1 << 63),
                (_, Err(error)) => prop_assert_eq!(error.problem, Problem::Duplicate),
            }
        }
    }
}
