//! Typed payloads: one struct per shape, with the protocol's own names.

use super::data::Data;
use super::event_type::Shape;
use super::key::{Key, Keys, in_order};
use super::table::table;
use super::text::Text;
use super::token::Tokens;
use super::value::{Value, Values};
use super::word::{Channel, GroupChange, ProcessState, StateName};
use super::writer::Writer;

macro_rules! make_payloads {
    (
        keys { $($keys:tt)* }
        words { $($words:tt)* }
        event_types { $($event_types:tt)* }
        payloads {
            $(
                $(#[$doc:meta])*
                $Shape:ident ($Struct:ident) {
                    $(named { $(#[$named_doc:meta])* $named:ident: $Named:ty $(= $NamedKey:ident)? })?
                    tokens { $($(#[$field_doc:meta])* $field:ident: $Type:ty = $Key:ident,)* }
                    $(data { $(#[$data_doc:meta])* $data:ident: $Data:ty })?
                    $(unknown $extra:ident)?
                }
            )*
        }
    ) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[cfg_attr(feature = "defmt", derive(defmt::Format))]
            #[non_exhaustive]
            pub struct $Struct<'a> {
                $($(#[$named_doc])* pub $named: $Named,)?
                $($(#[$field_doc])* pub $field: $Type,)*
                $($(#[$data_doc])* pub $data: $Data,)?
                $(
                    /// Tokens that supervisor 4.3.0 does not send.
                    pub $extra: Tokens<'a>,
                )?
            }

            // If several keys are missing, the one that is taken first is reported.
            const _: () = assert!(
                in_order(&[$(Key::$Key,)* $($(Key::$NamedKey,)?)?]),
                concat!("the fields of ", stringify!($Struct), " are not in the order of the keys"),
            );

            impl<'a> $Struct<'a> {
                /// The keys that have a field.
                pub(crate) const KEYS: Keys = Keys::of(&[$(Key::$Key,)* $($(Key::$NamedKey,)?)?]);

                /// An event to send. Names are empty, optional values `None`, other values placeholders: set the
                /// fields.
                #[allow(clippy::new_without_default, reason = "most of them take the value that the name gives")]
                pub const fn new($($named: $Named)?) -> Self {
                    Self {
                        $($named,)?
                        $($field: <$Type as Value<'a>>::EMPTY,)*
                        $($data: <$Data>::new(b""),)?
                        $($extra: Tokens::new(""),)?
                    }
                }

                /// The shape, with the values that the event's name gives.
                pub(crate) const fn shape(&self) -> Shape {
                    Shape::$Shape $((self.$named))?
                }

                /// Reads the event from the values of its line.
                #[inline]
                pub(crate) fn read<V: Values<'a>>(
                    $($named: $Named,)?
                    values: &mut V,
                    $($data: $Data,)?
                ) -> Self {
                    Self {
                        $($field: values.take(Key::$Key),)*
                        $($named: named!(values, $named $(, $NamedKey)?),)?
                        $($data,)?
                        $($extra: Tokens::unknown(values.rest(), Self::KEYS),)?
                    }
                }

                /// Writes the payload.
                pub(crate) fn write(&self, out: &mut Writer<'_>) {
                    $(self.$field.write(Key::$Key, out);)*
                    $($(self.$named.write(Key::$NamedKey, out);)?)?
                    $(self.$extra.iter().for_each(|(key, value)| {
                        out.any_token(key.as_bytes(), value.as_bytes());
                    });)?
                    $(out.put(b"\n").put(self.$data.as_bytes());)?
                }
            }

            /// As a map: the event's type, the fields that have a token or data, and the tokens without a field.
            #[cfg(feature = "serde")]
            impl serde::Serialize for $Struct<'_> {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap;
                    /// The keys of the entries before the tokens without a field.
                    #[allow(dead_code, reason = "one of the payloads has no such tokens")]
                    const ENTRIES: &[&str] = &[
                        "type",
                        $(stringify!($field),)*
                        $($(Key::$NamedKey.name(),)?)?
                        $(stringify!($data),)?
                    ];
                    let mut map = serializer.serialize_map(None)?;
                    map.serialize_entry("type", &self.shape().event_type())?;
                    $(if !self.$field.is_absent() {
                        map.serialize_entry(stringify!($field), &self.$field)?;
                    })*
                    $($(map.serialize_entry(Key::$NamedKey.name(), &self.$named)?;)?)?
                    $(map.serialize_entry(stringify!($data), &self.$data)?;)?
                    $(crate::wire::serialize::tokens(&mut map, self.$extra, ENTRIES)?;)?
                    map.end()
                }
            }
        )*

        /// The keys of all payloads.
        #[allow(dead_code, reason = "used at compile time, which rustc 1.88 does not count")]
        pub(crate) const KEYS: Keys = Keys::NONE$(.union($Struct::KEYS))*;
    };
}

/// The value from the event's name, unless a token overrides it.
macro_rules! named {
    ($values:ident, $named:ident) => {
        $named
    };
    ($values:ident, $named:ident, $Key:ident) => {
        $values.take::<Option<_>>(Key::$Key).unwrap_or($named)
    };
}

table!(make_payloads);
