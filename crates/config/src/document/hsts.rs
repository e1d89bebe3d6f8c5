//! How clients are brought to HTTPS, and kept there, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::choice::Switch;
use super::or_environment;
use super::quantity::Period;
use crate::decode::complaint;
use crate::problem::Code;

/// How long browsers may remember: up to ten years, as a policy for a host that never goes back.
type Age = Period<0, { 10 * 365 * 86_400_000 }>;

/// What `Strict-Transport-Security` says (RFC 6797).
#[derive(Debug, Default)]
pub(crate) struct HstsDocument {
    pub(crate) max_age: Option<Age>,
    pub(crate) include_subdomains: Option<Switch<bool>>,
    pub(crate) preload: Option<Switch<bool>>,
}

/// More than that it is sent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "`true`, or a map with `max_age`")]
struct Full {
    /// How long a browser remembers, in whole seconds; 0s makes it forget. At most 3650d. Default: 365d.
    max_age: Option<Age>,
    /// Whether it holds for every name below, too. Default: false.
    include_subdomains: Option<Switch<bool>>,
    /// Whether browsers may ship with it; their lists want `include_subdomains` and at least 365d. Default: false.
    preload: Option<Switch<bool>>,
}

/// Where HTTPS is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HttpsPort(pub(crate) u16);

impl<'de> Deserialize<'de> for HstsDocument {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = HstsDocument;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("`true`, or a map with `max_age`")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<HstsDocument, E> {
                match value {
                    true => Ok(HstsDocument::default()),
                    false => Err(E::invalid_value(Unexpected::Bool(value), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<HstsDocument, A::Error> {
                let full = Full::deserialize(MapAccessDeserializer::new(entries))?;
                let Full { max_age, include_subdomains, preload } = full;
                Ok(HstsDocument { max_age, include_subdomains, preload })
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for HstsDocument {
    fn schema_name() -> Cow<'static, str> {
        "HstsDocument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<Full>();
        json_schema!({ "anyOf": [{ "const": true }, full] })
    }
}

impl<'de> Deserialize<'de> for HttpsPort {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = HttpsPort;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("`true`, or a port from 1 to 65535")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<HttpsPort, E> {
                match value {
                    true => Ok(HttpsPort(443)),
                    false => Err(E::invalid_value(Unexpected::Bool(value), &self)),
                }
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<HttpsPort, E> {
                match u16::try_from(value) {
                    Ok(port) if port > 0 => Ok(HttpsPort(port)),
                    _ => {
                        let help = "write `true` for port 443, or a port from 1 to 65535";
                        Err(complaint(Code::BadValue, format!("`{value}` is no port"), help))
                    }
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for HttpsPort {
    fn schema_name() -> Cow<'static, str> {
        "HttpsPort".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(
            json_schema!({ "anyOf": [{ "const": true }, { "type": "integer", "minimum": 1, "maximum": 65_535 }] }),
        )
    }
}
