//! The keys of supervisord's lines of tokens, and sets of them.

use super::bytes::{SMALL, distinct, index_in};
use super::table::table;

macro_rules! make_keys {
    (keys { $($(#[$doc:meta])* $variant:ident = $name:literal,)* } $($sections:tt)*) => {
        /// A key of a header or of a payload's line of tokens.
        ///
        /// ```
        /// use supervisor_events::{Header, Key};
        ///
        /// let line = b"ver:3.0 server:s serial:x pool:p poolserial:0 eventname:TICK_5 len:6";
        /// let error = Header::parse(line).unwrap_err();
        /// assert_eq!(error.key, Key::Serial);
        /// assert_eq!(error.key.name(), "serial");
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Key {
            $($(#[$doc])* $variant,)*
        }

        impl Key {
            /// All keys, in the order of the table.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
            const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The key's name, as it is written before the colon.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The key's name with the colon: what a token begins with.
            pub(crate) const fn tag(self) -> &'static [u8] {
                match self {
                    $(Self::$variant => concat!($name, ":").as_bytes(),)*
                }
            }

            /// The key with this name.
            pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
                if SMALL {
                    let index = index_in(concat!($($name, " ",)*), name, |one, other| one == other)?;
                    return Self::ALL.get(index).copied();
                }
                $(if name == $name.as_bytes() {
                    return Some(Self::$variant);
                })*
                None
            }
        }
    };
}

table!(make_keys);

const _: () = {
    assert!(Key::ALL.len() <= 32, "a set has 32 bits, one for each key");
    assert!(distinct(Key::NAMES), "two keys have the same name");
};

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::fmt::Display for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

/// Whether the keys are in the order of the table, for assertions about its other sections.
#[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
pub(crate) const fn in_order(keys: &[Key]) -> bool {
    let mut rest = keys;
    while let Some((key, others)) = rest.split_first() {
        if let Some(next) = others.first()
            && *next as usize <= *key as usize
        {
            return false;
        }
        rest = others;
    }
    true
}

/// A set of keys, one bit for each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Keys(u32);

impl Keys {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn of(keys: &[Key]) -> Self {
        let mut set = Self::NONE;
        let mut rest = keys;
        while let Some((key, others)) = rest.split_first() {
            set = set.with(*key);
            rest = others;
        }
        set
    }

    pub(crate) const fn with(self, key: Key) -> Self {
        Self(self.0 | 1 << key as u32)
    }

    #[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) const fn has(self, key: Key) -> bool {
        self.0 >> key as u32 & 1 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first key of the set, in the order of the table.
    pub(crate) fn first(self) -> Option<Key> {
        Key::ALL.get(self.0.trailing_zeros() as usize).copied()
    }

    /// The key with this name, if it is in the set.
    #[cfg_attr(not(feature = "optimize-for-size"), inline(always))]
    pub(crate) fn find(self, name: &[u8]) -> Option<Key> {
        Key::from_name(name).filter(|key| self.has(*key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name() {
        for &key in Key::ALL {
            let name = key.name().as_bytes();
            assert_eq!(Key::from_name(name), Some(key));
            assert_eq!(Keys::of(&[key]).find(name), Some(key));
            assert_eq!(Keys::of(Key::ALL).without(Keys::of(&[key])).find(name), None);
            for other in [&name[1..], &name[..1], &[name, b"x"].concat(), &[name, b" "].concat()] {
                assert_eq!(Key::from_name(other), None);
            }
        }
        assert_eq!((Key::from_name(b""), Key::from_name(b"ver server")), (None, None));
        assert_eq!((Key::Ver.name(), Key::FromState.name(), Key::When.name()), ("ver", "from_state", "when"));
    }

    #[test]
    fn sets_know_their_keys() {
        let set = Keys::of(&[Key::Pid, Key::Len]);
        assert!(set.has(Key::Len) && set.has(Key::Pid) && !set.has(Key::Ver));
        assert_eq!((set.first(), Keys::NONE.first()), (Some(Key::Len), None));
        assert_eq!(set.without(Keys::of(&[Key::Len])).first(), Some(Key::Pid));
        assert!(Keys::NONE.is_empty() && !set.is_empty());
        assert!(in_order(Key::ALL) && in_order(&[]) && in_order(&[Key::Len, Key::Pid]));
        assert!(!in_order(&[Key::Ver, Key::Pid, Key::Len]) && !in_order(&[Key::Pid, Key::Pid]));
        assert_eq!(Keys::of(&[Key::Pid]).union(Keys::of(&[Key::Len])), set);
        assert_eq!((set.union(set), set.with(Key::Pid)), (set, set));
    }
}
