//! What can be wrong with the bytes of the protocol.
//!
//! * [`ProtocolError`]: the peer's fault, or a wrong length unit. It carries the offset in the stream.
//! * [`TokenError`]: a header or a payload that cannot be read, with the key and the offset in that piece of text.
//! * [`EventError`]: a payload that has no typed view; the notification itself is fine.
//! * [`BufferTooSmall`]: a caller's buffer that is too small.
//!
//! A call out of turn is a [`TurnError`](crate::TurnError).

use core::fmt;

use super::key::Key;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The key is missing.
    Missing,
    /// The key occurs twice.
    Duplicate,
    /// The value should be an unsigned decimal number.
    NotANumber,
    /// The number is too large for its type, or the line is 4 GiB or longer.
    TooLarge,
    /// The value is empty, or not one that the key allows.
    Invalid,
    /// The value, or an unknown token after it, is not UTF-8.
    NotUtf8,
    /// A word among the tokens has no colon.
    NotAToken,
}

/// Why a line cannot be read. If several things are wrong, a line that is too long or not UTF-8 is reported first, then
/// a missing key, then the leftmost error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct TokenError {
    /// The key of the token. For [`TokenErrorKind::NotAToken`] and [`TokenErrorKind::NotUtf8`], the last known key
    /// before the fault.
    pub key: Key,
    /// What is wrong with it.
    pub kind: TokenErrorKind,
    /// Offset in the header or payload; for a missing key, the end of the line.
    pub offset: usize,
}

impl TokenError {
    /// Writes the error without its offset: [`ProtocolError`] has written the offset in the stream.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match self.kind {
            TokenErrorKind::Missing => write!(f, "the token '{key}' is missing"),
            TokenErrorKind::Duplicate => write!(f, "the token '{key}' occurs twice"),
            TokenErrorKind::NotANumber => write!(f, "the value of '{key}' is not an unsigned decimal number"),
            TokenErrorKind::TooLarge => write!(f, "the value of '{key}' is too large"),
            TokenErrorKind::Invalid => write!(f, "the value of '{key}' is not a valid one"),
            TokenErrorKind::NotUtf8 => write!(f, "the value of '{key}' is not UTF-8"),
            TokenErrorKind::NotAToken => write!(f, "what follows '{key}' is not a key:value token"),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.offset)?;
        self.describe(f)
    }
}

impl core::error::Error for TokenError {}

/// Why a notification has no typed [`Event`](crate::Event). Its name, header and payload are still available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EventError {
    /// The event's name is not one of supervisor's concrete types: a plugin's, or a newer version's.
    UnknownType,
    /// The payload does not have the shape of its type.
    Payload(TokenError),
}

impl From<TokenError> for EventError {
    fn from(error: TokenError) -> Self {
        Self::Payload(error)
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str("no typed view for this eventname"),
            Self::Payload(error) => write!(f, "payload: {error}"),
        }
    }
}

impl core::error::Error for EventError {}

/// The peer's fault: the stream cannot be read any further.
///
/// Sticky: a machine that has returned it returns it again from every further call. Only an error of `end` is not
/// stored. To recover, end the process and let supervisord start it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ProtocolError {
    /// Offset of the fault in the stream.
    pub offset: u64,
    /// What is wrong there.
    pub kind: ProtocolErrorKind,
}

/// What is wrong with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// What arrived instead of a header does not begin with `ver:`, or has too many newlines.
    NotAHeader,
    /// The header does not end within this many bytes.
    HeaderTooLong {
        /// The longest header that is accepted here, with its newline.
        limit: usize,
    },
    /// The header cannot be read.
    Header(TokenError),
    /// Input arrived before the listener sent READY. Either bytes are left over after a payload, because the server
    /// counts `len` in another unit; or the input is a recording, which holds all events at once. A
    /// [`Decoder`](crate::Decoder) reads recordings, and so does `host::std_io::Serve::replay`.
    OutOfTurn,
    /// The stream ended inside a header.
    TruncatedHeader,
    /// The stream ended inside a payload.
    TruncatedPayload {
        /// How many units of `len` (code points or bytes) had not begun to arrive; the last one counts until it is
        /// complete.
        missing: u64,
    },
}

