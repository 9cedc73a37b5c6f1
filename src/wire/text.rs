//! Text that is known to be UTF-8, and ranges of it.

use super::bytes::{subslice, utf8_error};

/// UTF-8 text from the stream: a name, a state, a line.
///
/// It compares and prints as text, and derefs to `str`. [`as_str`](Self::as_str) gives a `&str` that lives as long as
/// the input: `match event.processname.as_str() { "feed" => … }`.
///
/// ```
/// use supervisor_events::{Event, EventType};
///
/// let payload = b"processname:risk_manager groupname:trading from_state:BACKOFF";
/// let event = Event::parse(EventType::ProcessStateFatal, payload)?;
/// let Event::ProcessState(event) = event else { panic!("it is another event") };
/// assert_eq!(event.groupname, "trading");
/// assert!(event.processname.starts_with("risk"));
/// let name: &str = event.processname.as_str();
/// assert_eq!(name, "risk_manager");
/// # Ok::<(), supervisor_events::EventError>(())
/// ```
// A line is checked once, when it is read. Without `unsafe`, making a `&str` of a part of it takes another check, so
// that is done only for callers that ask for one: most compare or copy bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Wraps text.
    pub const fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// Wraps bytes that the caller has checked to be UTF-8.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        debug_assert_eq!(utf8_error(bytes), None);
        Self(bytes)
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        let text = core::str::from_utf8(self.0);
        debug_assert!(text.is_ok());
        text.unwrap_or_default()
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl core::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<Text<'_>> for str {
    fn eq(&self, other: &Text<'_>) -> bool {
        other == self
    }
}

impl PartialEq<Text<'_>> for &str {
    fn eq(&self, other: &Text<'_>) -> bool {
        other == self
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

/// For `Command::arg`.
#[cfg(feature = "std")]
impl AsRef<std::ffi::OsStr> for Text<'_> {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.as_str().as_ref()
    }
}

/// For `File::open`.
#[cfg(feature = "std")]
impl AsRef<std::path::Path> for Text<'_> {
    fn as_ref(&self) -> &std::path::Path {
        self.as_str().as_ref()
    }
}

#[cfg(feature = "alloc")]
impl PartialEq<alloc::string::String> for Text<'_> {
    fn eq(&self, other: &alloc::string::String) -> bool {
        self == other.as_str()
    }
}

#[cfg(feature = "alloc")]
impl PartialEq<Text<'_>> for alloc::string::String {
    fn eq(&self, other: &Text<'_>) -> bool {
        other == self
    }
}

#[cfg(feature = "alloc")]
impl From<Text<'_>> for alloc::string::String {
    fn from(text: Text<'_>) -> Self {
        text.as_str().into()
    }
}

impl core::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl core::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self)
    }
}

/// A range of a line. Its offsets have 32 bits on every machine: a header holds several spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Span {
    pub(crate) const NONE: Self = Self { from: 0, to: 0 };

    /// The longest line that a span can refer to.
    pub(crate) const MAX: usize = u32::MAX as usize;

    /// From `from` up to `to` in a line of at most [`Span::MAX`] bytes.
    pub(crate) fn new(from: usize, to: usize) -> Self {
        debug_assert!(from <= to && to <= Self::MAX);
        Self { from: from as u32, to: to as u32 }
    }

    /// That part of `line`.
    #[cfg_attr(feature = "optimize-for-size", inline(never))]
    pub(crate) fn of(self, line: &[u8]) -> &[u8] {
        subslice(line, self.from as usize, self.to as usize)
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn a_text_is_its_str() {
        let text = Text::new("naïve cat");
        assert_eq!((text.as_str(), text.as_bytes()), ("naïve cat", "naïve cat".as_bytes()));
        assert_eq!(text, "naïve cat");
        assert_eq!("naïve cat", text);
        assert_ne!(text, "naïve");
        assert_ne!("naïve", text);
        assert_eq!(text, *"naïve cat");
        assert_eq!(*"naïve cat", text);
        assert_ne!(*"naïve", text);
        let (bytes, str): (&[u8], &str) = (text.as_ref(), text.as_ref());
        assert_eq!((bytes, str), (text.as_bytes(), "naïve cat"));
        assert!(text > Text::from("naïve") && text.starts_with("naïve") && Text::default().is_empty());
        assert_eq!(alloc::format!("{text} {text:?} {text:>11}|"), "naïve cat \"naïve cat\"   naïve cat|");
        assert_eq!(Span::new(2, 6).of(text.as_bytes()), "ïve".as_bytes());
    }

    #[test]
    #[cfg(feature = "std")]
    fn a_text_is_used_like_a_string() {
        use alloc::string::String;
        let (text, same, other) = (Text::new("naïve"), String::from("naïve"), String::from("cat"));
        assert_eq!(text, same);
        assert_eq!(same, text);
        assert_ne!(text, other);
        assert_ne!(other, text);
        assert_eq!(String::from(text), same);
        let (argument, path): (&std::ffi::OsStr, &std::path::Path) = (text.as_ref(), text.as_ref());
        assert_eq!((argument, path), ("naïve".as_ref(), "naïve".as_ref()));
    }
}
