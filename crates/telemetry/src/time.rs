//! Wall-clock times as text: RFC 3339, UTC, milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// `2026-11-22T21:17:00.123Z`. Times before 1970 read as 1970.
pub fn rfc3339(at: SystemTime) -> String {
    let mut clock = Clock::default();
    let mut out = Vec::with_capacity(24);
    clock.write(&mut out, at);
    String::from_utf8(out).expect("digits and punctuation only")
}

/// Writes times and remembers the last second, because many entries share one.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: u64,
    /// `2026-11-22T21:17:00`, of `second`; empty before the first use.
    text: Vec<u8>,
}

impl Clock {
    /// Appends `at` to `out`.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if self.text.is_empty() || self.second != since.as_secs() {
            self.second = since.as_secs();
            self.text.clear();
            write_second(&mut self.text, self.second);
        }
        out.extend_from_slice(&self.text);
        out.push(b'.');
        digits(out, u64::from(since.subsec_millis()), 3);
        out.push(b'Z');
    }
}

/// Appends `value` with leading zeros, at least `width` digits.
pub(crate) fn digits(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    for _ in text.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(text);
}

fn write_second(out: &mut Vec<u8>, second: u64) {
    let (year, month, day) = civil(second / SECONDS_PER_DAY);
    let of_day = second % SECONDS_PER_DAY;
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (of_day / 3600, 2, b':'),
        (of_day / 60 % 60, 2, b':'),
    ];
    for (value, width, after) in parts {
        digits(out, value, width);
        out.push(after);
    }
    digits(out, of_day % 60, 2);
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years begin in March, so that the leap day is the last of its year; 719,468 days lie between 0000-03-01 and 1970.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_read_as_the_calendar_says() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_795_382_220_007, "2026-11-22T21:17:00.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_clock_follows_time_in_both_directions() {
        let mut clock = Clock::default();
        let mut out = Vec::new();
        for second in [10, 10, 11, 10] {
            clock.write(&mut out, UNIX_EPOCH + Duration::from_secs(second));
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "1970-01-01T00:00:10.000Z1970-01-01T00:00:10.000Z1970-01-01T00:00:11.000Z1970-01-01T00:00:10.000Z"
        );
    }

    #[test]
    fn times_before_1970_read_as_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(rfc3339(before), "1970-01-01T00:00:00.000Z");
    }
}