impl ProtocolErrorKind {
    /// Offset of the fault, from where the header begins or would begin.
    pub(crate) const fn offset(&self) -> usize {
        match self {
            Self::HeaderTooLong { limit } => *limit,
            Self::Header(error) => error.offset,
            Self::NotAHeader | Self::OutOfTurn | Self::TruncatedHeader | Self::TruncatedPayload { .. } => 0,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.offset)?;
        match self.kind {
            ProtocolErrorKind::NotAHeader => f.write_str(
                "no header where one was expected (it begins with 'ver:'); \
                 if bytes are left over after a payload, set the other length unit",
            ),
            ProtocolErrorKind::HeaderTooLong { limit } => {
                write!(f, "the header does not end within the limit of {limit} bytes")
            }
            ProtocolErrorKind::Header(error) => {
                f.write_str("header: ")?;
                error.describe(f)
            }
            ProtocolErrorKind::OutOfTurn => f.write_str(
                "input before READY was sent: if bytes are left over after a payload, set the other length unit; \
                 if this is a recording, replay it instead",
            ),
            ProtocolErrorKind::TruncatedHeader => f.write_str("the input ends inside a header"),
            ProtocolErrorKind::TruncatedPayload { missing } => {
                write!(f, "the input ends inside a payload, {missing} short of its 'len'")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}

/// A caller's buffer is too small. After a `write_to`, its contents are unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BufferTooSmall {
    /// How many bytes are needed.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is too small: {} bytes are needed", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}

/// A name that cannot be parsed, because it is none of those expected. `Debug` prints the same sentence as `Display`, for a
/// `main` that returns it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnknownName {
    expected: &'static str,
}

impl UnknownName {
    /// `expected` says in words what the name should have been.
    pub(crate) const fn instead_of(expected: &'static str) -> Self {
        Self { expected }
    }
}

impl fmt::Debug for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.expected)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for UnknownName {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "not {=str}", self.expected);
    }
}

impl core::error::Error for UnknownName {}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_text_begins_with_the_offset_and_says_it_once() {
        let token = TokenError { key: Key::Len, kind: TokenErrorKind::Missing, offset: 12 };
        assert_eq!(token.to_string(), "byte 12: the token 'len' is missing");
        assert_eq!(EventError::Payload(token).to_string(), "payload: byte 12: the token 'len' is missing");
        let cases = [
            (
                ProtocolErrorKind::NotAHeader,
                "byte 1234: no header where one was expected (it begins with 'ver:'); \
                 if bytes are left over after a payload, set the other length unit",
            ),
            (
                ProtocolErrorKind::HeaderTooLong { limit: 64 },
                "byte 1234: the header does not end within the limit of 64 bytes",
            ),
            (ProtocolErrorKind::Header(token), "byte 1234: header: the token 'len' is missing"),
            (
                ProtocolErrorKind::OutOfTurn,
                "byte 1234: input before READY was sent: if bytes are left over after a payload, set the other length \
                 unit; if this is a recording, replay it instead",
            ),
            (ProtocolErrorKind::TruncatedHeader, "byte 1234: the input ends inside a header"),
            (
                ProtocolErrorKind::TruncatedPayload { missing: 7 },
                "byte 1234: the input ends inside a payload, 7 short of its 'len'",
            ),
        ];
        for (kind, text) in cases {
            assert_eq!(ProtocolError { offset: 1234, kind }.to_string(), text);
        }
    }

    #[test]
    fn an_unknown_name_says_what_it_should_have_been() {
        let error = UnknownName::instead_of("a colour");
        assert_eq!(alloc::format!("{error} {error:?}"), "not a colour not a colour");
    }
}
