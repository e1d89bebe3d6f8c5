//! Times of events as the program logs them.

use serde_json::Value;

/// Seconds since 1970 of an RFC 3339 time in UTC, such as `2026-11-22T21:53:55.123456Z`.
pub(crate) fn seconds(text: &str) -> f64 {
    let digits = |from: usize, to: usize| -> f64 { text[from..to].parse().unwrap() };
    let (year, month, day) = (digits(0, 4), digits(5, 7), digits(8, 10));
    let clock = digits(11, 13) * 3600.0 + digits(14, 16) * 60.0 + digits(17, text.len() - 1);
    days(year as i64, month as i64, day as i64) as f64 * 86_400.0 + clock
}

/// When an event was logged.
pub(crate) fn of(event: &Value) -> f64 {
    seconds(event["timestamp"].as_str().expect("an event has a time"))
}

/// Days since 1970 of a date of the Gregorian calendar, whose year is taken to begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[test]
fn times_are_seconds_since_1970() {
    assert_eq!(seconds("1970-01-01T00:00:00Z"), 0.0);
    assert_eq!(seconds("2024-02-29T12:00:00.5Z"), 1_709_208_000.5);
}
