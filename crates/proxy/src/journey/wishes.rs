//! What a backend wishes for itself in the head of an answer: to be left alone for a while, or to be drained.

use std::time::{Duration, Instant, SystemTime};

use evenkeel_http1::{Known, ResponseHead};

use super::Journey;
use crate::attempt::Attempt;
use crate::exchange::Exchange;
use crate::request::Request;

/// Longest time that a backend's `Retry-After` is heeded.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Longest time that a backend's `X-Evenkeel-Drain` is heeded; it may ask again.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);

impl Journey<'_> {
    /// Notes how long the backend wants to be left alone, if its error says so.
    pub(crate) fn note_rest(&self, request: &Request, exchange: &Exchange) {
        let (response, head) = (&request.heads().response, exchange.input.filled());
        if !request.counts_as_failure(response.status) || !request.route().rule.retry.retry_after {
            return;
        }
        let Some(field) = response.fields.iter().find(|field| field.known == Known::RetryAfter) else {
            return;
        };
        if let (Some(rest), Some(attempt)) = (rest(field.value.of(head)), &request.attempt) {
            self.contact(attempt).rest(request.now + rest.min(LONGEST_REST));
        }
    }
}

/// Notes that the backend asks to be drained, if its final head says so; `head` has the bytes that `response` points into.
#[inline]
pub(crate) fn note_drain(attempt: &Attempt, response: &ResponseHead, head: &[u8], now: Instant) {
    if let Some(how_long) = response.drain.and_then(|value| drain(value.of(head))) {
        attempt.ask_to_drain(how_long, now);
    }
}

/// A `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn rest(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    until.duration_since(SystemTime::now()).ok()
}

/// An `X-Evenkeel-Drain`: digits and nothing else, in seconds.
#[cold]
fn drain(value: &[u8]) -> Option<Duration> {
    let add = |seconds: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    let seconds = value.iter().try_fold(0, add).filter(|_| !value.is_empty())?;
    Some(Duration::from_secs(seconds).min(LONGEST_DRAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_to_be_drained_is_a_number_of_seconds_and_at_most_an_hour() {
        for (value, seconds) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("0030", Some(30)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("", None),
            ("+5", None),
            ("-1", None),
            ("5 ", None),
            ("5s", None),
            ("1.5", None),
            ("5, 5", None),
        ] {
            assert_eq!(drain(value.as_bytes()), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
