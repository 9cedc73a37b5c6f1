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
use super::scan::{FAST, find};
use super::token::{before_word, decimal, index_in, key_len, last_word, mark, not_utf8, number, split_once, word};
use crate::error::{Problem, TokenError};

/// The keys of supervisor 4.3.0's header, in the order in which it sends them.
const KEYS: [&str; 7] = ["ver", "server", "serial", "pool", "poolserial", "eventname", "len"];
// Their places in that order.
const VER: usize = 0;
const SERVER: usize = 1;
const SERIAL: usize = 2;
const POOL: usize = 3;
const POOLSERIAL: usize = 4;
const EVENTNAME: usize = 5;
const LEN: usize = 6;

/// A header, borrowed from the bytes that it was read from.
///
/// ```
/// use supervisor_events::Header;
///
/// let header = Header::parse(
///     b"ver:3.0 server:trading host serial:21 pool:listener poolserial:10 eventname:TICK_5 len:15\n",
/// )?;
/// assert_eq!(header.server, "trading host");
/// assert_eq!((header.serial, header.len), (21, 15));
/// # Ok::<(), supervisor_events::TokenError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header<'a> {
    /// The protocol's version: `3.0` from every supervisor so far, also where their units of `len` differ.
    pub ver: &'a str,
    /// supervisord's `identifier`. May hold anything, even nothing.
    pub server: &'a str,
    /// Number of the event in this run of supervisord, counted over all pools from 0; wraps after 2⁶³ − 1.
    pub serial: u64,
    /// The name of the listener's `[eventlistener:…]` section.
    pub pool: &'a str,
    /// Number of the event in this pool, from 0; wraps after 2⁶³ − 1.
    pub poolserial: u64,
    /// The name of the event's type. See [`event_type`](Self::event_type).
    pub eventname: &'a str,
    /// The payload's length, in the server's [`LengthUnit`](crate::LengthUnit).
    pub len: u64,
    /// The whole line, without its newline.
    line: &'a str,
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
        match usual(line) {
            Some(header) if header.line.len() == line.len() => Ok(header),
            _ => match core::str::from_utf8(line) {
                Ok(line) => general(line),
                Err(error) => Err(not_utf8(&KEYS, line, error.valid_up_to())),
            },
        }
    }

    /// The event's type, by the table of supervisor 4.3.0.
    pub fn event_type(&self) -> EventType<'a> {
        EventType::from_name(self.eventname)
    }

    /// The line that the header was read from, without its newline.
    pub fn as_str(&self) -> &'a str {
        self.line
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

/// The tokens of a [`Header`], in the order in which they stand. Made by [`Header::tokens`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeaderTokens<'a> {
    header: Header<'a>,
    at: usize,
}

impl<'a> Iterator for HeaderTokens<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.header.line;
        // Between two tokens stands one space; more are passed over.
        while line.as_bytes().get(self.at) == Some(&b' ') {
            self.at = self.at.wrapping_add(1);
        }
        let (key, from) = split_once(line.get(self.at..)?, b':')?;
        // Only `server` and `pool` may hold spaces; the parser knows where they end.
        let free = [self.header.server, self.header.pool];
        let value = match free.into_iter().find(|value| core::ptr::eq(value.as_ptr(), from.as_ptr())) {
            Some(value) if !value.is_empty() => value,
            _ => split_once(from, b' ').map_or(from, |(value, _)| value),
        };
        self.at = offset_in(line, from).wrapping_add(value.len());
        Some((key, value))
    }
}

/// Where `part`, which borrows from `line`, stands in it.
fn offset_in(line: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize)
}

fn key_of(index: usize) -> &'static str {
    KEYS.get(index).copied().unwrap_or_default()
}

/// Which of our keys a word begins with.
fn index_of(word: &[u8]) -> Option<usize> {
    index_in(&KEYS, word)
}

// ---- The usual line, from the left. ----

/// How many bytes of the input [`usual`] looks at: more than any usual line has.
const LONGEST: usize = 160;

