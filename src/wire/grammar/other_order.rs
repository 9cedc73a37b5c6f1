//! Headers in an order that no known server uses: supervisor's documentation promises none. Also determines why a line
//! is not a header.

use super::line::Line;
use crate::wire::bytes::{find_subslice, subslice};
use crate::wire::error::TokenError;
use crate::wire::fields::{Fields, KEYS};
use crate::wire::key::{Key, Keys};
use crate::wire::text::Span;
use crate::wire::token::{known_token, split_last_word};

/// The keys that may be in any order, before or after the identifier.
const MOVABLE: Keys = KEYS.without(Keys::of(&[Key::Ver, Key::Server]));

/// Reads a header line, without its newline, into `fields`; if it fails, their contents are unspecified. `ver` comes
/// first, then the other tokens in any order.
pub(crate) fn read(text: &[u8], fields: &mut Fields) -> Result<(), TokenError> {
    let mut line = Line::new(text, KEYS);
    tokens(&mut line);
    line.check_utf8();
    // Destructured, so that a field that is not read here does not compile.
    let Fields { ver, server, serial, pool, poolserial, eventname, len } = fields;
    *ver = line.plain(Key::Ver);
    *server = line.any(Key::Server);
    *serial = line.value(Key::Serial);
    *pool = line.any(Key::Pool);
    *poolserial = line.value(Key::Poolserial);
    *eventname = line.plain(Key::Eventname);
    *len = line.value(Key::Len);
    line.finish()
}

/// The identifier begins after the first ` server:`. To find its end, scan from the right: it ends before the leftmost
/// token whose key is neither before the identifier nor further to the right.
fn tokens(line: &mut Line<'_>) {
    let text = line.text;
    let Some(space) = find_subslice(b" server:", text) else {
        return line.tokens(0, text.len());
    };
    let from = space + b" server:".len();
    line.tokens(0, space);
    let to = identifier_end(text, from, MOVABLE.without(line.seen()));
    line.put(Key::Server, space + 1, Span::new(from, to));
    if to < text.len() {
        line.tokens(to + 1, text.len());
    }
}

/// The end of the identifier that begins at `from`; only the `missing` keys may follow it.
fn identifier_end(text: &[u8], from: usize, mut missing: Keys) -> usize {
    let (mut end, mut at) = (text.len(), text.len());
    while let Some((before, word)) = split_last_word(subslice(text, from, at))
        && !missing.is_empty()
    {
        at = from + before.len();
        if let Some((key, _)) = known_token(word, missing) {
            missing = missing.without(Keys::NONE.with(key));
            end = at;
        }
    }
    end
}
