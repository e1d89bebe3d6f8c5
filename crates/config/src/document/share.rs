//! A share of something, as an operator writes it: a whole percentage.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::or_environment;
use super::quantity::whole;
use crate::decode::complaint;
use crate::problem::Code;
use crate::words::quoted;

/// A percentage from `0%` to `100%`, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) u32);

/// What to write, where no better guess is at hand.
const HELP: &str = "write a whole percentage from `0%` to `100%`, like `20%`";

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Share;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a percentage like `20%`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Share, E> {
                Err(without_sign(value, &format!("`{value}`")))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Share, E> {
                Err(complaint(Code::BadValue, format!("`{value}` is out of range"), HELP))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Share, E> {
                Err(fraction(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Share, E> {
                share(text)
            }
        }
        from.deserialize_any(Reader)
    }
}

fn share<E: Error>(text: &str) -> Result<Share, E> {
    let Some(number) = text.strip_suffix('%') else {
        return Err(match whole(text) {
            Some(value) => without_sign(value, &quoted(text)),
            None => no_share(text, HELP),
        });
    };
    match whole(number) {
        Some(percent @ 0..=100) => Ok(Share(percent as u32)),
        Some(_) => Err(out_of_range(text)),
        None => Err(match number.trim().parse::<f64>() {
            Ok(value) if !value.is_nan() && !(0.0..=100.0).contains(&value) => out_of_range(text),
            Ok(value) if value.fract() == 0.0 => no_share(text, &format!("write `{}%`", value.abs())),
            Ok(_) | Err(_) => no_share(text, HELP),
        }),
    }
}

/// A whole number that does not say of what it is a share.
fn without_sign<E: Error>(value: u64, shown: &str) -> E {
    match value {
        0..=100 => {
            complaint(Code::WrongType, format!("{shown} has no percent sign"), format!("write `{value}%`"))
        }
        _ => complaint(Code::BadValue, format!("{shown} is out of range"), HELP),
    }
}

/// `0.2` is taken for a fifth; `1.5` may be that many percent, or that many times the whole.
fn fraction<E: Error>(value: f64) -> E {
    let shown = format!("`{value}`");
    let percent = (value * 100.0).round();
    let is_whole = (value * 100.0 - percent).abs() < 1e-9;
    match value {
        _ if value < 0.0 => complaint(Code::BadValue, format!("{shown} is out of range"), HELP),
        _ if value < 1.0 && is_whole => {
            let help = format!("write `{}%`", percent.abs());
            complaint(Code::WrongType, format!("{shown} is a fraction, not a percentage"), help)
        }
        _ => complaint(Code::WrongType, format!("{shown} is not a percentage"), HELP),
    }
}

fn out_of_range<E: Error>(text: &str) -> E {
    complaint(Code::BadValue, format!("{} is out of range", quoted(text)), HELP)
}

fn no_share<E: Error>(text: &str, help: &str) -> E {
    complaint(Code::WrongType, format!("{} is not a whole percentage", quoted(text)), help)
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(json_schema!({ "type": "string", "pattern": "^0*(100|[0-9]?[0-9])%$" }))
    }
}
