//! The leaf functions: they search for bytes, count code points, check UTF-8 and cut slices.
//!
//! The feature `optimize-for-size` chooses a smaller implementation of some of them. Both give the same results, and
//! both are tested in every build.

/// Whether to prefer small code to fast code.
pub(crate) const SMALL: bool = cfg!(feature = "optimize-for-size");

/// Index of the first `byte`.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // `memchr` pays off on long texts, but costs time when a stream arrives one byte at a time.
    if SMALL || text.len() <= 8 { text.iter().position(|other| *other == byte) } else { memchr::memchr(byte, text) }
}

/// Index of the last `byte`.
pub(crate) fn rfind(byte: u8, text: &[u8]) -> Option<usize> {
    let mut rest = text;
    // Eight bytes at a time: the words of a line are too short for `memrchr` to pay off, and too long to go byte by
    // byte.
    while !SMALL && let Some((before, block)) = rest.split_last_chunk::<8>() {
        let found = equal_bytes(u64::from_le_bytes(*block), byte);
        if found != 0 {
            return Some(rest.len() - 1 - (found.leading_zeros() / 8) as usize);
        }
        rest = before;
    }
    rest.iter().rposition(|other| *other == byte)
}

/// Sets the highest bit of each byte of `block` that is `byte`, and no other bit.
fn equal_bytes(block: u64, byte: u8) -> u64 {
    const LOW_BITS: u64 = u64::MAX / 255 * 0x7f;
    let zero_where_equal = block ^ (u64::MAX / 255 * u64::from(byte));
    // The sum sets the highest bit of a byte unless its low bits are all 0, and never carries into the next byte.
    !(((zero_where_equal & LOW_BITS) + LOW_BITS) | zero_where_equal | LOW_BITS)
}

/// Index of the first occurrence of `needle`, which is not empty.
pub(crate) fn find_subslice(needle: &[u8], text: &[u8]) -> Option<usize> {
    if SMALL { text.windows(needle.len()).position(|window| window == needle) } else { find_by_last(needle, text) }
}

/// Searches for the needle's last byte: in a tag that is the colon, the rarest. (`memchr::memmem` contains code that
/// panics.)
fn find_by_last(needle: &[u8], text: &[u8]) -> Option<usize> {
    let last = needle.last()?;
    let mut end = 0;
    loop {
        end += find(*last, text.get(end..)?)? + 1;
        if text.get(..end)?.ends_with(needle) {
            return end.checked_sub(needle.len());
        }
    }
}

/// Splits around the first `byte`, which ends up in neither part.
pub(crate) fn split_once(byte: u8, text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(find(byte, text)?)?;
    Some((before, rest.get(1..)?))
}

/// The bytes from `from` up to `to`. The caller guarantees that they exist.
#[cfg_attr(feature = "optimize-for-size", inline(never))]
pub(crate) fn subslice(text: &[u8], from: usize, to: usize) -> &[u8] {
    debug_assert!(from <= to && to <= text.len(), "{from}..{to} of {}", text.len());
    text.get(from..to).unwrap_or_default()
}

/// How many code points begin in `text`.
pub(crate) fn code_points(text: &[u8]) -> u64 {
    // Most short payloads are ASCII, and that is faster to check than counting code points.
    const SHORT: usize = 256;
    if SMALL {
        code_points_one_by_one(text)
    } else if text.len() <= SHORT && text.is_ascii() {
        text.len() as u64
    } else {
        bytecount::num_chars(text) as u64
    }
}

