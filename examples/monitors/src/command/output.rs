//! Splits a command's output into lines of bounded length.

/// The longest line, in bytes. The rest is cut off.
const LONGEST: usize = 4096;

/// Assembles lines from pieces.
#[derive(Default)]
pub struct Lines {
    line: Vec<u8>,
    cut: usize,
}

impl Lines {
    /// Adds a piece, and passes the lines that it completes to `take`.
    pub fn add(&mut self, piece: &[u8], mut take: impl FnMut(&str)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let bytes = text.unwrap_or(part);
            let room = LONGEST - self.line.len();
            self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.cut += bytes.len().saturating_sub(room);
            if text.is_some() {
                self.give(&mut take);
            }
        }
    }

    /// Passes on an incomplete last line.
    pub fn end(&mut self, mut take: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.give(&mut take);
        }
    }

    fn give(&mut self, take: &mut impl FnMut(&str)) {
        let (line, cut) = (std::mem::take(&mut self.line), std::mem::take(&mut self.cut));
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        if cut > 0 { take(&format!("{text}… ({cut} more bytes)")) } else { take(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.add(piece, |line| all.push(line.to_owned())));
        lines.end(|line| all.push(line.to_owned()));
        all
    }

    #[test]
    fn lines_are_whole_however_they_come_and_no_longer_than_they_may_be() {
        assert_eq!(lines(&[b"a", b"b\r\n\nc\n", b"d"]), ["ab", "", "c", "d"]);
        assert_eq!(lines(&["é".as_bytes().split_at(1).0, b"\xa9\n\xff\n"]), ["é", "\u{fffd}"]);
        let long = lines(&[&[b'x'; LONGEST], b"yy", b"y\nz"]);
        assert_eq!(long, [format!("{}… (3 more bytes)", "x".repeat(LONGEST)), "z".into()]);
    }
}
