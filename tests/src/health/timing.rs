//! How long a product took to take a backend out and to bring it back: from what it said, and from what the backend saw.

use std::time::Duration;

/// A backend that is served gets a request every 15 ms; one that got none for so long is served no more.
const SILENCE: Duration = Duration::from_millis(500);

/// A stretch of time after the begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Span {
    /// What both have in common; empty or less if nothing.
    pub(crate) fn overlap(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// A product changed its mind about a backend, or said so for the first time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) backend: usize,
    pub(crate) is_in: bool,
}

/// How long something took. In order: the longest is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// So long.
    Took(Duration),
    /// It did not happen.
    Never,
    /// There was nothing to happen.
    Moot,
}

/// The times of one outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Timing {
    /// From the fault's begin until the product said that the backend is out.
    pub(crate) out: Time,
    /// From the fault's begin to the last request that the backend received before it received none for a while.
    pub(crate) last_request: Time,
    /// From the mend until the product said that it is in.
    pub(crate) back: Time,
    /// From the mend to the first request that the backend received.
    pub(crate) first_request: Time,
}

impl Timing {
    /// Reads the times of an outage: of what was said about the backend, in order, and when the requests were due that it
    /// received, in any order.
    pub(crate) fn of(span: Span, said: &[Change], received: &[Duration]) -> Timing {
        let mut received = received.to_vec();
        received.sort();
        let out = out(span, said);
        let was_out = matches!(out, Time::Took(_));
        Timing {
            out,
            last_request: last_request(span, &received),
            back: if was_out { back(span, said) } else { Time::Moot },
            first_request: if was_out { first_request(span, &received) } else { Time::Moot },
        }
    }
}

/// The middle one, the earlier of two; what was moot does not count.
pub(crate) fn median(times: impl IntoIterator<Item = Time>) -> Time {
    let mut times: Vec<_> = times.into_iter().filter(|time| *time != Time::Moot).collect();
    times.sort();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or(Time::Moot)
}

fn is_in(said: &[Change], at: Duration) -> bool {
    said.iter().rev().find(|change| change.at <= at).is_none_or(|change| change.is_in)
}

fn out(span: Span, said: &[Change]) -> Time {
    if !is_in(said, span.from) {
        return Time::Took(Duration::ZERO);
    }
    let within = |change: &&Change| change.at >= span.from && change.at < span.to && !change.is_in;
    said.iter().find(within).map_or(Time::Never, |change| Time::Took(change.at - span.from))
}

fn back(span: Span, said: &[Change]) -> Time {
    if is_in(said, span.to) {
        return Time::Took(Duration::ZERO);
    }
    let after = |change: &&Change| change.at >= span.to && change.is_in;
    said.iter().find(after).map_or(Time::Never, |change| Time::Took(change.at - span.to))
}

fn last_request(span: Span, received: &[Duration]) -> Time {
    let mut last = None;
    for at in received.iter().copied().filter(|at| (span.from..span.to).contains(at)) {
        if at - last.unwrap_or(span.from) > SILENCE {
            break;
        }
        last = Some(at);
    }
    match last {
        None => Time::Moot,
        Some(at) if span.to - at <= SILENCE => Time::Never,
        Some(at) => Time::Took(at - span.from),
    }
}

fn first_request(span: Span, received: &[Duration]) -> Time {
    let first = received.iter().find(|at| **at >= span.to);
    first.map_or(Time::Never, |at| Time::Took(*at - span.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { from: Duration::from_secs(2), to: Duration::from_secs(6) };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn took(milliseconds: u64) -> Time {
        Time::Took(ms(milliseconds))
    }

    fn said(changes: &[(u64, bool)]) -> Vec<Change> {
        changes.iter().map(|(at, is_in)| Change { at: ms(*at), backend: 0, is_in: *is_in }).collect()
    }

    #[test]
    fn times_are_counted_from_the_fault_and_from_the_mend() {
        let said = said(&[(0, true), (2700, false), (6900, true)]);
        let timing = Timing::of(SPAN, &said, &[ms(7000), ms(1990), ms(2010), ms(2400), ms(6950)]);
        let expected =
            Timing { out: took(700), last_request: took(400), back: took(900), first_request: took(950) };
        assert_eq!(timing, expected);
    }

    #[test]
    fn a_backend_that_stays_in_service_was_never_out_and_has_nothing_to_return_from() {
        let received: Vec<_> = (0..80).map(|index| ms(index * 100)).collect();
        let timing = Timing::of(SPAN, &said(&[(0, true), (6100, false), (6500, true)]), &received);
        let expected = Timing {
            out: Time::Never,
            last_request: Time::Never,
            back: Time::Moot,
            first_request: Time::Moot,
        };
        assert_eq!(timing, expected);
    }

    #[test]
    fn one_that_does_not_come_back_never_does() {
        let timing = Timing::of(SPAN, &said(&[(0, true), (2700, false)]), &[ms(2400)]);
        assert_eq!((timing.back, timing.first_request), (Time::Never, Time::Never));
    }

    #[test]
    fn one_that_was_back_before_the_mend_took_no_time() {
        let timing = Timing::of(SPAN, &said(&[(0, true), (2700, false), (4000, true)]), &[]);
        assert_eq!((timing.back, timing.last_request), (took(0), Time::Moot));
    }

    #[test]
    fn requests_after_a_silence_are_not_the_last_ones() {
        // A trial, long after.
        let timing = Timing::of(SPAN, &said(&[(0, true), (2100, false)]), &[ms(2050), ms(4000)]);
        assert_eq!(timing.last_request, took(50));
        // A hung backend has received what waited for it to go on.
        assert_eq!(Timing::of(SPAN, &[], &[ms(3000)]).last_request, Time::Moot);
    }

    #[test]
    fn never_is_longer_than_anything_and_moot_is_no_time() {
        assert_eq!(median([Time::Never, took(3), took(1)]), took(3));
        assert_eq!(median([Time::Never, Time::Never, took(1)]), Time::Never);
        assert_eq!(median([Time::Moot, took(2), Time::Moot, took(1)]), took(1));
        assert_eq!(median([Time::Moot]), Time::Moot);
        assert_eq!(median([]), Time::Moot);
    }
}
