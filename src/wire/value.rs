//! The values of tokens: how each type is read and written, and what both readers of payloads have to provide.

use super::data::Data;
use super::error::TokenErrorKind;
use super::key::{Key, Keys};
use super::text::Text;
use super::token::number;
use super::word::{Channel, ProcessState, StateName};
use super::writer::Writer;

/// A value of a token. Both readers of payloads use this to read values, so they cannot differ here.
pub(crate) trait Value<'a>: Sized {
    /// Whether the token may be missing.
    const OPTIONAL: bool = false;

    /// The value of a new event; also a placeholder if the token is missing or cannot be read.
    const EMPTY: Self;

    /// Reads the text after the token's colon. The text is valid UTF-8.
    fn read(key: Key, text: &'a [u8]) -> Result<Self, TokenErrorKind>;

    /// Whether there is no value to serialize.
    #[cfg(feature = "serde")]
    fn is_absent(&self) -> bool {
        false
    }

    /// Writes the token, if there is one.
    fn write(&self, key: Key, out: &mut Writer<'_>);
}

impl<'a> Value<'a> for Text<'a> {
    const EMPTY: Self = Self::new("");

    fn read(_: Key, text: &'a [u8]) -> Result<Self, TokenErrorKind> {
        Ok(Text::checked(text))
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.token(key, self.as_bytes());
    }
}

impl<'a> Value<'a> for StateName<'a> {
    const EMPTY: Self = Self::of(ProcessState::Stopped);

    fn read(_: Key, text: &'a [u8]) -> Result<Self, TokenErrorKind> {
        StateName::read(text)
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.token(key, self.as_bytes());
    }
}

impl Value<'_> for u64 {
    const EMPTY: Self = 0;

    fn read(_: Key, text: &[u8]) -> Result<Self, TokenErrorKind> {
        number(text)
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.number_token(key, *self);
    }
}

impl Value<'_> for u32 {
    const EMPTY: Self = 0;

    fn read(_: Key, text: &[u8]) -> Result<Self, TokenErrorKind> {
        number(text)?.try_into().map_err(|_| TokenErrorKind::TooLarge)
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.number_token(key, (*self).into());
    }
}

impl Value<'_> for bool {
    const EMPTY: Self = false;

    fn read(_: Key, text: &[u8]) -> Result<Self, TokenErrorKind> {
        match text {
            b"0" => Ok(false),
            b"1" => Ok(true),
            _ => Err(TokenErrorKind::Invalid),
        }
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.number_token(key, (*self).into());
    }
}

impl Value<'_> for Channel {
    const EMPTY: Self = Self::Stdout;

    fn read(_: Key, text: &[u8]) -> Result<Self, TokenErrorKind> {
        Channel::from_bytes(text).ok_or(TokenErrorKind::Invalid)
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        out.token(key, self.name().as_bytes());
    }
}

impl<'a, T: Value<'a>> Value<'a> for Option<T> {
    const OPTIONAL: bool = true;
    const EMPTY: Self = None;

    fn read(key: Key, text: &'a [u8]) -> Result<Self, TokenErrorKind> {
        // The Go server writes `pid:-1` if there is no process.
        if key == Key::Pid && is_negative(text) { Ok(None) } else { T::read(key, text).map(Some) }
    }

    #[cfg(feature = "serde")]
    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn write(&self, key: Key, out: &mut Writer<'_>) {
        if let Some(value) = self {
            value.write(key, out);
        }
    }
}

fn is_negative(text: &[u8]) -> bool {
    text.strip_prefix(b"-").is_some_and(|digits| number(digits).is_ok())
}

/// A payload's line. Its values are taken one by one, in the order in which the fields are declared.
pub(crate) trait Values<'a>: Sized {
    /// Why the line cannot be read.
    type Error;

    /// Splits the payload of a process's event into its line and its data.
    fn split(payload: &'a [u8]) -> (&'a [u8], Data<'a>);

    /// Reads a line of tokens; the keys in `known` have fields.
    fn tokens(line: &'a [u8], known: Keys) -> Self;

    /// The value of the next key. A missing optional value is `None`. For any other value that is missing or cannot be
    /// read, this returns a placeholder, and [`finish`](Self::finish) fails.
    fn take<T: Value<'a>>(&mut self, key: Key) -> T;

    /// The part of the line that may hold unknown tokens.
    fn rest(&self) -> Text<'a>;

    /// Called once all values have been taken: whether all of them were present and could be read.
    fn finish(&self) -> Result<(), Self::Error>;
}
