//! Numbers with a unit and a range: durations, sizes and counts, as an operator writes them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::or_environment;
use crate::decode::complaint;
use crate::problem::Code;
use crate::words::{quoted, shortened};

/// A duration of at least and at most so many milliseconds: `500ms`, `2s`, `1m30s`, `1h`, `365d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period<const LEAST_MS: u64, const MOST_MS: u64 = LONGEST_MS>(pub(crate) Duration);

/// A size in bytes, in this range: `64KiB`, `1MiB`, `1GiB`, `512B`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes<const LEAST: u64, const MOST: u64>(pub(crate) u64);

/// A whole number in this range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>(pub(crate) u64);

/// The longest duration, in milliseconds: a year; far below what a clock can add.
const LONGEST_MS: u64 = 365 * 24 * 3_600_000;

/// Units of a duration, the longest first, each in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of a size, the largest first, each in bytes.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The shortest way to write a duration.
pub(crate) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut shown = String::new();
    for (unit, length) in DURATION_UNITS {
        if rest >= length {
            shown.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if shown.is_empty() { "0s".into() } else { shown }
}

/// The shortest way to write a size.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let fitting = SIZE_UNITS.into_iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
    let (unit, size) = fitting.unwrap_or(("B", 1));
    format!("{}{unit}", bytes / size)
}

/// Milliseconds of `1m30s`: numbers with units, the longest unit first, none twice.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut longest = u64::MAX;
    while !rest.is_empty() {
        let (number, unit, tail) = first_number(rest)?;
        let (_, length) = DURATION_UNITS.into_iter().find(|(name, _)| *name == unit)?;
        if length >= longest {
            return None;
        }
        longest = length;
        total = total.saturating_add(number.saturating_mul(length));
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Splits `1m30s` into 1, `m` and `30s`.
fn first_number(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit);
    Some((whole(number)?, unit, rest))
}

/// Digits alone; too many of them are the largest number.
pub(super) fn whole(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn byte_count(text: &str) -> Option<u64> {
    let (number, unit, rest) = first_number(text)?;
    let (_, size) = SIZE_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    rest.is_empty().then(|| number.saturating_mul(size))
}

impl<'de, const LEAST_MS: u64, const MOST_MS: u64> Deserialize<'de> for Period<LEAST_MS, MOST_MS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST_MS: u64, const MOST_MS: u64>;

        impl<const LEAST_MS: u64, const MOST_MS: u64> Visitor<'_> for Reader<LEAST_MS, MOST_MS> {
            type Value = Period<LEAST_MS, MOST_MS>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a duration like `2s`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                let message = format!("`{value}` has no unit");
                Err(complaint(Code::WrongType, message, format!("write `{value}s` or `{value}ms`")))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                period(text)
            }
        }
        from.deserialize_any(Reader)
    }
}

fn period<E: Error, const LEAST_MS: u64, const MOST_MS: u64>(
    text: &str,
) -> Result<Period<LEAST_MS, MOST_MS>, E> {
    let Some(total) = milliseconds(text) else {
        let message = format!("{} is not a duration", quoted(text));
        let help = "write whole numbers with `ms`, `s`, `m`, `h` or `d`, like `500ms`, `2s` or `1m30s`";
        return Err(complaint(Code::WrongType, message, help));
    };
    if total < LEAST_MS {
        let message = format!("{} is too short", quoted(text));
        return Err(complaint(Code::BadValue, message, format!("write at least `{}`", millis(LEAST_MS))));
    }
    if total > MOST_MS {
        let message = format!("{} is too long", quoted(text));
        return Err(complaint(Code::BadValue, message, format!("write at most `{}`", millis(MOST_MS))));
    }
    Ok(Period(Duration::from_millis(total)))
}

fn millis(milliseconds: u64) -> String {
    show_duration(Duration::from_millis(milliseconds))
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Bytes<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST: u64, const MOST: u64>;

        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Reader<LEAST, MOST> {
            type Value = Bytes<LEAST, MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a size like `64KiB`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                if (LEAST..=MOST).contains(&value) {
                    return Ok(Bytes(value));
                }
                let message = format!("`{}` is out of range", show_bytes(value));
                let help = format!("write a size from `{}` to `{}`", show_bytes(LEAST), show_bytes(MOST));
                Err(complaint(Code::BadValue, message, help))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match byte_count(text) {
                    Some(value) => self.visit_u64(value),
                    None => Err(no_size(text)),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

fn no_size<E: Error>(text: &str) -> E {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "k" | "kb" | "ki" | "kib" => "KiB",
        "m" | "mb" | "mi" | "mib" => "MiB",
        "g" | "gb" | "gi" | "gib" => "GiB",
        _ => "",
    };
    let help = match whole(digits.trim_end()) {
        Some(_) if !unit.is_empty() => format!("write `{}{unit}`", shortened(digits.trim_end())),
        _ => "write a whole number with `B`, `KiB`, `MiB` or `GiB`, like `64KiB`".into(),
    };
    complaint(Code::WrongType, format!("{} is not a size", quoted(text)), help)
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const LEAST: u64, const MOST: u64>;

        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Reader<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                if (LEAST..=MOST).contains(&value) {
                    return Ok(Whole(value));
                }
                let help = format!("write a number from {LEAST} to {MOST}");
                Err(complaint(Code::BadValue, format!("`{value}` is out of range"), help))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                let help = format!("write a number from {LEAST} to {MOST}");
                Err(complaint(Code::BadValue, format!("`{value}` is out of range"), help))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<const LEAST_MS: u64, const MOST_MS: u64> JsonSchema for Period<LEAST_MS, MOST_MS> {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(
            json_schema!({ "type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2 }),
        )
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for Bytes<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" },
            { "type": "integer", "minimum": LEAST, "maximum": MOST },
        ] }))
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for Whole<LEAST, MOST> {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_environment(json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units_the_longest_first() {
        for (text, expected) in [
            ("500ms", Some(500)),
            ("2s", Some(2_000)),
            ("1m", Some(60_000)),
            ("1h", Some(3_600_000)),
            ("1d12h", Some(129_600_000)),
            ("1m30s", Some(90_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("0s", Some(0)),
            ("99999999999999999999h", Some(u64::MAX)),
            ("", None),
            ("2", None),
            ("s", None),
            ("1.5s", None),
            ("30s1m", None),
            ("1s1s", None),
            ("2 s", None),
            ("-1s", None),
            ("2S", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_a_number_with_a_binary_unit() {
        for (text, expected) in [
            ("256B", Some(256)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1 << 20)),
            ("1GiB", Some(1 << 30)),
            ("64k", None),
            ("64KB", None),
            ("KiB", None),
            ("64", None),
            ("1MiB1KiB", None),
        ] {
            assert_eq!(byte_count(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_what_one_would_write() {
        for text in ["0s", "500ms", "2s", "1m30s", "1h", "1d", "365d"] {
            assert_eq!(millis(milliseconds(text).unwrap()), text);
        }
        for text in ["0B", "100B", "64KiB", "1MiB", "1GiB"] {
            assert_eq!(show_bytes(byte_count(text).unwrap()), text);
        }
    }
}
