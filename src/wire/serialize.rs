//! `Serialize` for the parts of a line: text, data and tokens. [`crate::serialize`] has what consists of them, and the
//! rules.

use core::fmt::Display;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::data::Data;
use super::text::Text;
use super::token::Tokens;

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(self.as_bytes()),
        }
    }
}

impl Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        tokens(&mut map, *self, &[])?;
        map.end()
    }
}

/// Entries for tokens that have no field, after entries with the keys `entries`.
pub(crate) fn tokens<M: SerializeMap>(map: &mut M, tokens: Tokens<'_>, entries: &[&str]) -> Result<(), M::Error> {
    for (index, (key, value)) in tokens.iter().enumerate() {
        if !is_first(tokens.iter(), index, key) {
            continue;
        }
        match entries.contains(&key) {
            true => map.serialize_entry(&Displayed(format_args!("extra:{key}")), value)?,
            false => map.serialize_entry(key, value)?,
        }
    }
    Ok(())
}

/// Whether the token at `index`, which has this key, is the first of its key, and among the first 64.
pub(crate) fn is_first<'a>(tokens: impl Iterator<Item = (&'a str, &'a str)>, index: usize, key: &str) -> bool {
    index < 64 && tokens.take(index).all(|(other, _)| other != key)
}

/// Serializes a value as its `Display` text.
pub(crate) struct Displayed<T>(pub(crate) T);

impl<T: Display> Serialize for Displayed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
