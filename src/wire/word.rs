//! Words with a fixed set of values: states, channels, changes of a group.

use super::bytes::{SMALL, index_in};
use super::error::{TokenErrorKind, UnknownName};
use super::table::table;
use super::text::Text;
use super::token::is_plain;

const NO_WORD: UnknownName = UnknownName::instead_of("a word that supervisor 4.3.0 uses here");

macro_rules! make_words {
    (
        keys { $($keys:tt)* }
        words {
            $($(#[$doc:meta])* $Word:ident { $($(#[$word_doc:meta])* $word:ident = $name:literal,)* })*
        }
        $($sections:tt)*
    ) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            #[cfg_attr(feature = "defmt", derive(defmt::Format))]
            #[non_exhaustive]
            pub enum $Word {
                $($(#[$word_doc])* $word,)*
            }

            impl $Word {
                /// All values, in the order of the table.
                pub const ALL: &'static [Self] = &[$(Self::$word,)*];

                /// Its name, as supervisord writes it.
                pub const fn name(self) -> &'static str {
                    match self {
                        $(Self::$word => $name,)*
                    }
                }

                /// The value with this name, in any letter case: not all servers write names as supervisord does.
                pub fn from_name(name: &str) -> Option<Self> {
                    Self::from_bytes(name.as_bytes())
                }

                pub(crate) fn from_bytes(name: &[u8]) -> Option<Self> {
                    if SMALL {
                        let index = index_in(concat!($($name, " ",)*), name, <[u8]>::eq_ignore_ascii_case)?;
                        return Self::ALL.get(index).copied();
                    }
                    $(if name.eq_ignore_ascii_case($name.as_bytes()) {
                        return Some(Self::$word);
                    })*
                    None
                }
            }

            impl core::fmt::Display for $Word {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.pad(self.name())
                }
            }

            impl core::str::FromStr for $Word {
                type Err = UnknownName;

                fn from_str(name: &str) -> Result<Self, UnknownName> {
                    Self::from_name(name).ok_or(NO_WORD)
                }
            }

            #[cfg(feature = "serde")]
            impl serde::Serialize for $Word {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.name())
                }
            }
        )*
    };
}

table!(make_words);

/// The name of a process's state as the server wrote it, and the state that it names.
///
/// supervisord writes `RUNNING`, the Go server writes `Running`: both equal [`ProcessState::Running`]. Two `StateName`s
/// are equal only if they are written the same way.
///
/// ```
/// use supervisor_events::{ProcessState, StateName};
///
/// let name = StateName::from("Running");
/// assert_eq!(name, ProcessState::Running);
/// assert_eq!(name.to_string(), "Running");
/// assert_eq!(StateName::from("SUSPENDED").state(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StateName<'a> {
    text: Text<'a>,
    state: Option<ProcessState>,
}

impl<'a> StateName<'a> {
    /// The state, if supervisor 4.3.0 has one with this name.
    pub const fn state(self) -> Option<ProcessState> {
        self.state
    }

    /// The name as it was written.
    pub fn name(self) -> &'a str {
        self.text.as_str()
    }

    /// The state, under the name that supervisord writes.
    pub(crate) const fn of(state: ProcessState) -> Self {
        Self { text: Text::new(state.name()), state: Some(state) }
    }

    pub(crate) const fn as_bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(crate) fn from_text(text: Text<'a>) -> Self {
        Self { text, state: ProcessState::from_bytes(text.as_bytes()) }
    }

    /// Reads a value, which has to be a plain word.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, TokenErrorKind> {
        if !is_plain(value) {
            return Err(TokenErrorKind::Invalid);
        }
        Ok(Self::from_text(Text::checked(value)))
    }
}

impl<'a> From<&'a str> for StateName<'a> {
    fn from(name: &'a str) -> Self {
        Self::from_text(Text::new(name))
    }
}

impl From<ProcessState> for StateName<'_> {
    fn from(state: ProcessState) -> Self {
        Self::of(state)
    }
}

impl PartialEq<ProcessState> for StateName<'_> {
    fn eq(&self, other: &ProcessState) -> bool {
        self.state == Some(*other)
    }
}

impl PartialEq<StateName<'_>> for ProcessState {
    fn eq(&self, other: &StateName<'_>) -> bool {
        other == self
    }
}

impl core::fmt::Display for StateName<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for StateName<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_word_is_found_by_its_name_in_any_case() {
        for &state in ProcessState::ALL {
            let lower = state.name().to_ascii_lowercase();
            assert_eq!((state.name().parse(), lower.parse()), (Ok(state), Ok(state)));
            let written = StateName::from(&lower[..]);
            assert_eq!(written, state);
            assert_eq!(state, StateName::from(state));
            assert_eq!((written.to_string(), state.to_string()), (lower.clone(), state.name().to_string()));
            assert_ne!(written, StateName::from(state));
        }
        for name in ["", "SUSPENDED", "FATAL ", "FATA", "RUNNİNG"] {
            assert_eq!(name.parse::<ProcessState>(), Err(NO_WORD));
            assert_eq!(StateName::from(name).state(), None);
        }
        assert_eq!(Channel::from_name("stderr"), Some(Channel::Stderr));
        assert_eq!(alloc::format!("{:>8}|", GroupChange::Added), "   ADDED|");
    }

    #[test]
    fn a_state_is_a_word() {
        assert_eq!(
            (StateName::read(b""), StateName::read(b"A\nB")),
            (Err(TokenErrorKind::Invalid), Err(TokenErrorKind::Invalid))
        );
        assert_eq!(StateName::read(b"Backoff").unwrap(), ProcessState::Backoff);
    }
}
