//! Durations, shares and counts as an operator writes them, each within bounds.

use std::fmt;
use std::time::Duration;

use super::mistake::Mistake;

/// Units of a duration, the longest first, each in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Of this many, how many a rate hits.
const WHOLE: u32 = 1_000_000;

/// A share of requests, above 0 and at most all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(u32);

impl Rate {
    /// Every request.
    pub(crate) const ALL: Rate = Rate(WHOLE);

    /// Reads `10%` or `0.5%`; `%25`, as a URL has it, is a percent sign too.
    pub(crate) fn parse(text: &str) -> Result<Rate, Mistake> {
        let number = text.strip_suffix("%25").or_else(|| text.strip_suffix('%'));
        let percent = number.filter(|number| number.starts_with(|first: char| first.is_ascii_digit()));
        let percent: Option<f64> = percent.and_then(|number| number.parse().ok());
        percent
            .map(|percent| percent * f64::from(WHOLE) / 100.0)
            .filter(|hits| (1.0..=f64::from(WHOLE)).contains(hits))
            .map(|hits| Rate(hits as u32))
            .ok_or_else(|| Mistake(format!("`{text}` is no rate; expected a share such as 10%, up to 100%")))
    }

    /// Whether a random number is among those that are hit.
    pub(crate) fn hits(self, random: u64) -> bool {
        random % u64::from(WHOLE) < u64::from(self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", f64::from(self.0) * 100.0 / f64::from(WHOLE))
    }
}

/// Reads `10s`, `500ms` or `1m30s`, from nothing to `longest`.
pub(crate) fn duration(text: &str, longest: Duration) -> Result<Duration, Mistake> {
    let read = milliseconds(text).map(Duration::from_millis);
    let read = read.ok_or_else(|| {
        Mistake(format!("`{text}` is no duration; expected a number and a unit, such as 500ms, 10s or 2m"))
    })?;
    match read <= longest {
        true => Ok(read),
        false => Err(Mistake(format!("`{text}` is too long; at most {longest:?}"))),
    }
}

/// Reads a whole number in this range.
pub(crate) fn whole(text: &str, least: u32, most: u32) -> Result<u32, Mistake> {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number));
    number.ok_or_else(|| Mistake(format!("expected a number from {least} to {most}, not `{text}`")))
}

fn milliseconds(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let end = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let length = UNITS.iter().find(|known| known.0 == unit)?.1;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(length)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_an_end() {
        let longest = Duration::from_secs(100);
        for (text, milliseconds) in [("500ms", 500), ("10s", 10_000), ("1m30s", 90_000), ("0s", 0)] {
            assert_eq!(duration(text, longest), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "10", "s", "10x", "-1s", "1.5s", "101s", "99999999999999999999s", "9999999999999999h"]
        {
            assert!(duration(text, longest).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_share_of_a_hundred() {
        for (text, shown) in [("10%", "10%"), ("0.5%", "0.5%"), ("100%", "100%"), ("10%25", "10%")] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "%", "10", "0%", "101%", "-1%", "x%", "nan%", "inf%", "1e9%"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_hits_its_share() {
        let rate = Rate::parse("25%").unwrap();
        let hits = (0..1_000_000).filter(|random| rate.hits(*random)).count();
        assert_eq!(hits, 250_000);
        assert!(Rate::ALL.hits(u64::MAX));
    }

    #[test]
    fn a_count_is_digits_within_its_range() {
        assert_eq!(whole("7", 1, 9), Ok(7));
        for text in ["", "0", "10", "+7", "7 ", "seven"] {
            assert!(whole(text, 1, 9).is_err(), "{text}");
        }
    }
}
