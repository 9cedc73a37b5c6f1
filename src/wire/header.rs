//! The header: the line of tokens before every payload.
//!
//! ```text
//! ver:3.0 server:supervisor serial:21 pool:listener poolserial:10 eventname:TICK_5 len:15
//! ```

use super::bytes::{split_once, subslice};
use super::error::TokenError;
use super::event_type::EventType;
use super::fields::Fields;
use super::grammar;
use super::short_cut;
use super::text::{Span, Text};
use super::token::word_end;

/// A header, borrowed from the bytes that it was read from.
///
/// ```
/// use supervisor_events::Header;
///
/// let header = Header::parse(
///     b"ver:3.0 server:trading host serial:21 pool:p poolserial:10 eventname:TICK_5 len:15\n",
/// )?;
/// assert_eq!(header.server(), "trading host");
/// assert_eq!((header.serial(), header.len()), (21, 15));
/// # Ok::<(), supervisor_events::TokenError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    line: Text<'a>,
    fields: Fields,
}

impl<'a> Header<'a> {
    /// Reads a header line, with or without the newline that ends it.
    ///
    /// # Errors
    ///
    /// A line that is not UTF-8; a missing or duplicate key; a number that is not one, or is too large; a `ver` or
    /// `eventname` that is empty or holds a newline; a word that is not a token. Text inside `server` that looks like a
    /// repeated key is part of the value, as it is for supervisord.
    pub fn parse(line: &'a [u8]) -> Result<Self, TokenError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut fields = Fields::NONE;
        read(line, &mut fields)?;
        Ok(Self::new(line, fields))
    }

    /// The header in `line`, from which `fields` were read.
    #[inline]
    pub(crate) fn new(line: &'a [u8], fields: Fields) -> Self {
        Self { line: Text::checked(line), fields }
    }

    pub(crate) const fn fields(&self) -> Fields {
        self.fields
    }

    fn text(&self, span: Span) -> Text<'a> {
        Text::checked(span.of(self.line.as_bytes()))
    }

    /// The protocol's version: `3.0` from every supervisor so far, whatever their `len` counts.
    pub fn ver(&self) -> &'a str {
        self.text(self.fields.ver).as_str()
    }

    /// supervisord's `identifier`. Any text; may be empty.
    pub fn server(&self) -> &'a str {
        self.text(self.fields.server).as_str()
    }

    /// Number of the event in this run of supervisord, counted over all pools from 0; wraps after 2⁶³ − 1.
    pub const fn serial(&self) -> u64 {
        self.fields.serial
    }

    /// The name of the listener's `[eventlistener:…]` section.
    pub fn pool(&self) -> &'a str {
        self.text(self.fields.pool).as_str()
    }

    /// Number of the event in this pool, from 0; wraps after 2⁶³ − 1.
    pub const fn poolserial(&self) -> u64 {
        self.fields.poolserial
    }

    /// The name of the event's type. See [`event_type`](Self::event_type).
    pub fn eventname(&self) -> &'a str {
        self.text(self.fields.eventname).as_str()
    }

    /// The payload's length, in the server's [`LengthUnit`](crate::LengthUnit).
    #[expect(clippy::len_without_is_empty, reason = "the protocol's name for the payload's length")]
    pub const fn len(&self) -> u64 {
        self.fields.len
    }

    /// The event's type, by the table of supervisor 4.3.0.
    pub fn event_type(&self) -> EventType<'a> {
        EventType::from_text(self.text(self.fields.eventname))
    }

    /// The line that the header was read from, without its newline.
    pub fn as_str(&self) -> &'a str {
        self.line.as_str()
    }

    /// The bytes of that line.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.line.as_bytes()
    }

    /// All tokens in the order of the line, including those with unknown keys: `(key, value)`.
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

    /// The value of the first token with this key, as written in the line.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        let mut tokens = self.tokens();
        let value = core::iter::from_fn(|| tokens.next_bytes()).find(|token| token.0 == key.as_bytes())?.1;
        Some(Text::checked(value).as_str())
    }
}

/// Reads a header line, without its newline, into `fields`; if it fails, their contents are unspecified.
pub(crate) fn read(line: &[u8], fields: &mut Fields) -> Result<(), TokenError> {
    match short_cut::header(line) {
        Some((usual, len)) if len == line.len() => {
            *fields = usual;
            Ok(())
        }
        _ => grammar::header::read(line, fields),
    }
}

/// As a map of its tokens.
impl core::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Header ")?;
        f.debug_map().entries(self.tokens()).finish()
    }
}

/// Iterates over the tokens of a [`Header`], in the order of the line. Made by [`Header::tokens`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeaderTokens<'a> {
    header: Header<'a>,
    /// Offset of the next token, or of spaces before it.
    at: usize,
}

impl<'a> HeaderTokens<'a> {
    /// The next token, not yet as text.
    fn next_bytes(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let Header { line, fields } = &self.header;
        let line = line.as_bytes();
        let mut word = subslice(line, self.at, line.len());
        // Tokens may be separated by more than one space.
        while let Some((b' ', after)) = word.split_first() {
            word = after;
        }
        let (key, value) = split_once(b':', word)?;
        let from = line.len() - value.len();
        // Only `server` and `pool` may hold spaces; their spans tell where they end.
        let free = [fields.server, fields.pool].into_iter().find(|span| span.from as usize == from);
        self.at = free.map_or_else(|| word_end(line, from), |span| span.to as usize);
        Some((key, subslice(line, from, self.at)))
    }
}

impl<'a> Iterator for HeaderTokens<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_bytes().map(|(key, value)| (Text::checked(key).as_str(), Text::checked(value).as_str()))
    }
}
