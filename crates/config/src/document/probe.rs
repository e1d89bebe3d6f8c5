//! Active checks, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::Wait;
use super::choice::Switch;
use super::name::{BackendAddress, Text};
use super::probe_text::{FieldValue, HostValue, Method, ProbePath, Wanted};
use super::quantity::Whole;
use super::share::Share;
use super::status::Statuses;

/// Active checks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `path` or `tcp`, or `off`")]
pub(crate) struct ProbeDocument {
    /// What an HTTP request asks for; its answer decides. Either this or `tcp` is required.
    pub(crate) path: Option<Text<ProbePath>>,
    /// `true`: a connection that is made passes. A map sends bytes over it, or wants some back.
    pub(crate) tcp: Option<Switch<TcpDocument>>,
    /// Method of the request. Default: GET.
    pub(crate) method: Option<Text<Method>>,
    /// The `Host` field of the request. Default: the backend's address as written; `localhost` for a Unix socket.
    pub(crate) host: Option<Text<HostValue>>,
    /// Further fields of the request, by name. Default: none.
    pub(crate) headers: Option<Fields>,
    /// Statuses that pass, each a number or a range like `200-299`, from 100 to 599. Default: [200-399].
    pub(crate) statuses: Option<Vec<Statuses>>,
    /// Statuses by which the backend asks to be drained, as long as it answers so. Default: none.
    pub(crate) drain_statuses: Option<Vec<Statuses>>,
    /// A text of at most 4096 bytes that has to stand in the first 64KiB of the body. Default: none.
    pub(crate) body: Option<Text<Wanted>>,
    /// Another port of the same host, from 1 to 65535. Default: the backend's own.
    pub(crate) port: Option<Whole<1, 65_535>>,
    /// Another address, for every backend of the pool. Default: the backend's own.
    pub(crate) address: Option<Text<BackendAddress>>,
    /// Whether it goes over TLS where requests do; `off` probes in cleartext. Default: true.
    pub(crate) tls: Option<Switch<bool>>,
    /// Between the starts of two probes of a backend. Default: 2s.
    pub(crate) interval: Option<Wait>,
    /// The same while the last result contradicts the backend's standing; at most the interval. Default: a quarter of the interval, and at least 50ms.
    pub(crate) fast_interval: Option<Wait>,
    /// By how much of it an interval is longer or shorter, at random. From 0% to 50%. Default: 10%.
    pub(crate) jitter: Option<Share<0, 50>>,
    /// For the whole answer; at most the interval. Default: 1s.
    pub(crate) timeout: Option<Wait>,
    /// Failures in a row that eject. From 1 to 100. Default: 3.
    pub(crate) fall: Option<Whole<1, 100>>,
    /// Successes in a row that re-admit. From 1 to 100. Default: 2.
    pub(crate) rise: Option<Whole<1, 100>>,
}

/// A connection, and perhaps a few bytes.
#[derive(Debug, Default)]
pub(crate) struct TcpDocument {
    pub(crate) send: Option<Text<Wanted>>,
    pub(crate) expect: Option<Text<Wanted>>,
}

/// A connection with more than that it stands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "`true`, or a map with `send` or `expect`")]
struct Talk {
    /// What is sent once the connection stands, at most 4096 bytes. Default: nothing.
    send: Option<Text<Wanted>>,
    /// What the reply has to begin with, at most 4096 bytes. Default: nothing.
    expect: Option<Text<Wanted>>,
}

/// Fields of a request, in the order of the file.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) Vec<(String, Text<FieldValue>)>);

impl<'de> Deserialize<'de> for TcpDocument {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = TcpDocument;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("`true`, or a map with `send` or `expect`")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<TcpDocument, E> {
                match value {
                    true => Ok(TcpDocument::default()),
                    false => Err(E::invalid_value(Unexpected::Bool(value), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<TcpDocument, A::Error> {
                let Talk { send, expect } = Talk::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(TcpDocument { send, expect })
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for TcpDocument {
    fn schema_name() -> Cow<'static, str> {
        "TcpDocument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let talk = generator.subschema_for::<Talk>();
        json_schema!({ "anyOf": [{ "const": true }, talk] })
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map from names of fields to their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Reader)
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}
