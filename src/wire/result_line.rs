//! The line that a RESULT begins with, read as supervisor 4.3.0 reads it, with all its leniency.
//!
//! [`reply`](super::reply) writes such lines.

/// What is odd about the line of a RESULT that supervisord accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Quirk {
    /// It does not begin with `RESULT `. supervisord skips the first 7 bytes of the line without looking at them.
    Prefix,
    /// The number has more than digits: spaces, a sign, underscores, a carriage return. Or it has leading zeros.
    Number,
}

impl core::fmt::Display for Quirk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Prefix => "the line of the RESULT does not begin with 'RESULT '",
            Self::Number => "the length in the line of the RESULT is not a plain decimal number",
        })
    }
}

/// The line of a RESULT, byte by byte: 7 bytes that supervisord skips, and a number as Python's `int()` reads it.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Line {
    /// How many bytes have arrived.
    pub(crate) len: u64,
    /// Whether the first 7 were `RESULT `.
    usual: bool,
    position: Position,
    negative: bool,
    /// Saturating.
    value: u64,
    digits: u32,
    plain: bool,
}

/// The position in the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Position {
    Before,
    Sign,
    Digit,
    Underscore,
    After,
    NotANumber,
}

/// The number at the end of the line.
pub(crate) enum Number {
    /// Not a number.
    None,
    Negative,
    /// More than any listener can write.
    Huge,
    Is(u64),
}

const RESULT: &[u8] = b"RESULT ";
/// Python refuses to parse more digits than this, since 3.11 and in security releases of older versions.
const MOST_DIGITS: u32 = 4300;

impl Line {
    pub(crate) const fn new() -> Self {
        Self { len: 0, usual: true, position: Position::Before, negative: false, value: 0, digits: 0, plain: true }
    }

    /// Takes the next byte of the line, which is not a newline.
    pub(crate) fn put(&mut self, byte: u8) {
        let at = self.len;
        self.len = at.saturating_add(1);
        if at < RESULT.len() as u64 {
            self.usual &= RESULT.get(at as usize) == Some(&byte);
            return;
        }
        self.position = match (self.position, byte) {
            (Position::Before, b'+' | b'-') => {
                self.negative = byte == b'-';
                Position::Sign
            }
            (Position::Before | Position::Sign | Position::Digit | Position::Underscore, b'0'..=b'9') => {
                // A leading zero is odd, but accepted.
                self.plain &= !(self.digits == 1 && self.value == 0);
                self.digits = self.digits.saturating_add(1);
                self.value = self.value.saturating_mul(10).saturating_add(u64::from(byte.wrapping_sub(b'0')));
                Position::Digit
            }
            (Position::Digit, b'_') => Position::Underscore,
            (Position::Before, b' ' | 0x09..=0x0d) => Position::Before,
            (Position::Digit | Position::After, b' ' | 0x09..=0x0d) => Position::After,
            _ => Position::NotANumber,
        };
        self.plain &= self.position == Position::Digit;
    }

    /// The number, once the line has ended.
    pub(crate) fn end(&self) -> Number {
        match self.position {
            Position::Digit | Position::After if self.digits > MOST_DIGITS => Number::None,
            Position::Digit | Position::After if self.negative && self.value != 0 => Number::Negative,
            Position::Digit | Position::After if self.value == u64::MAX => Number::Huge,
            Position::Digit | Position::After => Number::Is(self.value),
            _ => Number::None,
        }
    }

    /// What is odd about the line. Meaningless unless it has a number.
    pub(crate) fn quirk(&self) -> Option<Quirk> {
        match (self.usual, self.plain) {
            (false, _) => Some(Quirk::Prefix),
            (true, false) => Some(Quirk::Number),
            (true, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<u64>, Option<Quirk>) {
        let mut line = Line::new();
        text.bytes().for_each(|byte| line.put(byte));
        let number = match line.end() {
            Number::Is(number) => Some(number),
            Number::None | Number::Negative | Number::Huge => None,
        };
        (number, line.quirk())
    }

    #[test]
    fn a_number_is_what_python_takes_for_one() {
        for text in ["RESULT 2", "RESULT 0", "RESULT 18446744073709551614"] {
            assert_eq!(read(text), (text[7..].parse().ok(), None), "{text}");
        }
        for odd in [" 2", "2 ", "\t2\r", "+2", "02", "0_2", "-0"] {
            let expected = if odd == "-0" { 0 } else { 2 };
            assert_eq!(read(&std::format!("RESULT {odd}")), (Some(expected), Some(Quirk::Number)), "{odd:?}");
            assert_eq!(read(&std::format!("result {odd}")), (Some(expected), Some(Quirk::Prefix)), "{odd:?}");
        }
        for wrong in ["", "-2", "0x2", "2.0", "_2", "2_", "2__0", "2 0", "+-2", "2\0", "é", "18446744073709551615"] {
            assert_eq!(read(&std::format!("RESULT {wrong}")).0, None, "{wrong:?}");
        }
        let digits = |count: usize| std::format!("RESULT {}2", "0".repeat(count - 1));
        assert_eq!((read(&digits(4300)).0, read(&digits(4301)).0), (Some(2), None));
    }
}
