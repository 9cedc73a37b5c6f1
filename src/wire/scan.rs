//! Looking for bytes and counting characters: by the fastest means on a 64-bit machine, by the smallest elsewhere, where
//! a microcontroller has more time than memory.
//!
//! Functions that say `inline` were measured to be smaller, or faster, so.

/// Whether speed matters more than size.
pub(crate) const FAST: bool = cfg!(target_pointer_width = "64");

/// Where the first `byte` stands.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // `memchr` pays where there is something to look through, and costs where a stream comes in single bytes.
    if FAST && text.len() > 8 { memchr::memchr(byte, text) } else { text.iter().position(|other| *other == byte) }
}

/// Where the last `byte` stands.
pub(crate) fn rfind(byte: u8, text: &[u8]) -> Option<usize> {
    if FAST { memchr::memrchr(byte, text) } else { text.iter().rposition(|other| *other == byte) }
}

/// A part of `text`; nothing if there is no such part.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn part(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

/// The place of `word` in a list of words, each of which ends with a space. An empty word ends the list.
pub(crate) fn place_in(list: &str, word: &[u8]) -> Option<usize> {
    let mut place = 0usize;
    // How much of the word stands there; more than can be, once something else does.
    let mut same = 0usize;
    for byte in list.as_bytes() {
        if *byte != b' ' {
            same = if word.get(same) == Some(byte) { same.wrapping_add(1) } else { usize::MAX };
        } else if same == 0 {
            break;
        } else if same == word.len() {
            return Some(place);
        } else {
            place = place.wrapping_add(1);
            same = 0;
        }
    }
    None
}

/// How many code points begin in `text`.
pub(crate) fn code_points(text: &[u8]) -> u64 {
    // What most payloads are, and what is quicker to see than to count.
    const SHORT: usize = 256;
    if FAST && text.len() <= SHORT && text.is_ascii() {
        text.len() as u64
    } else if FAST {
        bytecount::num_chars(text) as u64
    } else {
        text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
    }
}
