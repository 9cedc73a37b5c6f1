//! Checks the data of ENTRY and EXIT signals.
//!
//! ```text
//! data      = SYMBOL [ (" " | ":") QUANTITY [ "@" PRICE ] [ " " anything ] ]     only an EXIT may lack the quantity
//! SYMBOL    = a letter or digit, and up to 31 more letters, digits, ".", "_", "-" and "/"
//! QUANTITY  = a decimal number above 0, with an exponent or without: 0.25, 3, 1e-8
//! PRICE     = the same
//! ```

/// Whether this is valid data of an ENTRY.
pub fn is_entry(data: &str) -> bool {
    match split_symbol(data) {
        (symbol, Some(rest)) => is_symbol(symbol) && is_amount(rest),
        (_, None) => false,
    }
}

/// Whether this is valid data of an EXIT. Without a quantity, it means the whole position.
pub fn is_exit(data: &str) -> bool {
    is_entry(data) || is_symbol(data)
}

/// Parses a number as a strategy would write it. `nan`, `inf` and numbers out of range are rejected.
pub fn number(text: &str) -> Option<f64> {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let digits = text.strip_prefix('-').unwrap_or(text);
    let begins = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let number = (begins && text.bytes().all(is_part)).then(|| text.parse::<f64>().ok())??;
    number.is_finite().then_some(number)
}

fn split_symbol(data: &str) -> (&str, Option<&str>) {
    match data.split_once([' ', ':']) {
        Some((symbol, rest)) => (symbol, Some(rest)),
        None => (data, None),
    }
}

fn is_symbol(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && text.len() <= 32 && text.bytes().all(is_part)
}

fn is_amount(text: &str) -> bool {
    let amount = text.split(' ').next().unwrap_or(text);
    let (quantity, price) = amount.split_once('@').map_or((amount, None), |(quantity, price)| (quantity, Some(price)));
    let is_above_0 = |text: &str| number(text).is_some_and(|number| number > 0.0);
    is_above_0(quantity) && price.is_none_or(is_above_0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_symbol_and_numbers_above_0() {
        for data in ["BTC 0.25", "BTC:0.25@97150.5", "BTC-PERP:3", "1000PEPE/USDT 1e-8@2E5", "BTC 1 stop=95000 a@b"] {
            assert!(is_entry(data), "{data}");
        }
        for data in [
            "",
            "BTC",
            "BTC:",
            "BTC ",
            "NaN@-1",
            "BTC:NaN@-1",
            "BTC:1@-1",
            "BTC:-1",
            "BTC:0",
            "BTC:0@5",
            "BTC:inf",
            "BTC:1@",
            "BTC:@5",
            "BTC:1e999",
            "BTC:1e-999",
            "BTC:0x5",
            "BTC:+1",
            "BTC:.5",
            "BTC:1_0",
            "BTC:1@2@3",
            "BTC  1",
            " BTC 1",
            "-BTC 1",
            "BTC,ETH 1",
            "BTC:1,5",
            "BTC 1@2x",
        ] {
            assert!(!is_entry(data), "{data}");
        }
        assert!(!is_entry(&format!("{} 1", "B".repeat(33))) && is_entry(&format!("{} 1", "B".repeat(32))));
    }

    #[test]
    fn an_exit_may_be_of_all_there_is() {
        for (data, is) in
            [("BTC", true), ("BTC 0.25", true), ("", false), ("BTC:", false), ("BTC NaN", false), ("x y", false)]
        {
            assert_eq!(is_exit(data), is, "{data}");
        }
    }
}
