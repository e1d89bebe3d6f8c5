//! `X-Evenkeel-Drain`: a backend asks to be drained.

use std::time::Duration;

use evenkeel_http1::Field;

const NAME: &[u8] = b"x-evenkeel-drain";

/// Longest time that a backend may ask for, in seconds.
const LONGEST: u64 = 3600;

/// For how long the head asks, if it does. One that is malformed, or repeated, asks nothing.
pub(super) fn asked(fields: &[Field], head: &[u8]) -> Option<Duration> {
    let mut values = fields.iter().filter(|field| field.name.of(head).eq_ignore_ascii_case(NAME));
    let value = values.next()?.value.of(head);
    if value.is_empty() || values.next().is_some() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds =
        value.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Duration::from_secs(seconds.min(LONGEST)))
}
