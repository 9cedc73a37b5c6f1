//! Text that is safe to show: what strategies and processes say may hold characters that move a terminal's cursor, or turn
//! the direction of what follows.

use std::fmt::Write;

/// JSON text in which such characters are escaped. They occur in its strings alone, where an escape means the same.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            // All of them have at most four hexadecimal digits.
            let _ = write!(safe, "\\u{:04x}", u32::from(char));
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Text of several lines in which such characters are escaped, and all other controls.
pub fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) || char.is_control() && !matches!(char, '\n' | '\t') {
            safe.extend(char.escape_unicode());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// DEL, the C1 controls, line and paragraph separators, and what changes the direction of text. JSON itself escapes C0.
fn is_unsafe(char: char) -> bool {
    matches!(
        char,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}
