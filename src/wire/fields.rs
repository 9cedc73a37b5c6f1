//! What every reader of headers returns: the numbers, and the spans of the texts.

use super::key::{Key, Keys};
use super::text::Span;

/// The set of keys in supervisor 4.3.0's header.
pub(crate) const KEYS: Keys =
    Keys::of(&[Key::Ver, Key::Server, Key::Serial, Key::Pool, Key::Poolserial, Key::Eventname, Key::Len]);

/// A header line, parsed: its numbers, and the spans of its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Fields {
    pub(crate) ver: Span,
    pub(crate) server: Span,
    pub(crate) serial: u64,
    pub(crate) pool: Span,
    pub(crate) poolserial: u64,
    pub(crate) eventname: Span,
    pub(crate) len: u64,
}

impl Fields {
    /// Before any line is read.
    pub(crate) const NONE: Self = Self {
        ver: Span::NONE,
        server: Span::NONE,
        serial: 0,
        pool: Span::NONE,
        poolserial: 0,
        eventname: Span::NONE,
        len: 0,
    };
}
