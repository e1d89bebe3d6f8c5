//! Values that are one of several things: `off` or a value, a word of a list.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{
    BoolDeserializer, F64Deserializer, I64Deserializer, MapAccessDeserializer, SeqAccessDeserializer,
    StrDeserializer, U64Deserializer,
};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::{one_of, or_environment};
use crate::decode::complaint;
use crate::problem::Code;
use crate::words::{did_you_mean, listed, quoted};

/// `off` (or `false`), or a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Switch<T> {
    /// Turned off.
    Off,
    /// With this value.
    On(T),
}

impl<T> Switch<T> {
    /// The value; nothing if it is off.
    pub(crate) fn on(self) -> Option<T> {
        match self {
            Switch::Off => None,
            Switch::On(value) => Some(value),
        }
    }

    /// The same, of a reference.
    pub(crate) fn as_ref(&self) -> Switch<&T> {
        match self {
            Switch::Off => Switch::Off,
            Switch::On(value) => Switch::On(value),
        }
    }
}

/// `auto`, or how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Workers {
    /// One per core.
    Auto,
    /// So many.
    Fixed(usize),
}

/// Most worker threads.
pub(crate) const MOST_WORKERS: u64 = 256;

/// Words of which one may be written, and those that will be.
pub(crate) trait Words: Sized + 'static {
    /// The words, and what they mean.
    const KNOWN: &'static [(&'static str, Self)];
    /// Words that are planned.
    const LATER: &'static [&'static str];
}

/// One of the words of `T`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de, T: Words + Copy> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: Words + Copy> Visitor<'_> for Reader<T> {
            type Value = Word<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "one of {}", listed(T::KNOWN.iter().map(|(word, _)| *word)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let words = || T::KNOWN.iter().map(|(word, _)| *word);
                if let Some((_, value)) = T::KNOWN.iter().find(|(word, _)| *word == text) {
                    return Ok(Word(*value));
                }
                let valid = format!("valid here: {}", listed(words()));
                if T::LATER.contains(&text) {
                    return Err(complaint(
                        Code::NotYet,
                        format!("{} does not work yet", quoted(text)),
                        valid,
                    ));
                }
                let help = format!("{}{valid}", did_you_mean(text, words()));
                Err(complaint(Code::BadValue, format!("unknown value {}", quoted(text)), help))
            }
        }
        from.deserialize_any(Reader(PhantomData))
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(T::KNOWN.iter().map(|(word, _)| *word))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SwitchReader(PhantomData))
    }
}

struct SwitchReader<T>(PhantomData<T>);

impl<T> SwitchReader<T> {
    fn pass<'de, D: Deserializer<'de>>(from: D) -> Result<Switch<T>, D::Error>
    where
        T: Deserialize<'de>,
    {
        T::deserialize(from).map(Switch::On)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for SwitchReader<T> {
    type Value = Switch<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("`off` or a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Self::pass(BoolDeserializer::new(true)) } else { Ok(Switch::Off) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "off" { Ok(Switch::Off) } else { Self::pass(StrDeserializer::new(text)) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Self::pass(U64Deserializer::new(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Self::pass(I64Deserializer::new(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Self::pass(F64Deserializer::new(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Self::pass(().into_deserializer())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Self::pass(SeqAccessDeserializer::new(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        Self::pass(MapAccessDeserializer::new(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Switch<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("SwitchOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let on = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "enum": ["off", false] }, on] })
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Workers;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "`auto` or a number from 1 to {MOST_WORKERS}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Workers, E> {
                match text {
                    "auto" => Ok(Workers::Auto),
                    _ => Err(out_of_range(quoted(text))),
                }
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Workers, E> {
                match usize::try_from(value) {
                    Ok(count) if (1..=MOST_WORKERS).contains(&value) => Ok(Workers::Fixed(count)),
                    _ => Err(out_of_range(format!("`{value}`"))),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

fn out_of_range<E: Error>(found: String) -> E {
    let help = format!("write `auto`, or a number from 1 to {MOST_WORKERS}");
    complaint(Code::BadValue, format!("{found} is no number of workers"), help)
}

impl JsonSchema for Workers {
    fn schema_name() -> Cow<'static, str> {
        "Workers".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(json_schema!({
            "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": MOST_WORKERS }]
        }))
    }
}
