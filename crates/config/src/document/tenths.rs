//! A number with at most one decimal.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::or_environment;
use crate::decode::complaint;
use crate::problem::Code;

/// A number in this range, in tenths: `1.9` is 19.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenths<const LEAST: u32, const MOST: u32>(pub(crate) u32);

/// A number of tenths, as one would write it.
pub(crate) fn show_tenths(tenths: u32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Tenths<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST: u32, const MOST: u32>;

        impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Reader<LEAST, MOST> {
            type Value = Tenths<LEAST, MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a number from {} to {}", show_tenths(LEAST), show_tenths(MOST))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                self.visit_f64(value as f64)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                self.visit_f64(value as f64)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                let tenths = (value * 10.0).round();
                if !(f64::from(LEAST)..=f64::from(MOST)).contains(&(value * 10.0)) {
                    let help = format!("write a number from {} to {}", show_tenths(LEAST), show_tenths(MOST));
                    return Err(complaint(Code::BadValue, format!("`{value}` is out of range"), help));
                }
                if (value * 10.0 - tenths).abs() > 1e-6 {
                    let help = format!("write `{}`", show_tenths(tenths as u32));
                    return Err(complaint(Code::BadValue, format!("`{value}` is finer than a tenth"), help));
                }
                Ok(Tenths(tenths as u32))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Tenths<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        "Tenths".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (least, most) = (f64::from(LEAST) / 10.0, f64::from(MOST) / 10.0);
        or_environment(json_schema!({ "type": "number", "minimum": least, "maximum": most }))
    }
}
