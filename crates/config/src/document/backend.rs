//! A backend as written: its address alone, or a map with more.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::choice::{Word, Words};
use super::name::{Name, Text};
use super::quantity::Whole;
use super::scheme::SchemedAddress;
use crate::plan::Resolve;

/// Where requests go.
#[derive(Debug)]
pub(crate) struct BackendDocument {
    pub(crate) name: Option<Text<Name>>,
    pub(crate) address: SchemedAddress,
    pub(crate) weight: Option<Whole<1, 1000>>,
    pub(crate) resolve: Option<Word<Resolve>>,
}

/// A backend with more than its address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an address, or a map with `address`")]
struct Full {
    /// What operators call it, in logs and metrics; unique in its pool. Default: its address.
    name: Option<Text<Name>>,
    /// `host:port`, `ip:port`, `[ipv6]:port` or `unix:/path`; over TLS with `https://` before it, whose port is 443 unless one is written. Required.
    address: Text<SchemedAddress>,
    /// Share of requests, beside the others' weights. From 1 to 1000. Default: 1.
    weight: Option<Whole<1, 1000>>,
    /// What the addresses of its name are: `once`, ways to one backend; `each`, a backend each. Default: the pool's.
    resolve: Option<Word<Resolve>>,
}

impl Words for Resolve {
    const KNOWN: &'static [(&'static str, Self)] = &[("once", Resolve::Once), ("each", Resolve::Each)];
    const LATER: &'static [&'static str] = &[];
}

impl<'de> Deserialize<'de> for BackendDocument {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = BackendDocument;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an address like `10.0.0.5:8000`, or a map with `address`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BackendDocument, E> {
                let Text(address) = Text::deserialize(StrDeserializer::new(text))?;
                Ok(BackendDocument { name: None, address, weight: None, resolve: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<BackendDocument, A::Error> {
                let full = Full::deserialize(MapAccessDeserializer::new(entries))?;
                let Full { name, address: Text(address), weight, resolve } = full;
                Ok(BackendDocument { name, address, weight, resolve })
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for BackendDocument {
    fn schema_name() -> Cow<'static, str> {
        "BackendDocument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<Full>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, full] })
    }
}
