//! Output that supervisord cannot decode arrives as a Python literal, `b'caf\xe9\n'`. This module turns it back into
//! bytes. Usually it is a piece that begins or ends in the middle of a character, and the line is valid once the pieces
//! are joined.

use std::borrow::Cow;

use supervisor_events::Data;

/// The bytes that a process wrote.
pub fn bytes(data: Data<'_>) -> Cow<'_, [u8]> {
    let written = data.undecodable().and_then(evaluate);
    // A process may write such text itself. If the bytes are UTF-8, it did: supervisord would have decoded them.
    match written.filter(|bytes| str::from_utf8(bytes).is_err()) {
        Some(bytes) => Cow::Owned(bytes),
        None => Cow::Borrowed(data.as_bytes()),
    }
}

/// `None` if it is not what Python's `repr` makes of bytes.
fn evaluate(literal: &str) -> Option<Vec<u8>> {
    let quoted = literal.strip_prefix('b')?.as_bytes();
    let (quote, rest) = quoted.split_first()?;
    let mut rest = rest.strip_suffix(&[*quote])?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            // Inside the quotes, a quote and everything but printable ASCII is escaped.
            if first == quote || !matches!(first, b' '..=b'~') {
                return None;
            }
            bytes.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => *escape,
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_made_of_bytes_is_undone() {
        for (text, expected) in [
            (r"Undecodable: b'caf\xe9\n'", &b"caf\xe9\n"[..]),
            (r"Undecodable: b'\xff\x00\t\r\\ \'quoted\''", b"\xff\x00\t\r\\ 'quoted'"),
            (r#"Undecodable: b"it's \xff""#, b"it's \xff"),
        ] {
            assert_eq!(bytes(Data::new(text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn what_a_process_wrote_itself_stays() {
        for text in [
            r"Undecodable: b'fine'",
            r"Undecodable: b'\xc3\xa9'",
            r"Undecodable: b'\xff\q'",
            r"Undecodable: b'\xf'",
            r"Undecodable: b'\xff' and more",
            "Undecodable: b'\n\\xff'",
            "Undecodable: b'",
            "fine",
        ] {
            assert_eq!(bytes(Data::new(text.as_bytes())), text.as_bytes(), "{text}");
        }
    }
}
