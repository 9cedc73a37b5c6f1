//! Data that an event carries.

use core::fmt;

/// What a process wrote or a client sent: any bytes.
///
/// If data is not UTF-8, supervisord 4 replaces all of it with a text: `Undecodable: b'\xff'`.
///
/// `Debug` prints a string, or a byte string if it is not UTF-8:
///
/// ```
/// use supervisor_events::Data;
/// assert_eq!(format!("{:?}", Data::new("é\n".as_bytes())), r#""é\n""#);
/// assert_eq!(format!("{:?}", Data::new(b"\xff\n")), r#"b"\xff\n""#);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    /// Wraps bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// If they are not UTF-8. supervisord 4 sends only UTF-8: if `…_capture_maxbytes` cuts a character in half, it
    /// reports the data as undecodable. But an event that did not fit into the buffer may end in the middle of a
    /// character.
    pub fn to_str(&self) -> Result<&'a str, core::str::Utf8Error> {
        core::str::from_utf8(self.0)
    }

    /// The Python literal, for example `b'\xff'`, that supervisord sent because the data was not UTF-8. `None` for any
    /// other data.
    ///
    /// A process can write such a text itself; the two cannot be told apart.
    ///
    /// ```
    /// use supervisor_events::Data;
    /// assert_eq!(Data::new(br"Undecodable: b'\xff'").undecodable(), Some(r"b'\xff'"));
    /// assert_eq!(Data::new(b"fine").undecodable(), None);
    /// ```
    pub fn undecodable(&self) -> Option<&'a str> {
        let literal = self.0.strip_prefix(b"Undecodable: ")?;
        match literal {
            [b'b', quote @ (b'\'' | b'"'), .., end] if quote == end => core::str::from_utf8(literal).ok(),
            _ => None,
        }
    }
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_str() {
            Ok(text) => text.fmt(f),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}