/// The seven tokens in supervisord's order, none with a space or control character in its value, and of the only
/// version that there is. What follows them, the caller has to look at. The input is checked for UTF-8 first, so that all
/// that is cut out of it is text.
#[inline(always)]
fn usual(input: &[u8]) -> Option<Header<'_>> {
    if !FAST {
        return None;
    }
    let text = utf8_prefix(input.get(..LONGEST).unwrap_or(input));
    let (rest, server) = preceded(mark("ver:3.0 server:"), word).parse(text).ok()?;
    let (rest, serial) = preceded(mark(" serial:"), decimal).parse(rest).ok()?;
    let (rest, pool) = preceded(mark(" pool:"), word).parse(rest).ok()?;
    let (rest, poolserial) = preceded(mark(" poolserial:"), decimal).parse(rest).ok()?;
    let (rest, eventname) = preceded(mark(" eventname:"), word).parse(rest).ok()?;
    let (rest, len) = preceded(mark(" len:"), decimal).parse(rest).ok()?;
    if eventname.is_empty() {
        return None;
    }
    let (ver, line) = (text.get(4..7)?, text.get(..text.len().wrapping_sub(rest.len()))?);
    Some(Header { ver, server, serial, pool, poolserial, eventname, len, line })
}

/// As much of `text`, from its start, as is UTF-8.
#[inline]
fn utf8_prefix(text: &[u8]) -> &str {
    match core::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => text.get(..error.valid_up_to()).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or(""),
    }
}

// ---- Any line, from the right. ----

/// Reads the line word by word from its right end.
///
/// A word that is one of our keys for the first time settles the text between it and the last settled place: for
/// `server`, all of it is the value. For the others the value ends where a word begins that looks like a token, and
/// what follows has to be tokens with keys of their own. A key that was there already is left unsettled, so that it
/// ends up in `server` where it stands inside it, and as a duplicate everywhere else.
fn general(line: &str) -> Result<Header<'_>, TokenError> {
    let bytes = line.as_bytes();
    if !bytes.starts_with(b"ver:") {
        return Err(error(VER, Problem::Missing, 0));
    }
    // Where `server` follows `ver` directly, as supervisord has it, it cannot begin any later.
    let second = find(b' ', bytes).map_or(bytes.len(), |space| space.wrapping_add(1));
    let server_is_second = bytes.get(second..).and_then(index_of) == Some(SERVER);
    let mut header = Header { ver: "", server: "", serial: 0, pool: "", poolserial: 0, eventname: "", len: 0, line };
    // A bit for each key.
    let mut seen = 0u8;
    let mut settled = bytes.len();
    let mut rest = bytes;
    loop {
        let (start, index) = last_word(&KEYS, rest);
        if let Some(index) = index
            && seen & bit(index) == 0
            && (index != VER || start == 0)
            && (index != SERVER || start == second || !server_is_second)
        {
            seen |= bit(index);
            let from = start.wrapping_add(key_of(index).len()).wrapping_add(1);
            let to = if index == SERVER { settled } else { settle(index, bytes, from, settled)? };
            let value = line.get(from..to).unwrap_or_default();
            settled = start.wrapping_sub(1);
            let mut value_number = 0;
            if matches!(index, SERIAL | POOLSERIAL | LEN) {
                value_number = number(key_of(index), value.as_bytes(), from)?;
            } else if matches!(index, VER | EVENTNAME) && (value.is_empty() || find(b'\n', value.as_bytes()).is_some())
            {
                return Err(error(index, Problem::Invalid, from));
            }
            match index {
                VER => header.ver = value,
                SERVER => header.server = value,
                SERIAL => header.serial = value_number,
                POOL => header.pool = value,
                POOLSERIAL => header.poolserial = value_number,
                EVENTNAME => header.eventname = value,
                _ => header.len = value_number,
            }
        }
        match before_word(rest, start) {
            Some(before) => rest = before,
            None => break,
        }
    }
    match seen.trailing_ones() as usize {
        missing @ ..=LEN => Err(error(missing, Problem::Missing, bytes.len())),
        _ => Ok(header),
    }
}

#[cold]
fn error(index: usize, problem: Problem, offset: usize) -> TokenError {
    TokenError { key: key_of(index), problem, offset }
}

const fn bit(index: usize) -> u8 {
    1u8.wrapping_shl(index as u32)
}

