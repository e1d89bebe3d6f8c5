//! Statuses of answers: one, or a range of them.

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

/// `200`, or `"200-299"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statuses(pub(crate) RangeInclusive<u16>);

/// Statuses that an answer can have.
const RANGE: RangeInclusive<u64> = 100..=599;

/// In order, without gaps between those that touch and without repetition.
pub(crate) fn merged(statuses: &[Statuses]) -> Box<[RangeInclusive<u16>]> {
    let mut sorted: Vec<RangeInclusive<u16>> = statuses.iter().map(|it| it.0.clone()).collect();
    sorted.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u16>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged.into()
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Statuses;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a status like `200`, or a range like `200-299`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Statuses, E> {
                let status = status(value, &value.to_string())?;
                Ok(Statuses(status..=status))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Statuses, E> {
                Err(out_of_range(&value.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Statuses, E> {
                match (whole(text), text.split_once('-')) {
                    (Some(value), _) => self.visit_u64(value),
                    (None, Some((first, last))) => range(text, first.trim(), last.trim()),
                    (None, None) => Err(no_status(text)),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

fn range<E: Error>(text: &str, first: &str, last: &str) -> Result<Statuses, E> {
    let (Some(first), Some(last)) = (whole(first), whole(last)) else { return Err(no_status(text)) };
    let (first, last) = (status(first, text)?, status(last, text)?);
    if first > last {
        let message = format!("{} ends before it begins", quoted(text));
        return Err(complaint(Code::BadValue, message, format!("write `{last}-{first}`")));
    }
    Ok(Statuses(first..=last))
}

fn status<E: Error>(value: u64, text: &str) -> Result<u16, E> {
    if RANGE.contains(&value) { Ok(value as u16) } else { Err(out_of_range(text)) }
}

fn out_of_range<E: Error>(text: &str) -> E {
    let help = format!("write statuses from {} to {}", RANGE.start(), RANGE.end());
    complaint(Code::BadValue, format!("{} is out of range", quoted(text)), help)
}

fn no_status<E: Error>(text: &str) -> E {
    let help = match text.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
            let class = char::from(*class);
            format!("write `{class}00-{class}99`")
        }
        _ => "write a status like `200`, or a range like `200-299`".into(),
    };
    complaint(Code::WrongType, format!("{} is no status", quoted(text)), help)
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(json_schema!({ "anyOf": [
            { "type": "integer", "minimum": RANGE.start(), "maximum": RANGE.end() },
            { "type": "string", "pattern": "^[1-5][0-9][0-9]( *- *[1-5][0-9][0-9])?$" },
        ] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges = [503..=503, 200..=299, 250..=260, 300..=300, 301..=304, 500..=500];
        let statuses: Vec<Statuses> = ranges.into_iter().map(Statuses).collect();
        assert_eq!(&*merged(&statuses), [200..=304, 500..=500, 503..=503]);
        assert!(merged(&[]).is_empty());
    }
}
