//! Makes text safe to display: output of strategies and processes may contain characters that move a terminal's cursor
//! or change the direction of text.

use std::fmt::Write;

/// Escapes such characters in JSON text. They occur only in its strings, where an escape means the same.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            // All of them fit in four hexadecimal digits.
            let _ = write!(safe, "\\u{:04x}", u32::from(char));
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Escapes such characters, and all other control characters, in text of several lines.
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

/// DEL, C1 controls, line and paragraph separators, and directional formatting characters. JSON itself escapes C0.
fn is_unsafe(char: char) -> bool {
    matches!(
        char,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}
