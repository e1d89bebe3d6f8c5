//! A share of something, as an operator writes it: a whole percentage.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::or_environment;
use super::quantity::whole;
use crate::decode::complaint;
use crate::problem::Code;
use crate::words::quoted;

/// A whole percentage in this range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share<const LEAST: u32 = 0, const MOST: u32 = 100>(pub(crate) u32);

/// The percentages that may be written.
type Range = RangeInclusive<u64>;

/// What to write, where no better guess is at hand.
fn help(range: &Range) -> String {
    format!("write a whole percentage from `{}%` to `{}%`, like `20%`", range.start(), range.end())
}

impl<const LEAST: u32, const MOST: u32> Share<LEAST, MOST> {
    fn range() -> Range {
        LEAST.into()..=MOST.into()
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Share<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST: u32, const MOST: u32>;

        impl<const LEAST: u32, const MOST: u32> Visitor<'_> for Reader<LEAST, MOST> {
            type Value = Share<LEAST, MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a percentage like `20%`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Err(without_sign(value, quoted(&value.to_string()), &Self::Value::range()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Err(out_of_range(&value.to_string(), &Self::Value::range()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Err(fraction(value, &Self::Value::range()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                share(text, &Self::Value::range()).map(Share)
            }
        }
        from.deserialize_any(Reader)
    }
}

fn share<E: Error>(text: &str, range: &Range) -> Result<u32, E> {
    let Some(number) = text.strip_suffix('%') else {
        return Err(match whole(text) {
            Some(value) => without_sign(value, quoted(text), range),
            None => no_share(text, &help(range)),
        });
    };
    match whole(number) {
        Some(percent) if range.contains(&percent) => Ok(percent as u32),
        Some(_) => Err(out_of_range(text, range)),
        None => Err(match number.trim().parse::<f64>() {
            Ok(value) if !value.is_nan() && !is_within(value, range) => out_of_range(text, range),
            Ok(value) if value.fract() == 0.0 => no_share(text, &format!("write `{}%`", value.abs())),
            Ok(_) | Err(_) => no_share(text, &help(range)),
        }),
    }
}

fn is_within(percent: f64, range: &Range) -> bool {
    (*range.start() as f64..=*range.end() as f64).contains(&percent)
}

/// A whole number that does not say of what it is a share.
fn without_sign<E: Error>(value: u64, shown: String, range: &Range) -> E {
    match range.contains(&value) {
        true => {
            complaint(Code::WrongType, format!("{shown} has no percent sign"), format!("write `{value}%`"))
        }
        false => complaint(Code::BadValue, format!("{shown} is out of range"), help(range)),
    }
}

/// `0.2` is taken for a fifth; `1.5` may be that many percent, or that many times the whole.
fn fraction<E: Error>(value: f64, range: &Range) -> E {
    let shown = format!("`{value}`");
    let percent = (value * 100.0).round();
    let is_meant = (value * 100.0 - percent).abs() < 1e-9 && is_within(percent, range);
    match value {
        _ if value < 0.0 => complaint(Code::BadValue, format!("{shown} is out of range"), help(range)),
        _ if value < 1.0 && is_meant => {
            let help = format!("write `{}%`", percent.abs());
            complaint(Code::WrongType, format!("{shown} is a fraction, not a percentage"), help)
        }
        _ => complaint(Code::WrongType, format!("{shown} is not a percentage"), help(range)),
    }
}

fn out_of_range<E: Error>(text: &str, range: &Range) -> E {
    complaint(Code::BadValue, format!("{} is out of range", quoted(text)), help(range))
}

fn no_share<E: Error>(text: &str, help: &str) -> E {
    complaint(Code::WrongType, format!("{} is not a whole percentage", quoted(text)), help)
}

/// A regular expression for the whole numbers of a range, decade by decade.
fn pattern(range: &Range) -> String {
    let decade = |tens: u64| {
        let (first, last) = (range.start().max(&(tens * 10)) % 10, range.end().min(&(tens * 10 + 9)) % 10);
        let tens = if tens == 0 { String::new() } else { tens.to_string() };
        format!("{tens}[{first}-{last}]")
    };
    let decades: Vec<String> = (range.start() / 10..=range.end() / 10).map(decade).collect();
    decades.join("|")
}

impl<const LEAST: u32, const MOST: u32> JsonSchema for Share<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = format!("^0*({})%$", pattern(&Self::range()));
        or_environment(json_schema!({ "type": "string", "pattern": pattern }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_a_part_for_each_decade() {
        assert_eq!(pattern(&(0..=50)), "[0-9]|1[0-9]|2[0-9]|3[0-9]|4[0-9]|5[0-0]");
        assert_eq!(pattern(&(1..=100)).split('|').next_back(), Some("10[0-0]"));
        assert_eq!(pattern(&(3..=4)), "[3-4]");
    }
}
