//! Where a header ends.

use super::bytes::{find, subslice};
use super::error::{Problem, ProtocolError, ProtocolErrorKind};
use super::grammar;
use super::header::{self, Header};
use super::key::Key;
use super::places::Places;
use super::short_cut;
use super::token::split_last_word;

/// How many newlines an identifier may hold. What is before each of them is read from its beginning, so a flood of short
/// lines must not keep a program busy.
const NEWLINES: usize = 16;

/// A header that has arrived.
pub(crate) struct Arrived {
    pub(crate) places: Places,
    /// Its length with its newline.
    pub(crate) len: usize,
}

impl Arrived {
    /// The header, of `text` that begins with it.
    #[inline]
    pub(crate) fn header<'a>(&self, text: &'a [u8]) -> Header<'a> {
        Header::new(subslice(text, 0, self.len - 1), self.places)
    }
}

/// The usual header, whole, at the start of `text`. `None` says nothing: an unusual header may be there, or the beginning of
/// one.
#[inline(always)]
fn usual_header(text: &[u8]) -> Option<Arrived> {
    let (places, end) = short_cut::header(text)?;
    (text.get(end) == Some(&b'\n')).then_some(Arrived { places, len: end + 1 })
}

/// Reads the header that `text` begins with; `None` if it has not arrived whole. All of `text` before `new` was there in
/// the call before. A header may be `limit` bytes long.
///
/// A newline alone does not end a header: the identifier may hold one. It ends at the first newline that follows
/// ` eventname:E len:N`, or that follows all keys, in whatever order they came. So what is before a newline is read each
/// time from its beginning; nothing has to be remembered between two calls.
///
/// # Errors
///
/// What is there is not a header, is too long or cannot be read; with the offset in `text`.
pub(crate) fn header(text: &[u8], new: usize, limit: usize) -> Result<Option<Arrived>, ProtocolError> {
    if new == 0
        && let Some(arrived) = usual_header(text)
    {
        return Ok(Some(arrived));
    }
    let error = |offset: usize, kind| Err(ProtocolError { offset: offset as u64, kind });
    if !text.iter().zip(Key::Ver.tag()).all(|(byte, due)| byte == due) {
        return error(0, ProtocolErrorKind::NotAHeader);
    }
    let mut from = new;
    while let Some(newline) = find(b'\n', subslice(text, from, text.len())) {
        // Counted only here: what arrives byte by byte must not be looked at again with every byte.
        if subslice(text, 0, from).iter().filter(|byte| **byte == b'\n').count() > NEWLINES {
            return error(0, ProtocolErrorKind::NotAHeader);
        }
        let end = from + newline;
        let line = subslice(text, 0, end);
        // The short cut was tried above if all of the line is new.
        let places = if new == 0 { grammar::header::read(line) } else { header::read(line) };
        match places {
            Ok(places) => return Ok(Some(Arrived { places, len: end + 1 })),
            Err(token) if token.problem != Problem::Missing || ends_like_a_header(line) => {
                return error(token.offset, ProtocolErrorKind::Header(token));
            }
            Err(_) => from = end + 1,
        }
    }
    if text.len() >= limit {
        return error(limit, ProtocolErrorKind::HeaderTooLong { limit });
    }
    Ok(None)
}

/// Whether the last two words of `line` are `eventname:E len:N`.
fn ends_like_a_header(line: &[u8]) -> bool {
    split_last_word(line).is_some_and(|(rest, len)| {
        len.starts_with(Key::Len.tag())
            && split_last_word(rest).is_some_and(|(_, word)| word.starts_with(Key::Eventname.tag()))
    })
}
