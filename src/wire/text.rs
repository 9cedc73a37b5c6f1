//! Text that is known to be UTF-8, and parts of it.

use super::scan::FAST;
#[cfg(not(target_pointer_width = "64"))]
use super::scan::part;

/// From where to where a part of a text goes.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Span {
    /// Both in one number.
    pub(crate) const fn slot(self) -> u64 {
        (self.to as u64) << 32 | self.from as u64
    }

    pub(crate) const fn of_slot(slot: u64) -> Self {
        Self { from: slot as u32, to: (slot >> 32) as u32 }
    }
}

/// Text from the stream, which is UTF-8: a name, a state, a line. A `&str` in another form.
///
/// It compares and prints as text, and derefs to `str`; [`as_str`](Self::as_str) lives as long as what it was read from.
///
/// ```
/// use supervisor_events::{Event, EventType};
///
/// let payload = b"processname:risk_manager groupname:trading from_state:BACKOFF";
/// let Event::ProcessState(event) = Event::parse(EventType::ProcessStateFatal, payload)? else { panic!() };
/// assert_eq!(event.groupname, "trading");
/// assert!(event.processname.starts_with("risk"));
/// let name: &str = event.processname.as_str();
/// assert_eq!(name, "risk_manager");
/// # Ok::<(), supervisor_events::EventError>(())
/// ```
// Without `unsafe`, a `&str` can only be had by the check of the standard library, whose code and table are larger than
// many a part of this crate. Where speed matters, it is made once, for the whole line; where size matters, for the parts
// that are asked for as `str`, so that a program that asks for none does without.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Checked<'a>);

#[cfg(target_pointer_width = "64")]
type Checked<'a> = &'a str;
#[cfg(not(target_pointer_width = "64"))]
type Checked<'a> = &'a [u8];

#[cfg(target_pointer_width = "64")]
impl<'a> Text<'a> {
    /// Wraps text.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text that consists of `bytes`, which turned out to be UTF-8.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        Self(core::str::from_utf8(bytes).unwrap_or_default())
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    pub(crate) fn get(&self, Span { from, to }: Span) -> Self {
        Self(self.0.get(from as usize..to as usize).unwrap_or_default())
    }
}

#[cfg(not(target_pointer_width = "64"))]
impl<'a> Text<'a> {
    /// Wraps text.
    pub const fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// The text that consists of `bytes`, which turned out to be UTF-8.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The text.
    pub fn as_str(&self) -> &'a str {
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn get(&self, Span { from, to }: Span) -> Self {
        Self(part(self.0, from as usize, to as usize))
    }
}

impl Text<'_> {
    /// Its length in 32 bits, in which places are kept.
    pub(crate) const fn end(&self) -> u32 {
        self.0.len() as u32
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
        self.as_bytes() == other.as_bytes()
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

/// Where the first character begins that is not UTF-8.
pub(crate) fn not_utf8(bytes: &[u8]) -> Option<usize> {
    if FAST { core::str::from_utf8(bytes).err().map(|error| error.valid_up_to()) } else { not_utf8_by_bytes(bytes) }
}

/// The same in the least room.
fn not_utf8_by_bytes(bytes: &[u8]) -> Option<usize> {
    // How many bytes of the character that began at `start` are due, and from where to where the next one may lie.
    let (mut start, mut due, mut low, mut high) = (0, 0u32, 0x80u32, 0xbfu32);
    for (at, byte) in bytes.iter().enumerate() {
        let byte = u32::from(*byte);
        if due != 0 {
            if byte < low || byte > high {
                return Some(start);
            }
            due = due.wrapping_sub(1);
            (low, high) = (0x80, 0xbf);
        } else if byte >= 0x80 {
            start = at;
            if !(0xc2..=0xf4).contains(&byte) {
                return Some(start);
            }
            due = (byte as u8).leading_ones().wrapping_sub(1);
            // Nothing that could be said in fewer bytes, no surrogates, nothing behind the last character.
            match byte {
                0xe0 => low = 0xa0,
                0xed => high = 0x9f,
                0xf0 => low = 0x90,
                0xf4 => high = 0x8f,
                _ => {}
            }
        }
    }
    (due != 0).then_some(start)
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn agree(bytes: &[u8]) {
        let standard = core::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        assert_eq!(not_utf8_by_bytes(bytes), standard, "{}", bytes.escape_ascii());
    }

    #[test]
    fn a_text_is_its_str() {
        let text = Text::new("naïve cat");
        assert_eq!((text.as_str(), text.as_bytes()), ("naïve cat", "naïve cat".as_bytes()));
        assert_eq!(text, "naïve cat");
        assert_eq!("naïve cat", text);
        assert_ne!(text, "naïve");
        assert_ne!("naïve", text);
        assert!(text == *"naïve cat" && *"naïve" != text);
        assert!(text > Text::from("naïve") && text.starts_with("naïve") && Text::default().is_empty());
        assert_eq!(alloc::format!("{text} {text:?} {text:>11}|"), "naïve cat \"naïve cat\"   naïve cat|");
        assert_eq!(text.get(Span { from: 2, to: 6 }), "ïve");
        assert_eq!(text.get(Span { from: 6, to: 99 }), "");
    }

    /// All pairs of first and second bytes, with and without what they lack.
    #[test]
    fn all_beginnings_of_characters() {
        for first in 0..=0xff {
            for second in 0..=0xff {
                for rest in [&b""[..], b"\x80", b"\x80\xbf", b"\xbf\xbfx", b"\xbf\xc0", b"\x80\x80\x80"] {
                    agree(&[&b"a"[..], &[first, second], rest].concat());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(text in "[a-z\u{7f}-\u{900}€😀\u{d7ff}\u{e000}\u{10ffff}]{0,9}", any: [u8; 2], at in 0..9usize) {
            agree(text.as_bytes());
            let (before, after) = text.as_bytes().split_at(at.min(text.len()));
            agree(&[before, &any, after].concat());
            agree(&[before, after.get(1..).unwrap_or_default()].concat());
        }
    }
}