fn code_points_one_by_one(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// Offset of the first invalid UTF-8 sequence.
pub(crate) fn utf8_error(bytes: &[u8]) -> Option<usize> {
    if SMALL {
        utf8_error_one_by_one(bytes)
    } else {
        core::str::from_utf8(bytes).err().map(|error| error.valid_up_to())
    }
}

/// Much smaller than the standard library's check, which comes with a table.
fn utf8_error_one_by_one(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    // How many continuation bytes are still due, and the range that the next one must be in.
    let (mut due, mut low, mut high) = (0u32, 0x80u8, 0xbfu8);
    for (index, &byte) in bytes.iter().enumerate() {
        if due != 0 {
            if !(low..=high).contains(&byte) {
                return Some(start);
            }
            due -= 1;
            (low, high) = (0x80, 0xbf);
        } else if !byte.is_ascii() {
            start = index;
            if !(0xc2..=0xf4).contains(&byte) {
                return Some(start);
            }
            due = byte.leading_ones() - 1;
            // Rejects overlong sequences, surrogates, and code points above U+10FFFF.
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

/// Index of `name` in `list`, where each name is followed by a space; `same` compares two names. One list makes smaller
/// code than a chain of comparisons.
pub(crate) fn index_in(list: &str, name: &[u8], same: fn(&[u8], &[u8]) -> bool) -> Option<usize> {
    let mut rest = list.as_bytes();
    let mut index = 0;
    while let Some((other, after)) = split_once(b' ', rest) {
        if same(other, name) {
            return Some(index);
        }
        (rest, index) = (after, index + 1);
    }
    None
}

/// Whether all names differ, for assertions about the table.
#[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
pub(crate) const fn distinct(names: &[&str]) -> bool {
    let mut rest = names;
    while let Some((first, others)) = rest.split_first() {
        let mut left = others;
        while let Some((second, others)) = left.split_first() {
            if equal(first.as_bytes(), second.as_bytes()) {
                return false;
            }
            left = others;
        }
        rest = others;
    }
    true
}

#[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
const fn equal(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([a, one @ ..], [b, other @ ..]) => *a == *b && equal(one, other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn utf8_agrees(bytes: &[u8]) {
        let standard = core::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        assert_eq!(utf8_error_one_by_one(bytes), standard, "{}", bytes.escape_ascii());
        assert_eq!(utf8_error(bytes), standard, "{}", bytes.escape_ascii());
    }

    /// All pairs of first and second bytes, with and without valid continuation bytes after them.
    #[test]
    fn all_beginnings_of_characters() {
        // Miri is too slow for all of them: there, only the ends of each range.
        const ENDS: &[u8] =
            b"\0\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
        let bytes = || (0..=0xff).filter(|byte| !cfg!(miri) || ENDS.contains(byte));
        for first in bytes() {
            for second in bytes() {
                let rests = [&b"\x80\x80\x80"[..], b"", b"\xbf\xbfx", b"\xbf\xc0", b"\x80\xbf", b"\x80"];
                for rest in &rests[..if cfg!(miri) { 1 } else { rests.len() }] {
                    utf8_agrees(&[&b"a"[..], &[first, second], rest].concat());
                }
            }
        }
    }

    #[test]
    fn subslices_are_found() {
        assert_eq!(find_subslice(b"ab", b"aab ab"), Some(1));
        assert_eq!(find_subslice(b"ab", b"ba"), None);
        assert_eq!(find_by_last(b"aba", b"abbababa"), Some(3));
        assert_eq!(find_by_last(b"aba", b"abbabba"), None);
        assert_eq!(split_once(b':', b"a:b:c"), Some((&b"a"[..], &b"b:c"[..])));
        assert_eq!(split_once(b':', b"abc"), None);
        for (name, index) in [("a", Some(0)), ("bc", Some(1)), ("b", None), ("", None), ("a bc", None)] {
            assert_eq!(index_in("a bc ", name.as_bytes(), |one, other| one == other), index);
        }
    }

    #[test]
    fn a_name_that_occurs_twice_is_found() {
        assert!(distinct(&[]) && distinct(&["a", "b", "ab", "ba", ""]));
        for names in [&["a", "a"][..], &["", "b", ""], &["a", "b", "bc", "bc"]] {
            assert!(!distinct(names), "{names:?}");
        }
    }

    #[test]
    fn equal_bytes_are_marked_and_no_others() {
        // Miri is too slow for all of them: a sample is enough there.
        let step = if cfg!(miri) { 13 } else { 1 };
        for byte in (0..=0xff).step_by(step) {
            for other in (0..=0xff).step_by(step) {
                // Each value has the other one as a neighbour, where a carry or a borrow would set a wrong mark.
                let block = [other, byte, other, other, byte, byte, other, byte];
                let marks = block.map(|one| if one == byte { 0x80 } else { 0 });
                assert_eq!(equal_bytes(u64::from_le_bytes(block), byte), u64::from_le_bytes(marks), "{byte} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "[a-z\u{7f}-\u{900}€😀\u{d7ff}\u{e000}\u{10ffff}]{0,99}", any: [u8; 2], at in 0..9usize) {
            utf8_agrees(text.as_bytes());
            let (before, after) = text.as_bytes().split_at(at.min(text.len()));
            utf8_agrees(&[before, &any, after].concat());
            utf8_agrees(&[before, after.get(1..).unwrap_or_default()].concat());
            prop_assert_eq!(code_points_one_by_one(text.as_bytes()), text.chars().count() as u64);
            prop_assert_eq!(code_points(text.as_bytes()), text.chars().count() as u64);
        }

        #[test]
        fn one_of_few_bytes(text in "[ !\u{0}\u{1}\u{a0}]{0,40}", at in 0..40usize) {
            // The bytes that the text holds, and their neighbours, where a borrow or a carry would show.
            for byte in [b' ', b'!', b'\x1f', 0, 1, 0xa0, 0xc2, 0xff] {
                let text = text.as_bytes().get(at..).unwrap_or(text.as_bytes());
                prop_assert_eq!(find(byte, text), text.iter().position(|other| *other == byte));
                prop_assert_eq!(rfind(byte, text), text.iter().rposition(|other| *other == byte));
            }
        }

        #[test]
        fn any_subslice(text in "[ab ]{0,9}", needle in "[ab]{1,3}") {
            prop_assert_eq!(find_subslice(needle.as_bytes(), text.as_bytes()), text.find(&needle));
            prop_assert_eq!(find_by_last(needle.as_bytes(), text.as_bytes()), text.find(&needle));
        }

        #[test]
        fn any_byte(text: alloc::vec::Vec<u8>, byte: u8) {
            prop_assert_eq!(find(byte, &text), text.iter().position(|other| *other == byte));
            prop_assert_eq!(rfind(byte, &text), text.iter().rposition(|other| *other == byte));
        }
    }
}