/// Where the value ends that begins at byte `from` of the line; and makes sure that only tokens with keys of their own
/// follow it, up to byte `settled`.
///
/// It ends at the first space. Only the name of a pool keeps its outer spaces; it ends before the first word that looks
/// like a token, for supervisord refuses a colon in it.
fn settle(index: usize, line: &[u8], from: usize, settled: usize) -> Result<usize, TokenError> {
    let mut value_end = None;
    let mut at = from;
    loop {
        let rest = line.get(at..settled).unwrap_or_default();
        let len = find(b' ', rest).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        if at != from && (index != POOL || value_end.is_some() || find(b':', word).is_some()) {
            value_end.get_or_insert(at.wrapping_sub(1));
            if let Some(index) = index_of(word) {
                return Err(error(index, Problem::Duplicate, at));
            }
            // An empty word is a doubled or trailing space.
            if len != 0 && key_len(word).is_none() {
                return Err(error(index, Problem::NotAToken, at));
            }
        }
        at = at.wrapping_add(len).wrapping_add(1);
        if at > settled {
            return Ok(value_end.unwrap_or(settled));
        }
    }
}

// ---- Where a header ends. ----

/// The usual header, whole, at the start of `text`, and its length with its newline. `None` says nothing: what is there
/// may be an unusual header, or an incomplete one.
#[inline(always)]
pub(crate) fn usual_header(text: &[u8]) -> Option<(Header<'_>, usize)> {
    let header = usual(text)?;
    let len = header.line.len();
    (text.get(len) == Some(&b'\n')).then_some((header, len.wrapping_add(1)))
}

/// Looks for the end of a header whose bytes arrive piece by piece, and looks at each byte once.
///
/// A newline alone does not end a header: the identifier may hold one. It ends at the first newline that follows
/// ` eventname:E len:N`, or that follows all keys, in whatever order they came.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct HeaderEnd {
    /// How many bytes of the header have been looked at.
    scanned: usize,
    /// Where the line that is being looked at begins.
    line: usize,
    /// A bit for each of `KEYS` that stands in an earlier line.
    seen: u8,
}

/// What is known of a header's end.
pub(crate) enum End {
    /// It is not among the bytes so far.
    NotYet,
    /// The header is this many bytes long, its newline included.
    At(usize),
    /// What is there does not begin as a header does.
    NotAHeader,
}

impl HeaderEnd {
    pub(crate) const fn new() -> Self {
        Self { scanned: 0, line: 0, seen: 0 }
    }

    /// Whether enough has been looked at to know that it begins as a header does.
    pub(crate) const fn has_begun(&self) -> bool {
        self.scanned >= 4
    }

    /// As `find`, where it is known that there is no newline in what is new.
    pub(crate) const fn pass_over(&mut self, text: &[u8]) -> End {
        self.scanned = text.len();
        End::NotYet
    }

    /// `text` is the header from its first byte, as far as it has arrived: at least as much as in the call before.
    pub(crate) fn find(&mut self, text: &[u8]) -> End {
        if !self.has_begun() && !text.iter().zip(b"ver:").all(|(byte, due)| byte == due) {
            return End::NotAHeader;
        }
        while let Some(found) = text.get(self.scanned..).and_then(|new| find(b'\n', new)) {
            let newline = self.scanned.wrapping_add(found);
            let line = text.get(self.line..newline).unwrap_or_default();
            self.scanned = newline.wrapping_add(1);
            if self.is_last(line) {
                return End::At(self.scanned);
            }
            self.line = self.scanned;
        }
        self.scanned = text.len();
        End::NotYet
    }

    /// Whether the header ends with this line: it ends with ` eventname:E len:N`, or it brings the last of all keys.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn is_last(&mut self, line: &[u8]) -> bool {
        let mut rest = line;
        let mut len_is_last = false;
        loop {
            let (start, index) = last_word(&KEYS, rest);
            let word = rest.get(start..).unwrap_or_default();
            let before = before_word(rest, start);
            if rest.len() == line.len() {
                let digits = word.strip_prefix(b"len:").unwrap_or_default();
                len_is_last = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            } else if len_is_last {
                if index == Some(EVENTNAME) && before.is_some() && word.len() > "eventname:".len() {
                    return true;
                }
                len_is_last = false;
            }
            if let Some(index) = index {
                self.seen |= bit(index);
            }
            match before {
                Some(before) => rest = before,
                None => return self.seen == 0x7f,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
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
            match (usual(line.as_bytes()), general(&line)) {
                (Some(header), general) if header.line == line => prop_assert_eq!(Ok(header), general),
                (Some(_), Ok(header)) => prop_assert!(!more.is_empty() && header.len == len || line.len() > LONGEST),
                (None, Ok(header)) => prop_assert!(line.len() > LONGEST || serial.max(poolserial).max(header.len) > 1 << 63),
                (_, Err(error)) => prop_assert_eq!(error.problem, Problem::Duplicate),
            }
        }
    }
}
