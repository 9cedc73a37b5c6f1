//! Where a header ends.

use super::bytes::{find, subslice};
use super::error::{ProtocolErrorKind, TokenErrorKind};
use super::fields::Fields;
use super::grammar;
use super::header;
use super::key::Key;
use super::short_cut;
use super::token::split_last_word;

/// How many newlines an identifier may hold. At each newline the header is read again from its start, so without a
/// limit a flood of short lines would keep a program busy.
const NEWLINES: usize = 16;

/// The complete usual header at the start of `text`, and its length with its newline. `None` proves nothing: there may
/// be an unusual header, or the beginning of one.
#[inline(always)]
pub(crate) fn usual_header(text: &[u8]) -> Option<(Fields, usize)> {
    let (fields, end) = short_cut::header(text)?;
    (text.get(end) == Some(&b'\n')).then_some((fields, end + 1))
}

/// Reads the header at the start of `text` into `fields`, and returns its length with its newline; `None` if it is
/// incomplete. The bytes before offset `new` were there in the previous call; if `new` is 0, the caller has tried
/// [`usual_header`]. A header may be `limit` bytes long.
///
/// A newline alone does not end a header: the identifier may hold one. The header ends at the first newline that
/// follows ` eventname:E len:N`, or that follows all keys, in any order. So at each newline the text before it is read
/// again from its start, and nothing is stored between two calls.
///
/// # Errors
///
/// The input is not a header, or the header is too long or cannot be read.
// Inlined: most programs use only one of its callers.
#[inline]
pub(crate) fn header(
    text: &[u8],
    new: usize,
    limit: usize,
    fields: &mut Fields,
) -> Result<Option<usize>, ProtocolErrorKind> {
    let beginning = Key::Ver.tag();
    if !text.starts_with(beginning) && !beginning.starts_with(text) {
        return Err(ProtocolErrorKind::NotAHeader);
    }
    let mut from = new;
    while let Some(newline) = find(b'\n', subslice(text, from, text.len())) {
        // Counted only at a newline: input that arrives byte by byte must not be scanned again for every byte.
        if subslice(text, 0, from).iter().filter(|byte| **byte == b'\n').count() > NEWLINES {
            return Err(ProtocolErrorKind::NotAHeader);
        }
        let end = from + newline;
        let line = subslice(text, 0, end);
        // If the whole line is new, the short cut was tried before.
        let read = if new == 0 { grammar::header::read(line, fields) } else { header::read(line, fields) };
        match read {
            Ok(()) => return Ok(Some(end + 1)),
            Err(token) if token.kind != TokenErrorKind::Missing || ends_like_a_header(line) => {
                return Err(ProtocolErrorKind::Header(token));
            }
            Err(_) => from = end + 1,
        }
    }
    if text.len() >= limit {
        return Err(ProtocolErrorKind::HeaderTooLong { limit });
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
