//! The keys that supervisord's lines of tokens are made of.

use super::scan::{FAST, place_in};

/// The names of the keys, in the order of their numbers, each with a space behind it.
const HEADER: &str = "ver server serial pool poolserial eventname len ";
const PAYLOAD: &str = "processname groupname from_state tries expected pid channel type when ";

/// A key of a header or of a payload's line of tokens.
///
/// ```
/// use supervisor_events::{Header, Key};
///
/// let error = Header::parse(b"ver:3.0 server:s serial:x pool:p poolserial:0 eventname:TICK_5 len:6").unwrap_err();
/// assert_eq!(error.key, Key::Serial);
/// assert_eq!(error.key.name(), "serial");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Key {
    /// Header: the protocol's version.
    Ver,
    /// Header: supervisord's identifier.
    Server,
    /// Header: the event's number.
    Serial,
    /// Header: the pool's name.
    Pool,
    /// Header: the event's number in its pool.
    Poolserial,
    /// Header: the name of the event's type.
    Eventname,
    /// Header: the payload's length.
    Len,
    /// Payload: a process's name.
    Processname,
    /// Payload: a group's name.
    Groupname,
    /// Payload: the state before.
    FromState,
    /// Payload: how often a start was tried.
    Tries,
    /// Payload: whether an exit was expected.
    Expected,
    /// Payload: a process's id.
    Pid,
    /// Payload: the stream that was written to.
    Channel,
    /// Payload: what kind of remote communication it is.
    Type,
    /// Payload: the time of a tick.
    When,
}

/// All keys, in the order of their names.
#[rustfmt::skip]
static ALL: [Key; 16] = {
    use Key::*;
    [
        Ver, Server, Serial, Pool, Poolserial, Eventname, Len,
        Processname, Groupname, FromState, Tries, Expected, Pid, Channel, Type, When,
    ]
};

impl Key {
    /// The key's name, as it stands in front of the colon.
    pub fn name(self) -> &'static str {
        let mut names = HEADER.split_terminator(' ').chain(PAYLOAD.split_terminator(' '));
        names.nth(self as usize).unwrap_or_default()
    }

    /// The key with this name, if it is one of `known`, which are all of a header or all of a payload.
    #[inline(always)]
    pub(crate) fn from_name(name: &[u8], known: Keys) -> Option<Self> {
        let key = if FAST { Self::by_match(name) } else { Self::by_list(name, known) }?;
        known.has(key).then_some(key)
    }

    /// Looks the name up in the least room.
    fn by_list(name: &[u8], known: Keys) -> Option<Self> {
        let (names, first) = if known.has(Self::Ver) { (HEADER, Self::Ver) } else { (PAYLOAD, Self::Processname) };
        ALL.get(place_in(names, name)?.wrapping_add(first as usize)).copied()
    }

    /// Looks the name up in the least time.
    fn by_match(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ver" => Self::Ver,
            b"server" => Self::Server,
            b"serial" => Self::Serial,
            b"pool" => Self::Pool,
            b"poolserial" => Self::Poolserial,
            b"eventname" => Self::Eventname,
            b"len" => Self::Len,
            b"processname" => Self::Processname,
            b"groupname" => Self::Groupname,
            b"from_state" => Self::FromState,
            b"tries" => Self::Tries,
            b"expected" => Self::Expected,
            b"pid" => Self::Pid,
            b"channel" => Self::Channel,
            b"type" => Self::Type,
            b"when" => Self::When,
            _ => return None,
        })
    }

    /// The key's place among those that may stand in one line.
    pub(crate) const fn place(self) -> usize {
        self as usize & 7
    }
}

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

/// A set of keys, a bit for each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Keys(u32);

impl Keys {
    pub(crate) const NONE: Self = Self(0);

    /// Those in front of `key`.
    pub(crate) const fn before(self, key: Key) -> Self {
        Self(self.0 & 1u32.wrapping_shl(key as u32).wrapping_sub(1))
    }

    pub(crate) const fn of(keys: &[Key]) -> Self {
        let mut set = Self(0);
        let mut rest = keys;
        while let Some((key, others)) = rest.split_first() {
            set = set.with(*key);
            rest = others;
        }
        set
    }

    pub(crate) const fn with(self, key: Key) -> Self {
        Self(self.0 | 1u32.wrapping_shl(key as u32))
    }

    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) const fn has(self, key: Key) -> bool {
        self.0.wrapping_shr(key as u32) & 1 != 0
    }

    /// Whether it is the first of them.
    pub(crate) const fn is_first(self, key: Key) -> bool {
        self.0 & self.0.wrapping_neg() == Self::NONE.with(key).0
    }

    /// The first of them.
    pub(crate) fn first(self) -> Option<Key> {
        ALL.get(self.0.trailing_zeros() as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name_among_its_own() {
        let (header, payload) = ALL.split_at(Key::Processname as usize);
        for (own, other) in [(header, payload), (payload, header)] {
            let (own_keys, other_keys) = (Keys::of(own), Keys::of(other));
            for &key in own {
                let name = key.name().as_bytes();
                assert_eq!((Key::by_list(name, own_keys), Key::by_match(name)), (Some(key), Some(key)));
                assert_eq!(Key::from_name(name, own_keys), Some(key));
                assert_eq!(Key::from_name(name, own_keys.without(Keys::of(&[key]))), None);
                assert_eq!(Key::from_name(name, other_keys), None);
                for name in [&name[1..], &name[..1], &[name, b"x"].concat(), &[name, b" "].concat()] {
                    assert_eq!((Key::by_list(name, own_keys), Key::by_match(name)), (None, None));
                }
            }
            for name in [&b""[..], b" ", b"ver server"] {
                assert_eq!((Key::by_list(name, own_keys), Key::by_match(name)), (None, None));
            }
        }
        assert_eq!((Key::Ver.name(), Key::FromState.name(), Key::When.name()), ("ver", "from_state", "when"));
    }
}
