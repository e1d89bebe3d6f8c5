//! Moments of the calendar, as people read them.

use std::time::{Duration, SystemTime};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// `2026-03-01T12:00:00Z` (RFC 3339); what is before 1970 is shown as its first second.
pub(crate) fn show_moment(moment: SystemTime) -> String {
    let seconds = since_1970(moment).as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", show_date(moment))
}

/// `2026-03-01`, in UTC.
pub(crate) fn show_date(moment: SystemTime) -> String {
    // The Gregorian calendar repeats after 146,097 days; a year that begins in March has its leap day at its end.
    let days = since_1970(moment).as_secs() / DAY + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `3 days`, `1 day`, `5 hours`; never less than an hour.
pub(crate) fn show_days(length: Duration) -> String {
    let (number, noun) = match length.as_secs() {
        seconds if seconds >= DAY => (seconds / DAY, "day"),
        seconds => ((seconds / 3600).max(1), "hour"),
    };
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn since_1970(moment: SystemTime) -> Duration {
    moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_772_366_400, "2026-03-01T12:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(show_moment(moment), expected);
        }
        assert_eq!(show_days(Duration::from_secs(2 * DAY + 1)), "2 days");
        assert_eq!(show_days(Duration::from_secs(DAY)), "1 day");
        assert_eq!(show_days(Duration::from_secs(7200)), "2 hours");
        assert_eq!(show_days(Duration::ZERO), "1 hour");
    }
}
