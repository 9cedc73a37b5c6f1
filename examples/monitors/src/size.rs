//! Memory limits in settings: `NAME=SIZE`, with a unit.

use std::str::FromStr;

use crate::names::ProcessPattern;

/// How much memory each process that matches the pattern may use.
#[derive(Clone, Debug)]
pub struct ProcessSize {
    pub pattern: ProcessPattern,
    pub size: Size,
}

/// How much memory the processes of a group may use together.
#[derive(Clone, Debug)]
pub struct GroupSize {
    pub group: String,
    pub size: Size,
}

/// MB, of 2^20 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size(pub f64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("is a list of NAME=SIZE, with KB, MB or GB after a number, but has {text:?}");
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(2)).ok_or_else(wrong)?;
        let unit = match unit.to_ascii_uppercase().as_str() {
            "KB" => 1.0 / 1024.0,
            "MB" => 1.0,
            "GB" => 1024.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        if number > 0.0 && number.is_finite() { Ok(Self(number * unit)) } else { Err(wrong()) }
    }
}

/// The size follows the last `=`: a name may contain one.
fn named(text: &str) -> Result<(&str, Size), String> {
    let wrong = || format!("is a list of NAME=SIZE, separated by commas, but has {text:?}");
    let (name, size) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((name, size.parse()?))
}

impl FromStr for ProcessSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, size) = named(text)?;
        Ok(Self { pattern: name.parse()?, size })
    }
}

impl FromStr for GroupSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (group, size) = named(text)?;
        if group.is_empty() || group.contains([':', '*', ' ']) {
            return Err(format!("names groups, and {group:?} is none"));
        }
        Ok(Self { group: group.into(), size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        for (text, mb) in [("500MB", 500.0), ("1.5GB", 1536.0), ("512kb", 0.5)] {
            assert_eq!(text.parse::<Size>().unwrap(), Size(mb));
        }
        for text in ["", "500", "MB", "-1MB", "0MB", "1TB", "nanMB", "1 \u{20ac}"] {
            assert!(text.parse::<Size>().unwrap_err().contains("KB, MB or GB"), "{text}");
        }
        let limit: ProcessSize = "g:a=b=1GB".parse().unwrap();
        assert_eq!((limit.pattern.to_string().as_str(), limit.size), ("g:a=b", Size(1024.0)));
        assert!("g:a=1GB".parse::<GroupSize>().is_err());
    }
}
